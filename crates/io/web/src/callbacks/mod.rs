//! Links in notifications.

mod ack;

pub use ack::PURPOSE;
pub(crate) use ack::routes;
