//! The queue of due probes. Pure. Takes two times: the monotonic clock for intervals, and the time
//! of day for requested early runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use types::config::Probe;
use types::{Config, ProbeId, Time};

/// All probes of a new configuration run for the first time within this, or within their interval if that is shorter. A large
/// configuration takes longer, at [`FIRST_ROUND_RATE`]: a burst of tens of thousands of probes would run late as a whole.
const FIRST_ROUND: Duration = Duration::from_secs(5);
/// First runs per second of a large new configuration.
const FIRST_ROUND_RATE: u32 = 1_000;
/// Longest pause after the first run of probes with a short interval.
const PAUSE_AFTER_FIRST: Duration = Duration::from_secs(30);
/// Longest interval that counts as short. Registries limit requests and have much longer ones.
const SHORT_INTERVAL: Duration = Duration::from_mins(10);
/// Lower limit of a probe's interval.
const EVERY_MIN: Duration = Duration::from_millis(100);
/// Upper limit of a probe's interval.
const EVERY_MAX: Duration = Duration::from_hours(24 * 366);
/// Longest wait for a requested time of day, since that clock may jump.
const TODAY_TRUSTED: Duration = Duration::from_mins(1);

/// A probe to run now.
#[derive(Debug)]
pub(super) struct DueProbe {
    /// The probe.
    pub(super) probe: Arc<Probe>,
    /// Its regular time; `None` for a requested early run.
    pub(super) turn: Option<Instant>,
}

/// When each probe is due.
#[derive(Debug)]
pub(super) struct Queue {
    /// Start of all intervals.
    began: Instant,
    entries: BTreeMap<ProbeId, Entry>,
    turns: BTreeSet<(Instant, ProbeId)>,
    /// Requested early runs, as last published.
    requested: BTreeMap<ProbeId, Time>,
    /// Those of them that are not served by a result yet and not running.
    sooner: BTreeSet<(Time, ProbeId)>,
    /// Running probes, with the time of day of their start. Apart from the entries: a probe may run when its
    /// entry leaves the configuration or changes.
    in_flight: BTreeMap<ProbeId, Time>,
}

#[derive(Debug)]
struct Entry {
    probe: Arc<Probe>,
    turn: Instant,
    /// Whether it has not run yet.
    new: bool,
    /// Start of the newest run with a result.
    answered: Option<Time>,
}

impl Queue {
    pub(super) fn new(began: Instant) -> Self {
        Self {
            began,
            entries: BTreeMap::new(),
            turns: BTreeSet::new(),
            requested: BTreeMap::new(),
            sooner: BTreeSet::new(),
            in_flight: BTreeMap::new(),
        }
    }

    /// Adopts the probes of a configuration. Unchanged ones keep their times; new and changed ones run soon.
    pub(super) fn adopt(&mut self, config: &Config, now: Instant) {
        let mut old = std::mem::take(&mut self.entries);
        let fresh =
            |(id, probe): &(&ProbeId, &Probe)| old.get(*id).is_none_or(|entry| *entry.probe != **probe);
        let fresh = u32::try_from(config.probes.iter().filter(fresh).count()).unwrap_or(u32::MAX);
        let first_round = FIRST_ROUND.max(Duration::from_secs(1) * fresh / FIRST_ROUND_RATE);
        for (id, probe) in &config.probes {
            let entry = match old.remove(id) {
                Some(entry) if *entry.probe == *probe => entry,
                _ => {
                    let spread = period(probe).min(first_round);
                    let turn = now + share(id, spread);
                    Entry { probe: Arc::new(probe.clone()), turn, new: true, answered: None }
                }
            };
            self.entries.insert(id.clone(), entry);
        }
        self.turns = self.entries.iter().map(|(id, entry)| (entry.turn, id.clone())).collect();
        self.queue();
    }

    /// Replaces the requested early runs.
    pub(super) fn set_sooner(&mut self, requested: &BTreeMap<ProbeId, Time>) {
        self.requested.clone_from(requested);
        self.queue();
    }

    fn queue(&mut self) {
        self.sooner.clear();
        for id in self.requested.keys().cloned().collect::<Vec<_>>() {
            self.queue_one(&id);
        }
    }

    fn queue_one(&mut self, id: &ProbeId) {
        let (Some(at), Some(entry)) = (self.requested.get(id), self.entries.get(id)) else { return };
        // A run that started at the requested time or later serves the request.
        if entry.answered.is_none_or(|answered| answered < *at) && !self.in_flight.contains_key(id) {
            self.sooner.insert((*at, id.clone()));
        }
    }

    /// Takes the next due probe, which counts as running from now on. `today` is the time of day.
    pub(super) fn next(&mut self, now: Instant, today: Time) -> Option<DueProbe> {
        if self.sooner.first().is_some_and(|(at, _)| *at <= today) {
            let (_, id) = self.sooner.pop_first()?;
            let probe = Arc::clone(&self.entries.get(&id)?.probe);
            self.in_flight.insert(id, today);
            return Some(DueProbe { probe, turn: None });
        }
        while self.turns.first().is_some_and(|(turn, _)| *turn <= now) {
            let (turn, id) = self.turns.pop_first()?;
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            let every = period(&entry.probe);
            let after = if entry.new { now + pause_after_first(every) } else { now };
            entry.new = false;
            entry.turn = slot(self.began + share(&id, every), every, after);
            self.turns.insert((entry.turn, id.clone()));
            if self.in_flight.contains_key(&id) {
                // Still at the last question: this turn is served by its answer.
                continue;
            }
            if let Some(at) = self.requested.get(&id) {
                self.sooner.remove(&(*at, id.clone()));
            }
            let probe = Arc::clone(&entry.probe);
            self.in_flight.insert(id, today);
            return Some(DueProbe { probe, turn: Some(turn) });
        }
        None
    }

    /// Records the end of a run. If its result was not `delivered`, a requested run stays requested.
    pub(super) fn ended(&mut self, id: &ProbeId, delivered: bool) {
        let asked = self.in_flight.remove(id);
        if let Some(entry) = self.entries.get_mut(id)
            && delivered
        {
            entry.answered = entry.answered.max(asked);
        }
        self.queue_one(id);
    }

    /// The latest time of the next call; `None` when nothing is ever due.
    pub(super) fn wake(&self, now: Instant, today: Time) -> Option<Instant> {
        let turn = self.turns.first().map(|(turn, _)| *turn);
        // The clock of the day may jump, so it is not trusted for long.
        let sooner =
            self.sooner.first().map(|(at, _)| now + types::time::between(today, *at).min(TODAY_TRUSTED));
        turn.into_iter().chain(sooner).min()
    }
}

/// Time from the first run of a probe to the start of the interval of its second run. The first runs are faster
/// than the rest. Short intervals are not waited for: after a start in a large configuration no probe would run for minutes.
fn pause_after_first(every: Duration) -> Duration {
    if every <= SHORT_INTERVAL { (every / 2).min(PAUSE_AFTER_FIRST) } else { every / 2 }
}

fn period(probe: &Probe) -> Duration {
    probe.interval.clamp(EVERY_MIN, EVERY_MAX)
}

/// A share of a duration that depends on the name alone, so that a thousand probes spread over their interval, in the same order
/// after every restart.
fn share(id: &ProbeId, span: Duration) -> Duration {
    // FNV-1a, and a final mix (from SplitMix64) because names differ mostly in their last letters.
    let mut hash = id.0.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(hash.checked_rem(nanos).unwrap_or(0))
}

/// The first of `origin`, `origin + every`, ... that lies after `after`.
fn slot(origin: Instant, every: Duration, after: Instant) -> Instant {
    let Some(passed) = after.checked_duration_since(origin) else { return origin };
    let into = passed.as_nanos() % every.as_nanos().max(1);
    let into = Duration::from_nanos(u64::try_from(into).unwrap_or(0));
    after + every - into
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_slot_is_the_next_one(origin in 0u64..100_000, every in 1u64..100_000, after in 0u64..1_000_000) {
            let zero = Instant::now();
            let at = |millis| zero + Duration::from_millis(millis);
            let found = slot(at(origin), Duration::from_millis(every), at(after));
            prop_assert!(found >= at(origin));
            prop_assert!(found > at(after) || after < origin);
            let steps = (found - at(origin)).as_millis();
            prop_assert_eq!(steps % u128::from(every), 0);
            prop_assert!(found == at(origin) || found <= at(after + every));
        }
    }

    #[test]
    fn shares_spread_evenly() {
        let mut tenths = [0; 10];
        for n in 0..10_000 {
            let share = share(&ProbeId(format!("http.tenant-{n}.acme.app")), Duration::from_secs(10));
            tenths[share.as_secs() as usize] += 1;
        }
        assert!(tenths.iter().all(|count| (900..1_100).contains(count)), "{tenths:?}");
    }
}
