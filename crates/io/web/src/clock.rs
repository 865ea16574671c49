//! Clock of this crate: links and sessions expire.

use std::sync::OnceLock;
use types::Time;

static CLOCK: OnceLock<fn() -> Time> = OnceLock::new();

/// Sets the clock, once, before the first [`crate::WebState`]: a wall clock that jumps must not end links or sessions.
pub fn set(clock: fn() -> Time) {
    let _ = CLOCK.set(clock);
}

/// Returns the current time. The only place of this crate that reads a clock.
#[must_use]
pub fn now() -> Time {
    CLOCK.get().map_or_else(Time::now, |clock| clock())
}
