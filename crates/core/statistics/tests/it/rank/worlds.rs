//! Generated systems: calls, propagation of latency and failures, autocorrelated noise with heavy tails, a daily cycle.

use super::Labelled;
use fastrand::Rng;
use statistics::rank::{Calls, Case, Metrics, Target};

/// Which metrics the nodes have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// CPU, memory, latency, requests, errors, every minute, and caller-side latency.
    Full,
    /// Latency, availability and requests, every five minutes.
    Sparse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Slower, and more CPU.
    Cpu,
    /// Slower without CPU: a lock, a slow disk.
    Slow,
    /// Calls to the node are slow, the node is not.
    Network,
    /// The node fails a share of its requests.
    Errors,
}

struct World {
    rng: Rng,
    style: Style,
    nodes: usize,
    before: usize,
    steps: usize,
    calls: Vec<(usize, usize, f64)>,
    day: Vec<f64>,
}

/// A system with a fault at one node, not at the entrance `n0`.
pub(super) fn world(seed: u64, style: Style, fault: Fault) -> Labelled {
    let mut rng = Rng::with_seed(seed);
    let nodes = rng.usize(6..20);
    let before = [12, 25, 60, 200][rng.usize(0..4)];
    let steps = before + [4, 6, 10][rng.usize(0..3)];
    let mut calls = Vec::new();
    for callee in 1..nodes {
        let first = rng.usize(0..callee);
        calls.push((first, callee, 0.5 + 1.5 * rng.f64()));
        let second = rng.usize(0..callee);
        if second != first && rng.f64() < 0.35 {
            calls.push((second, callee, 0.5 + 1.5 * rng.f64()));
        }
    }
    let phase = rng.f64() * std::f64::consts::TAU;
    let day = (0..steps).map(|t| 0.15 * (t as f64 * std::f64::consts::TAU / 144.0 + phase).sin()).collect();
    let cause = rng.usize(1..nodes);
    World { rng, style, nodes, before, steps, calls, day }.run(cause, fault, seed)
}

impl World {
    /// AR(1) with tails of a Laplace distribution.
    fn noise(&mut self, sigma: f64) -> Vec<f64> {
        let mut value = 0.0;
        let mut step = || {
            let sign = if self.rng.bool() { 1.0 } else { -1.0 };
            value = 0.6 * value - 0.8 * sigma * sign * (1.0 - self.rng.f64()).ln() / std::f64::consts::SQRT_2;
            value
        };
        (0..self.steps).map(|_| step()).collect()
    }

    fn series(&mut self, sigma: f64, of: impl Fn(usize) -> f64) -> Vec<f64> {
        let noise = self.noise(sigma);
        (0..self.steps).map(|t| of(t) * noise[t].exp()).collect()
    }

    fn run(mut self, cause: usize, fault: Fault, seed: u64) -> Labelled {
        let during = |t: usize, before: usize| t >= before;
        let (before, steps, day) = (self.before, self.steps, self.day.clone());
        let load = self.series(0.05, |t| day[t].exp());
        let base: Vec<f64> = (0..self.nodes).map(|_| 0.001 * 50_f64.powf(self.rng.f64())).collect();
        let usual = base.iter().sum::<f64>() / self.nodes as f64;
        let factor = 2.0 + 6.0 * self.rng.f64();
        let mut latency = vec![Vec::new(); self.nodes];
        let mut network = vec![vec![0.0; steps]; self.nodes];
        let mut failing = vec![Vec::new(); self.nodes];
        for node in (0..self.nodes).rev() {
            let sigma = 0.03 + 0.17 * self.rng.f64();
            let hit = |t: usize, of: Fault| node == cause && fault == of && during(t, before);
            let own = self.series(sigma, |t| base[node] * (0.3 * day[t]).exp());
            latency[node] = (0..steps)
                .map(|t| {
                    let called = self.calls.iter().filter(|call| call.0 == node);
                    let calls: f64 =
                        called.map(|&(_, callee, n)| n * (latency[callee][t] + network[callee][t])).sum();
                    let slow = hit(t, Fault::Cpu) || hit(t, Fault::Slow);
                    calls + if slow { own[t] * factor + usual * factor / 2.0 } else { own[t] }
                })
                .collect();
            network[node] = self.series(0.2, |t| if hit(t, Fault::Network) { usual * factor } else { 0.0 });
            let share = if fault == Fault::Errors { 0.05 + 0.45 * self.rng.f64() } else { 0.0 };
            let noise = self.noise(0.002);
            failing[node] = (0..steps)
                .map(|t| {
                    let own = noise[t].abs() + if hit(t, Fault::Errors) { share } else { 0.0 };
                    let called = self.calls.iter().filter(|call| call.0 == node);
                    1.0 - called.fold(1.0 - own.min(1.0), |well, &(_, callee, _)| {
                        well * (1.0 - 0.8 * failing[callee][t])
                    })
                })
                .collect();
        }
        let mut middle = latency[0][..before].to_vec();
        middle.sort_by(f64::total_cmp);
        let rate: Vec<f64> =
            (0..steps).map(|t| load[t] / (latency[0][t] / middle[before / 2]).max(1.0).sqrt()).collect();
        let mut requests = vec![self.series(0.03, |t| 50.0 * rate[t])];
        for node in 1..self.nodes {
            let calls = self.calls.clone();
            let called = |t: usize| {
                calls.iter().filter(|call| call.1 == node).map(|call| call.2 * requests[call.0][t]).sum()
            };
            requests.push(self.series(0.04, called));
        }
        let mut case = self.empty(fault, seed);
        for node in 0..self.nodes {
            let hit = |t: usize| node == cause && fault == Fault::Cpu && during(t, before);
            let (idle, more) = (2.0 + 38.0 * self.rng.f64(), 1.5 + 2.5 * self.rng.f64());
            let cpu = self.series(0.12, |t| idle * rate[t].powf(0.8) * if hit(t) { more } else { 1.0 });
            let metrics = self.metrics(&latency[node], &failing[node], &requests[node], cpu);
            self.put(&mut case, node, metrics);
        }
        if self.style == Style::Full {
            case.call_p50_seconds = Some(self.seen_by_callers(&latency, &network));
        }
        Labelled { case, cause: name(cause) }
    }

    fn empty(&self, fault: Fault, seed: u64) -> Case {
        Case {
            id: seed.to_string(),
            nodes: (0..self.nodes).map(name).collect(),
            calls: self.calls.iter().map(|call| (name(call.0), name(call.1))).collect(),
            target: Target { node: name(0), metric: self.target(fault).to_owned() },
            ..Case::default()
        }
    }

    fn seen_by_callers(&mut self, latency: &[Vec<f64>], network: &[Vec<f64>]) -> Calls {
        let mut calls = Calls::default();
        for (caller, callee, _) in self.calls.clone() {
            let seen = self.series(0.1, |t| latency[callee][t] + network[callee][t]);
            let key = format!("{}->{}", name(caller), name(callee));
            let (early, late) = self.split(&seen);
            calls.baseline.insert(key.clone(), early);
            calls.incident.insert(key, late);
        }
        calls
    }

    fn target(&self, fault: Fault) -> &'static str {
        match (self.style, fault) {
            (Style::Full, _) => "server_p90_seconds",
            (Style::Sparse, Fault::Errors) => "availability",
            (Style::Sparse, _) => "latency",
        }
    }

    fn metrics(
        &mut self,
        latency: &[f64],
        failing: &[f64],
        requests: &[f64],
        cpu: Vec<f64>,
    ) -> Vec<(&'static str, Vec<f64>)> {
        match self.style {
            Style::Full => vec![
                ("cpu_percent", cpu),
                ("memory_percent", self.series(0.01, |_| 30.0)),
                ("server_p90_seconds", self.series(0.1, |t| 1.5 * latency[t])),
                ("requests_per_second", requests.to_vec()),
                ("error_rate", (0..self.steps).map(|t| failing[t] * requests[t]).collect()),
            ],
            Style::Sparse => vec![
                ("latency", self.series(0.05, |t| latency[t])),
                ("availability", failing.iter().map(|share| 100.0 * (1.0 - share)).collect()),
                ("requests", requests.iter().map(|rate| 300.0 * rate).collect()),
            ],
        }
    }

    /// One node in twenty has no metrics.
    fn put(&mut self, case: &mut Case, node: usize, metrics: Vec<(&'static str, Vec<f64>)>) {
        let (mut baseline, mut incident) = (Metrics::new(), Metrics::new());
        let absent = node > 0 && self.rng.f64() < 0.05;
        for (metric, values) in metrics.into_iter().filter(|_| !absent) {
            let (early, late) = self.split(&values);
            baseline.insert(metric.to_owned(), early);
            incident.insert(metric.to_owned(), late);
        }
        case.baseline.insert(name(node), baseline);
        case.incident.insert(name(node), incident);
    }

    /// Baseline and incident, with 2 % of the samples missing.
    fn split(&mut self, values: &[f64]) -> (Vec<Option<f64>>, Vec<Option<f64>>) {
        let all: Vec<_> = values.iter().map(|value| (self.rng.f64() >= 0.02).then_some(*value)).collect();
        (all[..self.before].to_vec(), all[self.before..].to_vec())
    }
}

fn name(node: usize) -> String {
    format!("n{node}")
}
