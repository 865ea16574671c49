//! A small declared world for tests, and the loop that the engine turns.

use crate::{Board, Facts, Tell};
use jiff::tz::TimeZone;
use types::event::{Event, PostStatus};
use types::fault::Fault;
use types::incident::{Acknowledgement, Diagnosis, Stage};
use types::plan::{Board as PlannedBoard, Dns, Ladder, Plan, Registry, Service, Site};
use types::time::later;
use types::{
    Finding, FindingId, Graph, Happened, Incident, IncidentId, LadderId, Looked, Thing, Time, Weight,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) fn at(text: &str) -> Time {
    text.parse().unwrap()
}

fn service(name: &str, title: &str, hosts: &[&str], public: bool) -> Service {
    Service {
        id: name.into(),
        title: title.to_owned(),
        group: (name != "auth").then(|| "Rest".to_owned()),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        declared_hosts: Vec::new(),
        needs: BTreeSet::new(),
        rota: None,
        ladder: "default".into(),
        public,
        guard: None,
    }
}

/// Sign-in on two hosts, an API and a shop on one each, and something inside that visitors do not know.
pub(crate) fn plan() -> Plan {
    let services = [
        service("api", "API", &["api.acme.com"], true),
        service("auth", "Sign-in", &["auth.acme.com", "demo.acme.app"], true),
        service("inner", "Inner queue", &["queue.acme.com"], false),
        service("shop", "Shop", &["shop.acme.net"], true),
    ];
    let mut graph = Graph::default();
    for service in &services {
        for host in &service.hosts {
            graph.add_need(Thing::service(&service.id.0), Thing::host(host));
        }
    }
    let ladder = Ladder { id: "default".into(), rungs: Vec::new(), repeat: 0, last_resort: Vec::new() };
    Plan {
        digest: String::new(),
        site: Site {
            name: "Acme".to_owned(),
            zone: TimeZone::get("Europe/Tallinn").unwrap(),
            data: "data".into(),
            listen: "127.0.0.1:0".parse().unwrap(),
            url: "https://status.acme.net".to_owned(),
            trust: Vec::new(),
            inner: Vec::new(),
        },
        dns: Dns { resolvers: Vec::new(), roots: Vec::new(), port: 53 },
        registry: Registry::default(),
        services: services.into_iter().map(|service| (service.id.clone(), service)).collect(),
        probes: BTreeMap::new(),
        domains: BTreeMap::new(),
        people: BTreeMap::new(),
        rotas: BTreeMap::new(),
        ladders: BTreeMap::from([(LadderId::from("default"), ladder)]),
        channels: BTreeMap::new(),
        edge: None,
        pools: Default::default(),
        callers: Default::default(),
        board: PlannedBoard { title: "Acme status".to_owned(), history_days: 90, ..PlannedBoard::default() },
        graph,
    }
}

/// The part of the engine that tell stands in.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) tell: Tell,
    pub(crate) now: Time,
    pub(crate) journal: Vec<Event>,
    pub(crate) incidents: BTreeMap<IncidentId, Incident>,
    pub(crate) findings: BTreeMap<FindingId, Finding>,
    pub(crate) looked: BTreeMap<Thing, Looked>,
    pub(crate) blind: bool,
}

impl World {
    pub(crate) fn new(now: &str) -> Self {
        Self {
            plan: plan(),
            tell: Tell::default(),
            now: at(now),
            journal: Vec::new(),
            incidents: BTreeMap::new(),
            findings: BTreeMap::new(),
            looked: BTreeMap::new(),
            blind: false,
        }
    }

    pub(crate) fn ask<T>(&mut self, question: impl FnOnce(&mut Tell, &Plan, Time, &Facts<'_>) -> T) -> T {
        let looked = |thing: &Thing| self.looked.get(thing).copied();
        let facts = Facts {
            incidents: &self.incidents,
            findings: &self.findings,
            looked: &looked,
            blind: self.blind,
        };
        question(&mut self.tell, &self.plan, self.now, &facts)
    }

    pub(crate) fn board(&mut self) -> Board {
        self.ask(|tell, plan, now, facts| tell.board(plan, now, facts))
    }

    pub(crate) fn commit(&mut self, happened: Vec<Happened>) {
        for happened in happened {
            let event = Event { seq: self.journal.len() as u64 + 1, at: self.now, happened };
            self.fold(&event);
            self.tell.apply(&event);
            self.journal.push(event);
        }
    }

    /// Reacts until nothing more follows.
    pub(crate) fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 10, "never comes to rest");
            let happened = self.ask(|tell, plan, now, facts| tell.react(plan, now, facts));
            if happened.is_empty() {
                break;
            }
            self.commit(happened);
        }
        let next = self.ask(|tell, plan, now, facts| tell.next(plan, now, facts));
        assert!(next.is_none_or(|next| next > self.now), "asks for a time that has come: {next:?}");
    }

    /// Time goes by; tell is asked whenever it wanted to be.
    pub(crate) fn pass(&mut self, secs: u64) {
        let end = later(self.now, Duration::from_secs(secs));
        loop {
            let next = self.ask(|tell, plan, now, facts| tell.next(plan, now, facts)).unwrap_or(end);
            self.now = next.min(end);
            self.settle();
            if self.now == end {
                return;
            }
        }
    }

    pub(crate) fn look(&mut self, host: &str, well: bool) {
        self.looked.insert(Thing::host(host), Looked { at: self.now, well });
    }

    pub(crate) fn look_everywhere(&mut self) {
        let hosts: Vec<String> =
            self.plan.services.values().flat_map(|service| service.hosts.clone()).collect();
        hosts.iter().for_each(|host| self.look(host, true));
    }

    pub(crate) fn find(&mut self, id: u64, about: Thing, fault: Fault, weight: Weight) {
        let finding = Finding {
            id: FindingId(id),
            about,
            fault,
            weight,
            probe: "probe".into(),
            since: self.now,
            evidence: String::new(),
            seen_at: types::SeenAt::default(),
        };
        self.commit(vec![Happened::FindingOpened { finding }]);
    }

    pub(crate) fn close(&mut self, id: u64) {
        self.commit(vec![Happened::FindingClosed { finding: FindingId(id) }]);
    }

    /// Opens an incident of every open finding, where the diagnosis names none.
    pub(crate) fn open(&mut self, id: u64, mut diagnosis: Diagnosis) {
        self.fill(&mut diagnosis);
        self.commit(vec![Happened::IncidentOpened { incident: IncidentId(id), since: self.now, diagnosis }]);
    }

    fn fill(&self, diagnosis: &mut Diagnosis) {
        if diagnosis.findings.is_empty() {
            diagnosis.findings = self.findings.keys().copied().collect();
        }
    }

    pub(crate) fn acknowledge(&mut self, id: u64) {
        self.commit(vec![Happened::IncidentAcknowledged {
            incident: IncidentId(id),
            by: "ana".to_owned(),
            via: "link".to_owned(),
            until: later(self.now, Duration::from_secs(1_800)),
        }]);
    }

    pub(crate) fn diagnose(&mut self, id: u64, mut diagnosis: Diagnosis) {
        self.fill(&mut diagnosis);
        self.commit(vec![Happened::IncidentDiagnosed { incident: IncidentId(id), diagnosis }]);
    }

    pub(crate) fn resolve(&mut self, id: u64) {
        self.commit(vec![Happened::IncidentResolved {
            incident: IncidentId(id),
            sentence: "over".to_owned(),
        }]);
    }

    pub(crate) fn say(&mut self, id: u64, status: PostStatus, body: &str) {
        let incident = self.incidents[&IncidentId(id)].clone();
        let by = Some("Ana".to_owned());
        let post = self
            .ask(|tell, plan, _, facts| tell.drafted(plan, facts, &incident, status, body.to_owned(), by));
        self.commit(vec![post]);
    }

    /// kill -9 and a start: everything but the journal is lost.
    pub(crate) fn crash(&mut self) {
        let live = self.tell.known_text();
        self.tell = Tell::default();
        for event in &self.journal {
            self.tell.apply(event);
        }
        assert_eq!(self.tell.known_text(), live);
        self.looked.clear();
    }

    fn fold(&mut self, event: &Event) {
        match &event.happened {
            Happened::FindingOpened { finding } => {
                self.findings.insert(finding.id, finding.clone());
            }
            Happened::FindingClosed { finding } => {
                self.findings.remove(finding);
            }
            Happened::IncidentOpened { incident, since, diagnosis } => {
                let incident = Incident {
                    id: *incident,
                    since: *since,
                    opened: event.at,
                    diagnosis: diagnosis.clone(),
                    acknowledged: None,
                    notes: Vec::new(),
                    resolved: None,
                    merged_into: None,
                };
                self.incidents.insert(incident.id, incident);
            }
            Happened::IncidentDiagnosed { incident, diagnosis } => {
                self.incidents.get_mut(incident).unwrap().diagnosis = diagnosis.clone();
            }
            Happened::IncidentAcknowledged { incident, by, until, .. } => {
                self.incidents.get_mut(incident).unwrap().acknowledged =
                    Some(Acknowledgement { by: by.clone(), at: event.at, until: *until });
            }
            Happened::IncidentResolved { incident, .. } => {
                self.incidents.get_mut(incident).unwrap().resolved = Some(event.at);
            }
            Happened::IncidentMerged { incident, into } => {
                self.incidents.get_mut(incident).unwrap().merged_into = Some(*into);
            }
            _ => {}
        }
    }

    /// The journal's lines of this crate.
    pub(crate) fn story(&self) -> String {
        let mut lines = String::new();
        for event in &self.journal {
            let clock = event.at.strftime("%H:%M:%S");
            match &event.happened {
                Happened::ServiceStateChanged { service, state } => {
                    lines += &format!("{clock} {service}: {}\n", state.title());
                }
                Happened::PostDrafted { incident, status, body, .. } => {
                    lines += &format!("{clock} {incident} draft: {}: {body}\n", status.title());
                }
                Happened::PostPublished { incident, status, title, body, affected, by, .. } => {
                    let affected: Vec<String> = affected
                        .iter()
                        .map(|(service, state)| format!("{service} {}", state.title()))
                        .collect();
                    let by = by.as_deref().unwrap_or("mainstay");
                    lines += &format!(
                        "{clock} {incident} {} by {by} [{}]\n    {title}\n    {body}\n",
                        status.title(),
                        affected.join(", ")
                    );
                }
                _ => {}
            }
        }
        lines
    }
}

pub(crate) fn diagnosis(
    cause: Thing,
    affected: &[&str],
    unaffected: &[&str],
    wakes: bool,
    stage: Stage,
) -> Diagnosis {
    let things = |names: &[&str]| names.iter().map(|name| Thing::service(*name)).collect();
    Diagnosis {
        cause,
        sentence: "secret-host-17.inner.acme.com is broken".to_owned(),
        findings: BTreeSet::new(),
        affected: things(affected),
        unaffected: things(unaffected),
        wakes,
        stage,
        ahead: None,
        calm: false,
    }
}
