//! Commands of people and programs: what is checked, and the events of each.

use crate::Engine;
use crate::valves::Position;
use std::time::Duration;
use types::event::{EventKind, Events};
use types::external::{AlertReport, ReportState};
use types::input::Refused;
use types::time::later;
use types::{
    Actor, AlertId, Command, Denial, Incident, IncidentId, PageId, PageTest, PersonId, PhoneMessage,
    PhoneOutcome, Ping, Time,
};

/// Duration of an acknowledgement without a note (P8).
pub const ACKNOWLEDGED_FOR: Duration = Duration::from_secs(30 * 60);

impl Engine {
    /// Events of a command. Nothing changes here: the events do when they are applied.
    pub(crate) fn command(&self, now: Time, actor: &Actor, command: &Command) -> Result<Events, Refused> {
        let by = actor.clone();
        Ok(vec![match command {
            Command::Acknowledge { incident } => return self.acknowledge(now, actor, *incident),
            Command::Escalate { incident } => return self.escalate(now, actor, *incident),
            Command::ReportPhone { message, outcome } => return Ok(self.unreached(message, *outcome)),
            Command::Note { incident, text } => {
                self.incident(*incident)?;
                EventKind::IncidentNoted { incident: *incident, by, text: text.clone() }
            }
            Command::RecordChange { change } => {
                return Ok(self.changes.decide(&self.config, now, change, by)?.into_iter().collect());
            }
            Command::RecordLoadTest { test } => {
                return Ok(self.acceptance.decide_load_test(now, test, by)?.into_iter().collect());
            }
            Command::RecordRestore { restore } => {
                if !self.config.databases.contains_key(&restore.database) {
                    return Err(Refused::UnknownDatabase(restore.database.clone()));
                }
                EventKind::BackupRestored { restore: restore.clone(), by }
            }
            Command::RecordPing { heartbeat, ping } => self.ping(heartbeat, ping, by)?,
            Command::ReportAlerts { source, reports } => {
                return self.report_alerts(now, actor, source, reports);
            }
            Command::AnswerTestPage { test } => return self.answer_test(test),
            Command::Deny { what, service, lasting, everybody } => {
                self.denials.check(&self.config, what, service.as_ref(), *everybody)?;
                let (what, service, by_name) = (what.clone(), service.clone(), actor.id.clone());
                let (id, until) = (self.denials.next_id(), later(now, *lasting));
                EventKind::TrafficDenied {
                    denial: Denial { id, what, service, from: now, until, by: by_name },
                    by,
                }
            }
            Command::Lift { denial } => {
                if !self.denials.in_force().contains_key(denial) {
                    return Err(Refused::NoSuchDenial(*denial));
                }
                EventKind::DenialLifted { denial: *denial, by: Some(by) }
            }
            Command::AddMaintenance { maintenance } => {
                self.maintenances.add(&self.config, now, maintenance, by)?
            }
            Command::ExtendMaintenance { maintenance, by: longer } => {
                self.maintenances.extend(now, *maintenance, *longer, by)?
            }
            Command::SetSilence { silence } => return self.silences.set(&self.config, now, silence, actor),
            Command::ExpireSilence { source, silence } => {
                self.silences.expire(now, source.as_deref(), *silence, by)?
            }
            Command::EndMaintenance { maintenance } => self.maintenances.end(*maintenance, by)?,
            Command::Valve { service, percent, limited, ramp } => {
                let wanted = Position { percent: *percent, limited: *limited, ramp: *ramp };
                return self.valves.set(&self.config, now, actor, service, wanted);
            }
            Command::Update { incident, status, body } => {
                let incident = self.incident(*incident)?;
                self.publisher.written(&self.context(), incident, *status, body.clone(), by)
            }
            Command::Approve { incident } => {
                self.incident(*incident)?;
                self.publisher.approved(*incident, by).ok_or(Refused::NoDraft(*incident))?
            }
            Command::Resolve { incident, force } => self.resolve(actor, *incident, *force)?,
        }])
    }

    /// Answering a test again changes nothing.
    fn answer_test(&self, test: &PageTest) -> Result<Events, Refused> {
        if !self.config.people.contains_key(&test.person) {
            return Err(Refused::UnknownPerson(test.person.clone()));
        }
        let is_answered = self.acceptance.is_answered(test);
        Ok(if is_answered { Vec::new() } else { vec![EventKind::TestPageAnswered { test: test.clone() }] })
    }

    fn ping(&self, heartbeat: &str, ping: &Ping, by: Actor) -> Result<EventKind, Refused> {
        let heartbeat = heartbeat.to_owned();
        if !self.config.heartbeats.contains_key(&heartbeat) {
            return Err(Refused::UnknownHeartbeat(heartbeat));
        }
        Ok(EventKind::HeartbeatPinged { heartbeat, ping: ping.clone(), by })
    }

    /// Alerts of another system. One that a person works on there is acknowledged here too.
    fn report_alerts(
        &self,
        now: Time,
        by: &Actor,
        source: &str,
        reports: &[AlertReport],
    ) -> Result<Events, Refused> {
        let mut events = self.detect.reported(&self.config, now, source, reports)?;
        let acknowledged = reports.iter().filter(|report| report.state == ReportState::Acknowledged);
        let alerts: Vec<AlertId> =
            acknowledged.filter_map(|report| self.detect.external_alert(source, &report.key)).collect();
        let has = |incident: &&Incident| alerts.iter().any(|alert| incident.diagnosis.alerts.contains(alert));
        for incident in self.diagnose.incidents().values().filter(|it| it.is_open()).filter(has) {
            events.extend(self.acknowledge(now, by, incident.id)?);
        }
        Ok(events)
    }

    /// An incident with something that still fails is resolved only by force.
    fn resolve(&self, actor: &Actor, incident: IncidentId, force: bool) -> Result<EventKind, Refused> {
        let open = self.open(incident)?;
        if let Some(what) = self.diagnose.still_failing(open).filter(|_| !force) {
            return Err(Refused::StillFailing { incident, what });
        }
        let summary = format!("closed by {actor}");
        Ok(EventKind::IncidentResolved { incident, summary, by: Some(actor.clone()) })
    }

    /// Acknowledging twice changes nothing; a second person takes over (P8). For a merged incident the remaining one is
    /// acknowledged. Acknowledging an ended incident is no error and changes nothing.
    fn acknowledge(&self, now: Time, actor: &Actor, id: IncidentId) -> Result<Events, Refused> {
        let incident = self.survivor(self.incident(id)?);
        let id = incident.id;
        if !incident.is_open() {
            return Ok(Vec::new());
        }
        let holds = incident.acknowledged.as_ref().is_some_and(|ack| ack.by == actor.id);
        if holds && incident.is_acknowledged(now) {
            return Ok(Vec::new());
        }
        Ok(vec![EventKind::IncidentAcknowledged {
            incident: id,
            by: actor.clone(),
            until: later(now, ACKNOWLEDGED_FOR),
        }])
    }

    /// Escalating what has ended or is acknowledged is no error and changes nothing: nobody is paged for it.
    fn escalate(&self, now: Time, actor: &Actor, id: IncidentId) -> Result<Events, Refused> {
        let incident = self.survivor(self.incident(id)?);
        let is_waiting = incident.is_open() && !incident.is_acknowledged(now);
        let page = self.oncall.pages().values().find(|page| page.incident == incident.id && page.is_open());
        let page = page.filter(|_| is_waiting);
        let escalated = |page: &oncall::Page| EventKind::PageEscalated { page: page.id, by: actor.clone() };
        Ok(page.map(escalated).into_iter().collect())
    }

    /// The report that a call or SMS about an open page reached nobody; nothing for every other report.
    fn unreached(&self, message: &PhoneMessage, outcome: PhoneOutcome) -> Events {
        let page = message.key.0.split('/').next().and_then(|page| page.parse::<PageId>().ok());
        let Some(page) = page.filter(|_| outcome.is_failure()) else { return Events::new() };
        let is_open = self.oncall.pages().get(&page).is_some_and(oncall::Page::is_open);
        if !is_open {
            return Events::new();
        }
        let person = PersonId(message.person.clone());
        vec![EventKind::PhoneUnreached {
            page,
            contact: message.contact.clone(),
            person: self.config.people.contains_key(&person).then_some(person),
            key: message.key.clone(),
            outcome,
        }]
    }

    /// The incident itself, or the one that it was merged into.
    fn survivor<'a>(&'a self, mut incident: &'a Incident) -> &'a Incident {
        let incidents = self.diagnose.incidents();
        // At most as many steps as incidents, so that a cycle of merges would end.
        for _ in 0..incidents.len() {
            match incident.merged_into.and_then(|into| incidents.get(&into)) {
                Some(into) => incident = into,
                None => break,
            }
        }
        incident
    }

    fn incident(&self, id: IncidentId) -> Result<&Incident, Refused> {
        self.diagnose.incidents().get(&id).ok_or(Refused::NoSuchIncident(id))
    }

    fn open(&self, id: IncidentId) -> Result<&Incident, Refused> {
        let incident = self.incident(id)?;
        match (incident.merged_into, incident.resolved) {
            (Some(into), _) => Err(Refused::Merged(id, into)),
            (None, Some(_)) => Err(Refused::Over(id)),
            (None, None) => Ok(incident),
        }
    }
}
