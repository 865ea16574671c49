//! Acceptance criteria of the audit: their names, and what the configuration decides about them.

use crate::{Resource, Time};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Declares the criteria, each once, with the name that configuration and reports use.
macro_rules! criteria {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// An acceptance criterion.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Criterion {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Criterion {
            /// All of them, in the order of reports.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its name: `single-server`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text),+
                }
            }
        }
    };
}

criteria! {
    /// Each service has a probe.
    Monitored = "monitored",
    /// Probes of a service would notice a broken page.
    HealthCheck = "health-check",
    /// Servers of a pool are checked.
    PoolHealth = "pool-health",
    /// A pool says how many of its servers must be healthy.
    MinHealthy = "min-healthy",
    /// A service depends on each pool and database.
    Dependencies = "dependencies",
    /// Each service that pages has a runbook.
    Runbook = "runbook",
    /// A pool has more than one server.
    SingleServer = "single-server",
    /// The servers of a pool are on more than one machine.
    OneMachine = "one-machine",
    /// The servers of all pools are in more than one network.
    OneNetwork = "one-network",
    /// A database has a replica.
    SingleDatabase = "single-database",
    /// Services do not share one certificate.
    OneCertificate = "one-certificate",
    /// A zone has name servers of more than one operator.
    NameServerOperator = "name-server-operator",
    /// Domains are not all at one registrar.
    OneRegistrar = "one-registrar",
    /// The status page does not fail with what it reports on.
    StatusPageFate = "status-page-fate",
    /// A database has backups.
    BackupDeclared = "backup-declared",
    /// The last backup is recent.
    BackupAge = "backup-age",
    /// Backups are kept in another place.
    BackupOffSite = "backup-off-site",
    /// A restore has proven the backups.
    RestoreProven = "restore-proven",
    /// A public service is behind the edge, or declared to be protected otherwise.
    Protection = "protection",
    /// A public service has limits.
    TrafficLimits = "traffic-limits",
    /// Known users of a service are recognized.
    Recognition = "recognition",
    /// The clients of a front end are not one client of the service behind it.
    OneClient = "one-client",
    /// The limit of a caller does not fight that of its clients.
    CallerLimit = "caller-limit",
    /// A caller waits for longer than what it calls may take.
    Timeouts = "timeouts",
    /// Requests can be traced.
    Traces = "traces",
    /// A service has headroom at its daily peak.
    Headroom = "headroom",
    /// A public service was load tested recently.
    LoadTested = "load-test",
    /// A registration lasts for a year, or is renewed by itself.
    Renewal = "renewal",
    /// A registration is locked against transfer.
    TransferLock = "transfer-lock",
    /// Certificates are renewed by a program.
    CertificateRenewal = "certificate-renewal",
    /// A person can be paged at every hour.
    OnCallGap = "on-call-gap",
    /// A page reaches a second person.
    OnePerson = "one-person",
    /// A page that nobody answers goes on.
    Fallback = "fallback",
    /// A page does not depend on one channel.
    OneChannel = "one-channel",
    /// Each person on call has answered on a contact.
    ChannelProven = "channel-proven",
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no criterion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a criterion of the audit")]
pub struct NotACriterion(pub String);

impl FromStr for Criterion {
    type Err = NotACriterion;

    fn from_str(text: &str) -> Result<Self, NotACriterion> {
        let found = Self::ALL.iter().find(|criterion| criterion.as_str() == text);
        found.copied().ok_or_else(|| NotACriterion(text.to_owned()))
    }
}

impl Serialize for Criterion {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Criterion {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How much a criterion matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Not checked.
    Off,
    /// Reported.
    Should,
    /// Fails the audit.
    Must,
}

impl Level {
    /// `must`, `should`, `off`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Should => "should",
            Self::Must => "must",
        }
    }
}

/// What the configuration decides about the audit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditSettings {
    /// Levels that differ from the usual ones.
    pub levels: BTreeMap<Criterion, Level>,
    /// Accepted findings.
    pub exceptions: Vec<Exception>,
}

/// A finding that somebody accepted for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The criterion that is not met.
    pub criterion: Criterion,
    /// Where; everywhere when `None`.
    pub resource: Option<Resource>,
    /// The person who answers for it.
    pub owner: crate::PersonId,
    /// End: from then on it is a finding again.
    pub until: Time,
    /// The reason.
    pub why: String,
}

impl Exception {
    /// Whether it is about a criterion that a resource does not meet.
    #[must_use]
    pub fn is_about(&self, criterion: Criterion, resource: &Resource) -> bool {
        self.criterion == criterion && self.resource.as_ref().is_none_or(|about| about == resource)
    }
}

/// A criterion that a resource has lost, or meets again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CriterionChange {
    /// The criterion.
    pub criterion: Criterion,
    /// The resource.
    pub resource: Resource,
    /// Whether it is met from now on.
    pub is_met: bool,
    /// What was seen when it was lost.
    pub evidence: Option<String>,
}
