//! Providers that fail and people who answer, or do not.

use fastrand::Rng;
use std::time::Duration;
use types::notification::{Delivered, Undelivered};
use types::{Delivery, Notification};

/// What becomes of one message.
#[derive(Clone, Debug)]
pub struct Fate {
    /// When the outcome comes back; `None` when it never does, as after a crash of ours.
    pub outcome_after: Option<Duration>,
    /// What the outcome says.
    pub outcome: Delivery,
    /// When the person answers; `None` when they sleep on.
    pub answered_after: Option<Duration>,
}

/// How everybody behaves in a run.
#[derive(Clone, Copy, Debug)]
pub struct Phones {
    /// Share of messages that a provider refuses, in per cent.
    pub refused_percent: u8,
    /// Share of messages whose outcome never comes back, in per cent.
    pub lost_percent: u8,
    /// Share of delivered messages that a person answers, in per cent.
    pub answered_percent: u8,
}

impl Phones {
    /// What becomes of a message.
    pub fn fate(&self, notification: &Notification, chance: &mut Rng) -> Fate {
        let percent = |chance: &mut Rng, share: u8| chance.u8(0..100) < share;
        let lost = percent(chance, self.lost_percent);
        let refused = percent(chance, self.refused_percent);
        let answered = !refused && notification.page.is_some() && percent(chance, self.answered_percent);
        let result = if refused {
            let retriable = chance.u8(0..10) > 0;
            Err(Undelivered { why: "503".to_owned(), retriable, retry_after: None })
        } else {
            Ok(Delivered { receipt: None })
        };
        Fate {
            outcome_after: (!lost).then(|| Duration::from_millis(chance.u64(20..9_000))),
            outcome: Delivery { key: notification.key.clone(), result },
            answered_after: answered.then(|| Duration::from_secs(chance.u64(5..240))),
        }
    }
}
