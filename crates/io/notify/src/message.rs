//! What is said, in the words of each provider. Pure: an effect in, bytes out.

use serde::Serialize;
use text::truncate;
use types::notification::{Notification, Urgency};

/// The whole of an ntfy message. A longer one becomes an attachment that no phone shows at night.
pub const NTFY_BYTES_MAX: usize = 4096;

/// Most of a title on ntfy, so that it never crowds the body out.
const TITLE_BYTES_MAX: usize = 250;

/// Where the reader can go from a message.
#[derive(Clone, Copy, Debug)]
pub struct Links<'a> {
    /// The status page.
    pub status_page: &'a str,
    /// What acknowledges the incident, where the message asks for that.
    pub acknowledge: Option<&'a str>,
}

#[derive(Serialize)]
struct Ntfy<'a> {
    topic: &'a str,
    title: &'a str,
    message: &'a str,
    priority: u8,
    tags: [&'a str; 1],
    click: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Action<'a>>,
}

#[derive(Serialize)]
struct Action<'a> {
    action: &'a str,
    label: &'a str,
    url: &'a str,
    method: &'a str,
    clear: bool,
}

/// The JSON for an ntfy server's root; its `message` is shortened until all of it fits [`NTFY_BYTES_MAX`]. `None` when
/// it does not fit even then: links as long as that are a mistake in the configuration.
#[must_use]
pub fn ntfy(notification: &Notification, links: &Links<'_>) -> Option<Vec<u8>> {
    let title = truncate::bytes(&notification.title, TITLE_BYTES_MAX);
    let (priority, tag) = match notification.urgency {
        Urgency::Page => (5, "rotating_light"),
        Urgency::Notice => (3, "information_source"),
    };
    let acknowledge = |url| Action { action: "http", label: "Acknowledge", url, method: "POST", clear: true };
    let json = |message: &str| {
        serde_json::to_vec(&Ntfy {
            topic: &notification.reach.address,
            title: &title,
            message,
            priority,
            tags: [tag],
            click: links.acknowledge.unwrap_or(links.status_page),
            actions: links.acknowledge.map(acknowledge).into_iter().collect(),
        })
        .ok()
        .filter(|bytes| bytes.len() <= NTFY_BYTES_MAX)
    };
    if let Some(whole) = json(&notification.body) {
        return Some(whole);
    }
    // Quotes and line ends grow on the way into JSON, so that only trying tells how much fits. More never takes less.
    let (mut fits, mut too_much) = (0, notification.body.len().min(NTFY_BYTES_MAX));
    while fits + 1 < too_much {
        let middle = fits.midpoint(too_much);
        match json(&truncate::bytes(&notification.body, middle)) {
            Some(_) => fits = middle,
            None => too_much = middle,
        }
    }
    json(&truncate::bytes(&notification.body, fits))
}

#[derive(Serialize)]
struct Webhook<'a> {
    key: &'a str,
    page: Option<u64>,
    incident: Option<u64>,
    person: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    to: &'a str,
    urgency: Urgency,
    title: &'a str,
    body: &'a str,
    url: &'a str,
    acknowledge_url: Option<&'a str>,
}

/// The JSON for a webhook. Numbers of pages and incidents are plain; `to` is the address that the configuration names behind the
/// channel, where it names one.
#[must_use]
pub fn webhook(notification: &Notification, links: &Links<'_>) -> Option<Vec<u8>> {
    serde_json::to_vec(&Webhook {
        key: &notification.key.0,
        page: notification.page.map(|page| page.0),
        incident: notification.incident.map(|incident| incident.0),
        person: notification.person.as_ref().map(|person| person.0.as_str()),
        to: &notification.reach.address,
        urgency: notification.urgency,
        title: &notification.title,
        body: &notification.body,
        url: links.status_page,
        acknowledge_url: links.acknowledge,
    })
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use types::notification::Reach;
    use types::{IncidentId, NotificationKey, PageId};

    fn notification(urgency: Urgency, title: &str, body: &str) -> Notification {
        Notification {
            key: NotificationKey("page-3/0/0/ana/ntfy:ana/1".to_owned()),
            page: Some(PageId(3)),
            incident: Some(IncidentId(7)),
            person: Some("ana".into()),
            reach: Reach { channel: "ntfy".into(), address: "ana".to_owned() },
            urgency,
            title: title.to_owned(),
            body: body.to_owned(),
        }
    }

    const LINKS: Links<'_> = Links {
        status_page: "https://status.acme.net",
        acknowledge: Some("https://status.acme.net/ack/TOKEN"),
    };

    fn read(bytes: Option<Vec<u8>>) -> Value {
        serde_json::from_slice(&bytes.unwrap()).unwrap()
    }

    #[test]
    fn a_page_on_ntfy_is_loud_and_can_be_acknowledged() {
        assert_eq!(
            read(ntfy(&notification(Urgency::Page, "Sign-in is down", "acme.app expired"), &LINKS)),
            json!({
                "topic": "ana", "title": "Sign-in is down", "message": "acme.app expired", "priority": 5,
                "tags": ["rotating_light"], "click": "https://status.acme.net/ack/TOKEN",
                "actions": [{"action": "http", "label": "Acknowledge", "url": "https://status.acme.net/ack/TOKEN",
                             "method": "POST", "clear": true}]
            })
        );
        let quiet = Links { acknowledge: None, ..LINKS };
        assert_eq!(
            read(ntfy(&notification(Urgency::Notice, "It is over", "after 4 min"), &quiet)),
            json!({
                "topic": "ana", "title": "It is over", "message": "after 4 min", "priority": 3,
                "tags": ["information_source"], "click": "https://status.acme.net"
            })
        );
    }

    #[test]
    fn a_webhook_says_everything() {
        assert_eq!(
            read(webhook(&notification(Urgency::Page, "t", "b"), &LINKS)),
            json!({
                "key": "page-3/0/0/ana/ntfy:ana/1", "page": 3, "incident": 7, "person": "ana", "to": "ana",
                "urgency": "page", "title": "t", "body": "b", "url": "https://status.acme.net",
                "acknowledge_url": "https://status.acme.net/ack/TOKEN"
            })
        );
    }

    #[test]
    fn links_that_leave_no_room_are_no_message() {
        let long = "x".repeat(3_000);
        assert_eq!(
            ntfy(
                &notification(Urgency::Page, "t", "b"),
                &Links { status_page: "b", acknowledge: Some(&long) }
            ),
            None
        );
    }

    proptest! {
        #[test]
        fn ntfy_always_fits_and_keeps_a_beginning(
            title in "\\PC{0,400}",
            body in "(?s:[\\n\"\\\\a-zäß€🔔]{0,3000})|\\PC{0,5000}",
        ) {
            let bytes = ntfy(&notification(Urgency::Page, &title, &body), &LINKS).unwrap();
            prop_assert!(bytes.len() <= NTFY_BYTES_MAX);
            let value: Value = serde_json::from_slice(&bytes).unwrap();
            let message = value["message"].as_str().unwrap();
            if message != body {
                prop_assert!(body.starts_with(message.strip_suffix('…').unwrap()));
                prop_assert!(bytes.len() > NTFY_BYTES_MAX - 50 || message.len() < body.trim_end().len());
            }
        }
    }
}
