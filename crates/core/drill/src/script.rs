//! A parsed script.

use std::fmt;
use std::time::Duration;
use types::{PersonId, Resource};

/// A known outage: what is done to the fixture, which milestones must be reached, and within which time.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// The name: `expired-name`.
    pub name: String,
    /// The title for people.
    pub title: String,
    /// The cause that mainstay must find.
    pub cause: Resource,
    /// Patterns of the resources that the outage affects; `*` matches anything. An alert about another resource is a
    /// false alert.
    pub touches: Vec<String>,
    /// Resources whose normal state must be known before the fault: registrable domains, with delegation and
    /// registration, and the usual traffic of services, `service.auth`.
    pub learns: Vec<String>,
    /// Patterns of the resources about which an alert before the fault is right, because something about them was wrong before.
    pub expects: Vec<String>,
    /// Text of the statement that the summary of an incident must name: `recount(`.
    pub statement: Option<String>,
    /// Duration of the reported outage: `9 h`.
    pub in_life: Option<String>,
    /// Title of the reported outage.
    pub in_life_title: Option<String>,
    /// Timeline of the reported outage.
    pub life: Vec<Life>,
    /// The targets.
    pub limits: Limits,
    /// Acts and waits, in this order.
    pub steps: Vec<Step>,
}

/// One line of the timeline of the reported outage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// Since the first report of a user.
    pub after: Duration,
    /// What happened.
    pub text: String,
}

/// The targets of a drill. `None`: not judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// From the fault to the first true alert.
    pub alert: Option<Duration>,
    /// From the fault to the right cause.
    pub cause: Option<Duration>,
    /// Whether the right cause must be known before the caches of resolvers expire.
    pub cause_before_caches: bool,
    /// From the fault to the first delivered page.
    pub human: Option<Duration>,
    /// From the fault to the first public update.
    pub update: Option<Duration>,
    /// From the start of the flood until an incident names the surge with its sources.
    pub surge: Option<Duration>,
    /// From the end of the flood, or from the start of the conflict of limits, if that was later, until an incident has
    /// the conflict as its cause, with a traced request.
    pub conflict: Option<Duration>,
    /// From the fault until an incident names the slow statement.
    pub statement: Option<Duration>,
    /// From the fall of the pool below its minimum until people on call are notified.
    pub pool: Option<Duration>,
    /// From the addition of replicas until they are named as idle.
    pub idle: Option<Duration>,
    /// From the fault until all servers serve and all clients are connected again.
    pub well: Option<Duration>,
    /// Whether no server may get more concurrent opens than its limit once the servers have returned.
    pub opens: bool,
    /// Whether the effect of each noted fix must be judged as the fixture measured it.
    pub effects: bool,
    /// From the third restart of a server until the incident with the right cause names the crash loop.
    pub crash_loop: Option<Duration>,
    /// Least share of the fetches of the sign-in configuration that get the right content while its source is down, in per cent.
    pub configuration: Option<u32>,
    /// Limits of a power cut.
    pub power: PowerLimits,
    /// Maximum of pages; none at all is missed as well.
    pub pages: Option<u32>,
    /// Most alerts about resources that the outage does not affect.
    pub false_alerts: Option<u32>,
}

/// The targets of a power cut. `None`: not judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PowerLimits {
    /// From the return of mainstay until an incident names the loss of the primary.
    pub loss: Option<Duration>,
    /// From the return of mainstay to the first delivered page.
    pub first_page: Option<Duration>,
    /// From the promotion of a replica until it is named.
    pub promotion: Option<Duration>,
    /// From the return of the old primary, to which the application connects again, until that connection is named.
    pub connection: Option<Duration>,
    /// Longest time from the start of creeping slowness to its alert, as a share of the time from the start to the crash, in per
    /// cent.
    pub creeping: Option<u32>,
    /// Whether each entry must be recorded exactly once, each subscriber must get each update once, and no incident may have
    /// a second page.
    pub once: bool,
    /// Most pages about what a maintenance explains.
    pub maintenance_pages: Option<u32>,
}

/// One line of the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Performs an act. The clock of the drill starts with the first step that has an `at`.
    Act {
        /// Earliest time on the clock of the drill; `None`: directly after the step before.
        at: Option<Duration>,
        /// The act.
        act: Act,
    },
    /// Waits for a milestone; the drill fails when it is not reached in time.
    Wait {
        /// The milestone.
        until: Milestone,
        /// The timeout.
        within: Duration,
    },
}

/// A change of the fixture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// `warm caches`: the resolver looks up every name again, so that its answers are valid for their whole TTL.
    WarmCaches,
    /// `fault swap`: the registration has expired, and the parent zone delegates to the parking servers of the
    /// registrar.
    Swap,
    /// `fault hold`: the registrar removes the name from the parent zone.
    Hold,
    /// `renew`: the registration is renewed, and the parent zone delegates to the old servers again.
    Renew,
    /// `flood 200x`: a multiple of the usual requests, from a few autonomous systems.
    Flood {
        /// The multiple.
        times: u32,
    },
    /// `flood ends`: usual traffic again.
    FloodEnds,
    /// `forward client`: the front end names the client to its API in a header, as the guide shows in five lines.
    ForwardClient,
    /// `fault slow-query`: a much-used piece of code becomes inefficient.
    SlowQuery,
    /// `fix query`: the code is efficient again.
    FixQuery,
    /// `add servers 4`: more API servers, with the configuration that serves them.
    AddServers {
        /// Number of servers.
        count: u32,
    },
    /// `add replicas 1`: streaming replicas of the database, with the configuration that monitors them.
    AddReplicas {
        /// Number of replicas.
        count: u32,
    },
    /// `roll back`: each serving API server is replaced by its previous release, one after the other.
    RollBack,
    /// `return servers`: the API servers that stopped are started again.
    ReturnServers,
    /// `audit single-database backup-age`: waits until the audit of mainstay names these criteria.
    Audit {
        /// The criteria.
        criteria: Vec<String>,
    },
    /// `back up`: the scheduled backup of the database runs.
    BackUp,
    /// `subscribe`: the team adds the subscribers of the fixture to the status page.
    Subscribe,
    /// `record 20 entries`: a person records entries in the browser.
    RecordEntries {
        /// Number of entries.
        count: u32,
    },
    /// `fault power-cut`: the primary and mainstay are killed in the same moment.
    PowerCut,
    /// `power returns`: mainstay is started again; the old primary is not.
    PowerReturns,
    /// `promote replica`: a replica becomes the primary. The application does not know of it.
    PromoteReplica,
    /// `return primary`: the old primary is started for a look at its data, and the application connects to it again.
    ReturnPrimary,
    /// `follow promotion`: the old primary is stopped, and the application connects to the new one.
    FollowPromotion,
    /// `kill edge`: mainstay is killed while the browser delivers entries, and started again.
    KillEdge,
    /// `restart servers 2`: application servers are restarted, which frees what they leaked.
    RestartServers {
        /// Number of servers.
        count: u32,
    },
    /// `announce maintenance after 5s for 60s`: the provider announces work on its network.
    AnnounceMaintenance {
        /// Time until it starts.
        after: Duration,
        /// Its planned length.
        lasting: Duration,
    },
    /// `provider works for 20s`: no application server can be reached meanwhile.
    ProviderWorks {
        /// Time without the servers.
        lasting: Duration,
    },
    /// `person ana answers after 4s`: acknowledges each page after this delay.
    PersonAnswers {
        /// The person.
        person: PersonId,
        /// Delay after the call.
        after: Duration,
    },
    /// `person ana stays silent`.
    PersonSilent {
        /// The person.
        person: PersonId,
    },
    /// `phone works`: the provider accepts calls.
    PhoneWorks,
    /// `phone fails`: the provider responds with errors.
    PhoneFails,
    /// `phone hangs`: the provider accepts connections and does not respond.
    PhoneHangs,
}

impl Act {
    /// Whether this is the fault, from which the score counts.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Swap | Self::Hold | Self::Flood { .. } | Self::SlowQuery | Self::PowerCut)
    }

    /// The note that the team adds to the incident, when the act is a fix that it announces.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        Some(match self {
            Self::FixQuery => "fix the slow query".to_owned(),
            Self::AddServers { count } => format!("add {count} API servers"),
            Self::AddReplicas { count: 1 } => "add a database replica".to_owned(),
            Self::AddReplicas { count } => format!("add {count} database replicas"),
            Self::RollBack => "roll back the API".to_owned(),
            Self::ReturnServers => "start the stopped API servers".to_owned(),
            _ => return None,
        })
    }

    /// Whether the configuration of mainstay is another one afterwards.
    #[must_use]
    pub fn changes_config(&self) -> bool {
        matches!(self, Self::AddServers { .. } | Self::AddReplicas { .. })
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WarmCaches => f.write_str("warm caches"),
            Self::Swap => f.write_str("fault swap"),
            Self::Hold => f.write_str("fault hold"),
            Self::Renew => f.write_str("renew"),
            Self::Flood { times } => write!(f, "flood {times}x"),
            Self::FloodEnds => f.write_str("flood ends"),
            Self::ForwardClient => f.write_str("forward client"),
            Self::SlowQuery => f.write_str("fault slow-query"),
            Self::FixQuery => f.write_str("fix query"),
            Self::AddServers { count } => write!(f, "add servers {count}"),
            Self::AddReplicas { count } => write!(f, "add replicas {count}"),
            Self::RollBack => f.write_str("roll back"),
            Self::ReturnServers => f.write_str("return servers"),
            Self::Audit { criteria } => write!(f, "audit {}", criteria.join(" ")),
            Self::BackUp => f.write_str("back up"),
            Self::Subscribe => f.write_str("subscribe"),
            Self::RecordEntries { count } => write!(f, "record {count} entries"),
            Self::PowerCut => f.write_str("fault power-cut"),
            Self::PowerReturns => f.write_str("power returns"),
            Self::PromoteReplica => f.write_str("promote replica"),
            Self::ReturnPrimary => f.write_str("return primary"),
            Self::FollowPromotion => f.write_str("follow promotion"),
            Self::KillEdge => f.write_str("kill edge"),
            Self::RestartServers { count } => write!(f, "restart servers {count}"),
            Self::AnnounceMaintenance { after, lasting } => {
                write!(f, "announce maintenance after {}ms for {}ms", after.as_millis(), lasting.as_millis())
            }
            Self::ProviderWorks { lasting } => write!(f, "provider works for {}ms", lasting.as_millis()),
            Self::PersonAnswers { person, after } => {
                write!(f, "person {person} answers after {}ms", after.as_millis())
            }
            Self::PersonSilent { person } => write!(f, "person {person} stays silent"),
            Self::PhoneWorks => f.write_str("phone works"),
            Self::PhoneFails => f.write_str("phone fails"),
            Self::PhoneHangs => f.write_str("phone hangs"),
        }
    }
}

/// A milestone of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Milestone {
    /// Everything listed under `learns` is in the journal: delegation and registration of domains, usual traffic.
    Learned,
    /// An incident names a surge with its sources.
    SurgeNamed,
    /// An incident has conflicting limits as its cause, with a traced request that shows it.
    ConflictNamed,
    /// An incident names the slow statement.
    StatementNamed,
    /// People on call were notified that the pool is below its minimum.
    PoolNamed,
    /// A replica is named as idle.
    IdleNamed,
    /// An incident names the loss of the primary of a database.
    LossNamed,
    /// A promotion is named.
    PromotionNamed,
    /// The connections of an application to the replaced primary are named.
    ConnectionNamed,
    /// A level that creeps towards its limit is named.
    CreepingNamed,
    /// The last maintenance has started.
    MaintenanceStarted,
    /// The last maintenance has ended.
    MaintenanceEnded,
    /// A true alert is open.
    AlertOpen,
    /// An incident is open.
    IncidentOpen,
    /// An incident names the right cause.
    CauseFound,
    /// The first update is public.
    UpdatePublished,
    /// A page was delivered.
    PersonPaged,
    /// An incident was acknowledged.
    Acknowledged,
    /// The cause of an incident is fixed.
    Recovering,
    /// Every incident of the run is resolved.
    Resolved,
    /// The effect of every note on an incident is final.
    EffectsJudged,
    /// The cached answers of resolvers from before the last change have expired. Only the fixture can observe it.
    CachesExpired,
    /// Every server serves and every client is connected. Only the fixture can observe it.
    ClientsBack,
    /// Every entry of the browser has been recorded. Only the fixture can observe it.
    EntriesDelivered,
    /// The servers that leak have crashed. Only the fixture can observe it.
    Crashed,
}

impl Milestone {
    /// Every milestone with its name in scripts.
    pub const NAMES: [(Milestone, &'static str); 25] = [
        (Milestone::Learned, "learned"),
        (Milestone::SurgeNamed, "surge-named"),
        (Milestone::ConflictNamed, "conflict-named"),
        (Milestone::StatementNamed, "statement-named"),
        (Milestone::PoolNamed, "pool-named"),
        (Milestone::IdleNamed, "idle-named"),
        (Milestone::LossNamed, "loss-named"),
        (Milestone::PromotionNamed, "promotion-named"),
        (Milestone::ConnectionNamed, "connection-named"),
        (Milestone::CreepingNamed, "creeping-named"),
        (Milestone::MaintenanceStarted, "maintenance-started"),
        (Milestone::MaintenanceEnded, "maintenance-ended"),
        (Milestone::AlertOpen, "alert-open"),
        (Milestone::IncidentOpen, "incident-open"),
        (Milestone::CauseFound, "cause-found"),
        (Milestone::UpdatePublished, "update-published"),
        (Milestone::PersonPaged, "person-paged"),
        (Milestone::Acknowledged, "acknowledged"),
        (Milestone::Recovering, "recovering"),
        (Milestone::Resolved, "resolved"),
        (Milestone::EffectsJudged, "effects-judged"),
        (Milestone::CachesExpired, "caches-expired"),
        (Milestone::ClientsBack, "clients-back"),
        (Milestone::EntriesDelivered, "entries-delivered"),
        (Milestone::Crashed, "crashed"),
    ];

    /// Whether only the fixture can observe it.
    #[must_use]
    pub fn is_of_fixture(self) -> bool {
        matches!(self, Self::CachesExpired | Self::ClientsBack | Self::EntriesDelivered | Self::Crashed)
    }

    /// The name in scripts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(milestone, _)| *milestone == self).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Milestone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Script {
    /// Whether the outage affects the resource.
    #[must_use]
    pub fn touches(&self, resource: &Resource) -> bool {
        any_matches(&self.touches, resource)
    }

    /// Whether an alert about the resource is right before the fault.
    #[must_use]
    pub fn expects(&self, resource: &Resource) -> bool {
        any_matches(&self.expects, resource)
    }
}

fn any_matches(patterns: &[String], resource: &Resource) -> bool {
    let name = resource.to_string();
    patterns.iter().any(|pattern| matches(pattern, &name))
}

/// Whether a pattern matches a text; `*` matches any characters, also none.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|cut| rest.get(cut..).is_some_and(|tail| matches(after, tail)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_matches_any_characters() {
        for (pattern, name, fits) in [
            ("host.*.acme.app*", "host.demo.acme.app:8443", true),
            ("host.*.acme.app*", "host.demo.acme.app", true),
            ("host.*.acme.app*", "host.hello.acme.io:8443", false),
            ("domain.acme.app", "domain.acme.app", true),
            ("domain.acme.app", "domain.acme.app.evil", false),
            ("*", "", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXc", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
