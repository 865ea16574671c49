//! Jobs that report by heartbeats: alerts when they are late, failed or take too long.

use super::Detect;
use crate::alert::AlertEvents;
use crate::heartbeat::{self, Job};
use types::config::Heartbeat;
use types::{Config, EventKind, Fault, ProbeId, Resource, Time};

impl Detect {
    /// Judges the jobs that have reported, are due or have changed.
    pub(super) fn judge_heartbeats(&mut self, config: &Config, now: Time, events: &mut AlertEvents) {
        let due = &mut self.volatile.heartbeats_due;
        while let Some((at, name)) = due.first().cloned().filter(|(at, _)| *at <= now) {
            due.remove(&(at, name.clone()));
            self.volatile.heartbeats_asked.insert(name);
        }
        for name in std::mem::take(&mut self.volatile.heartbeats_asked) {
            let Some(heartbeat) = config.heartbeats.get(&name) else { continue };
            self.judge_heartbeat(&name, heartbeat, now, events);
        }
    }

    fn judge_heartbeat(&mut self, name: &str, heartbeat: &Heartbeat, now: Time, events: &mut AlertEvents) {
        let new = Job::declared(now);
        let job = self.state.jobs.get(name).unwrap_or_else(|| {
            events.push(EventKind::HeartbeatDeclared { heartbeat: name.to_owned() });
            &new
        });
        let judged = heartbeat::judge(heartbeat, job, &self.state.gaps, now);
        let about = Resource::heartbeat(name);
        let mut open = self.open.about(&self.state, &about).filter(|alert| is_of_job(&alert.fault));
        match (judged.fault, open.next()) {
            (None, None) => {}
            (None, Some(alert)) => events.close(alert.id),
            (Some(fault), Some(alert)) => {
                let new = heartbeat::alert(heartbeat, fault, job);
                if new.fault != alert.fault || new.severity != alert.severity {
                    events.change(alert.id, new);
                }
            }
            (Some(fault), None) => {
                events.open(&about, &probe_id(name), heartbeat::alert(heartbeat, fault, job));
            }
        }
        self.volatile.heartbeats_due.retain(|(_, other)| other != name);
        self.volatile.heartbeats_due.extend(judged.again.map(|at| (at, name.to_owned())));
    }

    /// When the next job must be judged.
    pub(super) fn heartbeat_deadline(&self, now: Time) -> Option<Time> {
        let due = self.volatile.heartbeats_due.first().map(|(at, _)| *at);
        if self.volatile.heartbeats_asked.is_empty() { due } else { Some(now) }
    }

    /// What is known of a job, and when it is due.
    #[must_use]
    pub fn job(&self, name: &str, heartbeat: &Heartbeat, now: Time) -> Option<(&Job, Option<Time>)> {
        let job = self.state.jobs.get(name)?;
        Some((job, heartbeat::judge(heartbeat, job, &self.state.gaps, now).due))
    }
}

/// What alerts name as their probe.
pub(super) fn probe_id(name: &str) -> ProbeId {
    ProbeId(format!("heartbeat.{name}"))
}

fn is_of_job(fault: &Fault) -> bool {
    matches!(fault, Fault::Heartbeat { .. })
}
