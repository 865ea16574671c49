//! Providers: one file for each kind of channel.
//!
//! A new kind of channel is a file with a type that has `capabilities` and `send`, and a variant of `Provider`.

mod endpoint;
mod mail;
mod ntfy;
pub(crate) mod signature;
mod webhook;

use crate::http::HttpClient;
use crate::smtp::Smtp;
use endpoint::{ChannelError, Endpoint};
use mail::Mail;
use ntfy::Ntfy;
use tls_roots::Roots;
use types::Time;
use types::config::{Channel, ChannelKind};
use types::notification::{Delivered, Notification, Undelivered};
use webhook::Webhook;

/// Capabilities of a kind of channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether a message can carry the link that acknowledges its incident.
    pub acknowledge_link: bool,
    /// Maximum length of a message in bytes; `None` if there is none.
    pub message_bytes_max: Option<usize>,
}

/// A channel of the configuration, ready to send.
#[derive(Debug)]
pub(crate) enum Provider {
    Ntfy(Ntfy),
    Webhook(Webhook),
    Mail(Mail),
}

/// A notification with everything that a provider adds to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) notification: &'a Notification,
    pub(crate) links: Links<'a>,
    /// The token in the link that acknowledges: secret, so that no error text repeats it.
    pub(crate) token: Option<&'a str>,
    pub(crate) now: Time,
}

/// Links in a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links<'a> {
    /// The status page.
    pub(crate) status_page: &'a str,
    /// The link that acknowledges the incident; only in a page.
    pub(crate) acknowledge: Option<&'a str>,
}

impl Provider {
    pub(crate) fn new(channel: &Channel, roots: &Roots) -> Result<Self, ChannelError> {
        match &channel.kind {
            ChannelKind::Ntfy { url } => Ok(Self::Ntfy(Ntfy::new(Endpoint::new(url, channel)?)?)),
            ChannelKind::Webhook { url } => Ok(Self::Webhook(Webhook::new(Endpoint::new(url, channel)?))),
            ChannelKind::Mail { server, from } => {
                Ok(Self::Mail(Mail::new(Smtp::new(server, from, channel.secret.as_ref(), roots)?)))
            }
        }
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        match self {
            Self::Ntfy(_) => Ntfy::CAPABILITIES,
            Self::Webhook(_) => Webhook::CAPABILITIES,
            Self::Mail(_) => Mail::CAPABILITIES,
        }
    }

    /// Makes one attempt.
    pub(crate) async fn send(
        &self,
        http: &HttpClient,
        outgoing: &Outgoing<'_>,
    ) -> Result<Delivered, Undelivered> {
        match self {
            Self::Ntfy(ntfy) => ntfy.send(http, outgoing).await,
            Self::Webhook(webhook) => webhook.send(http, outgoing).await,
            Self::Mail(mail) => mail.send(outgoing).await,
        }
    }
}

/// A failure that another attempt cannot repair.
fn permanent(why: &str) -> Undelivered {
    Undelivered { why: why.to_owned(), retriable: false, retry_after: None }
}
