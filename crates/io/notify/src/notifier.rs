//! An effect in, an outcome out, within ten seconds.

use crate::message::{self, Links};
use crate::secret::Secret;
use crate::{answer, door, inside, signature};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use std::collections::BTreeMap;
use std::time::Duration;
use thiserror::Error;
use tokens::Key;
use tokio::time::Instant;
use types::config::{AcceptedWhen, Channel, ChannelKind};
use types::notification::{Delivered, Delivery, Notification, Undelivered, Urgency};
use types::{ChannelId, Config, NotificationKey, Time, time};

/// How long one attempt may take, from the name to the last byte.
const TOTAL: Duration = Duration::from_secs(10);

/// How long we read on once the status has told how it went.
const READING: Duration = Duration::from_secs(2);

/// How much of an answer is read: an id or a reason, not a novel.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// How long a link acknowledges.
const LINK_LASTS: Duration = Duration::from_secs(24 * 3600);

/// What the tokens of these links are signed for. Their text is `INCIDENT|PERSON`.
const PURPOSE: &str = "ack";

/// Stands for the person where a message goes to a number that is nobody's.
const FALLBACK: &str = "last-resort";

/// Why no courier could be set up for a configuration. Everything that is wrong at once.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .0.join("; "))]
pub struct SetupError(Vec<String>);

impl SetupError {
    /// One sentence for each thing that is wrong, without secrets.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.0
    }
}

/// Carries messages over the channels of one configuration.
#[derive(Debug)]
pub struct Notifier {
    ways: BTreeMap<ChannelId, Way>,
    client: reqwest::Client,
    status_page: String,
    key: Key,
    clock: fn() -> Time,
}

/// A channel, ready to be used.
struct Way {
    kind: Kind,
    url: reqwest::Url,
    secret: Option<Secret>,
    accepted_when: Option<AcceptedWhen>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Ntfy,
    Webhook,
}

impl std::fmt::Debug for Way {
    /// Shows the host only: a webhook's path is often its secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way")
            .field("kind", &self.kind)
            .field("host", &self.url.host_str())
            .finish_non_exhaustive()
    }
}

impl Notifier {
    /// A courier for the channels of a configuration. `key` signs the links that acknowledge.
    ///
    /// # Errors
    /// When a secret is not where the configuration says, or a channel's address or a file of trusted roots cannot be used.
    pub fn new(config: &Config, key: Key) -> Result<Self, SetupError> {
        let mut problems = Vec::new();
        let mut ways = BTreeMap::new();
        for channel in config.channels.values() {
            match Way::new(channel) {
                Ok(way) => drop(ways.insert(channel.id.clone(), way)),
                Err(why) => problems.push(format!("channel `{}`: {why}", channel.id)),
            }
        }
        let client = door::client(config, TOTAL).map_err(|why| problems.push(why)).ok();
        match client {
            Some(client) if problems.is_empty() => {
                Ok(Self { ways, client, status_page: config.site.url.clone(), key, clock: Time::now })
            }
            _ => Err(SetupError(problems)),
        }
    }

    /// The same courier with another clock: links and signatures carry the time.
    #[must_use]
    pub fn with_clock(self, clock: fn() -> Time) -> Self {
        Self { clock, ..self }
    }

    /// Makes one attempt. Always returns, after ten seconds at most.
    pub async fn carry(&self, notification: &Notification) -> Delivery {
        let result = match self.ways.get(&notification.reach.channel) {
            Some(way) => self.send(way, notification).await,
            None => Err(never(format!("the configuration has no channel `{}`", notification.reach.channel))),
        };
        match &result {
            Ok(_) => {
                tracing::info!(key = %notification.key, channel = %notification.reach.channel, "accepted")
            }
            Err(no) => {
                tracing::warn!(key = %notification.key, channel = %notification.reach.channel, why = no.why, "not accepted");
            }
        }
        Delivery { key: notification.key.clone(), result }
    }

    async fn send(&self, way: &Way, notification: &Notification) -> Result<Delivered, Undelivered> {
        let now = (self.clock)();
        let token = self.token(notification, now);
        let acknowledge = token.as_ref().map(|token| format!("{}/ack/{token}", self.status_page));
        let links = Links { status_page: &self.status_page, acknowledge: acknowledge.as_deref() };
        let mut request = self
            .client
            .post(way.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", plain(&notification.key));
        let body = match way.kind {
            Kind::Ntfy => {
                if notification.reach.address.is_empty() {
                    return Err(never("an ntfy address needs a topic: `ntfy:TOPIC`".to_owned()));
                }
                if let Some(secret) = &way.secret {
                    request = request.header(AUTHORIZATION, bearer(secret).map_err(never)?);
                }
                message::ntfy(notification, &links)
                    .ok_or_else(|| never("the links alone are longer than ntfy allows".to_owned()))?
            }
            Kind::Webhook => {
                let body = message::webhook(notification, &links)
                    .ok_or_else(|| never("the message cannot be written as JSON".to_owned()))?;
                if let Some(secret) = &way.secret {
                    let signature = signature::sign(secret, now, &body)
                        .ok_or_else(|| never("the secret cannot be used to sign".to_owned()))?;
                    request = request.header(signature::HEADER, signature);
                }
                body
            }
        };
        let deadline = Instant::now() + TOTAL;
        let sent = tokio::time::timeout_at(deadline, request.body(body).send());
        let response = match sent.await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(answer::unanswered(&error)),
            Err(_) => {
                let why = format!("it did not answer within {}", time::spoken(TOTAL));
                return Err(Undelivered { why, retriable: true, retry_after: None });
            }
        };
        let status = response.status().as_u16();
        let retry_after =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (body, whole) = read(response, deadline.min(Instant::now() + READING)).await;
        let secrets: Vec<&str> =
            way.secret.as_ref().map(Secret::reveal).into_iter().chain(token.as_deref()).collect();
        let delivered =
            answer::judged(status, retry_after.as_deref(), &body, &secrets, now, way.accepted_when.as_ref())?;
        let other = match way.kind {
            Kind::Ntfy => inside::no_ntfy(&body, whole, &notification.reach.address),
            Kind::Webhook => None,
        };
        other.map_or(Ok(delivered), |refusal| Err(answer::refused(refusal, &secrets)))
    }

    /// What the link that acknowledges carries; only a page asks for an answer.
    fn token(&self, notification: &Notification, now: Time) -> Option<String> {
        let incident = notification.incident.filter(|_| notification.urgency == Urgency::Page)?;
        let person = notification.person.as_ref().map_or(FALLBACK, |person| &person.0);
        Some(self.key.sign(PURPOSE, &format!("{}|{person}", incident.0), time::later(now, LINK_LASTS)))
    }
}

impl Way {
    fn new(channel: &Channel) -> Result<Self, String> {
        let (kind, url) = match &channel.kind {
            ChannelKind::Ntfy { url } => (Kind::Ntfy, url),
            ChannelKind::Webhook { url } => (Kind::Webhook, url),
        };
        let mut url: reqwest::Url = url.parse().map_err(|e| format!("its address is no URL: {e}"))?;
        // Never part of a request, and the crate `http` of third_party/ would send it.
        url.set_fragment(None);
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err("its address must begin with http:// or https:// and name a host".to_owned());
        }
        let secret = channel.secret.as_ref().map(Secret::find).transpose()?;
        if let (Kind::Ntfy, Some(secret)) = (kind, &secret) {
            bearer(secret)?;
        }
        Ok(Self { kind, url, secret, accepted_when: channel.accepted_when.clone() })
    }
}

/// Reads what there is to read, as far as we care. Says whether that was all.
async fn read(mut response: reqwest::Response, deadline: Instant) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        match tokio::time::timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                let room = ANSWER_BYTES_MAX - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if body.len() == ANSWER_BYTES_MAX {
                    return (body, false);
                }
            }
            Ok(Ok(None)) => return (body, true),
            Ok(Err(_)) | Err(_) => return (body, false),
        }
    }
}

fn bearer(secret: &Secret) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.reveal()))
        .map_err(|_| "its secret contains characters that no token has".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// A key as a header can carry it.
fn plain(key: &NotificationKey) -> String {
    key.0.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'%' | 0..=b' ' | 127.. => text.push_str(&format!("%{byte:02X}")),
            _ => text.push(char::from(byte)),
        }
        text
    })
}

/// A message that will not do better next time.
fn never(why: String) -> Undelivered {
    Undelivered { why, retriable: false, retry_after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fit_into_a_header() {
        for (key, wanted) in [
            ("page-3/0/1/ana/ntfy:ana/2", "page-3/0/1/ana/ntfy:ana/2"),
            ("jürgen\r\nX: y", "j%C3%BCrgen%0D%0AX:%20y"),
            ("100%", "100%25"),
        ] {
            assert_eq!(plain(&NotificationKey(key.to_owned())), wanted);
        }
    }
}
