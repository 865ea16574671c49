//! ntfy: JSON to the root of a server, with the topic in the message.

use super::endpoint::{ChannelError, Endpoint, authorized};
use super::{AcknowledgeLink, Capabilities, Links, Outgoing, permanent};
use crate::http::{HttpClient, Response};
use reqwest::header::HeaderValue;
use serde::Serialize;
use serde_json::Value;
use text::truncate;
use types::notification::{Delivered, Notification, Undelivered, Urgency};

/// Maximum length of an ntfy message. A longer one becomes an attachment, which phones do not show in the notification.
const BYTES_MAX: usize = 4096;

/// Maximum length of a title, so that it leaves room for the body.
const TITLE_BYTES_MAX: usize = 250;

/// A channel to an ntfy server.
#[derive(Debug)]
pub(crate) struct Ntfy {
    endpoint: Endpoint,
    bearer: Option<HeaderValue>,
}

impl Ntfy {
    pub(super) const CAPABILITIES: Capabilities = Capabilities {
        acknowledge_link: AcknowledgeLink::Full,
        callbacks: false,
        message_bytes_max: Some(BYTES_MAX),
    };

    pub(super) fn new(endpoint: Endpoint) -> Result<Self, ChannelError> {
        Ok(Self { bearer: endpoint.bearer()?, endpoint })
    }

    pub(super) async fn send(
        &self,
        http: &HttpClient,
        outgoing: &Outgoing<'_>,
    ) -> Result<Delivered, Undelivered> {
        let topic = &outgoing.notification.contact.address;
        if topic.is_empty() {
            return Err(permanent("an ntfy contact needs a topic: `ntfy:TOPIC`"));
        }
        let body = message(outgoing.notification, &outgoing.links)
            .ok_or_else(|| permanent("the links are longer than an ntfy message may be"))?;
        let request = authorized(self.endpoint.request(http, outgoing), self.bearer.as_ref());
        let (delivered, response) = self.endpoint.send(request.body(body), outgoing).await?;
        match topic_error(&response, topic) {
            Some(why) => Err(Undelivered { why: why.to_owned(), retriable: true, retry_after: None }),
            None => Ok(delivered),
        }
    }
}

#[derive(Serialize)]
struct Message<'a> {
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

/// The JSON of a message; its text is cut until all of it fits [`BYTES_MAX`]. `None` when it does not fit even without
/// text: links of that length are a mistake in the configuration.
fn message(notification: &Notification, links: &Links<'_>) -> Option<Vec<u8>> {
    let title = truncate::bytes(&notification.title, TITLE_BYTES_MAX);
    let (priority, tag) = match notification.urgency {
        Urgency::Page => (5, "rotating_light"),
        Urgency::Notice => (3, "information_source"),
        // No sound and no vibration: many read it, and none of them has to respond.
        Urgency::Quiet => (2, "information_source"),
    };
    let acknowledge = |url| Action { action: "http", label: "Acknowledge", url, method: "POST", clear: true };
    let json = |message: &str| {
        serde_json::to_vec(&Message {
            topic: &notification.contact.address,
            title: &title,
            message,
            priority,
            tags: [tag],
            click: links.acknowledge.unwrap_or(links.status_page),
            actions: links.acknowledge.map(acknowledge).into_iter().collect(),
        })
        .ok()
        .filter(|bytes| bytes.len() <= BYTES_MAX)
    };
    if let Some(whole) = json(&notification.body) {
        return Some(whole);
    }
    // Escaping in JSON makes a text longer by an unknown amount: the longest text that fits is found by bisection.
    let (mut fits, mut too_long) = (0, notification.body.len().min(BYTES_MAX));
    while fits + 1 < too_long {
        let middle = fits.midpoint(too_long);
        match json(&truncate::bytes(&notification.body, middle)) {
            Some(_) => fits = middle,
            None => too_long = middle,
        }
    }
    json(&truncate::bytes(&notification.body, fits))
}

/// The error of a response with a success status that is not from an ntfy server, or is for another topic.
fn topic_error(response: &Response, topic: &str) -> Option<&'static str> {
    if response.body.trim_ascii().is_empty() || !response.complete {
        return None;
    }
    let Ok(Value::Object(answer)) = serde_json::from_slice(&response.body) else {
        return Some("the response is not from an ntfy server");
    };
    match answer.get("topic").and_then(Value::as_str) {
        Some(other) if other != topic => {
            Some("the server used another topic: the channel's address must be the root of the server")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use types::notification::Contact;
    use types::{IncidentId, NotificationKey, PageId};

    fn notification(urgency: Urgency, title: &str, body: &str) -> Notification {
        Notification {
            key: NotificationKey("page-3/0/0/ana/ntfy:ana/1".to_owned()),
            page: Some(PageId(3)),
            incident: Some(IncidentId(7)),
            person: Some("ana".into()),
            contact: Contact { channel: "ntfy".into(), address: "ana".to_owned() },
            urgency,
            title: title.to_owned(),
            body: body.to_owned(),
        }
    }

    const LINKS: Links<'_> = Links {
        status_page: "https://status.acme.net",
        acknowledge: Some("https://status.acme.net/ack/TOKEN"),
        callbacks: None,
    };

    fn read(bytes: Option<Vec<u8>>) -> Value {
        serde_json::from_slice(&bytes.unwrap()).unwrap()
    }

    #[test]
    fn page_has_high_priority_and_acknowledge_action() {
        assert_eq!(
            read(message(&notification(Urgency::Page, "Sign-in is down", "acme.app expired"), &LINKS)),
            json!({
                "topic": "ana", "title": "Sign-in is down", "message": "acme.app expired", "priority": 5,
                "tags": ["rotating_light"], "click": "https://status.acme.net/ack/TOKEN",
                "actions": [{"action": "http", "label": "Acknowledge", "url": "https://status.acme.net/ack/TOKEN",
                             "method": "POST", "clear": true}]
            })
        );
        let quiet = Links { acknowledge: None, ..LINKS };
        assert_eq!(
            read(message(&notification(Urgency::Notice, "Resolved", "after 4 min"), &quiet)),
            json!({
                "topic": "ana", "title": "Resolved", "message": "after 4 min", "priority": 3,
                "tags": ["information_source"], "click": "https://status.acme.net"
            })
        );
        let team = read(message(&notification(Urgency::Quiet, "3 alerts", "slow"), &quiet));
        assert_eq!((&team["priority"], &team["actions"]), (&json!(2), &Value::Null), "no sound");
    }

    #[test]
    fn response_must_name_same_topic() {
        for (body, complete, accepted) in [
            ("", true, true),
            ("{}", true, true),
            (r#"{"topic":"ana"}"#, true, true),
            (r#"{"topic":"alerts"}"#, true, false),
            ("thank you", true, false),
            (r#"{"topic":"ana","mess"#, false, true),
        ] {
            let response = Response { status: 200, retry_after: None, body: body.into(), complete };
            assert_eq!(topic_error(&response, "ana").is_none(), accepted, "{body}");
        }
    }

    #[test]
    fn too_long_links_make_no_message() {
        let long = "x".repeat(3_000);
        assert_eq!(
            message(
                &notification(Urgency::Page, "t", "b"),
                &Links { status_page: "b", acknowledge: Some(&long), callbacks: None }
            ),
            None
        );
    }

    proptest! {
        #[test]
        fn message_fits_and_keeps_beginning_of_body(
            title in "\\PC{0,400}",
            body in "(?s:[\\n\"\\\\a-zäß€🔔]{0,3000})|\\PC{0,5000}",
        ) {
            let bytes = message(&notification(Urgency::Page, &title, &body), &LINKS).unwrap();
            prop_assert!(bytes.len() <= BYTES_MAX);
            let value: Value = serde_json::from_slice(&bytes).unwrap();
            let message = value["message"].as_str().unwrap();
            if message != body {
                prop_assert!(body.starts_with(message.strip_suffix('…').unwrap()));
                prop_assert!(bytes.len() > BYTES_MAX - 50 || message.len() < body.trim_end().len());
            }
        }
    }
}
