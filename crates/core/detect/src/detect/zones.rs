//! Name servers: what was learned of a zone, and when a moved delegation is held to be meant.

use super::{Detect, Out};
use crate::delegation::{self, Zone};
use crate::lane::Lane;
use crate::registration::Before;
use crate::verdict::{Judged, Verdict, hurts_now};
use std::collections::BTreeSet;
use std::time::Duration;
use types::fault::DomainFault;
use types::probe_result::DnsSeen;
use types::time::between;
use types::{Config, EventKind, Fault, Kind, Resource, Severity, Time};

/// New name servers that serve as the old ones did are held to be meant after this long,
const ACCEPT_ALIKE: Duration = Duration::from_secs(3600);
/// and those that lead elsewhere after this long, when nothing that stands on them is broken.
const ACCEPT_UNLIKE: Duration = Duration::from_secs(24 * 3600);

impl Detect {
    pub(super) fn zone(&mut self, seen: &DnsSeen, asked: &[String], now: Time, out: &mut Out) -> Verdict {
        let meant = self.known.delegations.get(&seen.zone).map(|known| &known.servers);
        let lost = self.lost(&seen.zone);
        let zone = self.fresh.zones.entry(seen.zone.clone()).or_default();
        let verdict = delegation::judge(seen, asked, meant, zone, lost.clone());
        let Ok(named) = &seen.delegation else { return verdict };
        if named.is_empty() {
            return verdict;
        }
        let Some(meant) = meant else {
            zone.remember(seen, asked);
            out.events.push(EventKind::DelegationLearned { zone: seen.zone.clone(), servers: named.clone() });
            return verdict;
        };
        if named == meant {
            zone.remember(seen, asked);
            zone.moved_to = None;
            self.fresh.healthy.remove(&seen.zone);
            return verdict;
        }
        zone.moved_to = Some(named.clone());
        self.accept(seen, named, lost.is_some(), verdict, now, out)
    }

    /// Accepts moved name servers once they have served well for long enough.
    fn accept(
        &mut self,
        seen: &DnsSeen,
        named: &BTreeSet<String>,
        lost: bool,
        verdict: Verdict,
        now: Time,
        out: &mut Out,
    ) -> Verdict {
        let serves = matches!(verdict.lanes.get(&Lane::Servers), Some(Judged::Well));
        let unlike = matches!(
            verdict.lanes.get(&Lane::Delegation),
            Some(Judged::Bad(charge)) if charge.severity == Severity::Critical
        );
        let broken = self.known.alerts.values().any(|alert| {
            matches!(alert.about.kind, Kind::Host | Kind::Tls)
                && hurts_now(&alert.fault, alert.severity)
                && self.fresh.index.as_ref().and_then(|index| index.zone.get(&alert.about))
                    == Some(&seen.zone)
        });
        if lost || !serves || broken {
            self.fresh.healthy.remove(&seen.zone);
            return verdict;
        }
        let since = *self.fresh.healthy.entry(seen.zone.clone()).or_insert(now);
        if between(since, now) < if unlike { ACCEPT_UNLIKE } else { ACCEPT_ALIKE } {
            return verdict;
        }
        self.fresh.healthy.remove(&seen.zone);
        out.events.push(EventKind::DelegationLearned { zone: seen.zone.clone(), servers: named.clone() });
        if let Some(zone) = self.fresh.zones.get_mut(&seen.zone) {
            // What the names had under the old servers no longer binds the new ones.
            *zone = Zone::default();
        }
        for alert in self.open.about(&self.known, &Resource::dns(seen.zone.clone())) {
            if Lane::of(&alert.fault) == Lane::Delegation {
                out.close(alert.id);
            }
        }
        let mut verdict = verdict;
        verdict.lanes.remove(&Lane::Delegation);
        verdict.well = true;
        verdict
    }

    /// Why the registration of a zone is not in order, when it is not.
    fn lost(&self, zone: &str) -> Option<String> {
        let alert = self.open.about(&self.known, &Resource::domain(zone)).find(|alert| {
            matches!(Lane::of(&alert.fault), Lane::Registration | Lane::Hold)
                && !matches!(alert.fault, Fault::Domain { domain: DomainFault::Expires { .. } })
        })?;
        Some(format!("{zone} {}", alert.fault))
    }

    pub(crate) fn before<'a>(&'a self, config: &Config, domain: &str) -> Before<'a> {
        Before {
            declared: config.domains.get(domain).and_then(|domain| domain.expires),
            servers: self.known.delegations.get(domain).map(|known| &known.servers),
            moved_to: self.fresh.zones.get(domain).and_then(|zone| zone.moved_to.as_ref()),
            settled: self.known.settled.get(domain),
            expired: self.open.expired(&self.known, domain),
        }
    }
}
