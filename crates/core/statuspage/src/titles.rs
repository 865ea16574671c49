//! Building blocks of public texts: titles, lists, and the sanitizing of what people wrote.

use text::list;
use types::event::ServiceState;
use types::{Config, ServiceId};

/// Maximum length of the text of an update, in bytes.
const BODY_MAX: usize = 8_000;

/// Maximum number of services that a list names before it counts the rest.
const NAMES_MAX: usize = 4;

/// Sentence of an update while no one has acknowledged the incident.
pub(crate) const DETECTED: &str = "This was detected automatically, and our team is being notified.";

/// Public titles of services.
pub(crate) fn titles<'a>(config: &Config, services: impl IntoIterator<Item = &'a ServiceId>) -> Vec<String> {
    let title = |id: &ServiceId| {
        config.services.get(id).map_or_else(|| id.0.clone(), |service| service.title.clone())
    };
    services.into_iter().map(title).collect()
}

/// Title of an incident: "Sign-in and API are failing".
pub(crate) fn title(titles: &[String], worst: Option<ServiceState>) -> String {
    if titles.is_empty() {
        return "A problem with our services".to_owned();
    }
    let how = if worst == Some(ServiceState::Degraded) { "not working well" } else { "failing" };
    format!("{} {how}", are(titles))
}

/// "A is", "A and B are".
pub(crate) fn are(titles: &[String]) -> String {
    format!("{} {}", list(titles), if titles.len() == 1 { "is" } else { "are" })
}

/// Joins titles: "A", "A and B", "A, B and C", "A, B, C and 3 more".
pub(crate) fn list(titles: &[String]) -> String {
    list::and_more(titles, NAMES_MAX)
}

/// Cuts a text to the maximum length, at a character boundary.
pub(crate) fn bounded(mut text: String) -> String {
    if text.len() > BODY_MAX {
        let end = (0..=BODY_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}
