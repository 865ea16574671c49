//! Meaning of a single answer, aspect by aspect, before repetitions are counted.

use crate::aspect::Aspect;
use std::collections::BTreeMap;
use std::time::Duration;
use types::fault::{DomainFault, Phase, TlsFault};
use types::{Fault, Severity};

/// Verdict on one answer. An aspect that is absent was not measured and keeps its state.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) aspects: BTreeMap<Aspect, Judgement>,
    pub(crate) reachability: Reachability,
    /// Whether at least one aspect was good and no violation affects users now.
    pub(crate) healthy: bool,
}

/// Whether the question got any answer from outside this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reachability {
    /// A remote system answered.
    #[default]
    Answered,
    /// The question timed out before any answer: a dead server looks the same.
    TimedOut,
    /// The local resolver or network failed.
    LocalFailure,
}

/// Result of one aspect of one answer.
#[derive(Debug)]
pub(crate) enum Judgement {
    Good,
    Bad(Violation),
}

/// One thing that is wrong with one answer.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) fault: Fault,
    pub(crate) severity: Severity,
    /// Measured facts, for the evidence of the alert.
    pub(crate) seen: String,
    pub(crate) threshold: Threshold,
}

/// Repetitions or time after which a violation opens an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threshold {
    /// The probe's `failure_threshold`: for measurements over the network.
    OfProbe,
    /// This many in a row: for facts from a registry or a parent zone.
    Count(u32),
    /// A violation that lasts this long, however often it was measured.
    Lasting(Duration),
}

impl Violation {
    pub(crate) fn new(fault: Fault, severity: Severity) -> Self {
        let seen = fault.to_string();
        Self { fault, severity, seen, threshold: Threshold::OfProbe }
    }

    pub(crate) fn after_count(mut self, times: u32) -> Self {
        self.threshold = Threshold::Count(times);
        self
    }

    pub(crate) fn after_lasting(mut self, duration: Duration) -> Self {
        self.threshold = Threshold::Lasting(duration);
        self
    }

    pub(crate) fn seen(mut self, seen: impl Into<String>) -> Self {
        self.seen = seen.into();
        self
    }
}

impl Verdict {
    pub(crate) fn unreached(fault: &Fault) -> Self {
        Self { reachability: reachability(fault), ..Self::default() }
    }

    pub(crate) fn good(mut self, aspect: Aspect) -> Self {
        self.aspects.insert(aspect, Judgement::Good);
        self
    }

    pub(crate) fn bad(mut self, violation: Violation) -> Self {
        self.aspects.insert(Aspect::of(&violation.fault), Judgement::Bad(violation));
        self
    }

    /// Lowers the severity of its violations to the highest one of the probe.
    pub(crate) fn at_most(mut self, highest: Severity) -> Self {
        for judgement in self.aspects.values_mut() {
            if let Judgement::Bad(violation) = judgement {
                violation.severity = violation.severity.min(highest);
            }
        }
        self
    }

    /// Derives `healthy` from the aspects.
    pub(crate) fn with_health(mut self) -> Self {
        let hurts = |judgement: &Judgement| match judgement {
            Judgement::Good => false,
            Judgement::Bad(violation) => hurts_now(&violation.fault, violation.severity),
        };
        self.healthy = !self.aspects.is_empty() && !self.aspects.values().any(hurts);
        self
    }
}

/// Whether users are affected now. A coming expiry date affects no user before it has passed.
pub(crate) fn hurts_now(fault: &Fault, severity: Severity) -> bool {
    severity == Severity::Critical
        && !matches!(
            fault,
            Fault::Tls { tls: TlsFault::Expiring { .. } }
                | Fault::Domain { domain: DomainFault::Expires { .. } }
        )
}

/// Whether a missing answer may be a failure of this machine.
fn reachability(fault: &Fault) -> Reachability {
    match fault {
        Fault::NameUnanswered { .. } | Fault::Unreachable { .. } | Fault::Isolated { .. } => {
            Reachability::LocalFailure
        }
        Fault::TimedOut { phase: Phase::Dns | Phase::Connect } => Reachability::TimedOut,
        _ => Reachability::Answered,
    }
}
