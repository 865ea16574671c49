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
