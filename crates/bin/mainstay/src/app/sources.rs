//! Sources that may report changes or alerts, jobs that report by heartbeats, and phone providers that call back: their secrets, read at the start and again with the configuration.

use notify::secret::{self, SecretError};
use types::Config;
use types::config::AlertFormat;
use types::notification::Contact;
use web::WebState;
use web::alert_sources::AlertSource;
use web::phones::{PhoneChannel, PhoneContact};
use web::ping_targets::PingTarget;
use web::sources::{ChangeSource, SourceService};

/// The secret of a source or of a job cannot be read. It is read again when its file changes and at SIGHUP.
#[derive(Debug, thiserror::Error)]
#[error("secret of {section}: {why}; set it, or correct `{key}` there in the configuration")]
pub(crate) struct SourceError {
    section: String,
    key: String,
    why: SecretError,
}

/// Whoever may report, with secrets.
pub(crate) struct Reporters {
    sources: Vec<ChangeSource>,
    alerts: Vec<AlertSource>,
    pings: Vec<PingTarget>,
    phones: Vec<PhoneChannel>,
}

impl Reporters {
    /// Reads the secrets.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub(crate) fn read(config: &Config) -> Result<Self, SourceError> {
        Ok(Self {
            sources: sources(config)?,
            alerts: alerts(config)?,
            pings: pings(config)?,
            phones: phones(config)?,
        })
    }

    /// Lets them report.
    pub(crate) fn admit(self, site: &WebState) {
        site.set_sources(self.sources);
        site.set_alert_sources(self.alerts);
        site.set_pings(self.pings);
        site.set_phones(self.phones);
    }
}

fn sources(config: &Config) -> Result<Vec<ChangeSource>, SourceError> {
    let declared = config.sources.iter().filter_map(|(name, source)| Some((name, source.changes.as_ref()?)));
    let sources = declared.map(|(name, changes)| {
        let secret = secret::read(&changes.secret).map_err(|why| of_source(name, "changes", why))?;
        let service = changes.service.clone();
        let service = service.map_or(SourceService::ByName, SourceService::Fixed);
        Ok(ChangeSource { name: name.clone(), secret, service })
    });
    sources.collect()
}

fn alerts(config: &Config) -> Result<Vec<AlertSource>, SourceError> {
    let declared = config.sources.iter().filter_map(|(name, source)| Some((name, source.alerts.as_ref()?)));
    let sources = declared.map(|(name, alerts)| {
        let secret = |(format, written): (&AlertFormat, _)| {
            let read = secret::read(written).map_err(|why| of_source(name, format.as_str(), why))?;
            Ok((*format, read))
        };
        Ok(AlertSource {
            name: name.clone(),
            secrets: alerts.formats.iter().map(secret).collect::<Result<_, _>>()?,
        })
    });
    sources.collect()
}

fn of_source(name: &str, key: &str, why: SecretError) -> SourceError {
    SourceError { section: format!("[source.{name}]"), key: format!("{key}.secret"), why }
}

fn pings(config: &Config) -> Result<Vec<PingTarget>, SourceError> {
    let targets = config.heartbeats.iter().map(|(name, heartbeat)| {
        let failed = |why| SourceError { section: format!("[heartbeat.{name}]"), key: "key".to_owned(), why };
        let key = heartbeat.key.as_ref().map(secret::read).transpose().map_err(failed)?;
        Ok(PingTarget { name: name.clone(), key })
    });
    targets.collect()
}

fn phones(config: &Config) -> Result<Vec<PhoneChannel>, SourceError> {
    let of_people = config
        .people
        .values()
        .flat_map(|person| person.contacts.iter().map(|contact| (person.id.0.as_str(), contact)));
    let of_nobody = config.escalations.values().flat_map(|escalation| &escalation.fallback);
    // A person before a fallback contact with the same number.
    let contacts: Vec<(&str, &Contact)> =
        of_people.chain(of_nobody.map(|contact| (notify::FALLBACK, contact))).collect();
    let channels = config.channels.values().filter(|channel| channel.kind.is_phone()).map(|channel| {
        let failed =
            |why| SourceError { section: format!("[channel.{}]", channel.id), key: "secret".to_owned(), why };
        let secret = channel.secret.as_ref().map(secret::read).transpose().map_err(failed)?;
        let own = contacts.iter().filter(|(_, contact)| contact.channel == channel.id);
        let contacts = own.map(|(person, contact)| PhoneContact {
            person: (*person).to_owned(),
            number: contact.address.clone(),
        });
        let (name, secret) = (channel.id.0.clone(), secret.unwrap_or_default());
        Ok(PhoneChannel { name, secret, contacts: contacts.collect() })
    });
    channels.collect()
}
