//! Links in notifications.

mod ack;
mod test_page;

pub use ack::PURPOSE;

use crate::state::WebState;
use axum::Router;
use std::sync::Arc;

pub(crate) fn routes() -> Router<Arc<WebState>> {
    ack::routes().merge(test_page::routes())
}
