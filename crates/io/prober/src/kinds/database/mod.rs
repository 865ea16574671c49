//! What the kinds of databases have in common.
//!
//! | module | holds |
//! |---|---|
//! | `url` | the URL of a node, and reasons why it cannot be used |
//! | `encrypt` | how strictly TLS is required |
//! | `statement` | statements without their literals |
//! | `sessions` | which sessions are named |
//! | `chains` | who waits for whom |

pub(super) mod chains;
pub(super) mod encrypt;
pub(super) mod sessions;
pub(super) mod statement;
pub(crate) mod url;

use std::time::Duration;

/// A connection whose user may not read something is opened again after this time: servers and mainstay read rights at the
/// login, and who grants what mainstay lacks restarts nothing.
pub(super) const RIGHTS_AGAIN: Duration = Duration::from_secs(300);
