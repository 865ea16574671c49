//! Ranks nodes as the cause of a disturbance, by their metrics and the calls between them.
//!
//! Each metric of each node gets a strength: how far its median moved in the bad direction, in units of the noise of its own
//! baseline (`ln(1 + z)`, robust and one-sided). A node's score is then
//!
//! * its latency as its callers see it, minus half of the strongest latency among its own calls, and the same for
//!   failures: a node that is slow because of a callee is explained by the callee;
//! * plus its CPU, and a little of its memory and saturation: resources are the node's own;
//! * plus the calls that it no longer makes although it still gets requests: it fails before it calls.
//!
//! When the target moved, a series that does not follow it counts for less.
//!
//! Whether anything is exceptional at all is judged by the greatest score, for which two thirds of the incident must have moved: it must exceed [`STANDS_OUT`] and, with a
//! baseline of at least [`PLACEBO_BASELINE`] values, 90 % of the scores of windows of the baseline itself.
//!
//! Sources: robust z and correlation along declared calls as in PetShop (Hardt et al., CLeaR 2024); one-sided z and
//! call-graph subtraction as in MicroScope (Lin et al., ICSOC 2018); medians because single extremes are common.
//! No constant depends on names or sizes of a system: they are the same for all nodes and metrics of one kind.

mod case;
mod evidence;
mod metric;
mod score;
mod view;

pub use case::{Calls, Case, Metrics, Series, Target};
pub use metric::MetricKind;

use crate::order::quantile;
use score::{greatest, scores};
use std::collections::BTreeSet;
use view::{View, Window};

/// Least score of a cause.
pub const STANDS_OUT: f64 = 1.7;
/// Values of a baseline from which windows of its own are compared.
pub const PLACEBO_BASELINE: usize = 48;
/// Placebo windows at most, evenly spaced.
const PLACEBO_WINDOWS: usize = 40;
/// Share of the placebo windows that a cause must exceed.
const PLACEBO_SHARE: f64 = 0.9;

/// Nodes by score, greatest first, and whether any of them is exceptional.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// Every candidate. Equal scores are in the order of names.
    pub ranked: Vec<Ranked>,
    /// Whether the first of them is more than noise.
    pub verdict: Verdict,
    /// Whether the metric of the target moved: without that there is nothing to explain.
    pub target_moved: bool,
}

/// A candidate and its score. Scores compare within one case; only [`STANDS_OUT`] has a meaning across cases.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// Name of the node.
    pub node: String,
    /// Finite; negative when the node is slower only by what it calls.
    pub score: f64,
    /// The series that moved most, of those that speak against the node; `None` when none did.
    pub by: Option<Evidence>,
}

/// A series of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// One of the node's own metrics, by its name.
    Metric(String),
    /// Latency of a call to the node as the caller sees it: `caller->callee`.
    Call(String),
}

/// Whether a cause was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The first node is exceptional.
    Ranked,
    /// No node is exceptional: do not name one.
    NothingStandsOut,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ranked => "ranked",
            Self::NothingStandsOut => "nothing stands out",
        })
    }
}

/// Ranks the nodes of a case. Missing values, nodes, calls and metrics are allowed; each only weakens the evidence.
#[must_use]
pub fn rank(case: &Case) -> Ranking {
    let names = candidates(case);
    let view = View { case, placebo: None };
    let found = greatest(&view, &names);
    let exceptional = found >= STANDS_OUT && placebo(case, &names).is_none_or(|usual| found > usual);
    let scored = scores(&view, &names);
    let mut ranked: Vec<Ranked> = (names.iter().zip(scored.nodes))
        .map(|(node, (score, by))| Ranked { node: (*node).to_owned(), score, by })
        .collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.node.cmp(&b.node)));
    let verdict = if exceptional { Verdict::Ranked } else { Verdict::NothingStandsOut };
    Ranking { ranked, verdict, target_moved: scored.target_moved }
}

/// Declared nodes, nodes with metrics, and callees whose latency their callers measured: a database without metrics.
fn candidates(case: &Case) -> Vec<&str> {
    let measured = case.call_p50_seconds.iter().flat_map(|calls| calls.baseline.keys());
    let callees = measured.filter_map(|key| Some(key.split_once("->")?.1));
    let names = case.nodes.iter().chain(case.baseline.keys()).map(String::as_str).chain(callees);
    names.collect::<BTreeSet<&str>>().into_iter().collect()
}

/// The score that windows of the baseline reach in one of ten cases; `None` with too few values.
fn placebo(case: &Case, names: &[&str]) -> Option<f64> {
    let longest = |side: &std::collections::BTreeMap<String, Metrics>| {
        side.values().flat_map(|metrics| metrics.values()).map(Vec::len).max().unwrap_or(0)
    };
    let (baseline, length) = (longest(&case.baseline), longest(&case.incident));
    if baseline < PLACEBO_BASELINE || length == 0 || length > baseline / 4 {
        return None;
    }
    let last = baseline - length;
    let windows = PLACEBO_WINDOWS.min(last);
    let window = |number: usize| Window { start: last * number / windows, length };
    let mut usual: Vec<f64> =
        (0..windows).map(|number| greatest(&View { case, placebo: Some(window(number)) }, names)).collect();
    quantile(&mut usual, PLACEBO_SHARE)
}
