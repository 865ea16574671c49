//! The declared world: what `config` makes of mainstay.toml once, complete and consistent.
//!
//! Everything that follows from a declaration is already derived here: a service's hosts have their probes, the
//! graph has its edges, the default escalation exists.

use crate::notification::Contact;
use crate::{
    CallerId, ChannelId, EscalationId, Graph, PersonId, PoolId, ProbeId, Resource, ScheduleId, ServiceId,
    Time,
};
pub use edge::{
    Caller, CertificateFiles, Edge, EdgeLimits, Health, Pool, PoolServer, Protocol, Rate, Recognize, Traffic,
};
use ipnet::IpNet;
use jiff::civil;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

mod edge;

/// The declared world.
#[derive(Clone, Debug)]
pub struct Config {
    /// SHA-256 of the text it was read from, in hex.
    pub digest: String,
    /// This installation.
    pub site: Site,
    /// How names are looked up.
    pub dns: Dns,
    /// How registrations are looked up.
    pub registry: Registry,
    /// What people rely on.
    pub services: BTreeMap<ServiceId, Service>,
    /// Every standing question, derived or written by hand.
    pub probes: BTreeMap<ProbeId, Probe>,
    /// Registrable domains with a declared date.
    pub domains: BTreeMap<String, Domain>,
    /// The team.
    pub people: BTreeMap<PersonId, Person>,
    /// Who is on call when.
    pub schedules: BTreeMap<ScheduleId, Schedule>,
    /// Whom, then whom next. Never empty: `default` exists.
    pub escalations: BTreeMap<EscalationId, Escalation>,
    /// Ways to reach people.
    pub channels: BTreeMap<ChannelId, Channel>,
    /// The edge, where the configuration declares one.
    pub edge: Option<Edge>,
    /// Servers able to answer alike.
    pub pools: BTreeMap<PoolId, Pool>,
    /// Programs of our own that ask our own services.
    pub callers: BTreeMap<CallerId, Caller>,
    /// The public status page.
    pub status_page: StatusPage,
    /// Who needs whom.
    pub graph: Graph,
}

/// This installation.
#[derive(Clone, Debug)]
pub struct Site {
    /// The company's name.
    pub name: String,
    /// Time zone for texts; everything is stored in UTC.
    pub timezone: TimeZone,
    /// Folder of the journal, the samples and the keys.
    pub data: PathBuf,
    /// Where status page, console and API listen. Loopback unless told.
    pub listen: SocketAddr,
    /// Where people find the status page, without a trailing slash.
    pub url: String,
    /// PEM files with further trusted roots, for inner certificate authorities.
    pub extra_ca_files: Vec<PathBuf>,
    /// Inner networks that probes and webhooks may reach. Names that lead to any other inner address are a fault.
    pub allow_private: Vec<IpNet>,
}

/// How names are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Resolvers asked, all of them; empty means those of the system.
    pub resolvers: Vec<SocketAddr>,
    /// Root servers to start from; empty means the real ones.
    pub roots: Vec<IpAddr>,
    /// Port of authoritative servers: 53, but for a laboratory.
    pub port: u16,
}

/// How registrations are looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// A newer copy of IANA's RDAP bootstrap file than the one inside.
    pub bootstrap: Option<PathBuf>,
    /// RDAP base URL by top-level domain, before the bootstrap.
    pub rdap: BTreeMap<String, String>,
    /// WHOIS server (`host` or `host:port`) by top-level domain, where there is no RDAP.
    pub whois: BTreeMap<String, String>,
    /// Suffixes that are no ICANN registry's and below which names are registrations of their own.
    pub suffixes: BTreeSet<String>,
}

/// What people rely on.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name in the configuration.
    pub id: ServiceId,
    /// Its name for visitors.
    pub title: String,
    /// The group of the status page that it stands in.
    pub group: Option<String>,
    /// Concrete names asked for it, with a port where that is not 443; wildcards are replaced by their samples.
    pub hosts: Vec<String>,
    /// What was declared, wildcards included.
    pub declared_hosts: Vec<String>,
    /// What it needs: services for now.
    pub depends_on: BTreeSet<Resource>,
    /// Who is responsible; the escalation's own schedules when empty.
    pub schedule: Option<ScheduleId>,
    /// Whom to wake; `default` unless told.
    pub escalation: EscalationId,
    /// Whether visitors see it on the status page.
    pub public: bool,
    /// How the edge serves it; `None` when somebody else does.
    pub traffic: Option<Traffic>,
}

/// A standing question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Its name: `http.auth.acme.com`, or as written by hand.
    pub id: ProbeId,
    /// The thing that its answers are about.
    pub about: Resource,
    /// The question.
    pub ask: Ask,
    /// How often.
    pub interval: Duration,
    /// How long one answer may take, all phases and redirects together.
    pub timeout: Duration,
    /// How many bad answers in a row open an alert.
    pub failure_threshold: u32,
    /// How many good answers in a row close it.
    pub success_threshold: u32,
    /// For how long it must fail before an alert opens, however many answers were bad.
    pub failing_for: Duration,
}

/// What to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// GET a URL and follow redirects.
    Http {
        /// Where to begin.
        url: String,
        /// What a good answer looks like.
        expect: Expect,
    },
    /// Open a TCP connection.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// Ask the parent, every authoritative server and every resolver about a registrable domain.
    Dns {
        /// The registrable domain.
        zone: String,
        /// Concrete names below it to compare answers for.
        names: Vec<String>,
    },
    /// Fetch the certificate chain, good or not, from every address of the name.
    Tls {
        /// Name, used for SNI.
        host: String,
        /// Port.
        port: u16,
    },
    /// Ask the registry about a registrable domain.
    Domain {
        /// The registrable domain.
        name: String,
    },
}

/// What a good HTTP answer looks like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// Accepted status codes; empty means any 2xx.
    pub status: Vec<u16>,
    /// Text that the body must contain.
    pub body_contains: Option<String>,
    /// Slower than this is a fault.
    pub max_latency: Option<Duration>,
    /// Nobody declared what a good answer is: a status code below 500 that was there from the first answer on is accepted.
    pub learns: bool,
}

impl Expect {
    /// Whether a status code is one of those declared.
    #[must_use]
    pub fn accepts(&self, status: u16) -> bool {
        match self.status.as_slice() {
            [] => (200..300).contains(&status),
            declared => declared.contains(&status),
        }
    }
}

/// What the configuration knows better than the registry tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Expiry, where the registry hides it.
    pub expires: Option<Time>,
}

/// A team member.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their name in the configuration.
    pub id: PersonId,
    /// Their name for people.
    pub name: String,
    /// Where they live.
    pub timezone: TimeZone,
    /// When they are awake, by their own clock: from, to; `to` before `from` runs over midnight.
    pub waking_hours: Option<(civil::Time, civil::Time)>,
    /// How they are reached, in this order within a step. Never empty.
    pub contacts: Vec<Contact>,
}

/// Who is on call when.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Its name in the configuration.
    pub id: ScheduleId,
    /// The zone of all its local times.
    pub timezone: TimeZone,
    /// The last layer that has somebody on duty wins.
    pub layers: Vec<Layer>,
}

/// People who take turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// In turn; the first holds the shift that begins at `start`. Never empty.
    pub people: Vec<PersonId>,
    /// When the first shift begins, local.
    pub start: civil::DateTime,
    /// How long a shift is, by the wall clock.
    pub rotation: Turn,
    /// When the layer ends, local.
    pub until: Option<civil::DateTime>,
}

/// Length of a shift by the wall clock: a week is a week across a change of summer time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Hours.
    Hours(u32),
    /// Days.
    Days(u32),
    /// Weeks.
    Weeks(u32),
    /// Months.
    Months(u32),
}

/// Whom, then whom next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// Its name in the configuration.
    pub id: EscalationId,
    /// The steps. Never empty.
    pub steps: Vec<Step>,
    /// How often the whole escalation is climbed again before the last resort.
    pub repeat: u32,
    /// Numbers and addresses that are tried when all else was silent, and again and again from then on.
    pub fallback: Vec<Contact>,
}

/// One step of an escalation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whoever is on call in these, added up.
    pub schedules: Vec<ScheduleId>,
    /// And these people, always.
    pub people: Vec<PersonId>,
    /// Whether those who are awake now come first and the sleeping only when nobody is awake.
    pub prefer_awake: bool,
    /// How long until the next step.
    pub escalate_after: Duration,
}

/// A way to reach people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its name in the configuration.
    pub id: ChannelId,
    /// What it speaks, to whom.
    pub kind: ChannelKind,
    /// Where its secret is; never the secret itself.
    pub secret: Option<SecretRef>,
    /// What a 2xx of it must hold to be a success, where the configuration says so.
    pub accepted_when: Option<AcceptedWhen>,
}

/// What a provider's answer holds when it accepted a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcceptedWhen {
    /// Fields of a JSON object with these values.
    pub json: BTreeMap<String, Scalar>,
    /// These words.
    pub text: Option<String>,
}

/// A single value of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// Words.
    Text(String),
}

/// What a channel speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// ntfy, JSON to the server's root.
    Ntfy {
        /// Base URL.
        url: String,
    },
    /// A POST signed with HMAC-SHA256.
    Webhook {
        /// Where to.
        url: String,
    },
}

/// Where a secret is found at run time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file.
    File(PathBuf),
}

/// The public status page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusPage {
    /// Its title.
    pub title: String,
    /// How far back it looks, in days.
    pub history_days: u16,
    /// Who publishes updates.
    pub publish: Publish,
    /// Services in the order of the file. Those that are missing come after, by name.
    pub order: Vec<ServiceId>,
}

/// Who publishes updates on the public status page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Publish {
    /// mainstay, a minute after an outage that visitors notice.
    #[default]
    Automatic,
    /// mainstay writes drafts; a person publishes them.
    Approve,
    /// Only people.
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

    /// The service that a host, certificate or probe speaks for, and every service that shares it.
    pub fn services_on<'a>(&'a self, resource: &'a Resource) -> impl Iterator<Item = &'a Service> + 'a {
        self.services.values().filter(move |service| {
            let node = Resource::service(&service.id.0);
            node == *resource || self.graph.needs_directly(&node, resource)
        })
    }
}
