//! Links in notifications, and the requests of phone providers.

mod ack;
mod short;
mod test_page;
mod twilio;

pub use ack::PURPOSE;

use crate::state::WebState;
use axum::Router;
use std::sync::Arc;

pub(crate) fn routes() -> Router<Arc<WebState>> {
    ack::routes().merge(short::routes()).merge(test_page::routes()).merge(twilio::routes())
}
