//! Arbitrary input: every candidate is ranked, scores are finite, and the same input gives the same result.

use proptest::prelude::*;
use statistics::rank::{Calls, Case, Metrics, Series, Target, Verdict, rank};
use std::collections::BTreeMap;

fn series() -> impl Strategy<Value = Series> {
    let value = prop_oneof![
        4 => (0.0..100.0_f64).prop_map(Some),
        2 => Just(Some(0.0)),
        2 => Just(None),
        1 => any::<f64>().prop_map(Some),
        1 => Just(Some(1e308)),
    ];
    prop::collection::vec(value, 0..70)
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-d]", Just(String::new()), Just("a->b".to_owned())]
}

fn metrics() -> impl Strategy<Value = Metrics> {
    let names =
        vec!["latency", "cpu_percent", "memory", "requests", "availability", "error_rate", "other", ""];
    prop::collection::btree_map(prop::sample::select(names).prop_map(str::to_owned), series(), 0..5)
}

fn side() -> impl Strategy<Value = BTreeMap<String, Metrics>> {
    prop::collection::btree_map(name(), metrics(), 0..5)
}

fn calls() -> impl Strategy<Value = Option<Calls>> {
    let side = || prop::collection::btree_map("[a-d](->[a-d])?", series(), 0..6);
    prop::option::of((side(), side()).prop_map(|(baseline, incident)| Calls { baseline, incident }))
}

prop_compose! {
    fn case()(
        nodes in prop::collection::vec(name(), 0..6),
        edges in prop::collection::vec((name(), name()), 0..9),
        node in name(),
        baseline in side(),
        incident in side(),
        call_p50_seconds in calls(),
    ) -> Case {
        let target = Target { node, metric: "latency".to_owned() };
        Case { id: String::new(), nodes, calls: edges, target, baseline, incident, call_p50_seconds, ..Case::default() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_candidate_is_ranked(case in case()) {
        let ranking = rank(&case);
        for node in case.nodes.iter().chain(case.baseline.keys()) {
            prop_assert_eq!(ranking.ranked.iter().filter(|ranked| ranked.node == *node).count(), 1);
        }
        prop_assert!(ranking.ranked.iter().all(|ranked| ranked.score.is_finite()));
        prop_assert!(ranking.ranked.windows(2).all(|pair| pair[0].score >= pair[1].score));
        prop_assert_eq!(rank(&case), ranking);
    }
}

#[test]
fn empty_case_has_no_cause() {
    let ranking = rank(&Case::default());
    assert_eq!((ranking.ranked.len(), ranking.verdict), (0, Verdict::NothingStandsOut));
}

#[test]
fn cycle_of_calls_is_ranked_by_own_evidence() {
    let steady = vec![Some(1.0); 20];
    let slow = |by: f64| vec![Some(by); 5];
    let node = |series: &Series| BTreeMap::from([("latency".to_owned(), series.clone())]);
    let edge = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let case = Case {
        calls: vec![edge("a", "b"), edge("b", "c"), edge("c", "a"), edge("c", "c")],
        target: Target { node: "a".to_owned(), metric: "latency".to_owned() },
        baseline: ["a", "b", "c"].map(|name| (name.to_owned(), node(&steady))).into(),
        incident: [("a", 1.2), ("b", 1.0), ("c", 8.0)]
            .map(|(name, by)| (name.to_owned(), node(&slow(by))))
            .into(),
        ..Case::default()
    };
    let ranking = rank(&case);
    assert_eq!((ranking.ranked[0].node.as_str(), ranking.verdict), ("c", Verdict::Ranked));
}
