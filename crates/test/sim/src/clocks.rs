//! The clocks of the machine in the box: a wall clock that jumps both ways, running time that does not, suspension,
//! reboots.

use engine::Engine;
use engine::timekeeper::{News, Reading, Timekeeper};
use fastrand::Rng;
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::time::Duration;
use types::input::ClockChange;
use types::{Time, time};

/// Something that happens to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shock {
    /// The wall clock is this number of seconds ahead of the truth from here on.
    WallOff(i64),
    /// The machine is suspended.
    Sleep(Duration),
    /// The next start of the process is on another boot of the machine.
    Reboot,
}

/// When what happens, by true time.
pub type Shocks = BTreeMap<Time, Shock>;

const HOUR: i64 = 3_600;
const YEAR: i64 = 365 * 24 * HOUR;

/// Jumps of all sizes in both directions, each set right after a while, and suspensions; none in the last two hours.
#[must_use]
pub fn by_chance(begin: Time, hours: u64, chance: &mut Rng) -> Shocks {
    let mut shocks = Shocks::new();
    let mut secs = chance.u64(60..5_000);
    while secs + 7_200 < hours.saturating_sub(2) * 3_600 {
        let at = |secs| time::later(begin, Duration::from_secs(secs));
        let lasts = match chance.u8(0..8) {
            0 | 1 => {
                let span = Duration::from_secs(chance.u64(20..7_200));
                shocks.insert(at(secs), Shock::Sleep(span));
                span.as_secs()
            }
            2 => {
                shocks.insert(at(secs), Shock::Reboot);
                0
            }
            size => {
                let (off, lasts) = match size {
                    3 => (chance.i64(-60..60), chance.u64(1..3_600)),
                    4 | 5 => (chance.i64(-14 * HOUR..14 * HOUR), chance.u64(1..7_200)),
                    6 => (20 * YEAR, chance.u64(1..280)),
                    _ => (-20 * YEAR, chance.u64(1..7_200)),
                };
                shocks.insert(at(secs), Shock::WallOff(off));
                shocks.insert(at(secs + lasts), Shock::WallOff(0));
                lasts
            }
        };
        secs += lasts + chance.u64(600..10_000);
    }
    shocks
}

/// The clocks, and the engine time that follows from them.
#[derive(Debug)]
pub(crate) struct Clocks {
    keeper: Timekeeper,
    off: i64,
    boots: u32,
    origin: Time,
}

impl Clocks {
    pub(crate) fn new(now: Time) -> Self {
        let origin = time::earlier(now, Duration::from_secs(1_000));
        let reading = Reading { wall: now, running: Duration::from_secs(1_000) };
        Self { keeper: Timekeeper::start(reading, None, None), off: 0, boots: 1, origin }
    }

    fn reading(&self, now: Time) -> Reading {
        let wall = now.saturating_add(SignedDuration::from_secs(self.off)).unwrap_or(now);
        Reading { wall, running: time::between(self.origin, now) }
    }

    pub(crate) fn set_wall(&mut self, off: i64) {
        self.off = off;
    }

    pub(crate) fn reboot(&mut self, now: Time) {
        self.boots += 1;
        self.origin = now;
    }

    /// A process starts.
    pub(crate) fn start(&mut self, engine: &Engine, now: Time) {
        let reading = self.reading(now);
        let anchored = engine.anchored(&self.boot(), reading.running);
        self.keeper = Timekeeper::start(reading, engine.last(), anchored);
    }

    pub(crate) fn read(&mut self, now: Time) -> (Time, Option<News>) {
        self.keeper.read(self.reading(now))
    }

    pub(crate) fn set(&mut self, to: Time) {
        self.keeper.set(to);
    }

    pub(crate) fn anchor(&self, now: Time) -> ClockChange {
        ClockChange::Anchored { boot: self.boot(), running: self.reading(now).running }
    }

    /// Engine time as of the last reading.
    pub(crate) fn engine_time(&self) -> Time {
        self.keeper.now()
    }

    fn boot(&self) -> String {
        format!("boot {}", self.boots)
    }
}
