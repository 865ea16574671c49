//! Cause and end of an incident in one sentence: the first line of every message.

use crate::impact::{hurts, is_ahead, is_redundancy_loss};
use crate::recovery::is_deep;
use crate::scope::Scope;
use crate::state::Case;
use ::text::list;
use ::text::number::counted;
use jiff::ZonedDateTime;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::fault::{DnsFault, DomainFault, TlsFault};
use types::time::between;
use types::{Alert, Config, Fault, Kind, LikelyCause, Resource, Time};

mod change;
mod likely;
mod location;
mod power;
mod promotion;
mod text;
mod traffic;

pub(crate) use change::NearestChange;
pub(crate) use promotion::promotion;
use text::{Tense, at_time, clock, in_tense, listed, on_day, plural, plural_past, rounded};

/// Maximum of different faults of one service that are listed.
const FAULTS_MAX: usize = 4;

/// Facts for a summary.
pub(crate) struct Facts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) now: Time,
    pub(crate) cause: &'a Resource,
    /// Every alert of the incident, closed ones included.
    pub(crate) cases: &'a [&'a Case],
    pub(crate) scope: &'a Scope,
    /// Recovery time of the cause, while dependents still fail.
    pub(crate) recovered_at: Option<Time>,
    /// The nearest change before the onset.
    pub(crate) change: Option<NearestChange<'a>>,
    /// Open alerts about slowness, earliest first.
    pub(crate) symptoms: &'a [&'a Alert],
    /// Resources that stand out in the measurements.
    pub(crate) likely: &'a [LikelyCause],
}

impl Facts<'_> {
    /// Summary of the present state.
    pub(crate) fn present(&self) -> String {
        match self.recovered_at {
            Some(since) => self.recovering(since),
            None => {
                let mut text = self.head(&self.zoned(self.now), Tense::Is);
                text.push_str(&self.pools_short());
                text.push_str(&self.crash_loops());
                text.push_str(&self.idle_capacity());
                text.push_str(&self.retries());
                text.push_str(&self.consequences());
                text.push_str(&self.others());
                text.push_str(&self.slowness());
                text.push_str(&self.measurements(Tense::Is));
                text.push_str(&self.after_change());
                text
            }
        }
    }

    /// Summary of an ended incident. `services` are all that were affected at any time.
    pub(crate) fn resolved(&self, services: &BTreeSet<Resource>, since: Time, ended: Time) -> String {
        let mut text = self.ended(services, since, ended);
        text.push_str(&self.measurements(Tense::Was));
        text.push_str(&self.after_change());
        text
    }

    fn ended(&self, services: &BTreeSet<Resource>, since: Time, ended: Time) -> String {
        let head = self.head(&self.zoned(ended), Tense::Was);
        // The time before an expiry date does not count.
        let hurt = self.cases.iter().filter(|case| hurts(&case.alert)).map(|case| case.alert.since).min();
        let lasted = rounded(between(hurt.unwrap_or(since), ended));
        let names: BTreeSet<&str> = self
            .cases
            .iter()
            .filter(|case| hurts(&case.alert) && matches!(case.alert.about.kind, Kind::Host | Kind::Tls))
            .map(|case| case.alert.about.name.as_str())
            .filter(|name| *name != self.cause.name)
            .collect();
        let names = counted(names.len(), "name");
        let services = counted(services.len(), "service");
        match (names, services, self.cause.kind) {
            (Some(names), Some(services), _) => format!("{head}; {names} and {services} failed for {lasted}"),
            (Some(one), None, _) => format!("{head}; {one} failed for {lasted}"),
            (None, Some(_), Kind::Domain | Kind::Dns) => {
                format!("{head}; it lasted {lasted}, no name failed")
            }
            (None, Some(_), _) if self.cases.iter().all(|case| is_redundancy_loss(&case.alert.fault)) => {
                format!("{head}; it lasted {lasted}, the other servers answered")
            }
            (None, Some(one), _) => format!("{head}; {one} affected for {lasted}"),
            (None, None, _) if self.own().first().is_some_and(|case| is_ahead(&case.alert.fault)) => {
                format!("{head}; resolved after {lasted}")
            }
            (None, None, _) => format!("{head}; it lasted {lasted}"),
        }
    }

    /// A time in the site's timezone.
    fn zoned(&self, at: Time) -> ZonedDateTime {
        at.to_zoned_datetime(self.config.site.timezone.clone())
    }

    /// Alerts about the cause itself: what users notice before warnings, the most informative first.
    fn own(&self) -> Vec<&Case> {
        let mut own: Vec<&Case> =
            self.cases.iter().copied().filter(|case| case.alert.about == *self.cause).collect();
        let rank = |case: &&Case| {
            let Alert { since, id, .. } = case.alert;
            (case.closed.is_some(), !hurts(&case.alert), rank_of(&case.alert), since, id)
        };
        own.sort_by_key(rank);
        own
    }

    /// The cause as a clause.
    fn head(&self, now: &ZonedDateTime, tense: Tense) -> String {
        let own = self.own();
        if self.cause.kind == Kind::Service && own.is_empty() {
            return self.shared(now, tense);
        }
        if self.cause.kind == Kind::Location {
            return self.at_location(tense);
        }
        if self.is_place() {
            return self.at_place(tense);
        }
        let subject = self.display_name(self.cause);
        let Some(first) = own.first() else {
            return match tense {
                Tense::Is => format!("{subject} is failing"),
                Tense::Was => format!("{subject} was failing"),
            };
        };
        let moved = self.cases.iter().find_map(|case| match &case.alert.fault {
            Fault::Dns { dns: DnsFault::DelegationMoved { to, .. } } if case.closed.is_none() => Some(to),
            _ => None,
        });
        let mut text = clause(&subject, &first.alert, moved, now, tense);
        let names = self.names_with(first);
        if names.len() > 1
            && let Some(predicate) = text.strip_prefix(&subject)
        {
            let predicate = predicate.trim_start();
            let several = if tense == Tense::Is { plural(predicate) } else { plural_past(predicate) };
            let names = match names.as_slice() {
                few if few.len() <= 3 => list::and(few),
                many => listed(many),
            };
            text = format!("{names} {several}");
        }
        text.push_str(&self.other_pools(first));
        let is_held =
            |case: &&&Case| matches!(case.alert.fault, Fault::Domain { domain: DomainFault::Held { .. } });
        let held = own.iter().skip(1).find(is_held);
        if let Some(held) = held.filter(|held| held.closed.is_some() == first.closed.is_some()) {
            text.push_str(&format!("; it {}", in_tense(&held.alert.fault.to_string(), tense)));
        }
        if let Some(began) = self.began_with() {
            text.push_str(&format!("; {began}"));
        }
        text
    }

    /// Names with the certificate that is the cause, its own first.
    fn names_with(&self, first: &Case) -> Vec<&str> {
        let until = |case: &Case| match case.alert.fault {
            Fault::Tls { tls: TlsFault::Expiring { at, .. } | TlsFault::Expired { since: at } } => Some(at),
            _ => None,
        };
        let Some(date) = until(first) else { return Vec::new() };
        let same = self.cases.iter().filter(|case| until(case) == Some(date));
        let same = same.filter(|case| case.closed.is_some() == first.closed.is_some());
        let others = same.map(|case| case.alert.about.name.as_str());
        let others: BTreeSet<&str> = others.filter(|name| *name != self.cause.name).collect();
        std::iter::once(self.cause.name.as_str()).chain(others).collect()
    }

    /// Several failing names of one service without a common cause.
    fn shared(&self, now: &ZonedDateTime, tense: Tense) -> String {
        let title = self.display_name(self.cause);
        let open = self.cases.iter().filter(|case| case.closed.is_none());
        let mut cases: Vec<&&Case> = match open.clone().count() {
            0 => self.cases.iter().collect(),
            _ => open.collect(),
        };
        // Warnings are not listed together with failures.
        let is_hurt = cases.iter().any(|case| hurts(&case.alert));
        cases.retain(|case| !is_hurt || hurts(&case.alert));
        // One fault code may have several texts: each status code is listed with its names.
        let mut by_fault: BTreeMap<(&str, String), BTreeSet<&str>> = BTreeMap::new();
        for case in &cases {
            let fault = &case.alert.fault;
            by_fault
                .entry((fault.as_str(), predicate(fault, now)))
                .or_default()
                .insert(&case.alert.about.name);
        }
        let failing: BTreeSet<&str> = cases.iter().map(|case| case.alert.about.name.as_str()).collect();
        let all = self.scope.names.len().max(failing.len());
        let text_of = |fault: &str, names: usize| match (tense, names) {
            (Tense::Is, 1) => fault.to_owned(),
            (Tense::Is, _) => plural(fault),
            (Tense::Was, 1) => in_tense(fault, tense),
            (Tense::Was, _) => plural_past(&in_tense(fault, tense)),
        };
        let how: String = match by_fault.len() {
            1 => by_fault.keys().map(|(_, fault)| text_of(fault, failing.len())).collect(),
            ways => {
                let listed_faults = by_fault.iter().take(FAULTS_MAX).map(|((_, fault), names)| {
                    let names: Vec<&str> = names.iter().copied().collect();
                    format!("{} {}", listed(&names), text_of(fault, names.len()))
                });
                let more = (ways > FAULTS_MAX).then(|| "others differently".to_owned());
                let fail = match (tense, is_hurt) {
                    (Tense::Is, true) => "fail",
                    (Tense::Was, true) => "failed",
                    (Tense::Is, false) => "have warnings",
                    (Tense::Was, false) => "had warnings",
                };
                format!("{fail}: {}", listed_faults.chain(more).collect::<Vec<_>>().join(", "))
            }
        };
        let who = match failing.len() {
            1 => format!("1 of {all} names of {title}"),
            some if some == all => format!("all {all} names of {title}"),
            some => format!("{some} of {all} names of {title}"),
        };
        let since = cases.iter().map(|case| case.alert.since).min().unwrap_or(now.timestamp());
        match tense {
            Tense::Is => format!("{who} {how}, since {}; no common cause found yet", clock(since, now)),
            Tense::Was => format!("{who} {how}"),
        }
    }

    /// Effects of the cause.
    fn consequences(&self) -> String {
        let titles = |resources: &BTreeSet<Resource>| {
            resources.iter().map(|resource| self.display_name(resource)).collect::<Vec<_>>()
        };
        let hurting = self.own().first().is_some_and(|case| case.closed.is_none() && hurts(&case.alert));
        let services = counted(self.scope.affected.len(), "service");
        let names = self.scope.names.len();
        match self.cause.kind {
            Kind::Mainstay => "; failures are not reported meanwhile".to_owned(),
            Kind::Service if self.own().is_empty() => String::new(),
            Kind::Address | Kind::Host if self.is_place() => self.affected_there(),
            Kind::Domain | Kind::Dns if hurting => {
                let failing = self.scope.failing.intersection(&self.scope.names).count();
                let of =
                    if failing == names || failing == 0 { String::new() } else { format!("{failing} of ") };
                let one = failing == 1 && names == 1 && services.is_none();
                let who = match (counted(names, "name"), services) {
                    (Some(names), Some(services)) => format!("{of}{names} and {services}"),
                    (Some(one), None) | (None, Some(one)) => format!("{of}{one}"),
                    (None, None) => return String::new(),
                };
                let fail = if one { "fails" } else { "fail" };
                match failing {
                    0 => format!("; {who} will fail as caches expire"),
                    _ if failing < names => {
                        format!("; {who} {fail} because of it, the others will as caches expire")
                    }
                    _ => format!("; {who} {fail} because of it"),
                }
            }
            _ if self.scope.affected.iter().any(|service| service != self.cause) => {
                let mut others = self.scope.affected.clone();
                others.remove(self.cause);
                let titles = titles(&others);
                // Whether a service fails with its database is seen at its endpoints.
                let spare = self.cases.iter().all(|case| {
                    is_redundancy_loss(&case.alert.fault) || case.alert.about.kind == Kind::Database
                });
                let is_affected = match (spare, titles.len()) {
                    (true, 1) => "depends on it",
                    (true, _) => "depend on it",
                    (false, 1) => "is affected",
                    (false, _) => "are affected",
                };
                match titles.as_slice() {
                    [] => String::new(),
                    few if few.len() <= 3 => format!("; {} {is_affected}", list::and(few)),
                    many => format!("; {} services {is_affected}", many.len()),
                }
            }
            Kind::Service => String::new(),
            // The names are in the clause already.
            Kind::Tls if self.cases.len() > 1 => String::new(),
            _ => match counted(names, "name") {
                Some(who) if names == 1 => format!("; {who} depends on it"),
                Some(who) => format!("; {who} depend on it"),
                None => String::new(),
            },
        }
    }

    /// Unaffected names.
    fn others(&self) -> String {
        let hurting = self.cases.iter().any(|case| case.closed.is_none() && hurts(&case.alert));
        match self.scope.healthy.as_slice() {
            _ if !hurting => String::new(),
            [] => String::new(),
            [one] => format!("; {one} is not affected"),
            [one, two] if self.scope.healthy_count == 2 => format!("; {one} and {two} are not affected"),
            _ => format!("; {} other names are not affected", self.scope.healthy_count),
        }
    }

    /// The earliest symptom that is not about the cause and not a failing name: where it may come from.
    fn slowness(&self) -> String {
        let likely = self.likely_cause().map(|likely| &likely.resource);
        let said = |alert: &&&Alert| {
            alert.about != *self.cause
                && likely != Some(&alert.about)
                && !self.cases.iter().any(|case| case.alert.about == alert.about)
        };
        let mut slow = self.symptoms.iter().filter(said);
        let Some(first) = slow.next() else { return String::new() };
        let (subject, at) = (self.display_name(&first.about), clock(first.since, &self.zoned(self.now)));
        let more = match slow.count() {
            0 => String::new(),
            1 => ", and so is 1 more".to_owned(),
            more => format!(", and so are {more} more"),
        };
        format!("; {subject} {} since {at}{more}", first.fault)
    }

    fn recovering(&self, since: Time) -> String {
        if let Some(text) = self.after_surge(since) {
            return text;
        }
        let subject = self.display_name(self.cause);
        let at = clock(since, &self.zoned(self.now));
        let failing = self.scope.failing.len();
        let all = if is_deep(self.cause) { self.scope.names.len().max(failing) } else { failing };
        let still = if failing == 1 { "fails" } else { "fail" };
        match failing {
            0 => format!("{subject} recovered at {at}; dependent resources are being checked"),
            _ if failing == all => format!(
                "{subject} recovered at {at}; {} still {still}",
                counted(all, "name").unwrap_or_default()
            ),
            _ => format!("{subject} recovered at {at}; {failing} of {all} names still {still}"),
        }
    }

    /// Display name of a resource.
    fn display_name(&self, resource: &Resource) -> String {
        match resource.kind {
            Kind::Service => {
                let id = types::ServiceId(resource.name.clone());
                self.config
                    .services
                    .get(&id)
                    .map_or_else(|| resource.name.clone(), |service| service.title.clone())
            }
            Kind::Database => format!("database {}", resource.name),
            Kind::Heartbeat => format!("job {}", resource.name),
            Kind::Source => resource.name.split('/').next().unwrap_or_default().to_owned(),
            Kind::Mainstay => "mainstay".to_owned(),
            _ => resource.name.clone(),
        }
    }
}

/// Rank of an alert by information about the cause, lowest first: an expired domain comes before its hold, a moved
/// delegation before new servers that do not answer.
fn rank_of(alert: &Alert) -> u8 {
    match &alert.fault {
        Fault::Domain { domain } => match domain {
            DomainFault::NotRegistered | DomainFault::PendingDelete | DomainFault::Redemption => 0,
            DomainFault::Expired { .. } => 1,
            DomainFault::Held { .. } => 2,
            DomainFault::AutoRenew => 3,
            DomainFault::Expires { .. } => 4,
            DomainFault::PendingTransfer => 5,
            DomainFault::Stale { .. } => 6,
            DomainFault::Undated => 7,
        },
        Fault::Dns { dns } => match dns {
            DnsFault::NotDelegated => 0,
            DnsFault::DelegationMoved { .. } => 1,
            DnsFault::NoServer => 2,
            _ => 3,
        },
        Fault::Surge { .. } => 1,
        Fault::LimitConflict { .. } | Fault::ServerCertificate { .. } => 2,
        // It says more than the number of healthy servers, which rises and falls with it.
        Fault::CrashLoop { .. } => 3,
        Fault::ReconnectStorm { .. } => 8,
        Fault::Slow { .. } | Fault::Tls { tls: TlsFault::Expiring { .. } } => 9,
        idle if idle.is_idle_capacity() => 9,
        _ => 5,
    }
}

/// Predicate of a fault, with times in the site's timezone.
fn predicate(fault: &Fault, now: &ZonedDateTime) -> String {
    match fault {
        Fault::Tls { tls: TlsFault::Expired { since } } => {
            format!("serves a certificate that expired {}", at_time(*since, now))
        }
        Fault::Tls { tls: TlsFault::NotYetValid { from } } => {
            format!("serves a certificate that is not valid before {}", clock(*from, now))
        }
        Fault::Tls { tls: TlsFault::Expiring { at, .. } } => {
            format!("serves a certificate that expires {}", at_time(*at, now))
        }
        fault => fault.to_string(),
    }
}

/// Clause of one alert.
fn clause(
    subject: &str,
    alert: &Alert,
    moved: Option<&BTreeSet<String>>,
    now: &ZonedDateTime,
    tense: Tense,
) -> String {
    let since = match tense {
        Tense::Is => format!(" since {}", clock(alert.since, now)),
        Tense::Was => String::new(),
    };
    let plain = |predicate: &str| format!("{subject} {}{since}", in_tense(predicate, tense));
    let timeless = |predicate: &str| format!("{subject} {}", in_tense(predicate, tense));
    if let Some(text) = traffic::clause(subject, alert, now, tense) {
        return text;
    }
    match &alert.fault {
        Fault::Domain { domain } => match domain {
            DomainFault::Expired { at, parked_on } => {
                let when = at.map(|at| format!(" {}", at_time(at, now))).unwrap_or_default();
                expired_domain(subject, &when, parked_on.as_ref().or(moved), tense)
            }
            DomainFault::Redemption if tense == Tense::Was => {
                format!("{subject} had been deleted (redemption period)")
            }
            DomainFault::Expires { at, .. } if tense == Tense::Was => {
                format!("{subject} was due to expire {}", on_day(*at, now))
            }
            DomainFault::Expires { at, days: 0 | 1 } => {
                format!("{subject} expires {}, in less than a day", at_time(*at, now))
            }
            DomainFault::Expires { at, days } => {
                format!("{subject} expires {}, in less than {days} days", on_day(*at, now))
            }
            DomainFault::Stale { since } => timeless(&format!(
                "has an expiry date that could not be confirmed since {}",
                clock(*since, now)
            )),
            DomainFault::Held { .. } | DomainFault::PendingTransfer | DomainFault::NotRegistered => {
                plain(&domain.to_string())
            }
            _ => timeless(&domain.to_string()),
        },
        Fault::Tls { tls: TlsFault::Expired { since } } => {
            timeless(&format!("serves a certificate that expired {}", at_time(*since, now)))
        }
        Fault::Tls { tls: TlsFault::NotYetValid { from } } => {
            timeless(&format!("serves a certificate that is not valid before {}", clock(*from, now)))
        }
        Fault::Tls { tls: TlsFault::Expiring { at, .. } } if tense == Tense::Was => {
            format!("{subject} served a certificate that was due to expire {}", on_day(*at, now))
        }
        Fault::Tls { tls: TlsFault::Expiring { at, left_percent } } => {
            expiring_certificate(subject, *at, *left_percent, now)
        }
        Fault::Isolated { why } => format!("{}: {why}", plain("is isolated")),
        fault => plain(&fault.to_string()),
    }
}

/// Clause of an expired domain; `when` has a leading space, if it is known.
fn expired_domain(subject: &str, when: &str, servers: Option<&BTreeSet<String>>, tense: Tense) -> String {
    if tense == Tense::Was {
        return format!("{subject} had expired{when}");
    }
    match servers {
        Some(servers) => {
            let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
            format!("{subject} expired{when}; its name servers are now {}", listed(&servers))
        }
        None => format!("{subject} expired{when}"),
    }
}

/// Clause of a certificate that expires soon.
fn expiring_certificate(subject: &str, at: Time, left_percent: u8, now: &ZonedDateTime) -> String {
    let left = match left_percent {
        0..=3 => "thirtieth",
        4..=10 => "tenth",
        _ => "third",
    };
    let when = if between(now.timestamp(), at) < Duration::from_secs(86_400) {
        at_time(at, now)
    } else {
        on_day(at, now)
    };
    format!(
        "{subject} serves a certificate that expires {when}, with less than a {left} of its lifetime left"
    )
}
