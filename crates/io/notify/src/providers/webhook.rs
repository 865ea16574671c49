//! Webhook: the whole notification as JSON, signed with the secret of the channel.

use super::endpoint::Endpoint;
use super::{AcknowledgeLink, Capabilities, Links, Outgoing, permanent, signature};
use crate::http::HttpClient;
use serde::Serialize;
use types::notification::{Delivered, Notification, Undelivered, Urgency};

/// A channel to a webhook.
#[derive(Debug)]
pub(crate) struct Webhook {
    endpoint: Endpoint,
}

impl Webhook {
    pub(super) const CAPABILITIES: Capabilities =
        Capabilities { acknowledge_link: AcknowledgeLink::Full, callbacks: false, message_bytes_max: None };

    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }

    pub(super) async fn send(
        &self,
        http: &HttpClient,
        outgoing: &Outgoing<'_>,
    ) -> Result<Delivered, Undelivered> {
        let body = message(outgoing.notification, &outgoing.links)
            .ok_or_else(|| permanent("the message cannot be written as JSON"))?;
        let mut request = self.endpoint.request(http, outgoing);
        if let Some(secret) = &self.endpoint.secret {
            let signature = signature::sign(secret, outgoing.now, &body)
                .ok_or_else(|| permanent("the secret cannot be used to sign"))?;
            request = request.header(signature::HEADER, signature);
        }
        let (delivered, _) = self.endpoint.send(request.body(body), outgoing).await?;
        Ok(delivered)
    }
}

#[derive(Serialize)]
struct Message<'a> {
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

/// The JSON of a message. Pages and incidents are plain numbers; `to` is the address of the contact, left out when
/// empty.
fn message(notification: &Notification, links: &Links<'_>) -> Option<Vec<u8>> {
    serde_json::to_vec(&Message {
        key: &notification.key.0,
        page: notification.page.map(|page| page.0),
        incident: notification.incident.map(|incident| incident.0),
        person: notification.person.as_ref().map(|person| person.0.as_str()),
        to: &notification.contact.address,
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
    use serde_json::{Value, json};
    use types::notification::Contact;
    use types::{IncidentId, NotificationKey, PageId};

    #[test]
    fn message_has_all_fields() {
        let notification = Notification {
            key: NotificationKey("page-3/0/0/ana/ntfy:ana/1".to_owned()),
            page: Some(PageId(3)),
            incident: Some(IncidentId(7)),
            person: Some("ana".into()),
            contact: Contact { channel: "hook".into(), address: "ana".to_owned() },
            urgency: Urgency::Page,
            title: "t".to_owned(),
            body: "b".to_owned(),
        };
        let links = Links {
            status_page: "https://status.acme.net",
            acknowledge: Some("https://status.acme.net/ack/TOKEN"),
            callbacks: None,
        };
        let json: Value = serde_json::from_slice(&message(&notification, &links).unwrap()).unwrap();
        assert_eq!(
            json,
            json!({
                "key": "page-3/0/0/ana/ntfy:ana/1", "page": 3, "incident": 7, "person": "ana", "to": "ana",
                "urgency": "page", "title": "t", "body": "b", "url": "https://status.acme.net",
                "acknowledge_url": "https://status.acme.net/ack/TOKEN"
            })
        );
    }
}
