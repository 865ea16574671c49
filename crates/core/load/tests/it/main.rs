//! Load tests of simulated servers with known capacities.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod server;

use load::{Asked, OutOfBounds, Production, Rates, Search, wording};
use proptest::prelude::*;
use server::{Server, run, target};
use std::time::Duration;
use types::load_test::{LoadEnd, LoadTest};

fn knee(test: &LoadTest) -> f64 {
    test.knee.map_or(0.0, |knee| knee.rate_milli as f64 / 1_000.0)
}

/// Within ten percent. Rates are whole numbers from 10/s on: a capacity between two of them is as near to either.
fn near(test: &LoadTest, capacity: f64) -> bool {
    let rounding = if capacity < 10.0 { 0.05 } else { 0.5 };
    (knee(test) - capacity).abs() <= 0.1 * capacity + rounding
}

/// What the server got in any second, beside the bound.
fn stays_below(server: &Server, bound: u32) -> bool {
    // Steps do not begin at whole seconds: two of them meet in one.
    server.came.values().all(|count| *count <= u64::from(bound) + 1)
}

#[test]
fn knee_is_found_within_ten_percent() {
    for (places, capacity, bound) in [
        (1, 420.0, 2_000),
        (8, 420.0, 500),
        (50, 90.0, 1_000),
        (1, 3.0, 100),
        (200, 5_000.0, 20_000),
        (4, 12.0, 40),
    ] {
        let mut server = Server::new(places, capacity);
        let test = run(&mut server, &target(bound), &Asked::default());
        assert_eq!(test.ended, LoadEnd::Complete, "{capacity}: {test:#?}");
        assert!(near(&test, capacity), "{capacity}: {} {:#?}", knee(&test), test.steps);
        assert!(test.knee.is_some_and(|knee| knee.is_found()) && stays_below(&server, bound));
        assert!(test.secs < 300, "{capacity}: {} s", test.secs);
    }
}

#[test]
fn overload_lasts_for_seconds() {
    let mut server = Server::new(8, 420.0);
    let test = run(&mut server, &target(2_000), &Asked::default());
    let beyond = test.steps.iter().filter(|step| step.asked_milli > 480_000);
    for step in beyond {
        assert!(step.millis <= 3_000 && step.failed == 0, "{step:?}");
    }
    let failed: u64 = test.steps.iter().map(|step| step.failed).sum();
    assert_eq!(failed, 0, "a queue that grows is noticed before its requests fail");
}

#[test]
fn server_that_sheds_has_a_knee_at_its_capacity() {
    let mut server = Server { sheds: Some(20), ..Server::new(10, 200.0) };
    let test = run(&mut server, &target(1_000), &Asked::default());
    assert!(test.ended == LoadEnd::Complete && near(&test, 200.0), "{} {test:#?}", knee(&test));
}

#[test]
fn server_that_never_saturates_has_no_knee_below_the_bound() {
    let mut server = Server::new(100, 50_000.0);
    let test = run(&mut server, &target(1_000), &Asked::default());
    assert_eq!((test.ended, knee(&test)), (LoadEnd::AtBound, 1_000.0));
    assert!(!test.knee.is_some_and(|knee| knee.is_found()) && stays_below(&server, 1_000));
    assert_eq!(wording::summary(&test), "keeps up with 1,000/s; the knee is higher");
}

#[test]
fn dead_server_gets_few_requests() {
    let mut server = Server { is_dead: true, ..Server::new(1, 100.0) };
    let test = run(&mut server, &target(1_000), &Asked::default());
    assert_eq!((test.ended, test.knee, test.steps.len()), (LoadEnd::NoAnswer, None, 1));
    assert!(test.steps[0].due <= 40, "{:?}", test.steps);
}

#[test]
fn server_that_collapses_is_reported_as_not_recovered() {
    let mut server = Server { collapses: Some((60, 50.0)), ..Server::new(4, 300.0) };
    let test = run(&mut server, &target(2_000), &Asked::default());
    assert_eq!(test.ended, LoadEnd::NotRecovered, "{test:#?}");
    assert!((150.0..=300.0).contains(&knee(&test)), "{}", knee(&test));
    assert!(test.is_conclusive());
}

#[test]
fn failures_at_every_rate_spend_the_error_budget() {
    let mut server = Server { fails: 0.3, ..Server::new(8, 5_000.0) };
    let test = run(&mut server, &target(2_000), &Asked::default());
    assert!(
        matches!(test.ended, LoadEnd::ErrorBudget | LoadEnd::Complete) && test.knee.is_none(),
        "{test:#?}"
    );
    let failed: u64 = test.steps.iter().map(|step| step.failed).sum();
    assert!(failed <= 60, "{failed}");
}

#[test]
fn few_failures_are_within_the_error_budget() {
    let mut server = Server { fails: 0.01, ..Server::new(8, 420.0) };
    let test = run(&mut server, &target(2_000), &Asked::default());
    assert!(test.ended == LoadEnd::Complete && near(&test, 420.0), "{} {test:#?}", knee(&test));
}

#[test]
fn pause_of_the_server_is_no_knee() {
    // It stands still for 1.5 s while the ramp is far below its capacity.
    let mut server = Server { pause: Some((24.0, 25.5)), ..Server::new(8, 800.0) };
    let test = run(&mut server, &target(2_000), &Asked::default());
    assert!(test.steps.iter().any(|step| !step.kept_up && step.asked_milli < 400_000), "the pause was seen");
    assert!(near(&test, 800.0), "{} {test:#?}", knee(&test));
}

#[test]
fn given_rates_run_one_after_another() {
    let mut server = Server::new(8, 420.0);
    let asked = Asked { rates: Rates::Given(vec![100, 600, 200]), step: Some(Duration::from_secs(3)) };
    let test = run(&mut server, &target(700), &asked);
    let rates: Vec<u64> = test.steps.iter().map(|step| step.asked_milli / 1_000).collect();
    assert_eq!((rates, test.ended), (vec![100, 600, 200], LoadEnd::Complete));
    let found = test.knee.unwrap();
    assert_eq!((found.rate_milli, found.beyond_milli), (200_000, Some(600_000)));
}

#[test]
fn duration_is_bounded() {
    let mut bounded = target(2_000);
    bounded.allow.lasting = Duration::from_secs(30);
    let test = run(&mut Server::new(8, 420.0), &bounded, &Asked::default());
    assert!(test.ended == LoadEnd::TimeBound && test.secs <= 35, "{test:?}");
    assert!(knee(&test) > 0.0 && !test.is_conclusive());
}

#[test]
fn more_than_the_bounds_is_refused() {
    let bounds = target(500);
    let refused = |rates: Rates, step: Option<u64>| {
        let step = step.map(Duration::from_secs);
        Search::new(&bounds, &Asked { rates, step }).err().map(|why| why.to_string())
    };
    assert_eq!(refused(Rates::Knee(Some(500)), None), None);
    for asked in [Rates::Knee(Some(501)), Rates::Given(vec![100, 501])] {
        assert_eq!(refused(asked, None).unwrap(), "501/s is more than the 500/s that [load.staging] allows");
    }
    assert_eq!(refused(Rates::Given(vec![0]), None), Some(OutOfBounds::NoRate.to_string()));
    assert!(refused(Rates::default(), Some(601)).is_some() && refused(Rates::default(), Some(0)).is_some());
    assert!(refused(Rates::Given(vec![1; 101]), None).is_some());
}

#[test]
fn listener_is_recognized_by_every_address_of_this_machine() {
    let production = Production {
        hosts: Vec::new(),
        listeners: vec!["0.0.0.0:443".parse().unwrap(), "127.0.0.1:8000".parse().unwrap()],
    };
    for (address, is_own) in [
        ("10.0.0.7:443", true),
        ("10.0.0.8:443", false),
        ("10.0.0.7:8000", false),
        ("127.0.0.1:8000", true),
        ("[::ffff:127.0.0.1]:8000", true),
    ] {
        let found = production.is_listener(address.parse().unwrap(), |ip| ip.to_string() == "10.0.0.7");
        assert_eq!(found, is_own, "{address}");
    }
}

#[test]
fn result_in_words() {
    let mut server = Server { noise: 0.8, ..Server::new(4, 420.0) };
    let test = run(&mut server, &target(1_000), &Asked::default());
    let words = wording::summary(&test);
    assert!(words.starts_with("knee at ") && words.contains("/s; p99 doubles at "), "{words}");
    let of_two = LoadTest { servers: 2, ..test };
    assert!(wording::summary(&of_two).ends_with("for each of 2 servers)"), "{}", wording::summary(&of_two));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_capacity_is_found_and_the_bound_is_never_exceeded(
        capacity in 5.0..900.0f64,
        concurrency in 0.02..0.5f64,
        noise in 0.0..0.9f64,
        headroom in 1.15..8.0f64,
        seed in any::<u64>(),
    ) {
        let bound = (capacity * headroom).ceil() as u32;
        let places = ((capacity * concurrency) as usize).max(1);
        let random = fastrand::Rng::with_seed(seed);
        let mut server = Server { noise, random, ..Server::new(places, capacity) };
        let test = run(&mut server, &target(bound), &Asked::default());
        prop_assert!(stays_below(&server, bound));
        prop_assert!(test.ended == LoadEnd::Complete && near(&test, capacity), "{} of {}: {:#?}", knee(&test), capacity, test);
    }
}
