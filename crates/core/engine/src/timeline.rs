//! Times of a journal, corrected to the clock that is confirmed now.
//!
//! The journal is ordered by `seq` and records each setting of the clock. A stretch that was written while the clock
//! was ahead is read with corrected times, so that none is in the future; the stored bytes do not change. Deadlines
//! keep their remaining time. A clock that was set back by mistake and returned leaves no trace.

use jiff::SignedDuration;
use std::time::Duration;
use types::event::{Event, EventKind};
use types::{Time, time};

/// Difference up to which a clock has returned to where it was.
const RETURNED: SignedDuration = SignedDuration::from_secs(60);

/// Stretches of a journal, each written on one clock.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    stretches: Vec<Stretch>,
    backs: Vec<Back>,
    aheads: Vec<Ahead>,
    /// Time of the last corrected event.
    last: Option<Time>,
    is_set: bool,
}

/// Events written on one clock.
#[derive(Debug)]
struct Stretch {
    first: u64,
    end: Time,
    shift: SignedDuration,
}

/// The clock was set back, and stretches were moved.
#[derive(Debug)]
struct Back {
    by: SignedDuration,
    moved: Vec<usize>,
    next: usize,
}

/// The clock was set ahead, and later deadlines were moved.
#[derive(Debug)]
struct Ahead {
    seq: u64,
    from: Time,
    by: SignedDuration,
}

impl Timeline {
    /// Records the stretches. Must see every event in order before the first is corrected.
    pub(crate) fn note(&mut self, event: &Event) {
        match &event.kind {
            EventKind::ClockSet { from, to } => {
                self.is_set = true;
                self.set(event.seq, *from, *to);
                self.begin(event);
            }
            EventKind::Booted { .. } => self.begin(event),
            _ => match self.stretches.last_mut() {
                Some(stretch) => stretch.end = stretch.end.max(event.at),
                None => self.begin(event),
            },
        }
    }

    /// Whether no time needs a correction.
    pub(crate) fn is_straight(&self) -> bool {
        !self.is_set
    }

    fn begin(&mut self, event: &Event) {
        self.stretches.push(Stretch { first: event.seq, end: event.at, shift: SignedDuration::ZERO });
    }

    fn set(&mut self, seq: u64, from: Time, to: Time) {
        let by = to.duration_since(from);
        if let Some(stretch) = self.stretches.last_mut() {
            stretch.end = stretch.end.max(from);
        }
        if by.is_negative() {
            let ahead = |stretch: &Stretch| shifted(stretch.end, stretch.shift) > to;
            let moved: Vec<usize> =
                (0..self.stretches.len()).filter(|&n| self.stretches.get(n).is_some_and(ahead)).collect();
            self.shift(&moved, by);
            self.backs.push(Back { by, moved, next: self.stretches.len() });
            return;
        }
        match self.backs.pop_if(|back| (back.by.saturating_add(by)).abs() <= RETURNED) {
            Some(back) => {
                // Moved stretches never end after the returned clock.
                self.shift(&back.moved, by.min(-back.by));
                let since: Vec<usize> = (back.next..self.stretches.len()).collect();
                self.shift(&since, by);
            }
            None => self.aheads.push(Ahead { seq, from, by }),
        }
    }

    fn shift(&mut self, which: &[usize], by: SignedDuration) {
        for n in which {
            if let Some(stretch) = self.stretches.get_mut(*n) {
                stretch.shift = stretch.shift.saturating_add(by);
            }
        }
    }

    /// An event with corrected times. Times never decrease from event to event.
    pub(crate) fn correct(&mut self, mut event: Event) -> Event {
        let after = self.stretches.partition_point(|stretch| stretch.first <= event.seq);
        let shift = after.checked_sub(1).and_then(|n| self.stretches.get(n)).map(|stretch| stretch.shift);
        let at = shifted(event.at, shift.unwrap_or_default());
        let at = self.last.map_or(at, |last| last.max(at));
        self.last = Some(at);
        let moved = at.duration_since(event.at);
        let fact = |fact: &mut Time| *fact = shifted(*fact, moved).min(at);
        match &mut event.kind {
            EventKind::Booted { unmonitored_since: Some(since) }
            | EventKind::Unmonitored { since }
            | EventKind::IncidentOpened { since, .. } => fact(since),
            EventKind::AlertOpened { alert } => fact(&mut alert.since),
            EventKind::ChangeRecorded { change, .. } => {
                fact(&mut change.at);
                change.done.iter_mut().for_each(fact);
            }
            EventKind::TrafficDenied { denial, .. } => {
                fact(&mut denial.from);
                denial.until = self.deadline(event.seq, denial.until, moved);
            }
            // One that began when it was added, and not at a time that a person read from a clock.
            EventKind::MaintenanceScheduled { maintenance, .. }
                if maintenance.section.is_none() && maintenance.from <= event.at =>
            {
                fact(&mut maintenance.from);
                maintenance.to = self.deadline(event.seq, maintenance.to, moved);
            }
            EventKind::ValveSet { valve, .. } => {
                fact(&mut valve.since);
                fact(&mut valve.changed);
            }
            EventKind::IncidentAcknowledged { until, .. } | EventKind::PageStep { until, .. } => {
                *until = self.deadline(event.seq, *until, moved);
            }
            _ => {}
        }
        event.at = at;
        event
    }

    /// A deadline with its remaining time preserved when the clock was set ahead.
    fn deadline(&self, seq: u64, until: Time, moved: SignedDuration) -> Time {
        self.aheads.iter().filter(|ahead| ahead.seq > seq).fold(shifted(until, moved), |until, ahead| {
            if until >= ahead.from { shifted(until, ahead.by) } else { until }
        })
    }
}

fn shifted(at: Time, by: SignedDuration) -> Time {
    let span = Duration::try_from(by.abs()).unwrap_or_default();
    if by.is_negative() { time::earlier(at, span) } else { time::later(at, span) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use types::{Actor, IncidentId, PageId, Via};

    const HOUR: i64 = 3_600;

    /// A journal whose clock is set at will. Seconds are true ones.
    struct TestJournal {
        events: Vec<Event>,
        off: i64,
    }

    fn truly(secs: i64) -> Time {
        Time::from_second(1_800_000_000 + secs).unwrap()
    }

    impl TestJournal {
        fn write(&mut self, secs: i64, kind: EventKind) {
            let seq = self.events.len() as u64 + 1;
            self.events.push(Event { seq, at: truly(secs + self.off), kind });
        }

        fn boot(&mut self, secs: i64, off: i64) {
            self.off = off;
            self.write(secs, EventKind::Booted { unmonitored_since: None });
        }

        fn ring(&mut self, secs: i64, wait: i64) {
            let until = truly(secs + self.off + wait);
            self.write(
                secs,
                EventKind::PageStep { page: PageId(1), round: 0, step: 0, people: vec![], until },
            );
        }

        fn set(&mut self, secs: i64, off: i64) {
            let from = truly(secs + self.off);
            self.off = off;
            self.write(secs, EventKind::ClockSet { from, to: truly(secs + off) });
        }

        fn read(&self) -> Vec<Event> {
            let mut timeline = Timeline::default();
            self.events.iter().for_each(|event| timeline.note(event));
            self.events.iter().map(|event| timeline.correct(event.clone())).collect()
        }

        /// Times of the corrected events, in true seconds.
        fn times(&self) -> Vec<i64> {
            self.read().iter().map(|event| event.at.as_second() - 1_800_000_000).collect()
        }
    }

    fn book() -> TestJournal {
        TestJournal { events: Vec::new(), off: 0 }
    }

    fn note() -> EventKind {
        EventKind::IncidentNoted {
            incident: IncidentId(1),
            by: Actor::person("ana", Via::Console),
            text: "seen".to_owned(),
        }
    }

    #[test]
    fn first_start_ahead_is_corrected() {
        let mut book = book();
        book.boot(0, 20 * 365 * 24 * HOUR);
        book.write(5, note());
        book.set(10, 0);
        book.write(20, note());
        assert_eq!(book.times(), [0, 5, 10, 20]);
    }

    #[test]
    fn start_ahead_leaves_earlier_events() {
        let mut book = book();
        book.boot(0, 0);
        book.write(5, note());
        book.boot(100, 14 * HOUR);
        book.write(105, note());
        book.boot(110, 14 * HOUR);
        book.set(120, 0);
        assert_eq!(book.times(), [0, 5, 100, 105, 110, 120]);
    }

    #[test]
    fn clock_set_ahead_and_back_is_corrected() {
        let mut book = book();
        book.boot(0, 0);
        book.write(5, note());
        book.set(10, HOUR);
        book.write(15, note());
        book.set(20, 0);
        assert_eq!(book.times(), [0, 5, 10, 15, 20]);
    }

    #[test]
    fn clock_set_back_and_returned_leaves_no_trace() {
        let mut book = book();
        book.boot(0, 0);
        book.write(7 * HOUR, note());
        book.set(8 * HOUR, -14 * HOUR);
        book.write(9 * HOUR, note());
        assert!(book.times().is_sorted(), "{:?}", book.times());
        book.set(10 * HOUR, 0);
        assert_eq!(book.times(), [0, 7 * HOUR, 8 * HOUR, 9 * HOUR, 10 * HOUR]);
    }

    #[test]
    fn deadlines_keep_their_remaining_time() {
        for off in [HOUR, -HOUR, 20 * 365 * 24 * HOUR] {
            let mut book = book();
            book.boot(0, 0);
            book.ring(0, 5);
            book.ring(100, 60);
            book.set(130, off);
            let read = book.read();
            let left = read.iter().filter_map(|event| match event.kind {
                EventKind::PageStep { until, .. } => Some(until.as_second() - truly(130 + off).as_second()),
                _ => None,
            });
            let left: Vec<i64> = left.collect();
            assert!(left[0] < 0, "what was over stays over: {left:?}");
            assert_eq!(left[1], 30, "set by {off}");
        }
    }

    proptest! {
        /// Whatever the clock did, times are in the order of `seq` and none lies after the clock that is believed now.
        #[test]
        fn order_is_kept(steps in proptest::collection::vec((1i64..100_000, 0u8..4, -900_000i64..900_000), 1..60)) {
            let mut book = book();
            let mut secs = 0;
            for (span, what, off) in steps {
                secs += span;
                match what {
                    // A start takes the wall clock only when it is not behind the journal.
                    0 => book.boot(secs, book.off.max(off)),
                    1 => book.set(secs, off),
                    2 => book.ring(secs, off.abs()),
                    _ => book.write(secs, note()),
                }
            }
            let last = book.events.last().unwrap().at;
            let read = book.read();
            prop_assert!(read.is_sorted_by_key(|event| event.at));
            prop_assert!(read.iter().all(|event| event.at <= last));
            prop_assert_eq!(read.len(), book.events.len());
        }
    }
}
