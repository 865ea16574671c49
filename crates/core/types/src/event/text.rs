//! Events as lines of the log, shortened.

use super::EventKind;
use crate::incident::Diagnosis;
use std::fmt;
use text::list::commas_or_more;

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use EventKind as H;
        match self {
            H::Booted { unmonitored_since: Some(since) } => {
                write!(f, "started; nothing was monitored since {since}")
            }
            H::Booted { unmonitored_since: None } => f.write_str("started for the first time"),
            H::ClockAnchored { boot, running_ms } => {
                write!(f, "the machine has been running for {} s (boot {boot})", running_ms / 1_000)
            }
            H::ClockJumped { by_ms: 0 } => f.write_str("the wall clock returned"),
            H::ClockJumped { by_ms } => {
                let secs = by_ms.unsigned_abs() / 1_000;
                let direction = if *by_ms < 0 { "behind" } else { "ahead" };
                write!(f, "the wall clock stepped: it is {secs} s {direction}")
            }
            H::ClockSet { from, to } => write!(f, "clock set: {from} is now {to}"),
            H::Unmonitored { since } => write!(f, "nothing was monitored since {since}"),
            H::ConfigAdopted { digest } => {
                write!(f, "configuration {} in force", digest.get(..12).unwrap_or(digest))
            }
            H::AlertOpened { alert } => {
                write!(f, "{}: {} {} ({})", alert.id, alert.about, alert.fault, alert.evidence)
            }
            H::AlertChanged { alert, fault, evidence, .. } => {
                write!(f, "{alert}: now {fault} ({evidence})")
            }
            H::BaselineLearned { probe, status } => {
                write!(f, "{probe}: learned usual status {status}")
            }
            H::AlertClosed { alert } => write!(f, "{alert}: resolved"),
            H::DelegationLearned { zone, servers } => {
                write!(f, "name servers of {zone}: {}", list(servers))
            }
            H::RegistrationLearned { seen } => {
                write!(f, "registration of {} learned from {}", seen.domain, seen.source)
            }
            H::IncidentOpened { incident, diagnosis, .. } => {
                write!(f, "{incident} opened: {}", Extent(diagnosis))
            }
            H::IncidentDiagnosed { incident, diagnosis } => write!(f, "{incident}: {}", Extent(diagnosis)),
            H::IncidentMerged { incident, into } => write!(f, "{incident} merged into {into}"),
            H::IncidentResolved { incident, summary, .. } => write!(f, "{incident} resolved: {summary}"),
            H::TrafficDenied { denial, .. } => {
                write!(f, "{}: {} denied by {} until {}", denial.id, denial.what, denial.by, denial.until)
            }
            H::DenialLifted { denial, by: Some(by) } => write!(f, "{denial} lifted by {by}"),
            H::DenialLifted { denial, by: None } => write!(f, "{denial} expired"),
            H::TrafficLearned { service, usual_milli } => {
                write!(f, "usual traffic of {service}: {}.{:03}/s", usual_milli / 1_000, usual_milli % 1_000)
            }
            H::IncidentAcknowledged { incident, by, until } => {
                write!(f, "{incident} acknowledged by {by} ({}) until {until}", by.via)
            }
            H::AcknowledgementExpired { incident } => write!(f, "acknowledgement of {incident} expired"),
            H::AcknowledgementWithdrawn { incident, .. } => {
                write!(f, "acknowledgement of {incident} withdrawn: the journal could not be written")
            }
            H::IncidentNoted { incident, by, text } => {
                write!(f, "{incident}, note by {by}: {}", text.escape_debug())
            }
            H::PageOpened { page, incident, escalation } => {
                write!(f, "{page} opened for {incident}, by {escalation}")
            }
            H::PageHeld { page, silence, until } => write!(f, "{page} held by {silence} until {until}"),
            H::PageResumed { page } => write!(f, "{page} goes on: nothing holds it any more"),
            H::PageStep { page, round, step, people, until } => {
                let people = list(people);
                write!(f, "{page}, round {round}, step {step}: {people}; next step at {until}")
            }
            H::PageClosed { page } => write!(f, "{page} closed"),
            H::NoticeQueued { incident, occasion, team: true, .. } => {
                write!(f, "notice `{occasion}` about {incident} for the team")
            }
            H::NoticeQueued { incident, occasion, people, .. } => {
                write!(f, "notice `{occasion}` about {incident} for {}", list(people))
            }
            H::TeamNoticeQueued { occasion, .. } => write!(f, "notice `{occasion}` for the team"),
            H::AttemptEnded { contact, delivery, .. } => match &delivery.result {
                Ok(_) => write!(f, "{} accepted by {}", delivery.key, contact.channel),
                Err(failed) => {
                    write!(f, "{} not delivered by {}: {}", delivery.key, contact.channel, failed.why)
                }
            },
            H::PageEscalated { page, by } => write!(f, "{page} escalated by {by}"),
            H::PhoneUnreached { key, contact, outcome, .. } => write!(f, "{key}: {contact} {outcome}"),
            H::AttemptsAbandoned { key, why } => write!(f, "{key} given up: {why}"),
            H::UpdatePublished { incident, status, title, .. } => {
                write!(f, "status page, {incident}: {} ({title})", status.title())
            }
            H::UpdateDrafted { incident, status, title, .. } => {
                write!(f, "status page, {incident}: {} waits for approval ({title})", status.title())
            }
            H::ServiceStateChanged { service, state } => write!(f, "{service}: {}", state.title()),
            H::ChangeRecorded { change, by } => {
                let end = if change.done.is_some() { ", complete" } else { "" };
                write!(f, "{}{end}, reported by {by}: {}", change.id, change.title.escape_debug())
            }
            H::EffectJudged { of, effect } => write!(f, "{of}: {effect}"),
            H::ValveSet { valve, by } => {
                let ramp = if valve.ramps() { ", opens by itself" } else { "" };
                write!(f, "{}: {valve}{ramp}, set by {by}", valve.service)
            }
            H::ValveMoved { service, percent, why } => write!(f, "{service}: valve {percent} % ({why})"),
            H::CausesRanked { incident, likely } if likely.is_empty() => {
                write!(f, "{incident}: nothing stands out in its measurements")
            }
            H::CausesRanked { incident, likely } => {
                write!(f, "{incident}: its measurements point at {}", list(likely))
            }
            H::LoadTested { test, by } => {
                write!(f, "load test of {} by {by}: ", test.target)?;
                match &test.knee {
                    Some(knee) if knee.is_found() => write!(f, "knee at {}/s", knee.rate_milli / 1_000),
                    Some(knee) => write!(f, "keeps up with {}/s", knee.rate_milli / 1_000),
                    None => f.write_str("no knee found"),
                }
            }
            H::BackupRestored { restore, by } => match &restore.failed {
                None => write!(f, "backup of {} restored by {by}", restore.database),
                Some(why) => {
                    write!(f, "restore of {} by {by} failed: {}", restore.database, why.escape_debug())
                }
            },
            H::HeartbeatDeclared { heartbeat } => write!(f, "heartbeat {heartbeat} is expected from now on"),
            H::HeartbeatRemoved { heartbeat } => {
                write!(f, "heartbeat {heartbeat} is not configured any more")
            }
            H::HeartbeatPinged { heartbeat, ping, .. } => {
                write!(f, "heartbeat {heartbeat} {}", ping.kind)?;
                match &ping.run {
                    Some(run) => write!(f, " (run {})", run.escape_debug()),
                    None => Ok(()),
                }
            }
            H::TestPageAnswered { test } => {
                write!(f, "{} answers the test page over {}", test.person, test.contact)
            }
            H::CriterionChanged { criterion, resource, is_met: true, .. } => {
                write!(f, "{resource} meets {criterion}")
            }
            H::CriterionChanged { criterion, resource, .. } => {
                write!(f, "{resource} does not meet {criterion}")
            }
            H::PrimaryLearned { database, primary } => {
                write!(f, "primary of database {database}: {} (timeline {})", primary.node, primary.timeline)
            }
            H::MaintenanceScheduled { maintenance, by } => {
                let (from, to) = (maintenance.from, maintenance.to);
                let title = maintenance.title.escape_debug();
                write!(f, "{} from {from} to {to} scheduled by {by}: {title}", maintenance.id)
            }
            H::MaintenanceStarted { maintenance } => write!(f, "{maintenance} started"),
            H::MaintenanceOverran { maintenance } => write!(f, "{maintenance} takes longer than planned"),
            H::MaintenanceEnded { maintenance, by: Some(by) } => write!(f, "{maintenance} ended by {by}"),
            H::MaintenanceEnded { maintenance, by: None } => write!(f, "{maintenance} ended"),
            H::SilenceSet { silence, by } => write!(f, "{silence}, set by {by}"),
            H::SilenceExpired { silence, by } => write!(f, "{silence} ended by {by}"),
            H::MaintenanceNoticeQueued { maintenance, occasion, people } => {
                write!(f, "notice `{occasion}` about {maintenance} for {}", list(people))
            }
            H::PoolPeakLearned { pool, serving } => write!(f, "peak of pool {pool}: {serving} servers"),
        }
    }
}

/// Extent of an incident in numbers.
struct Extent<'a>(&'a Diagnosis);

impl fmt::Display for Extent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnosis { cause, summary, alerts, affected, wakes, .. } = self.0;
        let wakes = if *wakes { "" } else { ", no page" };
        let (alerts, affected) = (alerts.len(), affected.len());
        write!(f, "{summary} (cause {cause}, alerts {alerts}, affected {affected}{wakes})")
    }
}

/// The first names of a list, and the number of the others.
fn list<T: fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    const NAMES_MAX: usize = 6;
    match commas_or_more(names, NAMES_MAX) {
        none if none.is_empty() => "nobody".to_owned(),
        names => names,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AlertId, PersonId};

    #[test]
    fn line_is_shortened() {
        let people = (0..9).map(|n| PersonId(format!("p{n}"))).collect();
        let notice = EventKind::NoticeQueued {
            incident: crate::IncidentId(3),
            occasion: "opened".into(),
            people,
            fallback: false,
            team: false,
        };
        let line = "notice `opened` about incident-3 for p0, p1, p2, p3, p4 and 4 more";
        assert_eq!(notice.to_string(), line);
        assert_eq!(EventKind::AlertClosed { alert: AlertId(1) }.to_string(), "alert-1: resolved");
    }
}
