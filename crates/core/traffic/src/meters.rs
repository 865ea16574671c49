//! Debts of all clients under all limits: one table for all threads, of constant size, without a lock.
//!
//! A cell is one word: a tag of 18 bits, and the instant until which its owner is in debt, in eighths of a
//! microsecond, of which 46 bits are kept (101 days, then it wraps). Eight words are a cache line: seven cells, and
//! one word that announces a cell being given to a new client. A thread that finds an announcement completes it, so
//! a thread that was stopped in the middle blocks no other, and no client gets two cells.
//!
//! When all seven are in debt, the one with the least debt is evicted and counted: a full table forgives a little,
//! but never stops limiting.

use crate::random::mix;
use crate::rate::{LONGEST, Rate, parts};
use crate::tick::Tick;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

const CELLS: usize = 7;
const INSTANT_BITS: u32 = 46;
const INSTANT: u64 = (1 << INSTANT_BITS) - 1;
/// An announcement: the tag in the same bits as in a cell, this bit, the cell's number in the three bits below, and
/// a number that changes with every announcement in the rest.
const ANNOUNCED: u64 = 1 << (INSTANT_BITS - 1);
const CELL_SHIFT: u32 = INSTANT_BITS - 4;
const TURN: u64 = (1 << CELL_SHIFT) - 1;

/// The debts of all clients under all limits.
#[derive(Debug)]
pub struct Meters {
    lines: Box<[Line]>,
    salt: u64,
    forgotten: AtomicU64,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Line {
    cells: [AtomicU64; CELLS],
    announcement: AtomicU64,
}

/// The key of a client's debt under one limit. Computed once per request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account(u64);

impl Meters {
    /// As many accounts as most edges need: 4 MiB.
    pub const USUAL: usize = 458_752;

    /// Creates a table for this many concurrent accounts, rounded up; 9 bytes each. The salt is secret and random,
    /// so that no client can choose its cache line.
    #[must_use]
    pub fn new(accounts: usize, salt: u64) -> Self {
        let lines = accounts.div_ceil(CELLS).next_power_of_two();
        Self { lines: (0..lines).map(|_| Line::default()).collect(), salt, forgotten: AtomicU64::new(0) }
    }

    /// Number of debts evicted since the start.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(SeqCst)
    }

    /// The account of a client under some limit.
    pub(crate) fn account(&self, limit: u64, whose: u64) -> Account {
        Account(mix(self.salt ^ limit, whose))
    }

    /// Returns the current debt, in eighths of a microsecond. Changes nothing.
    pub(crate) fn debt(&self, account: Account, rate: Rate, now: Tick) -> u64 {
        let (line, tag) = self.place(account);
        line.cells
            .iter()
            .map(|cell| cell.load(SeqCst))
            .find(|word| word >> INSTANT_BITS == tag)
            .map_or(0, |word| owed(word, rate, now))
    }

    /// Adds a request to the debt, unless the debt would exceed `most`; then the current debt is returned as the
    /// error.
    ///
    /// # Errors
    /// The current debt.
    pub(crate) fn charge(&self, account: Account, rate: Rate, most: u64, now: Tick) -> Result<u64, u64> {
        let (line, tag) = self.place(account);
        loop {
            let Some((cell, word)) = self.find_or_give(line, tag, now) else { continue };
            let owed = owed(word, rate, now);
            let then = owed + rate.step();
            if then > most {
                return Err(owed);
            }
            if cell.compare_exchange(word, put(tag, parts(now) + then), SeqCst, SeqCst).is_ok() {
                return Ok(then);
            }
        }
    }

    /// Takes back what was added, because another limit refused.
    pub(crate) fn refund(&self, account: Account, rate: Rate, now: Tick) {
        let (line, tag) = self.place(account);
        for cell in &line.cells {
            let mut word = cell.load(SeqCst);
            while word >> INSTANT_BITS == tag {
                let less = put(tag, parts(now) + owed(word, rate, now).saturating_sub(rate.step()));
                match cell.compare_exchange(word, less, SeqCst, SeqCst) {
                    Ok(_) => return,
                    Err(other) => word = other,
                }
            }
        }
    }

    fn place(&self, account: Account) -> (&Line, u64) {
        let line = &self.lines[account.0 as usize & (self.lines.len() - 1)];
        // A tag of 0 is an empty cell.
        (line, (account.0 >> INSTANT_BITS).max(1))
    }

    /// The cell of a tag as it is now. When there was none, one is announced; `None` then, and when others announced:
    /// look again.
    fn find_or_give<'a>(&self, line: &'a Line, tag: u64, now: Tick) -> Option<(&'a AtomicU64, u64)> {
        // Read before the cells: if it is unchanged when we announce, no cell was given to any client since.
        let announcement = line.announcement.load(SeqCst);
        if announcement & ANNOUNCED != 0 {
            carry_out(line, announcement, now);
            return None;
        }
        // An empty cell before one that is owned: its owner may be about to owe.
        let mut least = (u64::MAX, true, 0);
        for (index, cell) in line.cells.iter().enumerate() {
            let word = cell.load(SeqCst);
            if word >> INSTANT_BITS == tag {
                return Some((cell, word));
            }
            least = least.min((debt(word, now), word != 0, index));
        }
        let (owed, _, index) = least;
        let turn = announcement.wrapping_add(1) & TURN;
        let ours = tag << INSTANT_BITS | ANNOUNCED | (index as u64) << CELL_SHIFT | turn;
        if line.announcement.compare_exchange(announcement, ours, SeqCst, SeqCst).is_ok() {
            carry_out(line, ours, now);
            if owed > 0 {
                self.forgotten.fetch_add(1, SeqCst);
            }
        }
        None
    }
}

/// Gives the announced cell to its new owner, without debt, and withdraws the announcement.
fn carry_out(line: &Line, announcement: u64, now: Tick) {
    let tag = announcement >> INSTANT_BITS;
    let index = (announcement >> CELL_SHIFT & 7) as usize;
    if let Some(cell) = line.cells.get(index) {
        let mut word = cell.load(SeqCst);
        while word >> INSTANT_BITS != tag && line.announcement.load(SeqCst) == announcement {
            match cell.compare_exchange(word, put(tag, parts(now)), SeqCst, SeqCst) {
                Ok(_) => break,
                Err(other) => word = other,
            }
        }
    }
    let _ = line.announcement.compare_exchange(announcement, announcement & TURN, SeqCst, SeqCst);
}

fn put(tag: u64, instant: u64) -> u64 {
    tag << INSTANT_BITS | instant & INSTANT
}

/// The debt of a cell.
fn debt(word: u64, now: Tick) -> u64 {
    let ahead = (word & INSTANT).wrapping_sub(parts(now)) & INSTANT;
    if word == 0 || ahead > LONGEST { 0 } else { ahead }
}

/// The debt of a cell under this limit. A debt longer than the limit allows is an instant long past, seen after 101
/// days.
fn owed(word: u64, rate: Rate, now: Tick) -> u64 {
    let debt = debt(word, now);
    if debt > rate.most(256) { 0 } else { debt }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::PARTS;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::sync::Barrier;
    use std::time::Duration;
    use types::config;

    fn rate(count: u32, millis: u64, burst: u32) -> Rate {
        Rate::new(config::Rate { count, per: Duration::from_millis(millis), burst })
    }

    fn charge(meters: &Meters, whose: u64, rate: Rate, now: u64) -> bool {
        meters.charge(meters.account(1, whose), rate, rate.most(256), Tick(now)).is_ok()
    }

    #[test]
    fn a_burst_and_then_one_at_a_time() {
        let meters = Meters::new(100, 1);
        let rate = rate(10, 1_000, 3);
        let passed: Vec<bool> =
            [0, 0, 0, 0, 99_999, 100_000, 100_000, 10_000_000, 10_000_000, 10_000_000, 10_000_000]
                .map(|now| charge(&meters, 7, rate, now))
                .into();
        assert_eq!(passed, [true, true, true, false, false, true, false, true, true, true, false]);
    }

    #[test]
    fn debt_ends_when_instants_wrap() {
        let meters = Meters::new(100, 1);
        let rate = rate(10, 1_000, 3);
        let wraps = (1_u64 << INSTANT_BITS) / PARTS;
        for days in [1, 30, 49, 51, 76, 80, 90, 99, 100] {
            let later = days * 86_400 * 1_000_000;
            assert!((0..3).all(|_| charge(&meters, days, rate, 5)));
            assert!(!charge(&meters, days, rate, 5));
            assert!((0..3).all(|_| charge(&meters, days, rate, later)), "{days}");
            // Across the edge where instants begin again.
            assert!((0..3).all(|_| charge(&meters, 1_000 + days, rate, wraps - 1)));
            assert!(!charge(&meters, 1_000 + days, rate, wraps + 1));
        }
    }

    #[test]
    fn full_table_evicts_least_debt_and_counts_it() {
        let meters = Meters::new(CELLS, 1);
        let rate = rate(1, 1_000, 100);
        assert!((0..100).all(|_| charge(&meters, 1, rate, 0)));
        for other in 2..1_000 {
            assert!(charge(&meters, other, rate, 0));
        }
        assert!(!charge(&meters, 1, rate, 0));
        // Two may have had the same tag.
        assert!((980..=999 - CELLS as u64).contains(&meters.forgotten()), "{}", meters.forgotten());
    }

    #[test]
    fn threads_together_get_no_more_than_one() {
        const THREADS: u64 = 4;
        let rate = rate(1, 3_600_000, 5);
        for round in 0..200 {
            // New each round: giving out cells is where threads could get two.
            let meters = Meters::new(40, round);
            let barrier = Barrier::new(THREADS as usize);
            let passed: u64 = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS)
                    .map(|thread| {
                        let (meters, barrier) = (&meters, &barrier);
                        scope.spawn(move || {
                            barrier.wait();
                            let mut passed = 0;
                            for turn in 0..60 {
                                let whose = (turn + thread * 3) % 6;
                                let account = meters.account(1, whose);
                                if meters.charge(account, rate, rate.most(256), Tick(round)).is_ok() {
                                    passed += 1;
                                    // Now and then another limit refuses.
                                    if turn % 7 == 3 {
                                        meters.refund(account, rate, Tick(round));
                                        passed -= 1;
                                    }
                                }
                            }
                            passed
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            // Six accounts in a table for many more: none was evicted, and all six are used up.
            assert_eq!(meters.forgotten(), 0);
            assert!((25..=30).contains(&passed), "{passed}");
            let left =
                (0..6).map(|whose| (0..9).filter(|_| charge(&meters, whose, rate, round)).count() as u64);
            assert_eq!(passed + left.sum::<u64>(), 30);
        }
    }

    #[test]
    fn threads_that_crowd_each_other_out_stay_bounded() {
        let meters = Meters::new(CELLS, 9);
        let rate = rate(1, 3_600_000, 2);
        let passed: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4_u64)
                .map(|thread| {
                    let meters = &meters;
                    scope.spawn(move || {
                        (0..5_000).filter(|turn| charge(meters, (turn * 7 + thread) % 20, rate, 1)).count()
                            as u64
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        // Each account twice, and once more twice for each time that a client was forgotten.
        assert!(passed <= 2 * (20 + meters.forgotten()), "{passed} {}", meters.forgotten());
    }

    proptest! {
        /// Many accounts, any history: the same as one instant each in a map.
        #[test]
        fn is_what_the_algorithm_says(
            count in 1_u32..50,
            burst in 1_u32..20,
            steps in prop::collection::vec((0_u64..200_000, 0_u64..30, 0_u8..10), 1..400),
        ) {
            let meters = Meters::new(4_000, 3);
            let rate = rate(count, 1_000, burst);
            let mut reference: BTreeMap<u64, u64> = BTreeMap::new();
            let mut now = 1_000_000;
            for (pause, whose, what) in steps {
                now += pause;
                let until = reference.entry(whose).or_default();
                let owed = until.saturating_sub(now * PARTS);
                let account = meters.account(1, whose);
                prop_assert_eq!(meters.debt(account, rate, Tick(now)), owed);
                if what == 0 {
                    meters.refund(account, rate, Tick(now));
                    *until = now * PARTS + owed.saturating_sub(rate.step());
                    continue;
                }
                let wanted = owed + rate.step() <= rate.step() * u64::from(burst);
                prop_assert_eq!(charge(&meters, whose, rate, now), wanted);
                if wanted {
                    *until = now * PARTS + owed + rate.step();
                }
            }
        }

        /// Never more in any stretch than the burst and what the stretch grants.
        #[test]
        fn grants_no_more_than_said(
            count in 1_u32..400_000,
            millis in 1_u64..100_000,
            burst in 1_u32..100,
            pauses in prop::collection::vec(0_u64..50_000, 1..300),
        ) {
            let meters = Meters::new(100, 3);
            let rate = rate(count, millis, burst);
            let mut now = 77;
            let mut passed = 0_u64;
            for pause in pauses {
                now += pause;
                passed += u64::from(charge(&meters, 1, rate, now));
            }
            let granted = (now - 77) as f64 * f64::from(count) / (millis as f64 * 1e3);
            prop_assert!(passed as f64 <= f64::from(burst) + granted + 1e-6, "{passed} {granted}");
        }
    }
}
