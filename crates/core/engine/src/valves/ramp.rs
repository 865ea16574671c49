//! The ramp of a valve: it opens step by step while the service is healthy, waits while it is not, and steps back when
//! the service fails.

use super::health::Health;
use std::time::Duration;
use types::ValveReason;
use types::valve::{STEP_HOLD, step_after, step_before};

/// How long a service must be bad before the ramp steps back: one bad second is no trend.
const BACK_AFTER: Duration = Duration::from_secs(5);
/// The longest wait before a position is tried once more: each step back doubles the wait.
const WAIT_MAX: Duration = Duration::from_secs(480);
/// At most this much of a roll-up's interval counts: after a pause of the edge it says little about its end.
const COUNTED_MAX: Duration = Duration::from_secs(2);

/// Progress at one position, since boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ramp {
    good_for: Duration,
    bad_for: Duration,
    /// How long it must be good before the next step.
    wait: Duration,
    /// Whether the last step opened it.
    opened: bool,
}

/// What a ramp does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Stay,
    To(u8, ValveReason),
}

impl Default for Ramp {
    fn default() -> Self {
        Self { good_for: Duration::ZERO, bad_for: Duration::ZERO, wait: STEP_HOLD, opened: false }
    }
}

impl Ramp {
    /// Nothing was seen for a while: the count begins again.
    pub(crate) fn interrupt(&mut self) {
        (self.good_for, self.bad_for) = (Duration::ZERO, Duration::ZERO);
    }

    /// Takes the health of one more interval at a position. Never leaves `lowest..=100`.
    pub(crate) fn observe(&mut self, percent: u8, lowest: u8, interval: Duration, health: &Health) -> Step {
        let interval = interval.min(COUNTED_MAX);
        match health {
            Health::Good => {
                self.bad_for = Duration::ZERO;
                self.good_for += interval;
                if self.good_for < self.wait {
                    return Step::Stay;
                }
                let why = ValveReason::Healthy { secs: self.wait.as_secs() };
                self.interrupt();
                // Shorter only once a new position has proved itself: not when a position is merely tried once more.
                if self.opened {
                    self.wait = (self.wait / 2).max(STEP_HOLD);
                }
                self.opened = true;
                Step::To(step_after(percent), why)
            }
            Health::Poor(_) => {
                self.interrupt();
                Step::Stay
            }
            Health::Bad(why) => {
                self.good_for = Duration::ZERO;
                self.bad_for += interval;
                if self.bad_for < BACK_AFTER || percent <= lowest {
                    return Step::Stay;
                }
                self.interrupt();
                self.wait = (self.wait * 2).min(WAIT_MAX);
                self.opened = false;
                Step::To(step_before(percent, lowest), why.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn bad() -> Health {
        Health::Bad(ValveReason::Failures { percent: 30 })
    }

    fn poor() -> Health {
        Health::Poor(ValveReason::Failures { percent: 3 })
    }

    /// The positions of a ramp from `lowest` over seconds of health, each with the second of its step.
    fn run(lowest: u8, healths: impl IntoIterator<Item = (u64, Health)>) -> Vec<(u64, u8)> {
        let (mut ramp, mut percent, mut second, mut steps) = (Ramp::default(), lowest, 0, Vec::new());
        for (secs, health) in healths {
            for _ in 0..secs {
                second += 1;
                if let Step::To(to, _) = ramp.observe(percent, lowest, SECOND, &health) {
                    steps.push((second, to));
                    percent = to;
                    if to == 100 {
                        return steps;
                    }
                }
            }
        }
        steps
    }

    #[test]
    fn ramp_opens_waits_and_steps_back() {
        for (name, lowest, healths, steps) in [
            (
                "all well",
                20,
                vec![(200, Health::Good)],
                vec![(30, 27), (60, 40), (90, 60), (120, 80), (150, 100)],
            ),
            ("poor health holds", 40, vec![(29, Health::Good), (60, poor()), (29, Health::Good)], vec![]),
            (
                "a bad moment only holds",
                40,
                vec![(29, Health::Good), (4, bad()), (30, Health::Good)],
                vec![(63, 60)],
            ),
            (
                "bad at the new position",
                40,
                vec![(30, Health::Good), (5, bad()), (59, Health::Good), (1, Health::Good)],
                vec![(30, 60), (35, 40), (95, 60)],
            ),
            ("never below the position that was set", 20, vec![(600, bad())], vec![]),
        ] {
            assert_eq!(run(lowest, healths), steps, "{name}");
        }
    }

    #[test]
    fn position_that_fails_again_and_again_is_tried_less_and_less() {
        let (mut ramp, mut percent, mut moves) = (Ramp::default(), 40, 0);
        // 60 % is more than the service bears.
        for _ in 0..3_600 {
            let health = if percent >= 60 { bad() } else { Health::Good };
            if let Step::To(to, _) = ramp.observe(percent, 40, SECOND, &health) {
                percent = to;
                moves += 1;
            }
        }
        assert!((15..=30).contains(&moves), "{moves} events in an hour");
    }

    #[test]
    fn pause_of_the_edge_is_no_health() {
        let mut ramp = Ramp::default();
        assert_eq!(ramp.observe(20, 20, Duration::from_secs(3_600), &Health::Good), Step::Stay);
    }

    proptest! {
        #[test]
        fn ramp_stays_within_bounds(lowest in 0_u8..100, healths in prop::collection::vec((0_u8..3, 1_u64..60), 0..60)) {
            let (mut ramp, mut percent) = (Ramp::default(), lowest);
            for (kind, secs) in healths {
                let health = [Health::Good, poor(), bad()][usize::from(kind)].clone();
                for _ in 0..secs {
                    if percent == 100 {
                        return Ok(());
                    }
                    let before = percent;
                    if let Step::To(to, _) = ramp.observe(percent, lowest, SECOND, &health) {
                        percent = to;
                    }
                    prop_assert!((lowest..=100).contains(&percent));
                    match kind {
                        0 => prop_assert!(percent >= before),
                        1 => prop_assert_eq!(percent, before),
                        _ => prop_assert!(percent <= before),
                    }
                }
            }
        }

        #[test]
        fn healthy_ramp_ends_at_100(lowest in 0_u8..100) {
            let steps = run(lowest, [(12 * 30, Health::Good)]);
            prop_assert!(steps.is_sorted_by(|a, b| a.1 < b.1));
            prop_assert_eq!(steps.last().map(|(_, percent)| *percent), Some(100));
        }
    }
}
