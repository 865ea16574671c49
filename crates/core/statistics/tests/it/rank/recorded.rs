//! 56 recorded faults of Online Boutique (Nezha, FSE 2023; licence beside the fixture).

use super::{Labelled, figures, silent};
use flate2::read::GzDecoder;
use serde::Deserialize;
use statistics::rank::{Case, MetricKind, Metrics, Series, rank};
use std::collections::BTreeMap;

const RECORDED: &[u8] = include_bytes!("../../fixtures/nezha-online-boutique.json.gz");

#[derive(Deserialize)]
struct Recorded {
    #[serde(flatten)]
    case: Case,
    truth: Truth,
}

#[derive(Deserialize)]
struct Truth {
    node: String,
}

fn recorded() -> Vec<Labelled> {
    let all: Vec<Recorded> = serde_json::from_reader(GzDecoder::new(RECORDED)).unwrap();
    all.into_iter().map(|Recorded { case, truth }| Labelled { case, cause: truth.node }).collect()
}

fn changed(change: impl Fn(&mut Case)) -> Vec<Labelled> {
    let mut all = recorded();
    all.iter_mut().for_each(|labelled| change(&mut labelled.case));
    all
}

fn each_series(case: &mut Case, change: impl Fn(&mut Series)) {
    let calls = case.call_p50_seconds.iter_mut().map(|calls| &mut calls.incident);
    case.incident.values_mut().chain(calls).flat_map(|metrics| metrics.values_mut()).for_each(change);
}

fn without(case: &mut Case, kind: MetricKind) {
    let target = case.target.clone();
    for side in [&mut case.baseline, &mut case.incident] {
        for (node, metrics) in side.iter_mut() {
            metrics.retain(|name, _| {
                MetricKind::of(name) != kind || (*node == target.node && *name == target.metric)
            });
        }
    }
}

#[test]
fn causes_of_recorded_faults_are_ranked_first() {
    let all = figures(&recorded());
    println!("recorded faults: {all:.3?}");
    assert!(all.top_1 >= 0.86 && all.top_3 >= 0.95 && all.named >= 0.87, "{all:?}");
}

#[test]
fn windows_without_a_fault_do_not_stand_out() {
    for length in [3, 4, 5, 8] {
        let windows = baseline_windows(&recorded(), length);
        let share = silent(&windows);
        println!(
            "{} windows of {length} samples without a fault: nothing stands out in {share:.3}",
            windows.len()
        );
        assert!(share >= 0.9, "{share}");
    }
}

/// Every second window of each baseline, which becomes the incident; the rest stays the baseline.
fn baseline_windows(from: &[Labelled], length: usize) -> Vec<Case> {
    let cut = |case: &Case, start: usize| {
        let split = |metrics: &Metrics| -> (Metrics, Metrics) {
            let parts = metrics.iter().map(|(name, series)| {
                let (start, end) = (start.min(series.len()), (start + length).min(series.len()));
                let rest = [&series[..start], &series[end..]].concat();
                ((name.clone(), rest), (name.clone(), series[start..end].to_vec()))
            });
            parts.unzip()
        };
        let mut window = case.clone();
        let (baseline, incident): (BTreeMap<_, _>, BTreeMap<_, _>) = case
            .baseline
            .iter()
            .map(|(node, metrics)| {
                let (rest, cut) = split(metrics);
                ((node.clone(), rest), (node.clone(), cut))
            })
            .unzip();
        (window.baseline, window.incident) = (baseline, incident);
        if let Some(calls) = &mut window.call_p50_seconds {
            (calls.baseline, calls.incident) = split(&calls.baseline);
        }
        window
    };
    from.iter()
        .flat_map(|Labelled { case, .. }| {
            let values =
                case.baseline.values().flat_map(|metrics| metrics.values()).map(Vec::len).max().unwrap();
            (0..(values + 1).saturating_sub(length.max(8)))
                .step_by(2)
                .map(|start| cut(case, start))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn no_kind_of_metric_is_indispensable() {
    use MetricKind::{Cpu, Latency, Memory, Traffic};
    for (kind, top_1, top_3) in
        [(Cpu, 0.8, 0.92), (Latency, 0.86, 0.94), (Memory, 0.84, 0.92), (Traffic, 0.82, 0.88)]
    {
        let rest = figures(&changed(|case| without(case, kind)));
        println!("without {kind:?}: {rest:.3?}");
        assert!(rest.top_1 >= top_1 && rest.top_3 >= top_3, "{kind:?} {rest:?}");
    }
    // Faults of the network are visible to callers only.
    let rest = figures(&changed(|case| case.call_p50_seconds = None));
    println!("without latency of calls: {rest:.3?}");
    assert!(rest.top_1 >= 0.55 && rest.top_3 >= 0.7, "{rest:?}");
}

#[test]
fn fewer_samples_and_gaps_weaken_but_do_not_break() {
    let first = figures(&changed(|case| each_series(case, |series| series.truncate(1))));
    println!("first sample of the incident only: {first:.3?}");
    let two = figures(&changed(|case| each_series(case, |series| series.truncate(2))));
    println!("first two samples: {two:.3?}");
    let middle = figures(&changed(|case| {
        each_series(case, |series| {
            series.remove(1);
        })
    }));
    println!("one sample missing: {middle:.3?}");
    let gap = figures(&changed(|case| each_series(case, |series| series[2] = None)));
    println!("one sample null: {gap:.3?}");
    assert!(two.top_1 >= 0.8 && middle.top_1 >= 0.84 && gap.top_1 >= 0.84);
    assert!(two.top_3 >= 0.85 && middle.top_3 >= 0.9 && gap.top_3 >= 0.9 && first.top_3 >= 0.7);
}

#[test]
fn names_units_and_order_do_not_matter() {
    let scores = |case: &Case, rename: &dyn Fn(&str) -> String| {
        let found = rank(case).ranked;
        found
            .into_iter()
            .map(|ranked| (rename(&ranked.node), (ranked.score * 1e6).round()))
            .collect::<BTreeMap<_, _>>()
    };
    let turn = |name: &str| name.chars().rev().collect::<String>();
    for Labelled { case, .. } in recorded() {
        let mut other = case.clone();
        other.nodes = case.nodes.iter().rev().map(|name| turn(name)).collect();
        other.calls = case.calls.iter().rev().map(|(caller, callee)| (turn(caller), turn(callee))).collect();
        other.target.node = turn(&case.target.node);
        for side in [&mut other.baseline, &mut other.incident] {
            *side = side.iter().map(|(name, metrics)| (turn(name), in_milliseconds(metrics))).collect();
        }
        if let Some(calls) = &mut other.call_p50_seconds {
            for side in [&mut calls.baseline, &mut calls.incident] {
                let key = |key: &String| {
                    key.split_once("->").map(|(a, b)| format!("{}->{}", turn(a), turn(b))).unwrap()
                };
                *side = side.iter().map(|(name, series)| (key(name), series.clone())).collect();
            }
        }
        assert_eq!(scores(&case, &|name| name.to_owned()), scores(&other, &turn), "{}", case.id);
    }
}

/// The same latencies in another unit.
fn in_milliseconds(metrics: &Metrics) -> Metrics {
    let factor = |name: &str| if MetricKind::of(name) == MetricKind::Latency { 1e3 } else { 1.0 };
    metrics
        .iter()
        .map(|(name, series)| {
            (name.clone(), series.iter().map(|value| value.map(|v| v * factor(name))).collect())
        })
        .collect()
}
