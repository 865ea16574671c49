//! A notification in, its delivery result out, within ten seconds.

use crate::dead_mans_switch::DeadMansSwitch;
use crate::http::HttpClient;
use crate::providers::{AcknowledgeLink, Capabilities, Links, Outgoing, Provider};
use std::collections::BTreeMap;
use std::time::Duration;
use thiserror::Error;
use tls_roots::Roots;
use tokens::Key;
use types::notification::{Delivery, Notification, NotificationKey, Undelivered, Urgency};
use types::{ChannelId, Config, PageTest, PhoneMessage, ShortLink, Time, time};

/// Lifetime of a link that acknowledges an incident.
const LINK_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Purpose of the tokens in these links. Their text is `INCIDENT|PERSON`.
const PURPOSE: &str = "ack";

/// Lifetime of the link of a test page: the test is over long before.
const TEST_LIFETIME: Duration = Duration::from_secs(3_600);

/// Lifetime of the callbacks of a call or SMS: longer than a call, shorter than what a recorded request is useful for.
const CALLBACK_LIFETIME: Duration = Duration::from_secs(900);

/// Takes the place of the person in the link of a message to a fallback contact.
pub const FALLBACK: &str = "fallback";

/// All problems of a configuration for which no notifier could be created.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .0.join("; "))]
pub struct SetupError(Vec<String>);

impl SetupError {
    pub(crate) fn one(problem: String) -> Self {
        Self(vec![problem])
    }

    /// One sentence for each problem, without secrets.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.0
    }
}

/// The signed links of one message.
struct SignedLinks {
    acknowledge: Option<String>,
    callbacks: Option<String>,
    /// The token in `acknowledge`.
    token: Option<String>,
}

/// Sends notifications over the channels of one configuration.
#[derive(Debug)]
pub struct Notifier {
    providers: BTreeMap<ChannelId, Provider>,
    dead_mans_switch: Option<DeadMansSwitch>,
    http: HttpClient,
    status_page: String,
    key: Key,
    clock: fn() -> Time,
}

impl Notifier {
    /// Creates a notifier for the channels of a configuration. `key` signs the links that acknowledge.
    ///
    /// # Errors
    /// When a secret cannot be read, or the address of a channel or a file of trusted roots cannot be used.
    pub fn new(config: &Config, key: Key) -> Result<Self, SetupError> {
        let mut problems = Vec::new();
        let mut providers = BTreeMap::new();
        let (roots, _) = Roots::load_usable(&config.site.extra_ca_files);
        for channel in config.channels.values() {
            match Provider::new(channel, &roots) {
                Ok(provider) => drop(providers.insert(channel.id.clone(), provider)),
                Err(error) => problems.push(format!("channel `{}`: {error}", channel.id)),
            }
        }
        let source = config.site.dead_mans_switch.as_ref();
        let dead_mans_switch = source.and_then(|source| {
            let switch = DeadMansSwitch::new(source);
            switch.map_err(|error| problems.push(format!("site.dead_mans_switch: {error}"))).ok()
        });
        let http = HttpClient::new(config).map_err(|error| problems.push(error.to_string())).ok();
        match http {
            Some(http) if problems.is_empty() => Ok(Self {
                providers,
                dead_mans_switch,
                http,
                status_page: config.site.url.clone(),
                key,
                clock: Time::now,
            }),
            _ => Err(SetupError(problems)),
        }
    }

    /// The same notifier with another clock, from which links and signatures take the time.
    #[must_use]
    pub fn with_clock(self, clock: fn() -> Time) -> Self {
        Self { clock, ..self }
    }

    /// The capabilities of a channel; `None` if the configuration does not have it.
    #[must_use]
    pub fn capabilities(&self, channel: &ChannelId) -> Option<Capabilities> {
        self.providers.get(channel).map(Provider::capabilities)
    }

    /// Makes one attempt. Returns after ten seconds at most.
    pub async fn send(&self, notification: &Notification) -> Delivery {
        let channel = &notification.contact.channel;
        let result = match self.providers.get(channel) {
            Some(provider) => {
                let now = (self.clock)();
                let signed = self.signed(provider.capabilities(), notification, now);
                let links = Links {
                    status_page: &self.status_page,
                    acknowledge: signed.acknowledge.as_deref(),
                    callbacks: signed.callbacks.as_deref(),
                };
                let outgoing = Outgoing { notification, links, token: signed.token.as_deref(), now };
                provider.send(&self.http, &outgoing).await
            }
            None => {
                let why = format!("the configuration has no channel `{channel}`");
                Err(Undelivered { why, retriable: false, retry_after: None })
            }
        };
        match &result {
            Ok(_) => tracing::info!(key = %notification.key, %channel, "notification accepted"),
            Err(undelivered) => {
                tracing::warn!(key = %notification.key, %channel, why = undelivered.why, "notification not accepted");
            }
        }
        Delivery { key: notification.key.clone(), result }
    }

    /// Requests the dead man's switch; without one, does nothing. Returns after ten seconds at most.
    ///
    /// # Errors
    /// When there was no response, or one without success. The text has no part of the address.
    pub async fn request_dead_mans_switch(&self) -> Result<(), Undelivered> {
        match &self.dead_mans_switch {
            Some(switch) => switch.request(&self.http).await,
            None => Ok(()),
        }
    }

    /// The links of a message that are signed, as far as its channel has a use for them.
    fn signed(&self, capabilities: Capabilities, notification: &Notification, now: Time) -> SignedLinks {
        let site = &self.status_page;
        let callbacks = capabilities.callbacks.then(|| self.phone_message(notification, now)).flatten();
        let callbacks = callbacks.map(|message| {
            let until = time::later(now, CALLBACK_LIFETIME);
            let token = self.key.sign(PhoneMessage::PURPOSE, &message.to_string(), until);
            format!("{site}/callbacks/twilio/{token}")
        });
        let (acknowledge, token) = match capabilities.acknowledge_link {
            AcknowledgeLink::None => (None, None),
            AcknowledgeLink::Short => (self.short_link(notification, now), None),
            AcknowledgeLink::Full => {
                let path = if notification.incident.is_some() { "ack" } else { "ack/test" };
                let token = self.token(notification, now);
                (token.as_ref().map(|token| format!("{site}/{path}/{token}")), token)
            }
        };
        SignedLinks { acknowledge, callbacks, token }
    }

    /// What the callbacks of a call or SMS are about; only a page and a test page have them.
    fn phone_message(&self, notification: &Notification, now: Time) -> Option<PhoneMessage> {
        let Notification { incident, person, contact, key, urgency, .. } = notification;
        // Pages about mainstay itself have no incident either, and nothing to answer.
        let is_test = incident.is_none() && key.0.starts_with(NotificationKey::TEST);
        let has_answer = *urgency == Urgency::Page && (incident.is_some() || is_test);
        has_answer.then(|| PhoneMessage {
            incident: *incident,
            person: person.as_ref().map_or(FALLBACK, |person| &person.0).to_owned(),
            contact: contact.to_string(),
            sent: now,
            key: key.clone(),
        })
    }

    /// The short form of the link that acknowledges.
    fn short_link(&self, notification: &Notification, now: Time) -> Option<String> {
        let PhoneMessage { incident, person, contact, .. } = self.phone_message(notification, now)?;
        // Rounded up: a test is answered only after it was sent.
        let link = ShortLink { incident, sent_secs: now.as_second().saturating_add(1) };
        let signature = self.key.short(ShortLink::PURPOSE, &link.signed(&person, &contact));
        Some(format!("{}/a/{link}.{signature}", self.status_page))
    }

    /// The token of the link that acknowledges; only a page and a test page have one.
    fn token(&self, notification: &Notification, now: Time) -> Option<String> {
        if notification.urgency != Urgency::Page {
            return None;
        }
        let Some(incident) = notification.incident else {
            // Pages about mainstay itself have no incident either, and nothing to answer.
            let is_test = notification.key.0.starts_with(NotificationKey::TEST);
            let person = notification.person.clone().filter(|_| is_test)?;
            let test = PageTest { sent: now, person, contact: notification.contact.to_string() };
            return Some(self.key.sign(
                PageTest::PURPOSE,
                &test.to_string(),
                time::later(now, TEST_LIFETIME),
            ));
        };
        let person = notification.person.as_ref().map_or(FALLBACK, |person| &person.0);
        // With the contact, so that the answer proves that this one reaches the person.
        let text = format!("{}|{person}|{}", incident.0, notification.contact);
        Some(self.key.sign(PURPOSE, &text, time::later(now, LINK_LIFETIME)))
    }
}
