//! The series of a case, or those of a placebo: a window cut from its own baseline.

use super::case::{Case, Metrics, Series};

/// A series before and during.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pair {
    pub(crate) baseline: Series,
    pub(crate) incident: Series,
}

impl Pair {
    /// Baseline, then incident.
    pub(crate) fn values(&self) -> impl Iterator<Item = Option<f64>> {
        self.baseline.iter().chain(&self.incident).copied()
    }
}

/// A window of the baseline that takes the place of the incident.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) start: usize,
    pub(crate) length: usize,
}

/// Access to the series of a case.
pub(crate) struct View<'a> {
    pub(crate) case: &'a Case,
    pub(crate) placebo: Option<Window>,
}

impl View<'_> {
    /// A metric of a node; empty when it is unknown.
    pub(crate) fn metric(&self, node: &str, metric: &str) -> Pair {
        let of = |side: &std::collections::BTreeMap<String, Metrics>| side.get(node)?.get(metric).cloned();
        self.pair(of(&self.case.baseline), of(&self.case.incident))
    }

    /// Caller-side latency of `caller->callee`.
    pub(crate) fn call(&self, key: &str) -> Pair {
        let Some(calls) = &self.case.call_p50_seconds else { return Pair::default() };
        self.pair(calls.baseline.get(key).cloned(), calls.incident.get(key).cloned())
    }

    fn pair(&self, baseline: Option<Series>, incident: Option<Series>) -> Pair {
        let baseline = baseline.unwrap_or_default();
        match self.placebo {
            None => Pair { baseline, incident: incident.unwrap_or_default() },
            Some(Window { start, length }) => {
                let (start, end) = (start.min(baseline.len()), (start + length).min(baseline.len()));
                let rest = baseline[..start].iter().chain(&baseline[end..]).copied().collect();
                Pair { baseline: rest, incident: baseline[start..end].to_vec() }
            }
        }
    }
}
