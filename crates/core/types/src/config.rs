//! The configuration as parsed from mainstay.toml: complete and consistent.
//!
//! Everything derived is included: the probes of each host, the dependency graph, the default escalation.

use crate::audit::AuditSettings;
use crate::database::DatabaseThresholds;
use crate::heartbeat::Due;
use crate::notification::Contact;
use crate::{
    CallerId, ChannelId, EscalationId, Graph, PersonId, PoolId, ProbeId, Resource, ScheduleId, ServiceId,
    Severity, Time,
};
pub use balancer::{Balancer, BalancerAddress, BalancerKind, ExternalPool, Series};
pub use cache::{CACHE_SIZE, CacheRule};
pub use chat::{ChatService, Medium};
pub use edge::{
    Caller, CertificateFiles, Edge, EdgeLimits, Health, Pool, PoolServer, Protocol, Rate, Recognize, Traffic,
};
pub use http::{Expect, HttpRequest};
use ipnet::IpNet;
use jiff::civil;
use jiff::tz::TimeZone;
pub use load::{LoadBounds, LoadTarget};
pub use notices::Notices;
pub use offline::{Offline, OfflineWrite};
pub use schedule::{Layer, Override, OverrideChange, Restriction, Rotation, Schedule, TimeOff};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

mod balancer;
mod cache;
mod chat;
mod edge;
mod http;
mod load;
mod notices;
mod offline;
mod schedule;

/// The configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// SHA-256 of its text, in hex.
    pub digest: String,
    /// This installation.
    pub site: Site,
    /// DNS lookups.
    pub dns: Dns,
    /// Lookups of domain registrations.
    pub registry: Registry,
    /// Services.
    pub services: BTreeMap<ServiceId, Service>,
    /// All probes, derived and declared.
    pub probes: BTreeMap<ProbeId, Probe>,
    /// Declared registrable domains.
    pub domains: BTreeMap<String, Domain>,
    /// Databases.
    pub databases: BTreeMap<String, Database>,
    /// The team.
    pub people: BTreeMap<PersonId, Person>,
    /// On-call schedules.
    pub schedules: BTreeMap<ScheduleId, Schedule>,
    /// Escalation policies. Never empty: `default` exists.
    pub escalations: BTreeMap<EscalationId, Escalation>,
    /// Notification channels.
    pub channels: BTreeMap<ChannelId, Channel>,
    /// Notices to the team as a whole; `None` when people get them one by one.
    pub notices: Option<Notices>,
    /// The edge, if it is declared.
    pub edge: Option<Edge>,
    /// Pools of servers.
    pub pools: BTreeMap<PoolId, Pool>,
    /// Pools behind other load balancers.
    pub external_pools: BTreeMap<PoolId, ExternalPool>,
    /// Own programs that call own services through the edge.
    pub callers: BTreeMap<CallerId, Caller>,
    /// Other systems that report to this one, by name.
    pub sources: BTreeMap<String, Source>,
    /// Targets of load tests, by name.
    pub loads: BTreeMap<String, LoadTarget>,
    /// Jobs that report by heartbeats, by name.
    pub heartbeats: BTreeMap<String, Heartbeat>,
    /// Maintenances, by name.
    pub maintenances: BTreeMap<String, PlannedMaintenance>,
    /// The public status page.
    pub status_page: StatusPage,
    /// Levels and exceptions of the audit.
    pub audit: AuditSettings,
    /// Where the machine of a host, probe or database stands, if declared.
    pub locations: BTreeMap<Resource, String>,
    /// The dependency graph.
    pub graph: Graph,
}

/// This installation.
#[derive(Clone, Debug)]
pub struct Site {
    /// The company's name.
    pub name: String,
    /// Timezone of texts; everything is stored in UTC.
    pub timezone: TimeZone,
    /// Data folder: journal, time series, keys.
    pub data: PathBuf,
    /// Listen address of status page, console and API. Loopback by default.
    pub listen: SocketAddr,
    /// Public URL of the status page, without a trailing slash.
    pub url: String,
    /// PEM files with additional trusted root certificates.
    pub extra_ca_files: Vec<PathBuf>,
    /// Private address ranges that probes and webhooks may connect to. A name that resolves to another one is a fault.
    pub allow_private: Vec<IpNet>,
    /// Where the address of the dead man's switch outside is kept: a service that notifies people when no request comes any more.
    pub dead_mans_switch: Option<SecretRef>,
}

/// DNS lookups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Resolvers, all of them queried; empty means those of the system.
    pub resolvers: Vec<SocketAddr>,
    /// Root servers; empty means those of the Internet.
    pub roots: Vec<IpAddr>,
    /// Port of authoritative servers: 53, except in test networks.
    pub port: u16,
}

/// Lookups of domain registrations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// A newer copy of IANA's RDAP bootstrap file than the built-in one.
    pub bootstrap: Option<PathBuf>,
    /// RDAP base URL by top-level domain; takes precedence over the bootstrap file.
    pub rdap: BTreeMap<String, String>,
    /// WHOIS server (`host` or `host:port`) by top-level domain, for registries without RDAP.
    pub whois: BTreeMap<String, String>,
    /// Suffixes without an ICANN registry below which names are registrations of their own.
    pub suffixes: BTreeSet<String>,
}

/// A service that users depend on.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name in the configuration.
    pub id: ServiceId,
    /// Name of its component on the status page.
    pub title: String,
    /// Component group of the status page.
    pub group: Option<String>,
    /// Host names that are probed, with a port if it is not 443; wildcards are replaced by their samples.
    pub hosts: Vec<String>,
    /// Host names as declared, with wildcards.
    pub declared_hosts: Vec<String>,
    /// Services, pools and databases that it depends on.
    pub depends_on: BTreeSet<Resource>,
    /// Its on-call schedule; the schedules of the escalation when `None`.
    pub schedule: Option<ScheduleId>,
    /// Its escalation policy.
    pub escalation: EscalationId,
    /// Whether it is shown on the status page.
    pub public: bool,
    /// How the edge serves it; `None` when it does not.
    pub traffic: Option<Traffic>,
    /// URL of the page that says what to do about it in an outage.
    pub runbook: Option<String>,
}

/// A probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Its name: `http.auth.acme.com`, or as declared.
    pub id: ProbeId,
    /// The resource that its answers are about.
    pub about: Resource,
    /// Its kind, with the target.
    pub kind: ProbeKind,
    /// Time between probes.
    pub interval: Duration,
    /// Timeout of one probe, all phases and redirects together.
    pub timeout: Duration,
    /// Consecutive failures before an alert fires.
    pub failure_threshold: u32,
    /// Consecutive successes before it resolves.
    pub success_threshold: u32,
    /// How long it must fail before an alert fires, in addition to `failure_threshold`.
    pub failing_for: Duration,
    /// Highest severity of its alerts.
    pub severity: Severity,
}

/// Kind and target of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// Requests a URL and follows redirects.
    Http {
        /// The first URL.
        url: String,
        /// The request.
        request: Box<HttpRequest>,
        /// Which responses are successful.
        expect: Expect,
    },
    /// Opens a TCP connection.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// Queries the parent zone, every authoritative server and every resolver about a registrable domain.
    Dns {
        /// The registrable domain.
        zone: String,
        /// Names below it whose answers are compared.
        names: Vec<String>,
    },
    /// Fetches the certificate chain, valid or not, from every address of the name.
    Tls {
        /// Name, used for SNI.
        host: String,
        /// Port.
        port: u16,
    },
    /// Queries the registry about a registrable domain.
    Domain {
        /// The registrable domain.
        name: String,
    },
    /// Measures all nodes of a database.
    Database {
        /// Its name in [`Config::databases`].
        name: String,
    },
    /// Asks the load balancer of a pool for its members.
    Pool {
        /// Its name in [`Config::external_pools`].
        name: PoolId,
    },
    /// Asks the daemon of Network UPS Tools for the state of an uninterruptible power supply.
    Nut {
        /// Name of the UPS at the daemon.
        ups: String,
        /// Name or address of the daemon.
        host: String,
        /// Port.
        port: u16,
        /// Reference to `USER:PASSWORD`; without it no login is sent.
        login: Option<SecretRef>,
    },
}

/// Facts about a registered domain that its registry does not publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Expiry date.
    pub expires: Option<Time>,
    /// Whether its registrar renews it without being asked, which no registry publishes.
    pub auto_renew: bool,
}

/// A database and its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Reference to the URL of the primary, or of the only node.
    pub url: SecretRef,
    /// References to the URLs of the replicas.
    pub replicas: Vec<SecretRef>,
    /// Where its backups are.
    pub backups: Option<BackupSource>,
    /// Whether its content cannot be made again.
    pub needs_backups: bool,
    /// Whether copies of its backups are kept in another place.
    pub offsite: bool,
    /// Longest time between two restores that prove its backups.
    pub restore_every: Duration,
    /// Thresholds by which its facts are judged.
    pub thresholds: DatabaseThresholds,
}

/// Where the backups of a database are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupSource {
    /// A stanza of pgBackRest.
    Pgbackrest(String),
    /// Files of this machine: an absolute path with wildcards in the file name, such as `/var/backups/main/*.dump`.
    Files(String),
    /// A job that makes them, and reports each success by a heartbeat of this name.
    Heartbeat(String),
}

impl fmt::Display for BackupSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pgbackrest(stanza) => write!(f, "pgbackrest:{stanza}"),
            Self::Files(pattern) => write!(f, "file:{pattern}"),
            Self::Heartbeat(name) => write!(f, "heartbeat:{name}"),
        }
    }
}

/// A job that reports by heartbeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// When it is due.
    pub due: Due,
    /// How long after that it may still report.
    pub grace: Duration,
    /// The longest run; `None` for any.
    pub max_run: Option<Duration>,
    /// Severity of its alert.
    pub severity: Severity,
    /// The secret in its URL; `None` when its name is enough.
    pub key: Option<SecretRef>,
}

/// Another system that reports to this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Reports changes: deploys above all.
    pub changes: Option<ChangeSource>,
    /// Hands its alerts in.
    pub alerts: Option<AlertSource>,
}

impl Source {
    /// References to its secrets.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        let changes = self.changes.iter().map(|changes| &changes.secret);
        changes.chain(self.alerts.iter().flat_map(|alerts| alerts.formats.values()))
    }
}

/// How a source hands its alerts in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertSource {
    /// References to the secret of each format that it may use.
    pub formats: BTreeMap<AlertFormat, SecretRef>,
    /// The label that names the service.
    pub service_label: String,
    /// Severity of alerts that have none, or an unknown one.
    pub severity: Severity,
    /// Silence from which on an alert opens; `None` where only its open alerts must be confirmed.
    pub silent_after: Option<Duration>,
}

/// Format in which a source hands its alerts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertFormat {
    /// API v2 and webhooks of Alertmanager.
    Alertmanager,
    /// Webhooks of Grafana.
    Grafana,
    /// Events API v2 of PagerDuty.
    Pagerduty,
}

impl AlertFormat {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Alertmanager, Self::Grafana, Self::Pagerduty];

    /// Its key in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alertmanager => "alertmanager",
            Self::Grafana => "grafana",
            Self::Pagerduty => "pagerduty",
        }
    }
}

/// How a source reports changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSource {
    /// Reference to the token that it sends, or the key with which it signs.
    pub secret: SecretRef,
    /// The service that its changes concern; by their names when `None`.
    pub service: Option<ServiceId>,
}

/// A team member.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their name in the configuration.
    pub id: PersonId,
    /// Display name.
    pub name: String,
    /// Their timezone.
    pub timezone: TimeZone,
    /// When they are awake, in their timezone: from, to; `to` before `from` crosses midnight.
    pub waking_hours: Option<(civil::Time, civil::Time)>,
    /// Contact methods, tried in this order within a step. Never empty.
    pub contacts: Vec<Contact>,
}

/// An escalation policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// Its name in the configuration.
    pub id: EscalationId,
    /// The steps. Never empty.
    pub steps: Vec<Step>,
    /// How often all steps are repeated before `fallback`.
    pub repeat: u32,
    /// Contacts that are paged when all steps and repeats went unacknowledged, and repeatedly from then on.
    pub fallback: Vec<Contact>,
}

/// One step of an escalation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Pages the people who are on call in all of these schedules.
    pub schedules: Vec<ScheduleId>,
    /// Pages these people in addition.
    pub people: Vec<PersonId>,
    /// Whether only people within their waking hours are paged, and all when there is none.
    pub prefer_awake: bool,
    /// Time until the next step when no one has acknowledged.
    pub escalate_after: Duration,
}

/// A maintenance of the configuration, once or again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedMaintenance {
    /// What is done, in words for the public.
    pub title: String,
    /// More about it, in words for the public.
    pub text: Option<String>,
    /// The services that are worked on.
    pub services: BTreeSet<ServiceId>,
    /// The databases and pools that are worked on. Either these or the services are never empty.
    pub resources: BTreeSet<Resource>,
    /// Start of the first one, in the timezone of the site.
    pub start: civil::DateTime,
    /// Length of each.
    pub duration: Duration,
    /// Wall-clock time from one start to the next; once when `None`.
    pub repeat: Option<Rotation>,
    /// No one starts at this local time or later.
    pub until: Option<civil::DateTime>,
}

/// A notification channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its name in the configuration.
    pub id: ChannelId,
    /// Its provider.
    pub kind: ChannelKind,
    /// Reference to its secret.
    pub secret: Option<SecretRef>,
    /// What the body of a 2xx response must have for a delivery to count as accepted, if declared.
    pub accepted_when: Option<AcceptedWhen>,
}

impl Channel {
    /// References to all its secrets.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        let url = match &self.kind {
            ChannelKind::Chat { url, .. } => Some(url),
            _ => None,
        };
        self.secret.iter().chain(url)
    }
}

/// Conditions on a response body for a delivery to count as accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcceptedWhen {
    /// The body is a JSON object with these fields and values.
    pub json: BTreeMap<String, Scalar>,
    /// The body contains this text.
    pub text: Option<String>,
}

/// A JSON string, integer or boolean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A string.
    Text(String),
}

/// Provider of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// ntfy: JSON to the root of the server.
    Ntfy {
        /// Base URL.
        url: String,
    },
    /// A POST signed with HMAC-SHA256.
    Webhook {
        /// Its URL.
        url: String,
    },
    /// E-mail over an SMTP server; its addresses are e-mail addresses.
    Mail {
        /// The server that relays it.
        server: SmtpServer,
        /// Its sender.
        from: Mailbox,
    },
    /// Phone calls or SMS through Twilio; its addresses are phone numbers.
    Twilio {
        /// Base URL of the API.
        url: String,
        /// The account, `AC` and 32 digits.
        account: String,
        /// The number that calls, or a messaging service.
        from: String,
        /// Whether it calls or writes.
        medium: Medium,
        /// Whether Twilio can reach `site.url`, so that a key of the phone or a reply answers.
        has_callbacks: bool,
    },
    /// A chat service with an incoming webhook; its addresses are empty.
    Chat {
        /// The service.
        service: ChatService,
        /// The URL of the webhook.
        url: SecretRef,
    },
    /// A bot of Telegram; its addresses are ids of chats.
    Telegram {
        /// Base URL of the API.
        url: String,
    },
}

impl ChannelKind {
    /// Whether it rings a phone: for pages only.
    #[must_use]
    pub fn is_call(&self) -> bool {
        matches!(self, Self::Twilio { medium: Medium::Call, .. })
    }

    /// Whether it is written for the phone of one person: no channel for a team.
    #[must_use]
    pub fn is_phone(&self) -> bool {
        matches!(self, Self::Twilio { .. })
    }
}

/// An SMTP server that relays e-mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpServer {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Encryption of the connection.
    pub security: SmtpSecurity,
    /// Name of the account; no sign-in without one.
    pub user: Option<String>,
}

/// Encryption of a connection to an SMTP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// STARTTLS, which the server must offer (RFC 3207).
    StartTls,
    /// None: only on this machine.
    Loopback,
}

/// An e-mail address with the name that is shown beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The shown name; empty without one.
    pub name: String,
    /// The address.
    pub address: String,
}

/// Who gets the updates of the status page besides its readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriptions {
    /// The channel of mails; without one, visitors cannot subscribe.
    pub mail: Option<ChannelId>,
    /// Mails per minute, at most.
    pub per_minute: u32,
    /// Folder with texts that replace the built-in ones.
    pub templates: Option<PathBuf>,
}

/// Reference to a secret, resolved at run time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file.
    File(PathBuf),
}

/// Text, or a reference to a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextOrSecret {
    /// As written.
    Text(String),
    /// Read at run time.
    Secret(SecretRef),
}

/// The public status page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusPage {
    /// Its title.
    pub title: String,
    /// Period of uptime and past incidents, in days.
    pub history_days: u16,
    /// Who publishes updates.
    pub publish: Publish,
    /// Services in the order of the file. Others follow, by name.
    pub order: Vec<ServiceId>,
    /// Whether it has charts of response times.
    pub response_times: bool,
    /// Subscribers, if there may be any.
    pub subscribers: Option<Subscriptions>,
}

/// Who publishes updates on the public status page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Publish {
    /// mainstay, once a service has been failing for a minute.
    #[default]
    Automatic,
    /// mainstay drafts updates; a person publishes them.
    Approve,
    /// People only.
    Manual,
}

/// Shortest time between two reactions in a large configuration, where thousands of alerts open one after another.
const REACTION_PAUSE: Duration = Duration::from_millis(250);
/// Number of probes from which on a configuration is large.
const LARGE: usize = 500;
/// A reaction takes as long as the configuration is large: the pause grows by one [`REACTION_PAUSE`] per this many probes.
const PROBES_PER_PAUSE: usize = 10_000;

impl Config {
    /// Shortest time between two reactions to what probes see; `None` in a small configuration, where each is reacted to.
    #[must_use]
    pub fn reaction_pause(&self) -> Option<Duration> {
        let pauses = u32::try_from(self.probes.len().div_ceil(PROBES_PER_PAUSE)).unwrap_or(u32::MAX);
        (self.probes.len() >= LARGE).then(|| REACTION_PAUSE.saturating_mul(pauses))
    }

    /// Everything that an alert or the audit may name.
    #[must_use]
    pub fn resources(&self) -> BTreeSet<Resource> {
        let mut all: BTreeSet<Resource> = self.graph.resources().cloned().collect();
        all.insert(Resource::here());
        all.extend(self.services.keys().map(|id| Resource::service(&id.0)));
        all.extend(self.pools.keys().chain(self.external_pools.keys()).map(|id| Resource::pool(&id.0)));
        all.extend(self.databases.keys().map(Resource::database));
        all.extend(self.domains.keys().map(Resource::domain));
        for probe in self.probes.values() {
            all.insert(probe.about.clone());
            all.extend(match &probe.kind {
                ProbeKind::Domain { name } => Some(Resource::domain(name)),
                ProbeKind::Dns { zone, .. } => Some(Resource::dns(zone)),
                ProbeKind::Tls { host, port: 443 } => Some(Resource::tls(host)),
                ProbeKind::Tls { host, port } => Some(Resource::tls(format!("{host}:{port}"))),
                _ => None,
            });
        }
        all
    }

    /// How the edge serves a service; `None` when it does not.
    #[must_use]
    pub fn traffic_of(&self, service: &ServiceId) -> Option<&Traffic> {
        self.edge.as_ref()?;
        self.services.get(service)?.traffic.as_ref()
    }

    /// The service that a host, certificate or probe speaks for, and every service that shares it.
    pub fn services_on<'a>(&'a self, resource: &'a Resource) -> impl Iterator<Item = &'a Service> + 'a {
        self.services.values().filter(move |service| {
            let node = Resource::service(&service.id.0);
            node == *resource || self.graph.depends_directly_on(&node, resource)
        })
    }
}
