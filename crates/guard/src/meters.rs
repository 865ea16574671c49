//! How much everybody owes: one table for all threads and all limits, of constant size, without a lock.
//!
//! A cell is one word: a tag of 18 bits, and the instant until which its owner is in debt, in eighths of a microsecond, of
//! which 46 bits are kept (101 days, then it begins anew). Eight words are a line of the processor's cache: seven cells, and one
//! word that announces the cell being given to somebody new. Whoever finds an announcement carries it out, so a thread that
//! was stopped in the middle holds nobody up, and nobody is ever given two cells.
//!
//! When all seven are in debt, the least indebted is forgotten, and that is counted: a full table forgives a little, but never
//! stops limiting.

use crate::chance::mix;
use crate::rate::{LONGEST, Rate, parts};
use crate::tick::Tick;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

const CELLS: usize = 7;
const INSTANT_BITS: u32 = 46;
const INSTANT: u64 = (1 << INSTANT_BITS) - 1;
/// An announcement: the tag in the same place as in a cell, this bit, the cell's number in the three bits below, and a
/// number that changes with every announcement in the rest.
const ANNOUNCED: u64 = 1 << (INSTANT_BITS - 1);
const CELL_SHIFT: u32 = INSTANT_BITS - 4;
const TURN: u64 = (1 << CELL_SHIFT) - 1;

/// The debts of everybody under every limit.
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

/// Who owes under which limit. Made once a request, from numbers of our own and of the visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account(u64);

impl Meters {
    /// As many accounts as most edges need: 4 MiB.
    pub const USUAL: usize = 458_752;

    /// Room for so many accounts at once, rounded up; 9 bytes each. The salt is secret and random, so that nobody can choose
    /// whom they share a line with.
    #[must_use]
    pub fn new(accounts: usize, salt: u64) -> Self {
        let lines = accounts.div_ceil(CELLS).next_power_of_two();
        Self { lines: (0..lines).map(|_| Line::default()).collect(), salt, forgotten: AtomicU64::new(0) }
    }

    /// How many debts were forgotten for want of room since the beginning.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(SeqCst)
    }

    /// The account of somebody under some limit.
    pub(crate) fn account(&self, limit: u64, whose: u64) -> Account {
        Account(mix(self.salt ^ limit, whose))
    }

    /// What is owed now, in eighths of a microsecond. Changes nothing.
    pub(crate) fn debt(&self, account: Account, rate: Rate, now: Tick) -> u64 {
        let (line, tag) = self.place(account);
        line.cells
            .iter()
            .map(|cell| cell.load(SeqCst))
            .find(|word| word >> INSTANT_BITS == tag)
            .map_or(0, |word| owed(word, rate, now))
    }

    /// Adds a request to what is owed, if not more than `most` is owed then. Else what is owed stays, and is told.
    ///
    /// # Errors
    /// What is owed.
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

    /// The cell of a tag as it is now. When there was none, one is announced; `None` then, and when others announced: look again.
    fn find_or_give<'a>(&self, line: &'a Line, tag: u64, now: Tick) -> Option<(&'a AtomicU64, u64)> {
        // Read before the cells: if it is unchanged when we announce, no cell was given to anybody since.
        let announcement = line.announcement.load(SeqCst);
        if announcement & ANNOUNCED != 0 {
            carry_out(line, announcement, now);
            return None;
        }
        let mut least = (u64::MAX, 0);
        for (index, cell) in line.cells.iter().enumerate() {
            let word = cell.load(SeqCst);
            if word >> INSTANT_BITS == tag {
                return Some((cell, word));
            }
            least = least.min((debt(word, now), index));
        }
        let (owed, index) = least;
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

/// What a cell owes under some limit.
fn debt(word: u64, now: Tick) -> u64 {
    let ahead = (word & INSTANT).wrapping_sub(parts(now)) & INSTANT;
    if word == 0 || ahead > LONGEST { 0 } else { ahead }
}

/// What a cell owes under this limit. A debt longer than the limit allows is an instant long past, seen after 101 days.
fn owed(word: u64, rate: Rate, now: Tick) -> u64 {
    let debt = debt(word, now);
    if debt > rate.most(256) { 0 } else { debt }
}
