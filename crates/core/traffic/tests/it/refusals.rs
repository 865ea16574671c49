//! Servers that refuse: they answer immediately, so that latency does not show the overload.
//!
//! `cargo test -p the load balancer --test it refusals -- --nocapture` prints the table.

use crate::fixture::{Refuses, SEC, ServerShape, Story, Surge, World, pool};
use crate::surge::{run, surge};
use std::collections::VecDeque;
use std::time::Duration;
use traffic::{Admission, Arrival, Class, LoadBalancer, Outcome, Permit, ShedWhy, Tick};

/// It could do far more than it lets itself be asked.
const WIDE: ServerShape = ServerShape { permits: 100, service: 20_000, varies: false };
const BEARS: f64 = 200.0;

fn flood(refuses: Refuses, times: f64, known: f64) -> Surge {
    Surge { refuses, recognized: known, flood: times - known, tries: 2, ..surge(WIDE, times) }
}

fn check(refuses: Refuses, times: f64, goodput: f64) -> Story {
    let surge = flood(refuses, times, 0.6);
    let story = run(surge, times);
    assert!(story.recognized.part() >= 0.9, "{:?}", story.recognized);
    assert!(story.goodput(&surge) >= goodput, "{}", story.goodput(&surge));
    assert!(story.normal_after(&surge) <= Duration::from_secs(2), "{:?}", story.normal_after(&surge));
    assert!(story.first.served > 0);
    story
}

#[test]
fn excess_requests_are_refused() {
    for times in [2.0, 10.0, 100.0, 200.0] {
        let story = check(Refuses::Beyond(BEARS), times, 0.9);
        assert!(
            f64::from(story.recognized.at_once) >= 0.9 * f64::from(story.recognized.asked),
            "{:?}",
            story.recognized
        );
    }
}

#[test]
fn refused_requests_count_too() {
    for times in [2.0, 10.0, 100.0, 200.0] {
        check(Refuses::Counting(BEARS, 10), times, 0.78);
    }
}

/// Limits that look back for ten seconds are common, and a flood has spent it all in the first moment: no client is
/// served until that is forgotten, however little is asked then.
#[test]
fn a_limit_that_looks_back_for_long() {
    for times in [10.0, 200.0] {
        let surge = flood(Refuses::Counting(BEARS, 100), times, 0.4);
        let surge = Surge { to: 50 * SEC, end: 60 * SEC, ..surge };
        let story = run(surge, times);
        assert!(story.recognized.part() >= 0.75, "{:?}", story.recognized);
        assert!(story.normal_after(&surge) <= Duration::from_secs(2));
    }
}

/// The crowd of three subnets is held back before it has spent such a limit.
#[test]
fn crowd_of_few_subnets_does_not_spend_a_limit_that_looks_back_for_long() {
    for times in [10.0, 200.0] {
        let surge = Surge {
            flood: 0.2,
            crowd: times,
            crowd_subnets: 3,
            to: 50 * SEC,
            end: 60 * SEC,
            ..flood(Refuses::Counting(BEARS, 100), times, 0.4)
        };
        let story = run(surge, times);
        assert!(story.recognized.part() >= 0.99, "{:?}", story.recognized);
        assert!(story.first.part() >= 0.95, "{:?}", story.first);
        assert!(story.normal_after(&surge) <= Duration::from_secs(2));
        assert!(story.crowd.served > 0 && story.crowd.part() < 0.1, "{:?}", story.crowd);
    }
}

/// What comes through is also what is measured: servers that refuse everything are found again when they are well.
#[test]
fn servers_that_refuse_everything_for_a_while() {
    for secs in [3, 8, 30] {
        let refuses = Refuses::All(10 * SEC, (10 + secs) * SEC);
        // A twenty-fifth of what servers could do, 200 a second; there are no other clients.
        let surge =
            Surge { recognized: 0.02, quiet: 0.02, flood: 0.02, tries: 1, ..flood(refuses, 0.04, 0.02) };
        let story = World::run(Surge { to: 40 * SEC, end: 50 * SEC, ..surge });
        let well = 10 + secs as usize;
        let part = |slot: usize| f64::from(story.met[slot]) / f64::from(story.asked[slot]);
        assert!(story.refused > 0);
        assert!((well + 2..50).all(|slot| part(slot) >= 0.8), "{secs} {:?} of {:?}", story.met, story.asked);
    }
}

/// How long a response takes.
const ANSWER: u64 = 5_000;

/// Clients that each ask so often a second, and what the servers answer each.
struct Quiet {
    balancer: LoadBalancer,
    /// When each is answered, and how.
    asked: VecDeque<(u64, Permit, u16)>,
    shed: u32,
    sent: u32,
}

impl Quiet {
    fn new() -> Self {
        Self {
            balancer: LoadBalancer::new(&pool(&["10.0.0.1:80"], 100), Tick(0), 5),
            asked: VecDeque::new(),
            shed: 0,
            sent: 0,
        }
    }

    fn ask(&mut self, now: u64, client: u64, own: bool, status: u16) {
        while let Some((_, permit, status)) = self.asked.pop_front_if(|(due, ..)| *due <= now) {
            let latency = Duration::from_micros(ANSWER);
            self.balancer.done(Tick(now), permit, Outcome::Answered { latency, status });
        }
        let arrival = Arrival {
            class: Class::FirstTime,
            client,
            subnet: client,
            own,
            deadline: Duration::from_secs(1),
        };
        match self.balancer.arrive(Tick(now), arrival) {
            Admission::Go(permit) => {
                self.sent += 1;
                self.asked.push_back((now + ANSWER, permit, status));
            }
            Admission::Wait(ticket) => {
                self.shed += 1;
                self.balancer.gave_up(Tick(now), ticket);
            }
            Admission::Shed(shed) => {
                assert_eq!(shed.why, ShedWhy::Overload);
                self.shed += 1;
            }
        }
    }
}

/// Ten times as much as all others together comes from three clients, and the server refuses nearly all of it by its
/// own limit for each client.
#[test]
fn few_refused_clients_set_no_ceiling() {
    let mut quiet = Quiet::new();
    for milli in 0..20_000_u64 {
        let (now, second) = (milli * 1_000, milli % 1_000);
        quiet.ask(now, milli % 3, false, if second < 30 { 200 } else { 429 });
        if milli % 10 == 0 {
            quiet.ask(now, 1_000 + milli % 777, false, 200);
        }
    }
    assert_eq!((quiet.shed, quiet.sent), (0, 22_000));
}

/// A part of the service is switched off and answers every client with 503, and no client asks more than before: for
/// some seconds little is let through, and when that had no effect all are again.
#[test]
fn refusals_unrelated_to_load_set_no_ceiling() {
    let mut quiet = Quiet::new();
    let mut shed = Vec::new();
    let mut dice = 7_u64;
    for milli in 0..60_000_u64 {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let off = milli >= 15_000 && (dice >> 33) % 10 < 4;
        quiet.ask(milli * 1_000, milli * 31, false, if off { 503 } else { 200 });
        if milli % 1_000 == 999 {
            shed.push(std::mem::take(&mut quiet.shed));
        }
    }
    assert!(shed[..15].iter().all(|shed| *shed == 0), "{shed:?}");
    assert!(shed[16] > 0, "{shed:?}");
    assert!(shed[21..].iter().all(|shed| *shed == 0), "{shed:?}");
}

/// The clients behind a declared caller are unknown: its refusals hold no client back.
#[test]
fn own_callers_that_are_refused_are_not_held_back_here() {
    let mut quiet = Quiet::new();
    (0..20_000).for_each(|milli| quiet.ask(milli * 1_000, milli * 31, true, 429));
    assert_eq!(quiet.shed, 0);
}
