//! The scheduler in virtual time, with a runner without sockets.

#[path = "../../tests/it/config.rs"]
mod config;

use super::*;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::sleep;
use types::probe_result::Phases;
use types::{Answer, Fault};

/// Answers after a while, and remembers who was asked when.
#[derive(Clone)]
struct Oracle {
    began: Instant,
    takes: Duration,
    asked: Arc<Mutex<Vec<(ProbeId, Duration)>>>,
    in_flight: Arc<Mutex<BTreeMap<ProbeId, usize>>>,
    most: Arc<AtomicUsize>,
}

impl Oracle {
    fn new(takes: Duration) -> Self {
        Self {
            began: Instant::now(),
            takes,
            asked: Arc::default(),
            in_flight: Arc::default(),
            most: Arc::default(),
        }
    }

    fn asked(&self, id: &str) -> Vec<Duration> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(probe, _)| probe.0 == id).map(|(_, at)| *at).collect()
    }
}

impl Runner for Oracle {
    async fn run(&self, probe: &Probe) -> ProbeResult {
        self.asked.lock().unwrap().push((probe.id.clone(), self.began.elapsed()));
        {
            let mut in_flight = self.in_flight.lock().unwrap();
            *in_flight.entry(probe.id.clone()).or_default() += 1;
            assert_eq!(in_flight[&probe.id], 1, "{} is asked twice at once", probe.id);
            self.most.fetch_max(in_flight.len(), Ordering::Relaxed);
        }
        sleep(self.takes).await;
        self.in_flight.lock().unwrap().remove(&probe.id);
        assert!(!probe.id.0.starts_with("broken"), "a fault of our own");
        ProbeResult::new(probe.id.clone(), Phases::default(), Answer::Failed(Fault::Refused))
    }

    fn adopt(&self, _: &Config) -> Option<Self> {
        Some(self.clone())
    }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn config_of(probes: &[(&str, Duration)]) -> Arc<Config> {
    let probes = probes.iter().map(|(id, every)| {
        let mut probe = config::probe(id, config::get("http://127.0.0.1/"));
        probe.interval = *every;
        probe
    });
    Arc::new(config::with(probes))
}

fn midnight() -> Time {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

/// The rounds of a configuration under way, at midnight by the clock of the day.
struct World {
    oracle: Oracle,
    rounds: watch::Sender<ProbeTargets>,
    lag: Lag,
}

impl World {
    /// Takes answers off immediately.
    fn begin(config: Arc<Config>, takes: Duration, max_concurrent: usize) -> Self {
        let (world, mut answers) = Self::begin_untaken(config, takes, max_concurrent, 100);
        tokio::spawn(async move { while answers.recv().await.is_some() {} });
        world
    }

    fn begin_untaken(
        config: Arc<Config>,
        takes: Duration,
        max_concurrent: usize,
        room: usize,
    ) -> (Self, mpsc::Receiver<ProbeResult>) {
        let oracle = Oracle::new(takes);
        let first = ProbeTargets { config, sooner: BTreeMap::new() };
        let (rounds, seen) = watch::channel(first.clone());
        let (out, answers) = mpsc::channel(room);
        let began = oracle.began;
        let clock: Clock = Arc::new(move || types::time::later(midnight(), began.elapsed()));
        let lag = Lag::default();
        let options = Options { max_concurrent, lag: lag.clone(), clock, token: None };
        tokio::spawn(run_until(Arc::new(oracle.clone()), first, seen, out, options, std::future::pending()));
        (Self { oracle, rounds, lag }, answers)
    }

    fn set_sooner(&self, id: &str, at: Time) {
        self.rounds.send_modify(|rounds| rounds.sooner = BTreeMap::from([(ProbeId::from(id), at)]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_probes_spread_over_their_period() {
    let names: Vec<String> = (0..1_000).map(|n| format!("http.shop-{n}.acme.com")).collect();
    let probes: Vec<(&str, Duration)> = names.iter().map(|name| (name.as_str(), secs(60))).collect();
    let world = World::begin(config_of(&probes), Duration::from_millis(50), 2_000);

    sleep(secs(6)).await;
    assert_eq!(world.oracle.asked.lock().unwrap().len(), 1_000, "all were asked within the first seconds");

    sleep(secs(594)).await;
    let asked = world.oracle.asked.lock().unwrap().clone();
    assert!((10_000..=11_000).contains(&asked.len()), "once a minute each: {}", asked.len());
    let mut seconds = BTreeMap::<u64, usize>::new();
    for (_, at) in asked.iter().filter(|(_, at)| *at > secs(120)) {
        *seconds.entry(at.as_secs()).or_default() += 1;
    }
    let busiest = seconds.values().max().unwrap();
    assert!(*busiest < 40, "17 a second on average, {busiest} in the busiest");
    // In virtual time no probe is late but by the grain of the timer.
    assert!(world.lag.read().p99 <= Duration::from_millis(2), "{:?}", world.lag.read());
}

#[tokio::test(start_paused = true)]
async fn first_round_of_a_large_config_is_spread_and_the_second_follows_soon() {
    let names: Vec<String> = (0..20_000).map(|n| format!("p{n}")).collect();
    let probes: Vec<(&str, Duration)> = names.iter().map(|name| (name.as_str(), secs(300))).collect();
    let world = World::begin(config_of(&probes), Duration::from_millis(50), 2_000);
    sleep(secs(120)).await;
    let asked = world.oracle.asked.lock().unwrap().clone();
    let mut seconds = BTreeMap::<u64, usize>::new();
    for (_, at) in &asked {
        *seconds.entry(at.as_secs()).or_default() += 1;
    }
    let busiest = seconds.values().max().unwrap();
    assert!(*busiest < 1_300, "1,000 per second and those of the second round: {busiest}");
    let quiet: Vec<u64> = (0..115).filter(|second| !seconds.contains_key(second)).collect();
    assert!(quiet.len() <= 22, "20 s between the rounds: {quiet:?}");
}

#[tokio::test(start_paused = true)]
async fn turns_come_one_period_apart() {
    let world = World::begin(config_of(&[("a", secs(30))]), secs(1), 10);
    sleep(secs(300)).await;
    let asked = world.oracle.asked("a");
    assert!(asked[0] < secs(5), "{asked:?}");
    let gaps: Vec<f64> = asked.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    assert!((15.0..=45.1).contains(&gaps[0]), "{gaps:?}");
    assert!(gaps[1..].iter().all(|gap| (29.9..=30.1).contains(gap)), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_sooner_is_asked_at_its_time_and_once() {
    let world = World::begin(config_of(&[("a", secs(3_600))]), secs(1), 10);
    sleep(secs(10)).await;
    assert_eq!(world.oracle.asked("a").len(), 1);

    // A time that is past means immediately; published again unchanged, it is not asked again.
    world.set_sooner("a", types::time::later(midnight(), secs(9)));
    sleep(secs(5)).await;
    world.set_sooner("a", types::time::later(midnight(), secs(9)));
    sleep(secs(60)).await;
    assert_eq!(world.oracle.asked("a").len(), 2);
    assert!(world.oracle.asked("a")[1] <= Duration::from_millis(10_100));

    world.set_sooner("a", types::time::later(midnight(), secs(200)));
    sleep(secs(600)).await;
    let asked = world.oracle.asked("a");
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!((secs(200)..secs(201)).contains(&asked[2]), "{asked:?}");

    // Unknown names are nothing to us.
    world.set_sooner("nobody", midnight());
    sleep(secs(10)).await;
    assert_eq!(world.oracle.asked("a").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_answer_under_way_does_not_satisfy_a_later_wish() {
    let world = World::begin(config_of(&[("a", secs(3_600))]), secs(20), 10);
    sleep(secs(6)).await;
    // Asked within the first five seconds, answered after twenty: a wish of now is newer than that question.
    world.set_sooner("a", types::time::later(midnight(), secs(6)));
    sleep(secs(60)).await;
    let asked = world.oracle.asked("a");
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[1] >= asked[0] + secs(20), "never twice at once: {asked:?}");
}

#[tokio::test(start_paused = true)]
async fn slow_probe_skips_periods_and_never_runs_twice_concurrently() {
    let world = World::begin(config_of(&[("a", secs(2))]), secs(7), 10);
    sleep(secs(100)).await;
    let asked = world.oracle.asked("a");
    assert!((11..=14).contains(&asked.len()), "every eight seconds or so: {asked:?}");
}

#[tokio::test(start_paused = true)]
async fn concurrency_is_limited_and_the_lag_is_reported() {
    let names: Vec<String> = (0..100).map(|n| format!("p{n}")).collect();
    let probes: Vec<(&str, Duration)> = names.iter().map(|name| (name.as_str(), secs(10))).collect();
    let world = World::begin(config_of(&probes), secs(1), 5);
    sleep(secs(60)).await;
    assert_eq!(world.oracle.most.load(Ordering::Relaxed), 5);
    assert!(world.lag.read().p99 > secs(1), "{:?}", world.lag.read());
}

#[tokio::test(start_paused = true)]
async fn a_changed_config_keeps_the_turns_of_what_did_not_change() {
    let world = World::begin(config_of(&[("a", secs(30)), ("gone", secs(30))]), secs(1), 10);
    sleep(secs(65)).await;
    let before = world.oracle.asked("a");
    world.rounds.send_modify(|rounds| rounds.config = config_of(&[("a", secs(30)), ("new", secs(30))]));
    sleep(secs(300)).await;
    let asked = world.oracle.asked("a");
    let gap = asked[before.len()] - asked[before.len() - 1];
    assert!((29.9..=30.1).contains(&gap.as_secs_f64()), "{asked:?}");
    assert!(world.oracle.asked("gone").iter().all(|at| *at <= secs(65)));
    let new = world.oracle.asked("new");
    assert!(new[0] < secs(70) && new.len() >= 9, "{new:?}");
}

#[tokio::test(start_paused = true)]
async fn results_that_are_not_taken_do_not_pile_up_and_probing_resumes() {
    let (world, mut answers) =
        World::begin_untaken(config_of(&[("a", secs(5)), ("b", secs(5))]), secs(1), 10, 1);
    sleep(secs(120)).await;
    assert!(world.lag.read().lost > 0);
    let mut taken = 0;
    let deadline = Instant::now() + secs(60);
    while let Ok(Some(_)) = tokio::time::timeout_at(deadline, answers.recv()).await {
        taken += 1;
    }
    assert!((15..=30).contains(&taken), "{taken}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again() {
    let (world, mut answers) = World::begin_untaken(config_of(&[("a", secs(3_600))]), secs(1), 10, 1);
    sleep(secs(10)).await;
    world.set_sooner("a", types::time::later(midnight(), secs(10)));
    // The first answer still fills the channel: the wished one is lost, and wished again.
    sleep(secs(30)).await;
    assert!(world.lag.read().lost >= 1);
    assert!(world.oracle.asked("a").len() >= 3, "{:?}", world.oracle.asked("a"));
    answers.recv().await.unwrap();
    answers.recv().await.unwrap();
    sleep(secs(30)).await;
    let asked = world.oracle.asked("a").len();
    sleep(secs(600)).await;
    assert_eq!(world.oracle.asked("a").len(), asked, "satisfied at last");
}

#[tokio::test(start_paused = true)]
async fn a_question_that_breaks_inside_does_not_stop_the_rounds() {
    let world = World::begin(config_of(&[("broken", secs(10)), ("a", secs(10))]), secs(1), 10);
    sleep(secs(3)).await;
    world.set_sooner("broken", midnight());
    sleep(secs(97)).await;
    assert!((9..=12).contains(&world.oracle.asked("broken").len()), "{:?}", world.oracle.asked("broken"));
    assert!((9..=12).contains(&world.oracle.asked("a").len()));
}

#[tokio::test(start_paused = true)]
async fn the_rounds_end_with_those_who_want_them() {
    let oracle = Arc::new(Oracle::new(secs(1)));
    let first = ProbeTargets { config: config_of(&[("a", secs(5))]), sooner: BTreeMap::new() };
    let (rounds, seen) = watch::channel(first.clone());
    let (out, answers) = mpsc::channel(1);
    let by_stop = run_until(
        Arc::clone(&oracle),
        first.clone(),
        seen.clone(),
        out.clone(),
        Options::default(),
        sleep(secs(30)),
    );
    tokio::time::timeout(secs(31), by_stop).await.unwrap();

    let by_reader = run_until(
        Arc::clone(&oracle),
        first.clone(),
        seen.clone(),
        out,
        Options::default(),
        std::future::pending(),
    );
    drop(answers);
    tokio::time::timeout(secs(1), by_reader).await.unwrap();

    let (out, _answers) = mpsc::channel(1);
    let by_writer = run_until(oracle, first, seen, out, Options::default(), std::future::pending());
    drop(rounds);
    tokio::time::timeout(secs(1), by_writer).await.unwrap();
}
