//! The DNS protocol as a client: one query to one server, and reading of the reply. RFC 1035, RFC 6891.
//!
//! | module | has |
//! |---|---|
//! | `wire` | a query over UDP, over TCP when the reply is truncated |
//! | `records` | addresses, aliases and delegations in a reply |

pub(crate) mod records;
pub(crate) mod wire;
