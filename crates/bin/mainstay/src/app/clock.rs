//! The one module of this crate that reads clocks, and the owner of engine time in a running process.

use engine::Engine;
use engine::timekeeper::{News, Reading, Timekeeper};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use types::input::ClockChange;
use types::{Time, time};

/// Engine time, and the uptime of the machine at that instant. Empty in a process without an engine.
static KEPT: Mutex<Option<(Time, Duration)>> = Mutex::new(None);

/// Engine time in a process with an engine, else the wall clock.
#[must_use]
pub(crate) fn now() -> Time {
    let kept = *KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.map_or_else(Time::now, |(at, running)| time::later(at, self::running().saturating_sub(running)))
}

/// A smaller difference is no step, and would only make results differ from call to call.
const NEAR: Duration = Duration::from_secs(5);

/// An instant of engine time as the wall clock will show it, for code that reads only the wall clock.
#[must_use]
pub(crate) fn by_the_wall(at: Time) -> Time {
    let (now, wall) = (now(), Time::now());
    if time::between(now, wall).max(time::between(wall, now)) < NEAR {
        return at;
    }
    if at >= now {
        time::later(wall, time::between(now, at))
    } else {
        time::earlier(wall, time::between(at, now))
    }
}

/// Uptime of the machine, including suspended time where the system counts it.
fn running() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = rustix::time::ClockId::Monotonic;
    Duration::try_from(rustix::time::clock_gettime(clock)).unwrap_or_default()
}

/// Identifies the boot of the machine; `None` where the system has no name for it.
fn boot() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let id = text.trim();
    (!id.is_empty() && id.len() <= 64).then(|| id.to_owned())
}

fn reading() -> Reading {
    Reading { wall: Time::now(), running: running() }
}

/// The clocks of a running process.
#[derive(Debug)]
pub(crate) struct Clock {
    keeper: Timekeeper,
    boot: Option<String>,
    /// At the last call of `advance`.
    running: Duration,
}

impl Clock {
    /// The clocks at the start of a process whose engine has folded its journal.
    pub(crate) fn start(engine: &Engine) -> Self {
        let (boot, reading) = (boot(), reading());
        let anchored = boot.as_deref().and_then(|boot| engine.anchored(boot, reading.running));
        let clock = Self {
            keeper: Timekeeper::start(reading, engine.last(), anchored),
            boot,
            running: reading.running,
        };
        clock.publish();
        clock
    }

    /// Engine time now, what else the clocks showed, and the time since the last call.
    pub(crate) fn advance(&mut self) -> (Time, Option<News>, Duration) {
        let reading = reading();
        let since = reading.running.saturating_sub(self.running);
        self.running = reading.running;
        let (now, news) = self.keeper.read(reading);
        self.publish();
        (now, news, since)
    }

    /// Engine time as of the last call of `advance`.
    pub(crate) fn now(&self) -> Time {
        self.keeper.now()
    }

    /// Whether the wall clock differs from engine time, so that nothing may be deleted by it.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.keeper.distrusted().is_some()
    }

    /// Continues from `to`.
    pub(crate) fn set(&mut self, to: Time) {
        self.keeper.set(to);
        self.publish();
    }

    /// The anchor for the journal, with which the next process on this boot needs no wall clock.
    pub(crate) fn anchor(&self) -> Option<ClockChange> {
        Some(ClockChange::Anchored { boot: self.boot.clone()?, running: self.running })
    }

    fn publish(&self) {
        let kept = Some((self.keeper.now(), self.running));
        *KEPT.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }
}
