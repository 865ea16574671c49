//! Denials: a fold of the journal, and their expiry.

use std::collections::BTreeMap;
use types::event::{Event, EventKind, Events};
use types::input::Refused;
use types::traffic::hits;
use types::{Config, Context, Denial, DenialId, DenyTarget, ServiceId, Time};

/// Maximum of denials; the edge checks all of them for every request.
pub(crate) const DENIALS_MAX: usize = 1_000;

/// The denials in force.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    state: State,
    /// Number of changes, for the version of the policy.
    changes: u64,
}

#[derive(Debug, Default)]
struct State {
    in_force: BTreeMap<DenialId, Denial>,
    last: u64,
}

impl Denials {
    pub(crate) fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::TrafficDenied { denial, .. } => {
                self.state.last = self.state.last.max(denial.id.0);
                self.state.in_force.insert(denial.id, denial.clone());
            }
            EventKind::DenialLifted { denial, .. } => _ = self.state.in_force.remove(denial),
            _ => return,
        }
        self.changes += 1;
    }

    pub(crate) fn in_force(&self) -> &BTreeMap<DenialId, Denial> {
        &self.state.in_force
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Number of the next denial.
    pub(crate) fn next_id(&self) -> DenialId {
        DenialId(self.state.last + 1)
    }

    /// Whether some traffic can be denied.
    pub(crate) fn check(
        &self,
        config: &Config,
        what: &DenyTarget,
        service: Option<&ServiceId>,
        everybody: bool,
    ) -> Result<(), Refused> {
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
        if self.state.in_force.len() >= DENIALS_MAX {
            return Err(Refused::TooManyDenials(DENIALS_MAX));
        }
        Ok(())
    }

    /// Ends expired denials.
    pub(crate) fn react(&self, context: &Context<'_>, events: &mut Events) {
        let over = self.state.in_force.values().filter(|denial| denial.until <= context.now);
        events.extend(over.map(|denial| EventKind::DenialLifted { denial: denial.id, by: None }));
    }

    /// Expiry of the next denial.
    pub(crate) fn next_deadline(&self, _: &Context<'_>) -> Option<Time> {
        self.state.in_force.values().map(|denial| denial.until).min()
    }

    pub(crate) fn state_text(&self) -> String {
        format!("{:#?}", self.state)
    }
}
