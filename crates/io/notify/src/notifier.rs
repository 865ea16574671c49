//! A notification in, its delivery result out, within ten seconds.

use crate::dead_mans_switch::DeadMansSwitch;
use crate::http::HttpClient;
use crate::providers::{Capabilities, Links, Outgoing, Provider};
use std::collections::BTreeMap;
use std::time::Duration;
use thiserror::Error;
use tls_roots::Roots;
use tokens::Key;
use types::notification::{Delivery, Notification, NotificationKey, Undelivered, Urgency};
use types::{ChannelId, Config, PageTest, Time, time};

/// Lifetime of a link that acknowledges an incident.
const LINK_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Purpose of the tokens in these links. Their text is `INCIDENT|PERSON`.
const PURPOSE: &str = "ack";

/// Lifetime of the link of a test page: the test is over long before.
const TEST_LIFETIME: Duration = Duration::from_secs(3_600);

/// Takes the place of the person in the link of a message to a fallback contact.
const FALLBACK: &str = "fallback";

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
                let token = provider.capabilities().acknowledge_link.then(|| self.token(notification, now));
                let token = token.flatten();
                let path = if notification.incident.is_some() { "ack" } else { "ack/test" };
                let acknowledge = token.as_ref().map(|token| format!("{}/{path}/{token}", self.status_page));
                let links = Links { status_page: &self.status_page, acknowledge: acknowledge.as_deref() };
                let outgoing = Outgoing { notification, links, token: token.as_deref(), now };
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
