//! The cause, and the end, in one plain sentence: the first line of everything that people read.

use crate::cause::hurts;
use crate::known::Case;
use crate::mend::is_deep;
use crate::scope::Scope;
use jiff::tz::TimeZone;
use model::fault::{DnsFault, DomainFault, TlsFault};
use model::time::{between, spoken};
use model::{Fault, Finding, Kind, Plan, Thing, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a sentence is made from.
pub(crate) struct Facts<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) now: Time,
    pub(crate) cause: &'a Thing,
    /// Every finding of the incident, closed ones included.
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
                let mut text = self.head(self.now);
                text.push_str(&self.consequences());
                text.push_str(&self.others());
                text
            }
        }
    }

    /// The whole story once it is over. `services` are all that it ever affected.
    pub(crate) fn story(&self, services: &BTreeSet<Thing>, since: Time, ended: Time) -> String {
        let head = past(&self.head(ended));
        let lasted = rounded(between(since, ended));
        let names: BTreeSet<&str> = self
            .cases
            .iter()
            .filter(|case| hurts(&case.finding) && matches!(case.finding.about.kind, Kind::Host | Kind::Tls))
            .map(|case| case.finding.about.name.as_str())
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
            (None, Some(one), _) => format!("{head}; {one} suffered for {lasted}"),
            (None, None, _) => format!("{head}; it lasted {lasted}"),
        }
    }

    /// The findings about the cause itself, the one that says most first.
    fn own(&self) -> Vec<&Case> {
        let mut own: Vec<&Case> =
            self.cases.iter().copied().filter(|case| case.finding.about == *self.cause).collect();
        let rank = |case: &&Case| {
            (case.closed.is_some(), telling(&case.finding), case.finding.since, case.finding.id)
        };
        own.sort_by_key(rank);
        own
    }

    /// The cause.
    fn head(&self, now: Time) -> String {
        if self.cause.kind == Kind::Service {
            return self.shared(now);
        }
        let own = self.own();
        let Some(first) = own.first() else { return format!("{} is not well", self.called(self.cause)) };
        let moved = self.cases.iter().find_map(|case| match &case.finding.fault {
            Fault::Dns { dns: DnsFault::DelegationMoved { to, .. } } if case.closed.is_none() => Some(to),
            _ => None,
        });
        let mut text = told(&self.called(self.cause), &first.finding, moved, now);
        let held = own
            .iter()
            .skip(1)
            .find(|case| matches!(case.finding.fault, Fault::Domain { domain: DomainFault::Held { .. } }));
        if let Some(held) = held.filter(|held| held.closed == first.closed) {
            text.push_str(&format!("; it {}", held.finding.fault));
        }
        text
    }

    /// Several names of one service, each failing for itself.
    fn shared(&self, now: Time) -> String {
        let title = self.called(self.cause);
        let open = self.cases.iter().filter(|case| case.closed.is_none());
        let cases: Vec<&&Case> = match open.clone().count() {
            0 => self.cases.iter().collect(),
            _ => open.collect(),
        };
        let mut by_word: BTreeMap<&str, (String, BTreeSet<&str>)> = BTreeMap::new();
        for case in &cases {
            let fault = &case.finding.fault;
            let entry = by_word.entry(fault.word()).or_insert_with(|| (fault.to_string(), BTreeSet::new()));
            entry.1.insert(&case.finding.about.name);
        }
        let failing: BTreeSet<&str> = cases.iter().map(|case| case.finding.about.name.as_str()).collect();
        let since = cases.iter().map(|case| case.finding.since).min().unwrap_or(now);
        let all = self.scope.names.len().max(failing.len());
        let how = match by_word.len() {
            1 => by_word.values().map(|(fault, _)| plural(fault)).collect::<String>(),
            _ => {
                let told = by_word.values().map(|(fault, names)| {
                    let names: Vec<&str> = names.iter().copied().collect();
                    let verb = if names.len() == 1 { fault.clone() } else { plural(fault) };
                    format!("{} {verb}", listed(&names))
                });
                format!("fail: {}", told.collect::<Vec<_>>().join(", "))
            }
        };
        let of = if failing.len() == all {
            format!("all {all} names of {title}")
        } else {
            format!("{} of {all} names of {title}", failing.len())
        };
        format!("{of} {how}, since {}; no cause beneath them is known yet", clock(since, now))
    }

    /// What follows from the cause.
    fn consequences(&self) -> String {
        let titles =
            |things: &BTreeSet<Thing>| things.iter().map(|thing| self.called(thing)).collect::<Vec<_>>();
        let hurting = self.own().first().is_some_and(|case| case.closed.is_none() && hurts(&case.finding));
        let services = counted(self.scope.affected.len(), "service");
        let names = self.scope.names.len();
        match self.cause.kind {
            Kind::Mainstay => "; what it cannot see it does not call down".to_owned(),
            Kind::Service => String::new(),
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
            _ if !self.scope.affected.is_empty() => {
                let titles = titles(&self.scope.affected);
                let is = if titles.len() == 1 { "is" } else { "are" };
                match titles.as_slice() {
                    [] => String::new(),
                    few if few.len() <= 3 => format!("; {} {is} affected", joined(few)),
                    many => format!("; {} services are affected", many.len()),
                }
            }
            _ => match counted(names, "name") {
                Some(who) if names == 1 => format!("; {who} stands on it"),
                Some(who) => format!("; {who} stand on it"),
                None => String::new(),
            },
        }
    }

    /// Who has nothing to do with it.
    fn others(&self) -> String {
        let hurting = self.cases.iter().any(|case| case.closed.is_none() && hurts(&case.finding));
        match self.scope.well.as_slice() {
            _ if !hurting => String::new(),
            [] => String::new(),
            [one] => format!("; {one} is not affected"),
            [one, two] => format!("; {one} and {two} are not affected"),
            many => format!("; {} other names are not affected", many.len()),
        }
    }

    fn mending(&self, since: Time) -> String {
        let subject = self.called(self.cause);
        let at = clock(since, self.now);
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
    fn called(&self, thing: &Thing) -> String {
        match thing.kind {
            Kind::Service => {
                let id = model::ServiceId(thing.name.clone());
                self.plan
                    .services
                    .get(&id)
                    .map_or_else(|| thing.name.clone(), |service| service.title.clone())
            }
            Kind::Mainstay => "mainstay".to_owned(),
            _ => thing.name.clone(),
        }
    }
}

/// How much a finding tells about the cause: less is better. That a domain was not paid for tells more than that it is held
/// back; that the delegation moved tells more than that the new servers do not answer.
fn telling(finding: &Finding) -> u8 {
    match &finding.fault {
        Fault::Domain { domain } => match domain {
            DomainFault::NotRegistered | DomainFault::PendingDelete | DomainFault::Redemption => 0,
            DomainFault::Expired { .. } => 1,
            DomainFault::Held { .. } => 2,
            DomainFault::AutoRenew => 3,
            DomainFault::Expires { .. } => 4,
            DomainFault::PendingTransfer => 5,
            DomainFault::Stale { .. } => 6,
        },
        Fault::Dns { dns } => match dns {
            DnsFault::NotDelegated => 0,
            DnsFault::DelegationMoved { .. } => 1,
            DnsFault::NoServer => 2,
            _ => 3,
        },
        Fault::Slow { .. } | Fault::Tls { tls: TlsFault::Expiring { .. } } => 9,
        _ => 5,
    }
}

/// One finding with its subject, times in UTC.
fn told(subject: &str, finding: &Finding, moved: Option<&BTreeSet<String>>, now: Time) -> String {
    let since = clock(finding.since, now);
    match &finding.fault {
        Fault::Domain { domain } => match domain {
            DomainFault::Expired { at, parked_on } => {
                let when = at.map(|at| format!("{subject} expired {}", at_time(at, now)));
                let text = when.unwrap_or_else(|| format!("{subject} expired"));
                match parked_on.as_ref().or(moved) {
                    Some(servers) => {
                        let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
                        format!("{text}; its name servers are now {}", listed(&servers))
                    }
                    None => text,
                }
            }
            DomainFault::Expires { at, days: 0 | 1 } => {
                format!("{subject} expires {}, in less than a day", at_time(*at, now))
            }
            DomainFault::Expires { at, days } => {
                format!("{subject} expires {}, in less than {days} days", on_day(*at))
            }
            DomainFault::Stale { since } => {
                format!(
                    "{subject} has an expiry date that could not be confirmed since {}",
                    clock(*since, now)
                )
            }
            DomainFault::Held { .. } | DomainFault::PendingTransfer | DomainFault::NotRegistered => {
                format!("{subject} {domain} since {since}")
            }
            _ => format!("{subject} {domain}"),
        },
        Fault::Tls { tls: TlsFault::Expired { since } } => {
            format!("{subject} serves a certificate that expired {}", at_time(*since, now))
        }
        Fault::Tls { tls: TlsFault::NotYetValid { from } } => {
            format!("{subject} serves a certificate that is not valid before {}", clock(*from, now))
        }
        Fault::Tls { tls: TlsFault::Expiring { at, left_percent } } => {
            let left = match left_percent {
                0..=3 => "thirtieth",
                4..=10 => "tenth",
                _ => "third",
            };
            let when =
                if between(now, *at) < Duration::from_secs(86_400) { at_time(*at, now) } else { on_day(*at) };
            format!(
                "{subject} serves a certificate that expires {when}, with less than a {left} of its life left"
            )
        }
        Fault::Slow { limit } => {
            format!("{subject} answers too slowly since {since}: over {} ms", limit.as_millis())
        }
        Fault::Blind { why } => format!("{subject} is blind here since {since}: {why}"),
        fault => format!("{subject} {fault} since {since}"),
    }
}

/// `15:28`, with the day when that is another one.
fn clock(at: Time, now: Time) -> String {
    let day = |time: Time| time.to_zoned(TimeZone::UTC).date();
    let local = at.to_zoned(TimeZone::UTC);
    if day(at) == day(now) {
        format!("{:02}:{:02}", local.hour(), local.minute())
    } else {
        format!("{} {:02}:{:02}", local.date(), local.hour(), local.minute())
    }
}

fn at_time(at: Time, now: Time) -> String {
    let text = clock(at, now);
    match text.split_once(' ') {
        Some((day, time)) => format!("on {day} at {time}"),
        None => format!("at {text}"),
    }
}

fn on_day(at: Time) -> String {
    format!("on {}", at.to_zoned(TimeZone::UTC).date())
}

/// `1 name`, `6 names`; nothing for none.
fn counted(number: usize, word: &str) -> Option<String> {
    match number {
        0 => None,
        1 => Some(format!("1 {word}")),
        many => Some(format!("{many} {word}s")),
    }
}

/// `a, b and 3 more`.
fn listed(names: &[&str]) -> String {
    match names {
        [one, two, rest @ ..] if rest.len() > 1 => format!("{one}, {two} and {} more", rest.len()),
        all => all.join(", "),
    }
}

/// `a, b and c`.
fn joined(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A long span without its seconds.
fn rounded(span: Duration) -> String {
    let secs = span.as_secs();
    spoken(Duration::from_secs(if secs < 600 { secs } else { secs - secs % 60 }))
}

const VERBS: [(&str, &str, &str); 15] = [
    // one, several, then
    ("is well", "are well", "was well"),
    ("is", "are", "was"),
    ("has", "have", "had"),
    ("serves", "serve", "served"),
    ("refuses", "refuse", "refused"),
    ("answers, but takes", "answer, but take", "answered, but took"),
    ("answers", "answer", "answered"),
    ("cannot", "cannot", "could not"),
    ("does not", "do not", "did not"),
    ("fails", "fail", "failed"),
    ("breaks", "break", "broke"),
    ("redirects", "redirect", "redirected"),
    ("sends", "send", "sent"),
    ("leads", "lead", "led"),
    ("was", "were", "had been"),
];

/// A predicate as it is said of several things.
fn plural(predicate: &str) -> String {
    for (one, several, _) in VERBS {
        if let Some(rest) =
            predicate.strip_prefix(one).filter(|rest| rest.starts_with(' ') || rest.is_empty())
        {
            return format!("{several}{rest}");
        }
    }
    predicate.to_owned()
}

/// A head sentence as it is said when it is over. The subject is its first word or words, which hold no verb.
fn past(head: &str) -> String {
    let (clause, rest) = head.split_once("; ").map_or((head, None), |(clause, rest)| (clause, Some(rest)));
    let strip_since = |text: &str| match text.find(" since ") {
        // `since` ends a clause, but for what follows a colon or a comma.
        Some(at) => {
            let (before, after) = text.split_at(at);
            let tail = after.find([':', ',']).map_or("", |end| &after[end..]);
            format!("{before}{tail}")
        }
        None => text.to_owned(),
    };
    let clause = strip_since(clause);
    let mut first: Option<(usize, &str, &str)> = None;
    let with_future = VERBS.iter().map(|(one, _, then)| (*one, *then));
    let plurals =
        VERBS.iter().map(|(_, several, then)| (*several, if *then == "was" { "were" } else { *then }));
    let more = [("expired", "had expired"), ("expires", "was to expire"), ("could", "could")];
    for (now, then) in more.into_iter().chain(with_future).chain(plurals) {
        let found = clause
            .find(&format!(" {now} "))
            .or_else(|| clause.ends_with(&format!(" {now}")).then(|| clause.len() - now.len() - 1));
        if let Some(at) = found
            && first.is_none_or(|(was, verb, _)| at < was || (at == was && now.len() > verb.len()))
        {
            first = Some((at, now, then));
        }
    }
    let clause = match first {
        Some((at, now, then)) => format!("{} {then}{}", &clause[..at], &clause[at + 1 + now.len()..]),
        None => clause,
    };
    let clause = if clause.contains(" had expired") {
        clause.split(" had expired").next().map_or(clause.clone(), |subject| format!("{subject} had expired"))
    } else {
        clause
    };
    // Who holds it now and where it points now no longer matters; what was so beside it does.
    match rest {
        Some(rest) if rest.starts_with("it is ") => format!("{clause}; it was {}", strip_since(&rest[6..])),
        _ => clause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_told_in_the_past() {
        for (head, told) in [
            (
                "acme.app expired at 15:28; its name servers are now ns1.parking.example",
                "acme.app had expired",
            ),
            (
                "acme.app expires on 2026-12-04, in less than 14 days",
                "acme.app was to expire on 2026-12-04, in less than 14 days",
            ),
            ("auth.acme.com refuses connections since 15:28", "auth.acme.com refused connections"),
            (
                "auth.acme.com cannot be reached: no route since 15:28",
                "auth.acme.com could not be reached: no route",
            ),
            (
                "auth.acme.com answers too slowly since 15:28: over 200 ms",
                "auth.acme.com answered too slowly: over 200 ms",
            ),
            (
                "2 of 6 names of Sign-in answer with status 502, since 15:28; no cause",
                "2 of 6 names of Sign-in answered with status 502",
            ),
            ("mainstay is blind here since 15:28: 5 of 5 names", "mainstay was blind here: 5 of 5 names"),
            (
                "a.acme.app serves a certificate for b.example (ERR_TLS_CERT_ALTNAME_INVALID) since 15:28",
                "a.acme.app served a certificate for b.example (ERR_TLS_CERT_ALTNAME_INVALID)",
            ),
        ] {
            assert_eq!(past(head), told);
        }
    }
}
