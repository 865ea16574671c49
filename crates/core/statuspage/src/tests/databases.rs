//! A database that is the cause: public is what endpoints show, and neither statements nor hosts.

use super::state;
use crate::fixture::{Fixture, diagnosis};
use types::event::ServiceState;
use types::fault::{DatabaseFault, Fault};
use types::incident::Stage;
use types::{Resource, Severity};

fn blocked() -> Fault {
    let head = "pid 4711 (billing, active for 3 min): `update orders set paid = ?`".to_owned();
    let longest = std::time::Duration::from_secs(14);
    let database =
        DatabaseFault::Blocked { node: "db1.acme.net:5432".to_owned(), victims: 12, longest, head };
    Fault::Database { database }
}

#[test]
fn database_is_named_once_endpoints_fail_and_its_statement_never() {
    let mut fixture = Fixture::new("2026-11-22T15:28:00Z");
    fixture.succeed_everywhere();
    fixture.react();
    let main = || Resource::database("main");
    let affects = || diagnosis(main(), &["auth"], &["api", "shop", "inner"], true, Stage::Failing);
    fixture.fire(1, main(), blocked(), Severity::Critical);
    fixture.open(1, affects());
    fixture.react();
    fixture.advance(600);
    assert_eq!(state(&fixture, "auth"), ServiceState::Operational, "{}", fixture.transcript());
    assert!(!fixture.transcript().contains("failing"), "{}", fixture.transcript());

    fixture.fire(2, Resource::host("auth.acme.com"), Fault::Refused, Severity::Critical);
    fixture.diagnose(1, affects());
    fixture.react();
    fixture.advance(120);
    let public = fixture.transcript();
    assert!(public.contains("The cause is a problem with a database."), "{public}");
    for internal in ["database main", "db1", "update orders", "billing"] {
        assert!(!public.contains(internal), "{internal}: {public}");
    }
}
