//! The cause, and the end, in one plain sentence: the first line of everything that people read.

use crate::cause::{hurts, is_ahead, is_spare};
use crate::known::Case;
use crate::mend::is_deep;
use crate::scope::Scope;
use jiff::Zoned;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use types::fault::{DnsFault, DomainFault, TlsFault};
use types::time::between;
use types::{Alert, Config, Fault, Kind, Resource, Time};

mod place;
mod traffic;
mod words;

use text::list;
use words::{Tense, at_time, clock, counted, listed, on_day, plural, rounded, said, were};

/// So many different faults of one service are told, each with its names.
const FAULTS_TOLD: usize = 4;

/// What a sentence is made from.
pub(crate) struct Facts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) now: Time,
    pub(crate) cause: &'a Resource,
    /// Every alert of the incident, closed ones included.
    pub(crate) cases: &'a [&'a Case],
    pub(crate) scope: &'a Scope,
    /// When the cause itself ended, while what it broke goes on.
    pub(crate) mended: Option<Time>,
}

impl Facts<'_> {
    /// What is so now.
    pub(crate) fn present(&self) -> String {
        match self.mended {
            Some(since) => self.mending(since),
            None => {
                let mut text = self.head(&self.zoned(self.now), Tense::Is);
                text.push_str(&self.consequences());
                text.push_str(&self.others());
                text
            }
        }
    }

    /// The whole story once it is over. `services` are all that it ever affected.
    pub(crate) fn story(&self, services: &BTreeSet<Resource>, since: Time, ended: Time) -> String {
        let head = self.head(&self.zoned(ended), Tense::Was);
        // A date that came close for weeks is no part of how long people were hurt.
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
                format!("{head}; it lasted {lasted} and no name failed")
            }
            (None, Some(_), _) if self.cases.iter().all(|case| is_spare(&case.alert.fault)) => {
                format!("{head}; it lasted {lasted} and the others served")
            }
            (None, Some(one), _) => format!("{head}; {one} suffered for {lasted}"),
            (None, None, _) if self.own().first().is_some_and(|case| is_ahead(&case.alert.fault)) => {
                format!("{head}; that was settled after {lasted}")
            }
            (None, None, _) => format!("{head}; it lasted {lasted}"),
        }
    }

    /// An instant by the clock of the site's zone.
    fn zoned(&self, at: Time) -> Zoned {
        at.to_zoned(self.config.site.timezone.clone())
    }

    /// The alerts about the cause itself, the one that says most first.
    fn own(&self) -> Vec<&Case> {
        let mut own: Vec<&Case> =
            self.cases.iter().copied().filter(|case| case.alert.about == *self.cause).collect();
        let rank =
            |case: &&Case| (case.closed.is_some(), telling(&case.alert), case.alert.since, case.alert.id);
        own.sort_by_key(rank);
        own
    }

    /// The cause, as it is or as it was.
    fn head(&self, now: &Zoned, tense: Tense) -> String {
        let own = self.own();
        if self.cause.kind == Kind::Service && own.is_empty() {
            return self.shared(now, tense);
        }
        if self.is_place() {
            return self.at_place(tense);
        }
        let subject = self.called(self.cause);
        let Some(first) = own.first() else {
            return match tense {
                Tense::Is => format!("{subject} is not well"),
                Tense::Was => format!("{subject} was not well"),
            };
        };
        let moved = self.cases.iter().find_map(|case| match &case.alert.fault {
            Fault::Dns { dns: DnsFault::DelegationMoved { to, .. } } if case.closed.is_none() => Some(to),
            _ => None,
        });
        let mut text = told(&subject, &first.alert, moved, now, tense);
        let names = self.names_with(first);
        if names.len() > 1
            && let Some(predicate) = text.strip_prefix(&subject)
        {
            let predicate = predicate.trim_start();
            let several = if tense == Tense::Is { plural(predicate) } else { were(predicate) };
            let names = match names.as_slice() {
                few if few.len() <= 3 => list::and(few),
                many => listed(many),
            };
            text = format!("{names} {several}");
        }
        text.push_str(&self.other_pools(first, tense));
        let is_held =
            |case: &&&Case| matches!(case.alert.fault, Fault::Domain { domain: DomainFault::Held { .. } });
        let held = own.iter().skip(1).find(is_held);
        if let Some(held) = held.filter(|held| held.closed.is_some() == first.closed.is_some()) {
            text.push_str(&format!("; it {}", said(&held.alert.fault.to_string(), tense)));
        }
        if let Some(began) = self.began_with() {
            text.push_str(&format!("; {began}"));
        }
        text
    }

    /// The names that serve the certificate which is the cause, its own first.
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

    /// Several names of one service, each failing for itself.
    fn shared(&self, now: &Zoned, tense: Tense) -> String {
        let title = self.called(self.cause);
        let open = self.cases.iter().filter(|case| case.closed.is_none());
        let mut cases: Vec<&&Case> = match open.clone().count() {
            0 => self.cases.iter().collect(),
            _ => open.collect(),
        };
        // A warning about one name is no failure of it, and does not stand beside the failures of others.
        let is_hurt = cases.iter().any(|case| hurts(&case.alert));
        cases.retain(|case| !is_hurt || hurts(&case.alert));
        // What is the same word may still be another answer: each status has its names.
        let mut by_fault: BTreeMap<(&str, String), BTreeSet<&str>> = BTreeMap::new();
        for case in &cases {
            let fault = &case.alert.fault;
            by_fault.entry((fault.word(), predicate(fault, now))).or_default().insert(&case.alert.about.name);
        }
        let failing: BTreeSet<&str> = cases.iter().map(|case| case.alert.about.name.as_str()).collect();
        let all = self.scope.names.len().max(failing.len());
        let said_of = |fault: &str, names: usize| match (tense, names) {
            (Tense::Is, 1) => fault.to_owned(),
            (Tense::Is, _) => plural(fault),
            (Tense::Was, 1) => said(fault, tense),
            (Tense::Was, _) => were(&said(fault, tense)),
        };
        let how: String = match by_fault.len() {
            1 => by_fault.keys().map(|(_, fault)| said_of(fault, failing.len())).collect(),
            ways => {
                let told = by_fault.iter().take(FAULTS_TOLD).map(|((_, fault), names)| {
                    let names: Vec<&str> = names.iter().copied().collect();
                    format!("{} {}", listed(&names), said_of(fault, names.len()))
                });
                let more = (ways > FAULTS_TOLD).then(|| "the others in other ways".to_owned());
                let fail = match (tense, is_hurt) {
                    (Tense::Is, true) => "fail",
                    (Tense::Was, true) => "failed",
                    (Tense::Is, false) => "need a look",
                    (Tense::Was, false) => "needed a look",
                };
                format!("{fail}: {}", told.chain(more).collect::<Vec<_>>().join(", "))
            }
        };
        let who = match failing.len() {
            1 => format!("1 of {all} names of {title}"),
            some if some == all => format!("all {all} names of {title}"),
            some => format!("{some} of {all} names of {title}"),
        };
        let since = cases.iter().map(|case| case.alert.since).min().unwrap_or(now.timestamp());
        match tense {
            Tense::Is => format!("{who} {how}, since {}; no common cause is known yet", clock(since, now)),
            Tense::Was => format!("{who} {how}"),
        }
    }

    /// What follows from the cause.
    fn consequences(&self) -> String {
        let titles = |resources: &BTreeSet<Resource>| {
            resources.iter().map(|resource| self.called(resource)).collect::<Vec<_>>()
        };
        let hurting = self.own().first().is_some_and(|case| case.closed.is_none() && hurts(&case.alert));
        let services = counted(self.scope.affected.len(), "service");
        let names = self.scope.names.len();
        match self.cause.kind {
            Kind::Mainstay => "; what it cannot see it does not call down".to_owned(),
            Kind::Service if self.own().is_empty() => String::new(),
            Kind::Address | Kind::Host if self.is_place() => self.who_is_there(),
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
                    0 => format!("; {who} will fail as caches run out"),
                    _ if failing < names => {
                        format!("; {who} {fail} because of it, the other names will as caches run out")
                    }
                    _ => format!("; {who} {fail} because of it"),
                }
            }
            _ if self.scope.affected.iter().any(|service| service != self.cause) => {
                let mut others = self.scope.affected.clone();
                others.remove(self.cause);
                let titles = titles(&others);
                let spare = self.cases.iter().all(|case| is_spare(&case.alert.fault));
                let is_affected = match (spare, titles.len()) {
                    (true, 1) => "stands on it",
                    (true, _) => "stand on it",
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
            // They are named already.
            Kind::Tls if self.cases.len() > 1 => String::new(),
            _ => match counted(names, "name") {
                Some(who) if names == 1 => format!("; {who} stands on it"),
                Some(who) => format!("; {who} stand on it"),
                None => String::new(),
            },
        }
    }

    /// Who has nothing to do with it.
    fn others(&self) -> String {
        let hurting = self.cases.iter().any(|case| case.closed.is_none() && hurts(&case.alert));
        match self.scope.well.as_slice() {
            _ if !hurting => String::new(),
            [] => String::new(),
            [one] => format!("; {one} is not affected"),
            [one, two] if self.scope.well_count == 2 => format!("; {one} and {two} are not affected"),
            _ => format!("; {} other names are not affected", self.scope.well_count),
        }
    }

    fn mending(&self, since: Time) -> String {
        if let Some(text) = self.after_surge(since) {
            return text;
        }
        let subject = self.called(self.cause);
        let at = clock(since, &self.zoned(self.now));
        let failing = self.scope.failing.len();
        let all = if is_deep(self.cause) { self.scope.names.len().max(failing) } else { failing };
        let still = if failing == 1 { "fails" } else { "fail" };
        match failing {
            0 => format!(
                "{subject} is well again since {at}; everything it broke is being looked at once more"
            ),
            _ if failing == all => format!(
                "{subject} is well again since {at}; {} still {still}",
                counted(all, "name").unwrap_or_default()
            ),
            _ => format!("{subject} is well again since {at}; {failing} of {all} names still {still}"),
        }
    }

    /// How people call a thing.
    fn called(&self, resource: &Resource) -> String {
        match resource.kind {
            Kind::Service => {
                let id = types::ServiceId(resource.name.clone());
                self.config
                    .services
                    .get(&id)
                    .map_or_else(|| resource.name.clone(), |service| service.title.clone())
            }
            Kind::Mainstay => "mainstay".to_owned(),
            _ => resource.name.clone(),
        }
    }
}

/// How much an alert tells about the cause: less is better. That a domain was not paid for tells more than that it is held
/// back; that the delegation moved tells more than that the new servers do not answer.
fn telling(alert: &Alert) -> u8 {
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
        Fault::Slow { .. } | Fault::Tls { tls: TlsFault::Expiring { .. } } => 9,
        _ => 5,
    }
}

/// What is so of something that fails, with the times that it tells by the site's clock.
fn predicate(fault: &Fault, now: &Zoned) -> String {
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

/// One alert with its subject.
fn told(subject: &str, alert: &Alert, moved: Option<&BTreeSet<String>>, now: &Zoned, tense: Tense) -> String {
    let since = match tense {
        Tense::Is => format!(" since {}", clock(alert.since, now)),
        Tense::Was => String::new(),
    };
    let plain = |predicate: &str| format!("{subject} {}{since}", said(predicate, tense));
    let timeless = |predicate: &str| format!("{subject} {}", said(predicate, tense));
    if let Some(text) = traffic::told(subject, alert, now, tense) {
        return text;
    }
    match &alert.fault {
        Fault::Domain { domain } => match domain {
            DomainFault::Expired { at, parked_on } => {
                let when = at.map(|at| format!(" {}", at_time(at, now))).unwrap_or_default();
                if tense == Tense::Was {
                    return format!("{subject} had expired{when}");
                }
                match parked_on.as_ref().or(moved) {
                    Some(servers) => {
                        let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
                        format!("{subject} expired{when}; its name servers are now {}", listed(&servers))
                    }
                    None => format!("{subject} expired{when}"),
                }
            }
            DomainFault::Redemption if tense == Tense::Was => {
                format!("{subject} had been deleted (redemption period)")
            }
            DomainFault::Expires { at, .. } if tense == Tense::Was => {
                format!("{subject} was to expire {}", on_day(*at, now))
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
            format!("{subject} served a certificate that was to expire {}", on_day(*at, now))
        }
        Fault::Tls { tls: TlsFault::Expiring { at, left_percent } } => {
            let left = match left_percent {
                0..=3 => "thirtieth",
                4..=10 => "tenth",
                _ => "third",
            };
            let when = if between(now.timestamp(), *at) < Duration::from_secs(86_400) {
                at_time(*at, now)
            } else {
                on_day(*at, now)
            };
            format!(
                "{subject} serves a certificate that expires {when}, with less than a {left} of its life left"
            )
        }
        Fault::Slow { limit } => format!("{}: over {} ms", plain("answers too slowly"), limit.as_millis()),
        Fault::Blind { why } => format!("{}: {why}", plain("is blind here")),
        fault => plain(&fault.to_string()),
    }
}
