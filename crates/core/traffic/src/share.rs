//! Which clients are let through when not all can be: a share of each class, the same clients for a while.
//!
//! Random shedding would break every sign-in of three steps somewhere. So each client has a random value, which it
//! keeps for two minutes, and a class is admitted up to a share of these values. Each client's value changes at
//! another moment, and no client is excluded permanently.

use crate::concurrency::WINDOW;
use crate::facts::Class;
use crate::random::{mix, unit};
use crate::tick::{Tick, micros};
use std::time::Duration;

/// Time for which a client keeps its value: longer than a sign-in takes.
const LUCK: Duration = Duration::from_secs(120);
/// Admitted beyond what fits, so that a free permit finds a client waiting. Not for priority paths: they would
/// displace those for whom the rest is kept.
const SLACK: [f64; 4] = [0.95, 1.1, 1.1, 1.1];
/// Kept for first-time clients, whatever recognized ones ask.
const NEWCOMERS: f64 = 0.05;
/// Kept for recognized clients, whatever priority paths are asked for: any client may ask for those, a flood too.
const KNOWN: f64 = 0.5;

/// The shares of all classes.
#[derive(Clone, Debug)]
pub(crate) struct Shares {
    lanes: [Lane; 4],
    salt: u64,
    began: Tick,
}

#[derive(Clone, Debug)]
struct Lane {
    arrived: u32,
    lucky: u32,
    /// Requests a second.
    rate: f64,
    /// The lucky among requests beside the share: less than 1 when the unlucky come again and again.
    skew: f64,
    share: f64,
}

impl Shares {
    pub(crate) fn new(salt: u64, now: Tick) -> Self {
        let lane = Lane { arrived: 0, lucky: 0, rate: 0.0, skew: 1.0, share: 1.0 };
        Self { lanes: std::array::from_fn(|_| lane.clone()), salt, began: now }
    }

    /// Whether a client's request is let through.
    pub(crate) fn lucky(&mut self, class: Class, client: u64, now: Tick) -> bool {
        let lane = &mut self.lanes[class as usize];
        lane.arrived = lane.arrived.saturating_add(1);
        let lucky = lane.share >= 1.0 || luck(self.salt, client, now) < lane.share;
        lane.lucky = lane.lucky.saturating_add(u32::from(lucky));
        lucky
    }

    /// The luck of a client: in 0.0..1.0, the same for two minutes.
    pub(crate) fn luck(&self, client: u64, now: Tick) -> f64 {
        luck(self.salt, client, now)
    }

    /// Whether some class is not let through whole.
    pub(crate) fn cut(&self) -> bool {
        self.lanes.iter().any(|lane| lane.share < 1.0)
    }

    /// Seconds of work that arrived in a second, of this class and those before it.
    pub(crate) fn excess(&self, class: Class, drain: f64) -> f64 {
        let wanted: f64 = self.lanes[..=class as usize].iter().map(|lane| lane.rate).sum();
        wanted / drain.max(0.1)
    }

    /// Computes the shares again if the window is over, for a pool that answers this many requests a second. No
    /// client is cut while none has to wait (`pressed`): a few slow requests among fast ones make the rate look
    /// lower than it is.
    pub(crate) fn turn(&mut self, drain: Option<f64>, pressed: bool, now: Tick) {
        let span = now.since(self.began);
        if span < WINDOW {
            return;
        }
        self.began = now;
        let Some(drain) = drain else { return };
        let secs = span.as_secs_f64();
        for lane in &mut self.lanes {
            lane.count(drain, secs);
        }
        let wants = |class: Class, most: f64| self.lanes[class as usize].wants().min(most * drain);
        let newcomers = wants(Class::FirstTime, NEWCOMERS);
        let kept = [newcomers + wants(Class::Recognized, KNOWN), newcomers, 0.0, 0.0];
        let mut left = drain;
        for ((lane, kept), slack) in self.lanes.iter_mut().zip(kept).zip(SLACK) {
            let free = (left - kept).max(0.0);
            let wants = lane.wants();
            // Never zero: the requests that are admitted are also the measurement.
            let fits = slack * free.max(0.01 * drain) / wants.max(1e-9);
            lane.share = if pressed { fits } else { fits.max(2.0 * lane.share) }.min(1.0);
            left -= wants.min(free);
        }
    }
}

impl Lane {
    /// Requests a second that would come through if all were let through.
    fn wants(&self) -> f64 {
        self.rate * self.skew
    }

    fn count(&mut self, drain: f64, secs: f64) {
        let arrived = f64::from(self.arrived);
        // The fewer, the longer it takes to believe it.
        let many = arrived.max(drain * secs);
        self.rate += many / (many + 30.0) * (arrived / secs - self.rate);
        // A change that cannot be chance is accepted immediately: the flood begins, or it is over.
        let chance = 2.0 * (arrived + 1.0).sqrt() + 3.0;
        self.rate = self.rate.clamp((arrived - chance).max(0.0) / secs, (arrived + chance) / secs);
        let expected = arrived * self.share;
        let skew = if self.share >= 1.0 { 1.0 } else { f64::from(self.lucky) / expected.max(1e-9) };
        self.skew += expected / (expected + 60.0) * (skew - self.skew);
        self.skew = (self.skew + 0.02 * (1.0 - self.skew)).clamp(0.02, 50.0);
        self.arrived = 0;
        self.lucky = 0;
    }
}

/// In 0.0..1.0, the same for the same client for two minutes.
fn luck(salt: u64, client: u64, now: Tick) -> f64 {
    let own = mix(salt, client);
    let turn = now.0.wrapping_add(own >> 32) / micros(LUCK);
    unit(mix(own, turn))
}
