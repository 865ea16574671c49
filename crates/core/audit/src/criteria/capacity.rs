//! Capacity of public services: what they were seen to be capable of.

use super::public;
use crate::Audited;
use crate::definition::Definition;
use crate::found::Found;
use std::time::Duration;
use types::Resource;
use types::audit::{Criterion, Level};
use types::config::{LoadTarget, Service};
use types::time::{between, spoken};

/// Age of a load test from which on it says little about a service that changes.
const TEST_AGE_MAX: Duration = Duration::from_secs(90 * 86_400);

pub(crate) const CRITERIA: &[Definition] = &[Definition {
    criterion: Criterion::LoadTested,
    level: Level::Should,
    title: "A public service was load tested in the last 90 days",
    why: "On 2024-02-26 sign-in did not recover from a surge for hours. Load tests at reasonable traffic had never shown it: no test had gone to \
          the rate at which the service no longer keeps up.",
    how: "From the configuration: a `[load.NAME]` whose `service` it is. From the journal: a load test of that target within 90 days which \
          found the knee, or kept up with the highest allowed rate.",
    remedy: "Declare a copy of the service as `[load.NAME]`, and run `mainstay load NAME`: docs/guides/load-tests.md.",
    check: load_tested,
}];

fn load_tested(audited: &Audited<'_>, found: &mut Found) {
    for service in public(audited.config) {
        let resource = Resource::service(&service.id.0);
        let targets: Vec<&LoadTarget> = targets(audited, service).collect();
        let Some(first) = targets.first() else {
            let remedy = format!(
                "[load.{}-staging] target = \"https://staging.example/\", service = \"{}\", allow = {{ rate = \"500/s\" }}",
                service.id, service.id
            );
            found.fail(resource, "no target of load tests is declared for it", remedy);
            continue;
        };
        if audited.evidence.is_empty() {
            found.unknown(resource, "load tests are in the journal of a running mainstay");
            continue;
        }
        let tests = targets.iter().filter_map(|target| audited.evidence.load_tests.get(&target.name));
        let last = tests.max_by_key(|test| (test.is_conclusive(), test.at));
        let evidence = match last {
            None => "no load test of it is stored".to_owned(),
            Some(test) if !test.is_conclusive() => format!("the load test of {} found no knee", test.target),
            Some(test) if between(test.at, audited.now) > TEST_AGE_MAX => {
                format!("its last load test was {} ago", spoken(between(test.at, audited.now)))
            }
            Some(_) => continue,
        };
        found.fail(resource, evidence, format!("mainstay load {}", first.name));
    }
}

fn targets<'a>(audited: &Audited<'a>, service: &'a Service) -> impl Iterator<Item = &'a LoadTarget> {
    audited.config.loads.values().filter(|target| target.service.as_ref() == Some(&service.id))
}
