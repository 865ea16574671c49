//! The response cache: what is stored, for how long, and who fetches it.
//!
//! A shared cache by RFC 9111. Whether and for how long a response may be stored is decided by the crate
//! `http-cache-semantics`; the crate `quick_cache` bounds the memory. Here is what neither has: stale responses (RFC
//! 5861), one fetch for concurrent requests, purges. See `docs/decisions/response-cache.md`.
//!
//! | module | holds |
//! |---|---|
//! | `store` | all responses of the edge, bounded by bytes; purges |
//! | `entry` | one stored response: its age, and whether it may be served stale |
//! | `storable` | whether a response may be stored, and its terms |
//! | `directives` | `Cache-Control` as a table |
//! | `variant` | the request headers that select among the responses of one URL |
//! | `validators` | conditional requests, in both directions |
//! | `flight` | one fetch that concurrent requests share |
//! | `fetch` | what is done with a request that goes to a server |
//! | `recording` | a body that is stored while it is sent |
//! | `status` | the field `Cache-Status` |

pub(crate) mod directives;
pub(crate) mod entry;
pub(crate) mod fetch;
pub(crate) mod flight;
pub(crate) mod recording;
pub(crate) mod status;
pub(crate) mod storable;
pub(crate) mod store;
pub(crate) mod validators;
pub(crate) mod variant;
