//! Tests: scores, timelines and stories of constructed runs.

use super::*;
use crate::{differences, story, timeline};
use std::collections::BTreeMap;
use types::event::{ServiceState, UpdateStatus};
use types::fault::{DnsFault, DomainFault, Fault, TlsFault};
use types::incident::{Diagnosis, Stage};
use types::notification::{Contact, Delivered, Delivery, Undelivered};
use types::probe_result::DomainSeen;
use types::time::later;
use types::{
    AlertId, ChannelId, EscalationId, IncidentId, NotificationKey, PageId, PersonId, Resource, ServiceId,
    UpdateId,
};

fn script() -> Script {
    Script::parse(include_str!("../../../../../drills/expired-name.drill")).unwrap()
}

fn fault_at() -> Time {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// Events at milliseconds around the fault.
fn events(list: Vec<(i64, EventKind)>) -> Vec<Event> {
    let number = |(index, (ms, kind)): (usize, (i64, EventKind))| {
        let span = Duration::from_millis(ms.unsigned_abs());
        let at = if ms < 0 { types::time::earlier(fault_at(), span) } else { later(fault_at(), span) };
        Event { seq: index as u64 + 1, at, kind }
    };
    list.into_iter().enumerate().map(number).collect()
}

fn alert(id: u64, about: Resource, fault: Fault) -> EventKind {
    EventKind::AlertOpened { alert: testkit::incident::alert(id, about, fault, fault_at()) }
}

fn diagnosis(cause: Resource, stage: Stage, alerts: u64) -> Diagnosis {
    Diagnosis {
        summary: format!(
            "{} expired; its name servers are now the registrar's; {alerts} names fail",
            cause.name
        ),
        alerts: (1..=alerts).map(AlertId).collect(),
        unaffected: testkit::incident::services(&["well"]),
        stage,
        ..testkit::incident::diagnosis(cause, &["auth", "cloud", "management", "tenants"])
    }
}

fn parked() -> std::collections::BTreeSet<String> {
    ["ns1.expired-parking.example", "ns2.expired-parking.example"].map(str::to_owned).into()
}

fn moved() -> Fault {
    let from = ["ns1.dnshost.example", "ns2.dnshost.example"].map(str::to_owned).into();
    Fault::Dns { dns: DnsFault::DelegationMoved { from, to: parked() } }
}

fn attempt(key: &str, result: Result<Delivered, Undelivered>) -> EventKind {
    EventKind::AttemptEnded {
        page: Some(PageId(1)),
        contact: Contact { channel: ChannelId::from("phone"), address: "ana".to_owned() },
        person: Some(PersonId::from("ana")),
        delivery: Delivery { key: NotificationKey(key.to_owned()), result },
    }
}

fn post(id: u64, status: UpdateStatus) -> EventKind {
    EventKind::UpdatePublished {
        update: UpdateId(id),
        incident: IncidentId(1),
        status,
        title: "Sign-in and Workspaces".to_owned(),
        body: "The registration of acme.app has lapsed.".to_owned(),
        affected: BTreeMap::from([(ServiceId::from("auth"), ServiceState::MajorOutage)]),
        by: None,
    }
}

fn learned() -> Vec<(i64, EventKind)> {
    let mut all = vec![(-9_000, EventKind::Booted { unmonitored_since: None })];
    for (ms, domain) in [(-8_000, "acme.app"), (-7_500, "acme.io")] {
        all.push((ms, EventKind::DelegationLearned { zone: domain.to_owned(), servers: parked() }));
        let seen = DomainSeen {
            domain: domain.to_owned(),
            source: "config".to_owned(),
            registry_expires: None,
            registrar_expires: None,
            statuses: Default::default(),
            name_servers: Default::default(),
            registrar: None,
            database_updated: None,
        };
        all.push((ms + 100, EventKind::RegistrationLearned { seen }));
    }
    all
}

/// The page reaches ana with the second attempt, and she acknowledges.
fn answered_page(incident: IncidentId) -> [(i64, EventKind); 5] {
    let page = PageId(1);
    [
        (3_100, EventKind::PageOpened { page, incident, escalation: EscalationId::from("default") }),
        (
            3_100,
            EventKind::PageStep {
                page,
                round: 0,
                step: 0,
                people: vec![PersonId::from("ana")],
                until: later(fault_at(), Duration::from_secs(300)),
            },
        ),
        (
            3_150,
            attempt(
                "page-1/0/0/ana",
                Err(Undelivered { why: "connection refused".to_owned(), retriable: true, retry_after: None }),
            ),
        ),
        (3_400, attempt("page-1/0/0/ana", Ok(Delivered { receipt: None }))),
        (
            7_500,
            EventKind::IncidentAcknowledged {
                incident,
                by: types::Actor::person("ana", types::Via::Link),
                until: later(fault_at(), Duration::from_secs(1_800)),
            },
        ),
    ]
}

fn good_run() -> Vec<Event> {
    let one = IncidentId(1);
    let domain = || Resource::domain("acme.app");
    let expired =
        Fault::Domain { domain: DomainFault::Expired { at: Some(fault_at()), parked_on: Some(parked()) } };
    let wrong = || Fault::Tls {
        tls: TlsFault::WrongName { presented: vec!["*.expired-parking.example".to_owned()] },
    };
    let mut all = learned();
    all.extend([
        (1_900, alert(1, Resource::dns("acme.app"), moved())),
        (2_100, alert(2, domain(), expired)),
        (
            3_100,
            EventKind::IncidentOpened {
                incident: one,
                since: fault_at(),
                diagnosis: diagnosis(domain(), Stage::Failing, 2),
            },
        ),
    ]);
    all.extend(answered_page(one));
    all.extend([
        (15_000, post(1, UpdateStatus::Identified)),
        (20_300, alert(3, Resource::tls("auth.acme.app:8443"), wrong())),
        (20_400, alert(4, Resource::tls("demo.acme.app:8443"), wrong())),
        (
            20_500,
            EventKind::IncidentDiagnosed { incident: one, diagnosis: diagnosis(domain(), Stage::Failing, 4) },
        ),
        (
            25_000,
            EventKind::IncidentDiagnosed {
                incident: one,
                diagnosis: diagnosis(domain(), Stage::Recovering, 2),
            },
        ),
        (48_000, EventKind::AlertClosed { alert: AlertId(3) }),
        (48_100, EventKind::AlertClosed { alert: AlertId(4) }),
        (
            49_000,
            EventKind::IncidentResolved {
                incident: one,
                summary: "acme.app was expired for 49 s; ana answered after 8 s".to_owned(),
                by: None,
            },
        ),
        (49_000, post(2, UpdateStatus::Resolved)),
    ]);
    events(all)
}

#[test]
fn score_of_a_good_run_has_the_documented_json() {
    let observations = Observations {
        asked: Some(later(fault_at(), Duration::from_millis(3_390))),
        answered: None,
        keys: ["page-1/0/0/ana".to_owned()].into(),
        caches_expire_at: Some(later(fault_at(), Duration::from_secs(20))),
        clients: Clients {
            recognized: Served { asked: Some(80), served: Some(60) },
            first: Served::default(),
        },
        ..Observations::default()
    };
    let score = score(&script(), fault_at(), &good_run(), &observations);
    assert_eq!(judge(&score, &script().limits), Vec::<String>::new());
    insta::assert_snapshot!(table(&score, &script().limits).join("\n"), @r#"
    first true alert                         1.9 s   limit 10 s
    right cause                              3.1 s   limit 15 s
    first cached answer expired             20.0 s
    public update                           15.0 s   limit 75 s
    person paged                             3.4 s   limit 20 s
    acknowledged                             7.5 s
    resolved                                49.0 s
    pages                                        1   limit 1
    false alerts                                 0   limit 0
    recognized clients served             60 of 80
    first-time clients served          not counted
    reported outage                            9 h
    "#);
    insta::assert_json_snapshot!(score, @r#"
    {
      "drill": "expired-name",
      "fault_at": "2026-11-22T12:00:00Z",
      "alert_secs": 1.9,
      "cause_secs": 3.1,
      "cause": "domain.acme.app",
      "cause_text": "acme.app expired; its name servers are now the registrar's; 4 names fail",
      "human_secs": 3.39,
      "update_secs": 15.0,
      "pages": 1,
      "false_alerts": 0,
      "clients": {
        "recognized": {
          "asked": 80,
          "served": 60
        },
        "first": {
          "asked": null,
          "served": null
        }
      },
      "reported_in_life": "9 h"
    }
    "#);
}

#[test]
fn every_missed_limit_is_named() {
    let stranger = alert(9, Resource::host("hello.acme.io:8443"), Fault::Refused);
    let early = alert(8, Resource::dns("acme.app"), moved());
    let host = Resource::host("auth.acme.app:8443");
    let run = events(vec![
        (-500, early),
        (11_000, alert(1, host.clone(), Fault::Refused)),
        (12_000, stranger),
        (
            13_000,
            EventKind::IncidentOpened {
                incident: IncidentId(1),
                since: fault_at(),
                diagnosis: diagnosis(host, Stage::Investigating, 1),
            },
        ),
        (21_000, attempt("one", Ok(Delivered { receipt: None }))),
        (21_100, attempt("one", Ok(Delivered { receipt: None }))),
        (22_000, attempt("two", Ok(Delivered { receipt: None }))),
    ]);
    let score = score(&script(), fault_at(), &run, &Observations::default());
    assert_eq!(score.cause.as_deref(), Some("host.auth.acme.app:8443"));
    insta::assert_snapshot!(judge(&score, &script().limits).join("\n"), @r#"
    the first alert took 11.0 s; the limit is 10 s
    the right cause never happened; the limit is 15 s
    paging a person took 21.0 s; the limit is 20 s
    the public update never happened; the limit is 75 s
    2 pages were delivered instead of 1
    2 false alerts; the limit is 0
    "#);
}

#[test]
fn cause_after_expiry_of_caches_is_missed() {
    let observations = Observations {
        caches_expire_at: Some(later(fault_at(), Duration::from_secs(3))),
        ..Observations::default()
    };
    let score = score(&script(), fault_at(), &good_run(), &observations);
    assert_eq!(
        judge(&score, &script().limits),
        ["the right cause took 3.1 s, but the first cached answer expired after 3.0 s"]
    );
}

#[test]
fn milestones_are_reached_in_order() {
    let (script, run) = (script(), good_run());
    for (milestone, ms) in [
        (Milestone::Learned, Some(-7_400)),
        (Milestone::AlertOpen, Some(1_900)),
        (Milestone::IncidentOpen, Some(3_100)),
        (Milestone::CauseFound, Some(3_100)),
        (Milestone::UpdatePublished, Some(15_000)),
        (Milestone::PersonPaged, Some(3_400)),
        (Milestone::Acknowledged, Some(7_500)),
        (Milestone::Recovering, Some(25_000)),
        (Milestone::Resolved, Some(49_000)),
        (Milestone::CachesExpired, None),
    ] {
        let at = reached(&script, milestone, Some(fault_at()), &run);
        assert_eq!(at.map(|at| at.duration_since(fault_at()).as_millis()), ms, "{milestone}");
    }
    let half = &run[..run.len() - 2];
    assert_eq!(reached(&script, Milestone::Resolved, Some(fault_at()), half), None);
}

#[test]
fn timeline_fits_eighty_columns() {
    let lines = timeline(&script(), fault_at(), &good_run());
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
    insta::assert_snapshot!(lines.join("\n"), @r#"
    this run                                             | in life, 2024-01-11
    -----------------------------------------------------+--------------------------
    -   9.0 s  mainstay starts                           |  +0:00  first user report
    +   1.9 s  alert: acme.app is delegated to           |         of 502s
               ns1.expired-parking.example,              |  +0:14  second report
               ns2.expired-parking.example instead of    |  +0:22  people begin to
               ns1.dnshost.example, ns2.dnshost.example  |         look; phone calls
    +   2.1 s  alert: acme.app expired at                |         fail to wake
               2026-11-22T12:00:00Z                      |         colleagues
    +   3.1 s  incident-1: acme.app expired; its name    |  +8:26  error seen:
               servers are now the registrar's; 2 names  |         ERR_TLS_CERT_ALTN
               fail                                      |         AME_INVALID
    +   3.1 s  step 1: pages ana                         |  +9:08  DNS cache purged:
    +   3.1 s  ana: phone failed: connection refused     |         no effect
    +   3.4 s  ana is paged over phone                   |  +9:10  certificates
    +   7.5 s  ana acknowledges (link)                   |         issued again: no
    +  15.0 s  update: Identified - Sign-in and          |         effect
               Workspaces: The registration of acme.app  |  +9:17  cause found: the
               has lapsed.                               |         domain has
    +  20.3 s  alert: auth.acme.app:8443 serves a        |         expired
               certificate for *.expired-parking.example |  +9:21  renewed
               (ERR_TLS_CERT_ALTNAME_INVALID) (and 1     |
               more)                                     |
    +  25.0 s  incident-1: the cause is fixed, its       |
               effects recover                           |
    +  48.0 s  auth.acme.app:8443 has recovered (and 1   |
               more)                                     |
    +  49.0 s  incident-1 is resolved: acme.app was      |
               expired for 49 s; ana answered after 8 s  |
    +  49.0 s  update: Resolved - Sign-in and            |
               Workspaces: The registration of acme.app  |
               has lapsed.                               |
    "#);
}

#[test]
fn good_run_matches_the_golden_story() {
    let golden = include_str!("../../../../../drills/expired-name.story");
    let text = story(&good_run());
    assert_eq!(differences(golden, &text), Vec::<String>::new(), "{text}");
}

#[test]
fn missing_unexpected_and_late_lines_are_differences() {
    let golden = "# a comment\na\n? m* # by chance\n\nb\nc # why\n\nd\n";
    for (text, expected) in [
        ("a\nb\nc\nd\n", vec![]),
        ("a\nc\nb\nd\n", vec![]),
        ("a\nc\nb\nmx\nd\n", vec![]),
        ("b\na\nc\nd\n", vec!["too late: a (after: b)"]),
        ("a\nb\nd\n", vec!["never happened: c"]),
        ("a\nb\nc\nx\nd\n", vec!["unexpected: x"]),
    ] {
        assert_eq!(differences(golden, text), expected, "{text:?}");
    }
}
