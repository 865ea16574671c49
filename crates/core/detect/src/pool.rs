//! Pools of servers, of the edge and of other load balancers: who serves, since when and why not; what is remembered of
//! them; and the layer that starves idle capacity.
//!
//! | module | holds |
//! |---|---|
//! | `words` | servers in words, bounded |
//! | `peak` | the most that served together in the last days |
//! | `memory` | what is remembered of the members between two looks |
//! | `starved` | the walk from an idle resource to the first layer above it that is short |

pub(crate) mod memory;
pub(crate) mod peak;
pub(crate) mod starved;
pub(crate) mod words;

/// Whether fewer than half of the servers that should serve do.
pub(crate) fn is_shrunken(serving: u32, expected: u32) -> bool {
    serving.saturating_mul(2) < expected
}
