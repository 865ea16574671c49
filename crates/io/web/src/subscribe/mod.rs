//! Subscriptions of visitors: the form, and the links in mails.
//!
//! A GET never changes anything: mail scanners and link previews open every link. Confirming, changing and ending are
//! POSTs. The link that ends a subscription also takes the POST of a mail provider (RFC 8058), without a cookie.

mod form;
mod links;
mod pages;

pub(crate) use form::with_ascii_domain;
pub use links::{confirm_link, manage_link, unsubscribe_link};

use crate::problem::Problem;
use crate::state::WebState;
use crate::subscriptions::{Subscriptions, SubscriptionsError};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Longest wait for the file of subscribers.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Calls the running process off the threads that serve requests.
pub(crate) async fn call<T: Send + 'static>(
    state: &WebState,
    work: impl FnOnce(&dyn Subscriptions) -> Result<T, SubscriptionsError> + Send + 'static,
) -> Result<T, Problem> {
    let none = || none("There are no subscriptions here.");
    let subscriptions = state.subscriptions().cloned().ok_or_else(none)?;
    let working = tokio::task::spawn_blocking(move || work(&*subscriptions));
    match timeout(WAIT_MAX, working).await {
        Ok(Ok(done)) => Ok(done?),
        Ok(Err(_)) | Err(_) => {
            Err(SubscriptionsError::Unavailable("no answer of the disk in time".to_owned()).into())
        }
    }
}

fn none(detail: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, detail, "The status page and its feeds have every update.")
}

pub(crate) fn routes() -> Router<Arc<WebState>> {
    Router::new()
        .route("/subscribe", get(pages::subscribe_form).post(pages::subscribe))
        .route("/subscriptions/confirm/{token}", get(pages::confirm_form).post(pages::confirm))
        .route("/subscriptions/{token}", get(pages::manage_form).post(pages::manage))
        .route("/subscriptions/{token}/unsubscribe", get(pages::unsubscribe_form).post(pages::unsubscribe))
}
