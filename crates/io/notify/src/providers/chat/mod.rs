//! Chat services with incoming webhooks: Slack, Discord, Microsoft Teams. Their URL is the secret; they have no keys for
//! repeated messages.

mod discord;
mod slack;
mod teams;

use super::endpoint::{ChannelError, Endpoint};
use super::{AcknowledgeLink, Capabilities, Outgoing};
use crate::http::HttpClient;
use crate::secret;
use secrecy::ExposeSecret as _;
use types::config::{Channel, ChatService, SecretRef};
use types::notification::{Delivered, Undelivered};

/// A channel to a room of a chat service.
#[derive(Debug)]
pub(crate) struct Chat {
    endpoint: Endpoint,
    service: ChatService,
}

impl Chat {
    pub(super) const CAPABILITIES: Capabilities =
        Capabilities { acknowledge_link: AcknowledgeLink::Full, callbacks: false, message_bytes_max: None };

    pub(super) fn new(
        service: ChatService,
        url: &SecretRef,
        channel: &Channel,
    ) -> Result<Self, ChannelError> {
        let url = secret::read(url)?;
        Ok(Self { endpoint: Endpoint::new(url.expose_secret(), channel)?, service })
    }

    pub(super) async fn send(
        &self,
        http: &HttpClient,
        outgoing: &Outgoing<'_>,
    ) -> Result<Delivered, Undelivered> {
        let (notification, links) = (outgoing.notification, &outgoing.links);
        let body = match self.service {
            ChatService::Slack => slack::message(notification, links),
            ChatService::Discord => discord::message(notification, links),
            ChatService::Teams => teams::message(notification, links),
        };
        let request = self.endpoint.request(http, outgoing).body(body.to_string());
        let (delivered, _) = self.endpoint.send(request, outgoing).await?;
        Ok(delivered)
    }
}

#[cfg(test)]
pub(super) mod fixture {
    use super::super::Links;
    use types::notification::{Contact, Notification, Urgency};
    use types::{IncidentId, NotificationKey, PageId};

    pub(in super::super) const LINKS: Links<'_> = Links {
        status_page: "https://status.acme.net",
        acknowledge: Some("https://status.acme.net/ack/TOKEN"),
        callbacks: None,
    };

    pub(super) const NO_LINK: Links<'_> = Links { acknowledge: None, ..LINKS };

    pub(in super::super) fn page(title: &str, body: &str) -> Notification {
        Notification {
            key: NotificationKey("page-3/r0/0/ana/1/0".to_owned()),
            page: Some(PageId(3)),
            incident: Some(IncidentId(7)),
            person: Some("ana".into()),
            contact: Contact { channel: "chat".into(), address: String::new() },
            urgency: Urgency::Page,
            title: title.to_owned(),
            body: body.to_owned(),
        }
    }
}
