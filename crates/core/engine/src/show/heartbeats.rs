//! Jobs that report by heartbeats.

use crate::Engine;
use crate::views::{HeartbeatRow, HeartbeatTrouble};
use types::config::Heartbeat;
use types::{Alert, Fault, Resource};

/// Every configured job, by name.
pub(super) fn rows(engine: &Engine) -> Vec<HeartbeatRow> {
    let row = |(name, heartbeat): (&String, &Heartbeat)| {
        let known = engine.detect.job(name, heartbeat, engine.clock);
        let (job, due) = known.map_or((None, None), |(job, due)| (Some(job), due));
        HeartbeatRow {
            name: name.clone(),
            schedule: heartbeat.due.to_string(),
            grace_seconds: heartbeat.grace.as_secs(),
            due,
            succeeded: job.and_then(detect::Job::succeeded),
            running_since: job.and_then(detect::Job::running_since),
            trouble: trouble(engine, name),
            recent: job.map(|job| job.recent().cloned().collect()).unwrap_or_default(),
        }
    };
    engine.config.heartbeats.iter().map(row).collect()
}

fn trouble(engine: &Engine, name: &str) -> Option<HeartbeatTrouble> {
    let about = Resource::heartbeat(name);
    let is_of_job = |alert: &&Alert| alert.about == about && matches!(alert.fault, Fault::Heartbeat { .. });
    engine.detect.alerts().values().find(is_of_job).map(|alert| HeartbeatTrouble {
        alert: alert.id,
        since: alert.since,
        fault: alert.fault.clone(),
        text: alert.fault.to_string(),
    })
}
