//! Stored samples, for the effects of changes.

use engine::effects::{EDGE_FAILED, EDGE_LATENCY, FAILED, LATENCY, Point, Read, Task};
use std::collections::{BTreeMap, VecDeque};
use types::{Answer, ProbeResult, Rollup, Time};

/// Samples of a series that are kept: two hours of one a second.
const KEPT: usize = 7_200;

#[derive(Debug, Default)]
pub(super) struct Samples(BTreeMap<(String, &'static str), VecDeque<Point>>);

impl Samples {
    fn put(&mut self, subject: &str, metric: &'static str, point: Point) {
        let series = self.0.entry((subject.to_owned(), metric)).or_default();
        if series.len() == KEPT {
            series.pop_front();
        }
        series.push_back(point);
    }

    /// Adds the roll-up of a second, as the product does.
    pub(super) fn add_traffic(&mut self, at: Time, rollup: &Rollup) {
        for (service, traffic) in &rollup.services {
            let subject = format!("service.{}", service.0);
            let asked = traffic.requests.saturating_sub(traffic.opens);
            let unserved = (traffic.failed + traffic.shed).saturating_sub(traffic.opens_refused);
            if asked > 0 {
                let value = unserved as f64 / asked as f64;
                self.put(&subject, EDGE_FAILED, Point { at, value, ok: true });
            }
            if traffic.passed > 0 {
                self.put(&subject, EDGE_LATENCY, Point { at, value: traffic.p50.as_secs_f64(), ok: true });
            }
        }
    }

    pub(super) fn add_result(&mut self, at: Time, result: &ProbeResult, is_healthy: bool) {
        let ok = !matches!(result.answer, Answer::Failed(_));
        let value = result.phases.total.as_secs_f64();
        self.put(&result.probe.0, LATENCY, Point { at, value, ok });
        self.put(&result.probe.0, FAILED, Point { at, value: f64::from(u8::from(!is_healthy)), ok: true });
    }

    /// The samples that a task needs.
    pub(super) fn of(&self, task: &Task, now: Time) -> Vec<Vec<Point>> {
        let read = |read: Read| {
            let series = self.0.get(&(read.subject, read.metric)).into_iter().flatten();
            series.filter(|point| read.range.contains(&point.at)).copied().collect()
        };
        task.reads(now).into_iter().map(read).collect()
    }
}
