//! From samples to likely causes.

use super::figures::{self, LONGEST_STATEMENT};
use super::tasks::Task;
use super::world::{Node, Series};
use crate::effects::{EDGE_FAILED, EDGE_LATENCY, FAILED, LATENCY, Point, Read, bucketed};
use statistics::rank::{Calls, Case, Evidence, Metrics, Ranking, STANDS_OUT, Target, Verdict, rank};
use std::collections::BTreeMap;
use std::time::Duration;
use types::likely_cause::{LikelyCause, Measured, Moved};
use types::time::{between, earlier, later};
use types::{Kind, Observation, Time};

/// Steps before the onset that are compared with, and at least needed.
const BASELINE: usize = 240;
const BASELINE_MIN: usize = 24;
/// Steps of the incident: the last ones, and how many are needed.
const INCIDENT: usize = 30;
const INCIDENT_MIN: usize = 4;
/// Samples of the last seconds may not be stored yet.
const LAG: Duration = Duration::from_secs(3);
/// Statements that run for less are no load, however their number changes.
const STATEMENT_MIN: f64 = 0.02;
/// Maximum of likely causes, and the share of the first one's score that the others need.
const LIKELY_MAX: usize = 3;
const LIKELY_SHARE: f64 = 0.6;
/// A latency that rose by less than this share of the rise that is to be explained does not explain it.
const RISE_SHARE: f64 = 0.02;
/// Factor from which a service counts as slower.
const SLOWER: f64 = 1.5;
/// Name of the target when several services are affected.
const ENTRANCE: &str = "entrance";

/// Values of one series before and during the incident, a value a step.
#[derive(Clone, Debug, Default)]
struct Steps {
    before: Vec<Option<f64>>,
    during: Vec<Option<f64>>,
}

impl Task {
    /// The samples that [`Task::rank`] needs: two ranges for each series. None while the incident is too young.
    #[must_use]
    pub fn reads(&self, now: Time) -> Vec<Read> {
        if self.incident_steps(now) < INCIDENT_MIN {
            return Vec::new();
        }
        let ranges = |series: &Series| {
            let read = |range| Read { subject: series.subject.clone(), metric: series.metric, range };
            [read(self.begin()..self.onset), read(self.incident_begin(now)..now)]
        };
        self.series().flat_map(ranges).collect()
    }

    /// Ranks by the samples of [`Task::reads`], in the same order. `None` when nothing can be said: too few samples, or nothing
    /// to explain.
    #[must_use]
    pub fn rank(&self, now: Time, samples: &[Vec<Point>]) -> Option<Observation> {
        let mut all = self.steps(now, samples);
        let mut steps: BTreeMap<(String, &'static str), Steps> = BTreeMap::new();
        for (series, values) in self.series().zip(all.drain(..)) {
            steps.insert((series.subject.clone(), series.metric), values);
        }
        let view = View { task: self, steps, now };
        let longest = view.steps.values().map(|steps| steps.before.iter().flatten().count()).max()?;
        if longest < BASELINE_MIN || self.incident_steps(now) < INCIDENT_MIN {
            return None;
        }
        let case = view.case();
        let ranking = rank(&case);
        ranking.target_moved.then(|| Observation::CausesRanked {
            incident: self.incident,
            likely: view.likely(&case, &ranking),
        })
    }

    /// Every series once: those of the nodes, then those of the calls.
    fn series(&self) -> impl Iterator<Item = &Series> {
        let of_nodes = self.world.nodes.iter().flat_map(|node| &node.series);
        let of_calls = self.world.calls.iter().filter_map(|call| call.latency.as_ref());
        let mut seen = std::collections::BTreeSet::new();
        of_nodes.chain(of_calls).filter(move |series| seen.insert((&series.subject, series.metric)))
    }

    fn begin(&self) -> Time {
        earlier(self.onset, self.step * u32::try_from(BASELINE).unwrap_or(u32::MAX))
    }

    /// Whole steps since the onset.
    fn incident_steps(&self, now: Time) -> usize {
        let since = between(self.onset, earlier(now, LAG)).as_millis() / self.step.as_millis().max(1);
        usize::try_from(since).unwrap_or(usize::MAX)
    }

    /// Begin of the first of the last steps of the incident.
    fn incident_begin(&self, now: Time) -> Time {
        let skipped = self.incident_steps(now).saturating_sub(INCIDENT);
        later(self.onset, self.step.saturating_mul(u32::try_from(skipped).unwrap_or(u32::MAX)))
    }

    fn steps(&self, now: Time, samples: &[Vec<Point>]) -> Vec<Steps> {
        let incident = self.incident_steps(now).min(INCIDENT);
        let pairs = self.series().zip(samples.chunks(2));
        let steps = |(series, samples): (&Series, &[Vec<Point>])| {
            let [past, present] = samples else { return Steps::default() };
            let is_latency = matches!(series.metric, LATENCY | EDGE_LATENCY | LONGEST_STATEMENT);
            let values = |samples: &[Point], from, count| {
                let mut values = bucketed(samples, is_latency, self.step, from, count);
                if series.metric == LONGEST_STATEMENT {
                    values.iter_mut().flatten().for_each(|value| *value = value.max(STATEMENT_MIN));
                }
                values
            };
            Steps {
                before: values(past, self.begin(), BASELINE),
                during: values(present, self.incident_begin(now), incident),
            }
        };
        pairs.map(steps).collect()
    }
}

/// A task with its values.
struct View<'a> {
    task: &'a Task,
    steps: BTreeMap<(String, &'static str), Steps>,
    now: Time,
}

/// Name of a series within a node: one of several probes has a number.
fn metric_name(node: &Node, at: usize) -> String {
    let Some(series) = node.series.get(at) else { return String::new() };
    let same = node.series.iter().take(at).filter(|other| other.metric == series.metric).count();
    if same == 0 { series.metric.to_owned() } else { format!("{}_{}", series.metric, same + 1) }
}

impl View<'_> {
    fn of(&self, series: &Series) -> Steps {
        self.steps.get(&(series.subject.clone(), series.metric)).cloned().unwrap_or_default()
    }

    fn case(&self) -> Case {
        let world = &self.task.world;
        let names: Vec<String> = world.nodes.iter().map(Node::name).collect();
        let mut case = Case { id: self.task.incident.to_string(), ..Case::default() };
        let mut calls = Calls::default();
        for node in &world.nodes {
            let (mut before, mut during) = (Metrics::new(), Metrics::new());
            let waits = self.waits(node);
            for (at, series) in node.series.iter().enumerate() {
                if waits && matches!(series.metric, FAILED | EDGE_FAILED) {
                    continue;
                }
                let steps =
                    if node.server.is_some() { self.beside_others(node, series) } else { self.of(series) };
                if steps.before.iter().any(Option::is_some) {
                    before.insert(metric_name(node, at), steps.before);
                    during.insert(metric_name(node, at), steps.during);
                }
            }
            case.baseline.insert(node.name(), before);
            case.incident.insert(node.name(), during);
        }
        for call in &world.calls {
            let (Some(caller), Some(callee)) = (names.get(call.caller), names.get(call.callee)) else {
                continue;
            };
            case.calls.push((caller.clone(), callee.clone()));
            let Some(series) = &call.latency else { continue };
            let steps = self.of(series);
            if steps.before.iter().any(Option::is_some) {
                let key = format!("{caller}->{callee}");
                calls.baseline.insert(key.clone(), steps.before);
                calls.incident.insert(key, steps.during);
            }
        }
        case.call_p50_seconds = Some(calls);
        case.nodes = names;
        self.set_target(&mut case);
        case
    }

    /// Whether a service is slower than before: then its requests fail because they wait, and its failures say nothing
    /// that its latency does not say, which the latency of what it calls explains.
    fn waits(&self, node: &Node) -> bool {
        let is_entrance = self.task.entrances.contains(&node.name());
        let latencies = node.series.iter().filter(|series| matches!(series.metric, LATENCY | EDGE_LATENCY));
        let is_slower = |series: &Series| {
            let (before, during) = self.medians(series)?;
            Some(during >= SLOWER * before)
        };
        node.resource.kind == Kind::Service && !is_entrance && latencies.filter_map(is_slower).any(|it| it)
    }

    /// Medians of a series before and during the incident.
    fn medians(&self, series: &Series) -> Option<(f64, f64)> {
        let steps = self.of(series);
        let of = |values: &[Option<f64>]| median(&mut values.iter().flatten().copied().collect::<Vec<f64>>());
        Some((of(&steps.before)?, of(&steps.during)?))
    }

    /// Sets where the disturbance was noticed: the first entrance by its latency, or by its failures when it is not slower.
    /// With several entrances, one node calls all of them.
    fn set_target(&self, case: &mut Case) {
        let Some(first) = self.task.entrances.first() else { return };
        case.entrances.clone_from(&self.task.entrances);
        let metrics = case.baseline.get(first).cloned().unwrap_or_default();
        let order = [EDGE_LATENCY, LATENCY, EDGE_FAILED, FAILED];
        let known = |metric: &&&str| metrics.contains_key(**metric);
        let moves = |metric: &&&str| rank_target(case, first, metric);
        let metric = order.iter().filter(known).find(moves).or_else(|| order.iter().find(known));
        let Some(metric) = metric.map(|metric| (*metric).to_owned()) else { return };
        case.target = Target { node: first.clone(), metric: metric.clone() };
        if self.task.entrances.len() > 1 {
            let one = |side: &BTreeMap<String, Metrics>| -> Metrics {
                let values = side.get(first).and_then(|metrics| metrics.get(&metric)).cloned();
                BTreeMap::from([(metric.clone(), values.unwrap_or_default())])
            };
            let (before, during) = (one(&case.baseline), one(&case.incident));
            case.baseline.insert(ENTRANCE.to_owned(), before);
            case.incident.insert(ENTRANCE.to_owned(), during);
            let services = self.task.entrances.iter().filter(|name| name.starts_with("service."));
            case.calls.extend(services.map(|to| (ENTRANCE.to_owned(), to.clone())));
            case.entrances.push(ENTRANCE.to_owned());
            case.target.node = ENTRANCE.to_owned();
        }
    }

    /// A server's values in relation to those of the other servers of its pool: what all of them have in common does not come
    /// from one of them.
    fn beside_others(&self, node: &Node, series: &Series) -> Steps {
        let nodes = self.task.world.nodes.iter();
        let others = nodes.filter(|other| {
            other.server.is_some() && other.server != node.server && other.resource == node.resource
        });
        let others: Vec<Steps> = others
            .filter_map(|other| other.series.iter().find(|one| one.metric == series.metric))
            .map(|series| self.of(series))
            .collect();
        let own = self.of(series);
        let is_latency = series.metric == EDGE_LATENCY;
        let relative = |own: &[Option<f64>], side: fn(&Steps) -> &Vec<Option<f64>>| {
            let value = |(at, value): (usize, &Option<f64>)| {
                let mut values: Vec<f64> = others.iter().filter_map(|other| *side(other).get(at)?).collect();
                let usual = median(&mut values)?;
                let value = (*value)?;
                if is_latency { (usual > 0.0).then(|| value / usual) } else { Some((value - usual).max(0.0)) }
            };
            own.iter().enumerate().map(value).collect()
        };
        Steps {
            before: relative(&own.before, |steps| &steps.before),
            during: relative(&own.during, |steps| &steps.during),
        }
    }

    fn likely(&self, case: &Case, ranking: &Ranking) -> Vec<LikelyCause> {
        if ranking.verdict == Verdict::NothingStandsOut {
            return Vec::new();
        }
        let rise = self.rise(case);
        let others = ranking.ranked.iter().filter(|one| !case.entrances.contains(&one.node));
        let mut likely: Vec<LikelyCause> = Vec::new();
        for one in others.filter(|one| one.score >= STANDS_OUT) {
            let least = likely.first().map_or(0.0, |first| first.score * LIKELY_SHARE);
            let Some(node) = self.task.world.nodes.iter().find(|node| node.name() == one.node) else {
                continue;
            };
            let Some(moved) = one.by.as_ref().and_then(|by| self.moved(node, by)) else { continue };
            let explains =
                rise.is_none_or(|rise| !is_latency(moved.what) || moved.during - moved.before >= rise);
            if one.score >= least && explains && likely.len() < LIKELY_MAX {
                let (resource, server) = (node.resource.clone(), node.server.clone());
                likely.push(LikelyCause { resource, server, score: rounded(one.score), moved });
            }
        }
        likely
    }

    /// The least rise of a latency that may explain that of the target; `None` when that is no latency.
    fn rise(&self, case: &Case) -> Option<f64> {
        let of = |side: &BTreeMap<String, Metrics>| {
            let values = side.get(&case.target.node)?.get(&case.target.metric)?;
            median(&mut values.iter().flatten().copied().collect::<Vec<f64>>())
        };
        let is_latency = matches!(case.target.metric.as_str(), LATENCY | EDGE_LATENCY);
        let rise = of(&case.incident)? - of(&case.baseline)?;
        is_latency.then_some(rise * RISE_SHARE).filter(|rise| *rise > 0.0)
    }

    /// The figure behind a score, in the unit of the series.
    fn moved(&self, node: &Node, by: &Evidence) -> Option<Moved> {
        let (series, is_call) = match by {
            Evidence::Metric(name) => {
                let at = (0..node.series.len()).find(|at| metric_name(node, *at) == *name)?;
                (node.series.get(at)?, node.server.is_some())
            }
            Evidence::Call(key) => {
                let nodes = &self.task.world.nodes;
                let is_it = |call: &&super::world::Call| {
                    let name = |at: usize| nodes.get(at).map(Node::name).unwrap_or_default();
                    format!("{}->{}", name(call.caller), name(call.callee)) == *key
                };
                (self.task.world.calls.iter().find(is_it)?.latency.as_ref()?, true)
            }
        };
        let what = figures::measured(series.metric, is_call)?;
        let (before, during) = self.medians(series)?;
        Some(Moved { what, before, during, since: self.since(&self.of(series), before, during) })
    }

    /// Begin of the steps without an interruption, up to now, in which the values are nearer to those of the incident.
    fn since(&self, steps: &Steps, before: f64, during: f64) -> Time {
        let middle =
            if before > 0.0 && during > 0.0 { (before * during).sqrt() } else { (before + during) / 2.0 };
        let is_near = |value: f64| (value >= middle) == (during >= before);
        let begin = self.task.incident_begin(self.now);
        let ago = |steps: usize| self.task.step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX));
        let at = |step: usize| later(begin, ago(step));
        let past = |back: usize| earlier(self.task.onset, ago(back + 1));
        // Only an incident of which every step is seen can have begun before it.
        let is_whole = begin == self.task.onset;
        let during = steps.during.iter().enumerate().map(|(step, value)| (at(step), *value));
        let before = steps.before.iter().rev().enumerate().map(|(back, value)| (past(back), *value));
        let backwards = during.rev().chain(before.take(if is_whole { INCIDENT } else { 0 }));
        let (mut since, mut far) = (self.task.onset, 0);
        for (at, value) in backwards {
            match value {
                Some(value) if is_near(value) => (since, far) = (at, 0),
                // One value may differ by chance.
                Some(_) if far > 0 => break,
                Some(_) => far += 1,
                None => {}
            }
        }
        since
    }
}

/// Whether a metric of the target moved at all.
fn rank_target(case: &Case, node: &str, metric: &str) -> bool {
    let only = |side: &BTreeMap<String, Metrics>| {
        let values = side.get(node).and_then(|metrics| metrics.get(metric)).cloned().unwrap_or_default();
        BTreeMap::from([(node.to_owned(), Metrics::from([(metric.to_owned(), values)]))])
    };
    let case = Case {
        target: Target { node: node.to_owned(), metric: metric.to_owned() },
        baseline: only(&case.baseline),
        incident: only(&case.incident),
        ..Case::default()
    };
    rank(&case).target_moved
}

fn is_latency(what: Measured) -> bool {
    matches!(what, Measured::Latency | Measured::LatencyForCallers | Measured::LongestStatement)
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Two digits: more would suggest a precision that the method does not have.
fn rounded(score: f64) -> f64 {
    (score * 100.0).round() / 100.0
}
