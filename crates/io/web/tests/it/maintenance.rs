//! The page of maintenances in the console, and its forms.

use crate::fixture::{Fixture, header};
use crate::sign_in::{form_token, signed_in};
use crate::{fixed_time, views};
use engine::views::Views;
use std::collections::BTreeSet;
use types::{Actor, Maintenance, MaintenanceId, ScheduledMaintenance, Via};

/// One that goes on, and one that has not started. A title tries to be markup.
fn planned() -> Views {
    let mut views = views::outage();
    let at = fixed_time::at(fixed_time::NOW);
    let one = |id: u64, title: &str, hours: i64, started: bool| ScheduledMaintenance {
        planned: Maintenance {
            id: MaintenanceId(id),
            title: title.to_owned(),
            text: None,
            services: BTreeSet::from(["auth".into()]),
            resources: BTreeSet::new(),
            from: at + jiff::SignedDuration::from_hours(hours),
            to: at + jiff::SignedDuration::from_hours(hours + 2),
            section: None,
        },
        by: Actor::person("ana", Via::CommandLine),
        added: at,
        changed: at,
        revision: 0,
        started: started.then_some(at),
        overran: None,
        ended: None,
    };
    views.now.maintenances = vec![one(3, "Move </li><script>racks", 5, false), one(2, "Upgrade", 0, true)];
    views
}

async fn page(fixture: &Fixture, cookie: &str) -> String {
    let asked = fixture.get("/console/maintenance").header("cookie", cookie);
    asked.send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn console_lists_maintenances_with_their_buttons() {
    let fixture = Fixture::with(Some(planned()), |_| Some(Ok(()))).await;
    let answer = fixture.get("/console/maintenance").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/console/login"));
    let cookie = signed_in(&fixture).await;
    let page = page(&fixture, &cookie).await;
    assert!(page.contains("Move &#60;/li&#62;&#60;script&#62;racks") && !page.contains("<script>racks"));
    let (first, second) =
        (page.find("maintenance-2</span> in progress"), page.find("maintenance-3</span> scheduled"));
    assert!(first.is_some() && first < second, "by their start: {page}");
    assert!(page.contains("End<span") && page.contains("Cancel<span"), "{page}");
    assert!(page.contains("name=\"service\" value=\"auth\"") && !page.contains("style=\""), "{page}");
}

#[tokio::test]
async fn console_changes_maintenances_only_with_a_form_token() {
    let fixture = Fixture::with(Some(planned()), |_| Some(Ok(()))).await;
    let cookie = signed_in(&fixture).await;
    let form = form_token(&page(&fixture, &cookie).await);
    let post = |path: &str, fields: &[(&str, &str)]| {
        fixture.post(&format!("/console/maintenance/{path}")).header("cookie", &cookie).form(fields).send()
    };
    let new = |form: &'static str| {
        [("form", form), ("title", "Upgrade"), ("service", "auth"), ("for_seconds", "3600")]
    };
    let form: &'static str = form.leak();
    for (path, fields, status) in [
        ("add", &new("x")[..], 403),
        ("add", &new(form)[1..], 403),
        ("add", &[("form", form), ("title", " "), ("service", "auth"), ("for_seconds", "3600")], 422),
        ("add", &[("form", form), ("title", "X"), ("service", "auth"), ("for_seconds", "soon")], 422),
        ("add", &[("form", form), ("title", "X"), ("resource", "racks"), ("for_seconds", "60")], 422),
        (
            "add",
            &[
                ("form", form),
                ("title", "X"),
                ("service", "auth"),
                ("for_seconds", "60"),
                ("from", "evening"),
            ],
            422,
        ),
        ("2/extend", &[("form", "x"), ("for_seconds", "1800")], 403),
        ("2/end", &[("form", "x")], 403),
        ("two/end", &[("form", form)], 404),
    ] {
        assert_eq!(post(path, fields).await.unwrap().status(), status, "{path} {fields:?}");
    }
    let unknown = fixture.post("/console/maintenance/add").form(&new(form)).send().await.unwrap();
    assert_eq!(unknown.status(), 403, "without a session");
    assert!(fixture.received().is_empty());
    let all = [
        ("form", form),
        ("title", "Upgrade\r\nof racks"),
        ("from", "2027-03-28T03:30"),
        ("for_seconds", "7200"),
        ("service", "auth"),
        ("service", "search"),
        ("resource", "database.main"),
        ("text", "Sign-in may fail."),
    ];
    for (path, fields) in [
        ("add", &new(form)[..]),
        ("add", &all),
        ("2/extend", &[("form", form), ("for_seconds", "1800")]),
        ("maintenance-3/end", &[("form", form)]),
    ] {
        let answer = post(path, fields).await.unwrap();
        let found = (answer.status().as_u16(), header(&answer, "location"));
        assert_eq!(found, (303, "/console/maintenance#maintenances"), "{path}");
    }
    insta::assert_snapshot!(fixture.received().join("\n"), @r#"
    Ana, Person, console: AddMaintenance { maintenance: NewMaintenance { title: "Upgrade", text: None, services: {ServiceId("auth")}, resources: {}, from: None, lasting: 3600s } }
    Ana, Person, console: AddMaintenance { maintenance: NewMaintenance { title: "Upgrade of racks", text: Some("Sign-in may fail."), services: {ServiceId("auth"), ServiceId("search")}, resources: {Resource { kind: Database, name: "main" }}, from: Some(2027-03-28T03:30:00Z), lasting: 7200s } }
    Ana, Person, console: ExtendMaintenance { maintenance: MaintenanceId(2), by: 1800s }
    Ana, Person, console: EndMaintenance { maintenance: MaintenanceId(3) }
    "#);
}
