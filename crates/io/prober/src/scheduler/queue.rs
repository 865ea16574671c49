//! Which question is due when. Pure: it is told the time, twice over - one clock for turns, which never jumps, and one of
//! the day, by which questions are wanted sooner.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use types::config::Probe;
use types::{Config, ProbeId, Time};

/// All probes of a new configuration are asked for the first time within this, or within their period where that is shorter. A large
/// configuration takes longer, at [`FIRST_ROUND_RATE`]: a burst of tens of thousands of probes would run late as a whole.
const FIRST_ROUND: Duration = Duration::from_secs(5);
/// Probes of a large new configuration that begin per second.
const FIRST_ROUND_RATE: u32 = 1_000;
/// Longest pause after the first turn of probes with a short interval.
const PAUSE_AFTER_FIRST: Duration = Duration::from_secs(30);
/// Longest interval that is short: registries, which limit how often they are asked, are asked much less often.
const SHORT_INTERVAL: Duration = Duration::from_mins(10);
/// No probe is asked more often than this, whatever the configuration says.
const EVERY_MIN: Duration = Duration::from_millis(100);
/// Nor more rarely than this.
const EVERY_MAX: Duration = Duration::from_hours(24 * 366);
/// How long a time of day is taken to be as far off as it was.
const TODAY_TRUSTED: Duration = Duration::from_mins(1);

/// One question to ask now.
#[derive(Debug)]
pub(super) struct DueProbe {
    /// The question.
    pub(super) probe: Arc<Probe>,
    /// Its turn, when it is asked at its turn and not sooner.
    pub(super) turn: Option<Instant>,
}

/// When each probe is due.
#[derive(Debug)]
pub(super) struct Queue {
    /// From where turns are counted.
    began: Instant,
    entries: BTreeMap<ProbeId, Entry>,
    turns: BTreeSet<(Instant, ProbeId)>,
    /// As last published.
    requested: BTreeMap<ProbeId, Time>,
    /// Of those, the ones that no answer has satisfied and that are not being asked.
    sooner: BTreeSet<(Time, ProbeId)>,
    /// Being asked, since when by the clock of the day. Kept apart from the entries: a question may be under way when its
    /// probe leaves the configuration or changes in it.
    in_flight: BTreeMap<ProbeId, Time>,
}

#[derive(Debug)]
struct Entry {
    probe: Arc<Probe>,
    turn: Instant,
    /// Whether it has not had a turn yet.
    new: bool,
    /// When the newest question that was answered was asked.
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

    /// Takes the probes of a configuration over. Those that did not change keep their turns; new and changed ones are asked soon.
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

    /// Takes over what is wanted before its turn.
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
        // An answer to a question that was asked at the wanted time or later is what was requested.
        if entry.answered.is_none_or(|answered| answered < *at) && !self.in_flight.contains_key(id) {
            self.sooner.insert((*at, id.clone()));
        }
    }

    /// The next question that is due, which is under way from now on. `today` is the time of day.
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

    /// A question came to its end. When its answer was `delivered`, it counts; when not, what was wanted is wanted still.
    pub(super) fn ended(&mut self, id: &ProbeId, delivered: bool) {
        let asked = self.in_flight.remove(id);
        if let Some(entry) = self.entries.get_mut(id)
            && delivered
        {
            entry.answered = entry.answered.max(asked);
        }
        self.queue_one(id);
    }

    /// When to look again, at the latest; `None` when nothing is ever due.
    pub(super) fn wake(&self, now: Instant, today: Time) -> Option<Instant> {
        let turn = self.turns.first().map(|(turn, _)| *turn);
        // The clock of the day may jump, so it is not trusted for long.
        let sooner =
            self.sooner.first().map(|(at, _)| now + types::time::between(today, *at).min(TODAY_TRUSTED));
        turn.into_iter().chain(sooner).min()
    }
}

/// Time from the first turn of a probe to the begin of the interval in which its second turn lies. The first round is faster
/// than the rest. Short intervals are not waited for: after a start in a large configuration no probe would run for minutes.
fn pause_after_first(every: Duration) -> Duration {
    if every <= SHORT_INTERVAL { (every / 2).min(PAUSE_AFTER_FIRST) } else { every / 2 }
}

fn period(probe: &Probe) -> Duration {
    probe.interval.clamp(EVERY_MIN, EVERY_MAX)
}

/// A share of a span that depends on the name alone, so that a thousand probes spread over their period, in the same order
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
