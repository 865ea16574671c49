//! The score of each node of one view.

use super::Evidence;
use super::evidence::{Direction, Level, correlation, strength};
use super::metric::MetricKind;
use super::view::{Pair, View};
use crate::order::median;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Weight of latency and of failures: effects as well as causes, so less than a resource, which is the node's own.
const SYMPTOM: f64 = 0.8;
/// Latency that a node measures itself counts less than what its callers see, where both exist.
const OWN_VIEW: f64 = 0.7;
/// Share of the strongest callee's symptom that is subtracted: it explains that much of the caller's.
const EXPLAINED: f64 = 0.5;
/// Weight of memory and saturation: they drift without any fault.
const DRIFTING: f64 = 0.2;
/// Weight of calls that a node no longer makes although it still gets requests: it fails before it calls.
const FEWER_CALLS: f64 = 0.7;
/// Correlation with the target is asked for when the target itself moved this far: `ln(1 + 3)`.
const TARGET_MOVED: f64 = 1.386;
/// Least factor of a series that does not follow the target.
const UNCORRELATED: f64 = 0.7;
/// Factor of nodes that the target does not call, directly or indirectly: the declared calls may be incomplete.
const UNREACHABLE: f64 = 0.5;

/// Every candidate, in the order of `names`, to compare them with each other.
pub(crate) struct Scored {
    /// Score, and the series that moved most.
    pub(crate) nodes: Vec<(f64, Option<Evidence>)>,
    /// Whether the target moved.
    pub(crate) target_moved: bool,
}

pub(crate) fn scores(view: &View<'_>, names: &[&str]) -> Scored {
    let target = Target::of(view);
    let reader = Reader { view, target: target.as_ref(), level: Level::Half };
    let graph = Graph::of(view, names);
    let scores = graph.scores(&reader).into_iter().enumerate();
    let nodes = scores.map(|(at, score)| (score, graph.strongest(at, &reader))).collect();
    Scored { nodes, target_moved: target.is_some() }
}

/// The greatest score by stricter evidence, to judge whether any candidate is exceptional. Whether series follow the target
/// does not matter: noise does not either.
pub(crate) fn greatest(view: &View<'_>, names: &[&str]) -> f64 {
    let found = Graph::of(view, names).scores(&Reader { view, target: None, level: Level::TwoThirds });
    let is_candidate = |name: &&str| !view.case.entrances.iter().any(|entrance| entrance == name);
    let found = names.iter().zip(found).filter(|(name, _)| is_candidate(name));
    found.map(|(_, score)| score).fold(0.0, f64::max)
}

/// The target's series, when it moved.
struct Target {
    pair: Pair,
    kind: MetricKind,
}

impl Target {
    fn of(view: &View<'_>) -> Option<Self> {
        let target = &view.case.target;
        let (pair, kind) = (view.metric(&target.node, &target.metric), MetricKind::of(&target.metric));
        (strength(&pair, kind, Direction::Up, None, Level::Half) > TARGET_MOVED)
            .then_some(Self { pair, kind })
    }
}

/// Candidates, their callees by index, and the keys of caller-side latency.
struct Graph<'a> {
    names: &'a [&'a str],
    callees: Vec<BTreeSet<usize>>,
    calls: BTreeMap<(usize, usize), &'a str>,
    callers: Vec<Vec<&'a str>>,
    reachable: Vec<bool>,
}

impl<'a> Graph<'a> {
    fn of(view: &View<'a>, names: &'a [&'a str]) -> Self {
        let index: BTreeMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (*name, at)).collect();
        let mut graph = Self {
            names,
            callees: vec![BTreeSet::new(); names.len()],
            calls: BTreeMap::new(),
            callers: vec![Vec::new(); names.len()],
            reachable: vec![true; names.len()],
        };
        let measured = view.case.call_p50_seconds.iter().flat_map(|calls| calls.baseline.keys());
        for (key, (caller, callee)) in measured.filter_map(|key| Some((key, key.split_once("->")?))) {
            let (caller, callee) = (index.get(caller), index.get(callee));
            if let (Some(&caller), Some(&callee)) = (caller, callee) {
                graph.calls.insert((caller, callee), key);
                graph.callees[caller].insert(callee);
            }
            if let Some(&callee) = callee {
                graph.callers[callee].push(key);
            }
        }
        for (caller, callee) in &view.case.calls {
            if let (Some(&caller), Some(&callee)) = (index.get(caller.as_str()), index.get(callee.as_str())) {
                graph.callees[caller].insert(callee);
            }
        }
        for (at, callees) in graph.callees.iter_mut().enumerate() {
            callees.remove(&at);
        }
        if let Some(&target) = index.get(view.case.target.node.as_str()) {
            graph.mark_reachable(target);
        }
        graph
    }

    /// Nodes that the target calls. A target without callees tells nothing about the graph.
    fn mark_reachable(&mut self, target: usize) {
        if self.callees[target].is_empty() {
            return;
        }
        self.reachable = vec![false; self.names.len()];
        self.reachable[target] = true;
        let mut queue = VecDeque::from([target]);
        while let Some(node) = queue.pop_front() {
            for &callee in &self.callees[node] {
                if !std::mem::replace(&mut self.reachable[callee], true) {
                    queue.push_back(callee);
                }
            }
        }
    }

    fn scores(&self, reader: &Reader<'_>) -> Vec<f64> {
        let calls: BTreeMap<&str, f64> =
            self.callers.iter().flatten().map(|key| (*key, reader.call(key))).collect();
        let nodes: Vec<Node> = (0..self.names.len())
            .map(|at| {
                let mut node = reader.node(self.names[at]);
                let seen = self.callers[at].iter().filter_map(|key| calls.get(key)).copied().reduce(f64::max);
                if let Some(seen) = seen {
                    node.latency = seen.max(OWN_VIEW * node.latency);
                }
                node
            })
            .collect();
        (0..nodes.len()).map(|at| self.score(at, &nodes, &calls)).collect()
    }

    /// The series that speaks most against a node, weighted as in its score.
    fn strongest(&self, at: usize, reader: &Reader<'_>) -> Option<Evidence> {
        let name = self.names[at];
        let own_view = if self.callers[at].is_empty() { 1.0 } else { OWN_VIEW };
        let metrics = reader.view.case.baseline.get(name).into_iter().flat_map(|metrics| metrics.keys());
        let own = metrics.map(|metric| {
            let kind = MetricKind::of(metric);
            let weight = match kind {
                MetricKind::Latency => SYMPTOM * own_view,
                MetricKind::Errors | MetricKind::Availability => SYMPTOM,
                MetricKind::Cpu => 1.0,
                MetricKind::Memory | MetricKind::Saturation => DRIFTING,
                MetricKind::Traffic | MetricKind::Other => 0.0,
            };
            let strength = reader.strength(
                &reader.view.metric(name, metric),
                kind,
                Direction::Up,
                reader.requests(name),
            );
            (weight * strength, Evidence::Metric(metric.clone()))
        });
        let calls = self.callers[at]
            .iter()
            .map(|key| (SYMPTOM * reader.call(key), Evidence::Call((*key).to_owned())));
        let strongest = own.chain(calls).max_by(|(one, _), (other, _)| one.total_cmp(other));
        strongest.filter(|(strength, _)| *strength > 0.0).map(|(_, evidence)| evidence)
    }

    fn score(&self, at: usize, nodes: &[Node], calls: &BTreeMap<&str, f64>) -> f64 {
        let node = &nodes[at];
        let most =
            |of: &dyn Fn(usize) -> f64| self.callees[at].iter().map(|&callee| of(callee)).fold(0.0, f64::max);
        let slow = most(&|callee| {
            self.calls
                .get(&(at, callee))
                .and_then(|key| calls.get(key))
                .copied()
                .unwrap_or(nodes[callee].latency)
        });
        let failing = most(&|callee| nodes[callee].failures);
        let fewer = most(&|callee| nodes[callee].fewer) - node.fewer;
        let symptoms = (node.latency - EXPLAINED * slow) + (node.failures - EXPLAINED * failing);
        let score = SYMPTOM * symptoms + node.resource + FEWER_CALLS * fewer.max(0.0);
        if self.reachable[at] || score < 0.0 { score } else { UNREACHABLE * score }
    }
}

/// Strengths of one node.
#[derive(Debug, Default)]
struct Node {
    latency: f64,
    failures: f64,
    resource: f64,
    fewer: f64,
}

struct Reader<'a> {
    view: &'a View<'a>,
    target: Option<&'a Target>,
    level: Level,
}

impl Reader<'_> {
    fn call(&self, key: &str) -> f64 {
        self.strength(&self.view.call(key), MetricKind::Latency, Direction::Up, None)
    }

    /// The usual number of requests of a node, in the unit of its metric.
    fn requests(&self, name: &str) -> Option<f64> {
        let metrics = self.view.case.baseline.get(name)?;
        let traffic = metrics.keys().find(|metric| MetricKind::of(metric) == MetricKind::Traffic)?;
        let values = self.view.metric(name, traffic).baseline;
        median(&mut values.into_iter().flatten().filter(|value| value.is_finite()).collect::<Vec<f64>>())
    }

    fn node(&self, name: &str) -> Node {
        let mut node = Node::default();
        let metrics = self.view.case.baseline.get(name);
        let requests = self.requests(name);
        let (mut cpu, mut drifting) = (0_f64, 0_f64);
        for metric in metrics.into_iter().flat_map(|metrics| metrics.keys()) {
            let kind = MetricKind::of(metric);
            let direction = if kind == MetricKind::Traffic { Direction::Down } else { Direction::Up };
            let place = match kind {
                MetricKind::Latency => &mut node.latency,
                MetricKind::Errors | MetricKind::Availability => &mut node.failures,
                MetricKind::Traffic => &mut node.fewer,
                MetricKind::Cpu => &mut cpu,
                MetricKind::Memory | MetricKind::Saturation => &mut drifting,
                MetricKind::Other => continue,
            };
            *place = place.max(self.strength(&self.view.metric(name, metric), kind, direction, requests));
        }
        node.resource = cpu + DRIFTING * drifting;
        node
    }

    fn strength(&self, pair: &Pair, kind: MetricKind, direction: Direction, requests: Option<f64>) -> f64 {
        let strength = strength(pair, kind, direction, requests, self.level);
        let Some(target) = self.target.filter(|_| strength > 0.0) else { return strength };
        let down = kind == MetricKind::Availability || direction == Direction::Down;
        match correlation(pair, if down { -1.0 } else { 1.0 }, &target.pair, target.kind) {
            Some(correlation) => strength * (UNCORRELATED + (1.0 - UNCORRELATED) * correlation.max(0.0)),
            None => strength,
        }
    }
}
