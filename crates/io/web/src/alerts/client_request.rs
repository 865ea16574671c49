//! What the routes for clients of Alertmanager's API have in common: errors, matchers of queries, ids of silences.

use crate::problem::Problem;
use axum::Json;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use types::SilenceId;
use types::matcher::Matcher;

/// Maximum of matchers of one query.
const MATCHERS_MAX: usize = 20;
/// What precedes the number in the id of a silence.
const ID_PREFIX: &str = "00000000-0000-4000-8000-";

/// An error of this API: a JSON string, as the clients of Alertmanager expect it.
#[derive(Debug)]
pub(super) struct ApiError(Problem);

impl<E> From<E> for ApiError
where
    Problem: From<E>,
{
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response<Body> {
        let Self(mut problem) = self;
        // The clients know no other codes for what is invalid, and for what is over.
        problem.status = match problem.status {
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            StatusCode::CONFLICT => StatusCode::INTERNAL_SERVER_ERROR,
            status => status,
        };
        let text = format!("{}. {}", problem.detail, problem.hint);
        problem.with_headers((problem.status, Json(text)).into_response())
    }
}

/// The matchers of a query: `filter=alertname="A"&filter=zone=~"a|b"`.
pub(super) fn matchers(query: Option<&str>) -> Result<Vec<Matcher>, Problem> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let filters = pairs.filter(|(name, _)| name == "filter").take(MATCHERS_MAX);
    let matcher = |text: &str| {
        text.parse().map_err(|why| {
            let hint = "Matchers are written alertname=\"DiskFull\", with =, !=, =~ or !~.";
            Problem::new(StatusCode::BAD_REQUEST, format!("`filter` is no matcher: {why}"), hint)
        })
    };
    filters.map(|(_, text)| matcher(&text)).collect()
}

/// The id of a silence, in the form of a UUID.
pub(super) fn id_text(id: SilenceId) -> String {
    format!("{ID_PREFIX}{:012x}", id.0)
}

pub(super) fn parsed_id(text: &str) -> Option<SilenceId> {
    let number = text.to_ascii_lowercase().strip_prefix(ID_PREFIX)?.to_owned();
    let is_number = number.len() == 12 && number.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number.then(|| u64::from_str_radix(&number, 16).ok()).flatten().map(SilenceId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_has_the_form_of_a_uuid_and_is_read_again() {
        assert_eq!(id_text(SilenceId(255)), "00000000-0000-4000-8000-0000000000ff");
        assert_eq!(parsed_id("00000000-0000-4000-8000-0000000000FF"), Some(SilenceId(255)));
        for text in ["", "7", "00000000-0000-4000-8000-", "00000000-0000-4000-8000-00000000000+1"] {
            assert_eq!(parsed_id(text), None, "{text}");
        }
    }
}
