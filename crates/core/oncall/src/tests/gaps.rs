//! Gaps of an escalation.

use super::fixture::{at, config, escalation, schedule, service, step};
use crate::gaps;
use types::config::{Override, OverrideChange, TimeOff};

#[test]
fn gaps_are_listed_with_reason() {
    let from = at("2026-11-16T00:00:00Z");
    let to = at("2027-11-16T00:00:00Z");
    assert_eq!(gaps(&config(), from, to), [], "Bo and Cy are named on steps");
    let mut sparse = config();
    escalation(&mut sparse).steps = vec![step(&["platform"], &["dumb"], 300)];
    sparse.schedules.insert(
        "platform".into(),
        schedule("platform", &["ana", "dumb"], "2026-11-16T09:00", Some("2026-12-10T09:00")),
    );
    sparse.schedules.insert("auth".into(), schedule("auth", &["cy"], "2026-01-05T09:00", None));
    sparse.services.insert("auth".into(), service("auth", "Sign-in", Some("auth"), "default"));
    let notices: Vec<String> = gaps(&sparse, from, to)
        .iter()
        .map(|gap| {
            let service = gap.service.as_ref().map_or("any", |service| &service.0);
            format!("{} {service} {} {} {}", gap.escalation, gap.from, gap.to, gap.why)
        })
        .collect();
    let why = "no reachable person is on call in platform, and no usable contact for dumb";
    assert_eq!(
        notices,
        [
            format!("default any 2026-11-16T00:00:00Z 2026-11-16T09:00:00Z {why}"),
            format!("default any 2026-11-23T09:00:00Z 2026-11-30T09:00:00Z {why}"),
            format!("default any 2026-12-07T09:00:00Z 2027-11-16T00:00:00Z {why}"),
        ],
        "the weeks of `dumb` count as empty; Sign-in has its own schedule"
    );
    sparse.people.clear();
    assert_eq!(gaps(&sparse, from, to).len(), 2, "no people: one gap each");
    assert!(gaps(&sparse, to, from).is_empty(), "empty period: no gap");
}

#[test]
fn time_off_and_overrides_leave_gaps() {
    let mut config = config();
    escalation(&mut config).steps = vec![step(&["platform"], &[], 300)];
    let mut platform = schedule("platform", &["ana"], "2026-11-16T09:00", None);
    let away = TimeOff { from: at("2026-12-20T00:00:00Z"), to: at("2026-12-27T00:00:00Z") };
    platform.away = std::collections::BTreeMap::from([("ana".into(), vec![away])]).into();
    let change = OverrideChange::Replace([("ana".into(), "bo".into())].into());
    platform.overrides =
        vec![Override { from: at("2026-12-21T00:00:00Z"), to: at("2026-12-24T00:00:00Z"), change }];
    config.schedules.insert("platform".into(), platform);
    let gaps = gaps(&config, at("2026-12-01T00:00:00Z"), at("2027-12-01T00:00:00Z"));
    let periods: Vec<String> = gaps.iter().map(|gap| format!("{} {}", gap.from, gap.to)).collect();
    assert_eq!(
        periods,
        ["2026-12-20T00:00:00Z 2026-12-21T00:00:00Z", "2026-12-24T00:00:00Z 2026-12-27T00:00:00Z"]
    );
}
