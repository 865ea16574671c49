//! Providers: one file for each kind of channel.
//!
//! A new kind of channel is a file with a type that has `capabilities` and `send`, and a variant of `Provider`.

mod chat;
mod endpoint;
mod mail;
mod ntfy;
pub(crate) mod signature;
mod telegram;
mod twilio;
mod webhook;

use crate::http::HttpClient;
use crate::smtp::Smtp;
use chat::Chat;
use endpoint::{ChannelError, Endpoint};
use mail::Mail;
use ntfy::Ntfy;
use telegram::Telegram;
use tls_roots::Roots;
use twilio::Twilio;
use types::Time;
use types::config::{Channel, ChannelKind};
use types::notification::{Delivered, Notification, Undelivered};
use webhook::Webhook;

/// Capabilities of a kind of channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The link in a message that acknowledges its incident.
    pub acknowledge_link: AcknowledgeLink,
    /// Whether the provider calls mainstay back, about the answer of a person and about what came of the message.
    pub callbacks: bool,
    /// Maximum length of a message in bytes; `None` if there is none.
    pub message_bytes_max: Option<usize>,
}

/// The link in a message that acknowledges its incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcknowledgeLink {
    /// None: the message is spoken.
    None,
    /// A short one, in an SMS.
    Short,
    /// One that says everything itself.
    Full,
}

/// A channel of the configuration, ready to send.
#[derive(Debug)]
pub(crate) enum Provider {
    Ntfy(Ntfy),
    Webhook(Webhook),
    Mail(Mail),
    Twilio(Twilio),
    Chat(Chat),
    Telegram(Telegram),
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
    /// Where a provider calls back about this message; only for a page over a phone.
    pub(crate) callbacks: Option<&'a str>,
}

impl Provider {
    pub(crate) fn new(channel: &Channel, roots: &Roots) -> Result<Self, ChannelError> {
        match &channel.kind {
            ChannelKind::Ntfy { url } => Ok(Self::Ntfy(Ntfy::new(Endpoint::new(url, channel)?)?)),
            ChannelKind::Webhook { url } => Ok(Self::Webhook(Webhook::new(Endpoint::new(url, channel)?))),
            ChannelKind::Mail { server, from } => {
                Ok(Self::Mail(Mail::new(Smtp::new(server, from, channel.secret.as_ref(), roots)?)))
            }
            ChannelKind::Twilio { .. } => Ok(Self::Twilio(Twilio::new(channel)?)),
            ChannelKind::Chat { service, url } => Ok(Self::Chat(Chat::new(*service, url, channel)?)),
            ChannelKind::Telegram { url } => Ok(Self::Telegram(Telegram::new(url, channel)?)),
        }
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        match self {
            Self::Ntfy(_) => Ntfy::CAPABILITIES,
            Self::Webhook(_) => Webhook::CAPABILITIES,
            Self::Mail(_) => Mail::CAPABILITIES,
            Self::Twilio(twilio) => twilio.capabilities(),
            Self::Chat(_) => Chat::CAPABILITIES,
            Self::Telegram(_) => Telegram::CAPABILITIES,
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
            Self::Twilio(twilio) => twilio.send(http, outgoing).await,
            Self::Chat(chat) => chat.send(http, outgoing).await,
            Self::Telegram(telegram) => telegram.send(http, outgoing).await,
        }
    }
}

/// A failure that another attempt cannot repair.
fn permanent(why: &str) -> Undelivered {
    Undelivered { why: why.to_owned(), retriable: false, retry_after: None }
}
