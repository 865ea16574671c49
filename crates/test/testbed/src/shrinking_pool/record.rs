//! What the fixture itself sees, twice a second: independent of the proxy in front of the servers.

use jiff::Timestamp;
use std::time::Duration;

/// Interval of samples.
pub(super) const EVERY: Duration = Duration::from_millis(500);
/// Most samples: an hour.
const SAMPLES_MAX: usize = 7_200;
/// Time that a fix takes to come into effect: a server that is replaced serves nobody for some seconds, which says nothing about
/// the version that it runs then.
pub(super) const IN_EFFECT: Duration = Duration::from_secs(10);
/// Time before a fix whose requests are compared with those from it to the next one, and how long those of the last one count.
pub(super) const BESIDE: Duration = Duration::from_secs(15);
const LAST: Duration = Duration::from_secs(30);
/// Span whose requests show whether everything is well.
const WELL_SPAN: Duration = Duration::from_secs(5);
/// Share of the requests served within [`WELL_SPAN`] that counts as well.
const WELL: f64 = 0.95;

/// One look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Time.
    pub at: Timestamp,
    /// Servers that work, by their own check.
    pub working: u32,
    /// Servers that were started.
    pub servers: u32,
    /// Open WebSockets.
    pub open: u64,
    /// Clients that want one.
    pub clients: u64,
    /// Visits since the start that were due, and below: that were served.
    pub asked: u64,
    /// Visits that were served.
    pub served: u64,
}

/// The samples of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Record(Vec<Sample>);

impl Record {
    pub(super) fn add(&mut self, sample: Sample) {
        if self.0.len() < SAMPLES_MAX {
            self.0.push(sample);
        }
    }

    pub(super) fn last(&self) -> Option<&Sample> {
        self.0.last()
    }

    /// First time since an instant at which fewer than `least` servers worked.
    pub(super) fn fell_at(&self, since: Timestamp, least: u32) -> Option<Timestamp> {
        self.0.iter().find(|sample| sample.at >= since && sample.working < least).map(|sample| sample.at)
    }

    /// Shares of the requests served before a fix and once it is in effect; `until` is the time of the next one.
    pub(super) fn served_around(&self, fix: Timestamp, until: Option<Timestamp>) -> [f64; 2] {
        let before = self.share(types::time::earlier(fix, BESIDE), fix);
        let end = until.unwrap_or_else(|| types::time::later(fix, LAST));
        [before, self.share(types::time::later(fix, IN_EFFECT), end)]
    }

    /// Share of the requests of a span that were served; 0 without requests.
    fn share(&self, from: Timestamp, to: Timestamp) -> f64 {
        let span = || self.0.iter().filter(|sample| sample.at >= from && sample.at <= to);
        let (Some(first), Some(last)) = (span().next(), span().next_back()) else { return 0.0 };
        let asked = last.asked - first.asked;
        if asked == 0 { 0.0 } else { ((last.served - first.served) as f64 / asked as f64).min(1.0) }
    }

    /// Time since which everything works, after an instant at which it did not; `None` when it does not now.
    pub(super) fn well_since(&self, since: Timestamp) -> Option<Timestamp> {
        let is_well = |sample: &&Sample| {
            sample.working == sample.servers
                && sample.open == sample.clients
                && self.share(types::time::earlier(sample.at, WELL_SPAN), sample.at) >= WELL
        };
        let well = self.0.iter().rev().take_while(is_well).last()?;
        (well.at > since).then_some(well.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty servers; the share of the requests that are served changes at each step of ten seconds.
    fn record(shares: &[u64]) -> (Timestamp, Record) {
        let start: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let mut record = Record::default();
        let (mut asked, mut served) = (0, 0);
        for (step, share) in shares.iter().enumerate() {
            for half in 0..20 {
                asked += 10;
                served += share / 10;
                let at = types::time::later(start, Duration::from_millis((step as u64 * 20 + half) * 500));
                let working = if *share < 100 { 2 } else { 20 };
                let open = if *share < 100 { 70 } else { 100 };
                record.add(Sample { at, working, servers: 20, open, clients: 100, asked, served });
            }
        }
        (start, record)
    }

    #[test]
    fn fall_effects_and_recovery_are_found() {
        let (start, record) = record(&[100, 20, 20, 20, 20, 100, 100, 100]);
        let at = |secs| types::time::later(start, Duration::from_secs(secs));
        assert_eq!(record.fell_at(start, 10), Some(at(10)));
        assert_eq!(record.fell_at(start, 2), None);
        let [before, after] = record.served_around(at(28), Some(at(49)));
        assert!((before - 0.2).abs() < 0.05 && (after - 0.2).abs() < 0.05, "{before} {after}");
        let [before, after] = record.served_around(at(48), None);
        assert!((before - 0.2).abs() < 0.05 && after > 0.85, "{before} {after}");
        let well = record.well_since(start).unwrap();
        assert!((at(53)..at(56)).contains(&well), "{well}");
    }

    #[test]
    fn nothing_is_well_while_a_server_is_down() {
        let (start, record) = record(&[100, 20]);
        assert_eq!(record.well_since(start), None);
    }
}
