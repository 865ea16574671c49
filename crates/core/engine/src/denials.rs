//! What the team denied: a fold of the journal, and the time at which each denial undoes itself.

use std::collections::BTreeMap;
use std::time::Duration;
use types::event::{Event, EventKind};
use types::input::Refused;
use types::time::later;
use types::traffic::hits;
use types::{Config, Denial, DenialId, DenyTarget, ServiceId, Time};

/// More denials than anybody could oversee; the edge looks at every one of them for every request.
pub(crate) const DENIALS_MAX: usize = 1_000;

/// The denials in force.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    known: Known,
    /// Grows with every change: tells without comparing that a new policy is wanted.
    changes: u64,
}

#[derive(Debug, Default)]
struct Known {
    in_force: BTreeMap<DenialId, Denial>,
    last: u64,
}

impl Denials {
    pub(crate) fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::TrafficDenied { denial } => {
                self.known.last = self.known.last.max(denial.id.0);
                self.known.in_force.insert(denial.id, denial.clone());
            }
            EventKind::DenialLifted { denial, .. } => _ = self.known.in_force.remove(denial),
            _ => return,
        }
        self.changes += 1;
    }

    pub(crate) fn in_force(&self) -> &BTreeMap<DenialId, Denial> {
        &self.known.in_force
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Denies some traffic from now on.
    #[allow(clippy::too_many_arguments, reason = "the parts of one input")]
    pub(crate) fn deny(
        &self,
        config: &Config,
        now: Time,
        what: &DenyTarget,
        service: Option<&ServiceId>,
        lasting: Duration,
        by: &str,
        everybody: bool,
    ) -> Result<Vec<EventKind>, Refused> {
        let served =
            |id: &ServiceId| config.services.get(id).is_some_and(|service| service.traffic.is_some());
        if let Some(service) = service.filter(|id| !served(id)) {
            return Err(Refused::NoSuchService(service.clone()));
        }
        let edge = config.edge.as_ref().ok_or(Refused::NoEdge)?;
        let lacking = match what {
            DenyTarget::Country(_) => edge.geoip_country.is_none().then_some("country"),
            DenyTarget::Asn(_) => edge.geoip_asn.is_none().then_some("asn"),
            DenyTarget::Cidr(net) => {
                if let Some(whom) = hits(*net, config).filter(|_| !everybody) {
                    return Err(Refused::HitsOthers { what: what.clone(), whom });
                }
                None
            }
        };
        if let Some(key) = lacking {
            return Err(Refused::NoPlaces { what: what.clone(), key });
        }
        if self.known.in_force.len() >= DENIALS_MAX {
            return Err(Refused::TooManyDenials(DENIALS_MAX));
        }
        let denial = Denial {
            id: DenialId(self.known.last + 1),
            what: what.clone(),
            service: service.cloned(),
            from: now,
            until: later(now, lasting),
            by: by.to_owned(),
        };
        Ok(vec![EventKind::TrafficDenied { denial }])
    }

    /// Lifts a denial before its time.
    pub(crate) fn lift(&self, denial: DenialId, by: &str) -> Result<Vec<EventKind>, Refused> {
        if !self.known.in_force.contains_key(&denial) {
            return Err(Refused::NoSuchDenial(denial));
        }
        Ok(vec![EventKind::DenialLifted { denial, by: Some(by.to_owned()) }])
    }

    /// Lifts those whose time is over.
    pub(crate) fn lapse(&self, now: Time) -> Vec<EventKind> {
        let over = self.known.in_force.values().filter(|denial| denial.until <= now);
        over.map(|denial| EventKind::DenialLifted { denial: denial.id, by: None }).collect()
    }

    /// When the next one undoes itself.
    pub(crate) fn next(&self) -> Option<Time> {
        self.known.in_force.values().map(|denial| denial.until).min()
    }

    pub(crate) fn known_text(&self) -> String {
        format!("{:#?}", self.known)
    }
}
