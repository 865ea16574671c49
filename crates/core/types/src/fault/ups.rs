//! Faults of an uninterruptible power supply (UPS).

use crate::shown::clean;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use thiserror::Error;

/// A fault of a UPS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[serde(tag = "ups", rename_all = "snake_case")]
pub enum UpsFault {
    /// The power has failed, and the battery carries the load.
    #[error("runs on battery: {}", left(*runtime, *charge_percent))]
    OnBattery {
        /// How long the battery lasts.
        runtime: Option<Duration>,
        /// Its charge.
        charge_percent: Option<u8>,
    },
    /// The battery is nearly empty: what it carries goes off within minutes.
    #[error("has a low battery, and no other power: {}{}", left(*runtime, *charge_percent), shutdown(*is_shutting_down))]
    LowBattery {
        /// How long the battery lasts.
        runtime: Option<Duration>,
        /// Its charge.
        charge_percent: Option<u8>,
        /// Whether the machines that it carries were asked to shut down.
        is_shutting_down: bool,
    },
    /// The battery is worn out.
    #[error("asks for a new battery; until then it may not last when the power fails")]
    ReplaceBattery,
    /// It carries more than it can.
    #[error("carries more than it can{}", load_percent.map(|load| format!(": {load} % load")).unwrap_or_default())]
    Overloaded {
        /// Load in percent.
        load_percent: Option<u32>,
    },
    /// The load is connected past the UPS.
    #[error("is bypassed: nothing protects what it carries when the power fails")]
    Bypassed,
    /// Its output is off.
    #[error("is switched off: it carries nothing")]
    Off,
    /// Its daemon answers, but does not give its state.
    #[error("gives no state: {why}")]
    Unknown {
        /// What the daemon says, and the next step.
        why: String,
    },
}

impl UpsFault {
    /// The code of the alert.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::OnBattery { .. } => "ups-on-battery",
            Self::LowBattery { .. } => "ups-low-battery",
            Self::ReplaceBattery => "ups-replace-battery",
            Self::Overloaded { .. } => "ups-overloaded",
            Self::Bypassed => "ups-bypassed",
            Self::Off => "ups-off",
            Self::Unknown { .. } => "ups-unknown",
        }
    }

    /// How long the battery lasts, if it carries the load.
    #[must_use]
    pub fn runtime(&self) -> Option<Duration> {
        match self {
            Self::OnBattery { runtime, .. } | Self::LowBattery { runtime, .. } => *runtime,
            _ => None,
        }
    }

    pub(crate) fn clean(&mut self) {
        if let Self::Unknown { why } = self {
            clean(why);
        }
    }
}

/// `23 minutes left (charge 87 %)`.
fn left(runtime: Option<Duration>, charge_percent: Option<u8>) -> String {
    let left = runtime.map(|runtime| match runtime.as_secs() / 60 {
        0 => "less than a minute left".to_owned(),
        1 => "1 minute left".to_owned(),
        minutes => format!("{minutes} minutes left"),
    });
    match (left, charge_percent) {
        (Some(left), Some(charge)) => format!("{left} (charge {charge} %)"),
        (Some(left), None) => left,
        (None, Some(charge)) => format!("charge {charge} %, it does not say for how long"),
        (None, None) => "it does not say for how long".to_owned(),
    }
}

fn shutdown(is_shutting_down: bool) -> &'static str {
    if is_shutting_down { "; what it carries is being shut down" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_says_how_many_minutes_are_left() {
        let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60 + 59));
        let on = |runtime, charge_percent| UpsFault::OnBattery { runtime, charge_percent };
        let low = |is_shutting_down| UpsFault::LowBattery {
            runtime: minutes(0),
            charge_percent: Some(4),
            is_shutting_down,
        };
        for (fault, words) in [
            (on(minutes(23), Some(87)), "runs on battery: 23 minutes left (charge 87 %)"),
            (on(minutes(1), None), "runs on battery: 1 minute left"),
            (on(None, Some(87)), "runs on battery: charge 87 %, it does not say for how long"),
            (on(None, None), "runs on battery: it does not say for how long"),
            (low(false), "has a low battery, and no other power: less than a minute left (charge 4 %)"),
            (
                low(true),
                "has a low battery, and no other power: less than a minute left (charge 4 %); what it carries is being \
                 shut down",
            ),
        ] {
            assert_eq!(fault.to_string(), words);
        }
    }
}
