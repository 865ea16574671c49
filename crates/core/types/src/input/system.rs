//! Inputs from the process itself and from its machine.

use crate::{Config, Time};
use std::sync::Arc;
use std::time::Duration;

/// What happened to the process or its machine. It is never refused.
#[derive(Clone, Debug)]
pub enum System {
    /// The process has started and the journal is folded.
    Booted {
        /// Last sign of the process before, if any.
        unmonitored_since: Option<Time>,
    },
    /// A change of the machine's clocks.
    Clock(ClockChange),
    /// A valid configuration was loaded.
    Config(Arc<Config>),
    /// Time has passed.
    Tick,
}

/// Change of the machine's clocks. A confirmed step of the wall clock is not an input: it needs the whole journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// Running time of the machine.
    Anchored {
        /// Identifies the boot of the machine.
        boot: String,
        /// Suspended time included.
        running: Duration,
    },
    /// The wall clock stepped or returned.
    Jumped {
        /// Milliseconds by which it is ahead of engine time; zero after its return.
        by_ms: i64,
    },
    /// The process was suspended.
    Unmonitored {
        /// Last turn of the event loop before.
        since: Time,
    },
}
