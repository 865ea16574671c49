//! The phases of a request, one file each, in the order in which [`crate::request`] runs them.

pub(crate) mod accept;
pub(crate) mod admit;
pub(crate) mod cache;
pub(crate) mod forward;
pub(crate) mod idempotency;
pub(crate) mod identify;
pub(crate) mod offline;
pub(crate) mod parse;
pub(crate) mod record;
pub(crate) mod respond;
