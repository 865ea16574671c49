//! Tests of schedules.

mod agreement;
mod clock_changes;
mod layers;
mod overrides;
mod restrictions;

use super::*;
use jiff::tz::TimeZone;
use types::config::{Layer, Rotation};

/// A layer without restrictions.
fn layer(people: &[&str], start: &str, rotation: Rotation, until: Option<&str>) -> Layer {
    Layer {
        people: people.iter().map(|name| vec![PersonId::from(*name)]).collect(),
        start: start.parse().unwrap(),
        rotation,
        restrictions: Vec::new(),
        until: until.map(|until| until.parse().unwrap()),
    }
}

fn schedule(timezone: &str, layers: Vec<Layer>) -> Schedule {
    testkit::config::schedule("platform", TimeZone::get(timezone).unwrap(), layers)
}

fn who(schedule: &Schedule, at: &str) -> String {
    let people: Vec<String> =
        on_call(schedule, at.parse().unwrap()).into_iter().map(|person| person.0).collect();
    people.join(" ")
}
