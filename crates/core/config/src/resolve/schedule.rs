//! Resolves schedules: people have a section, local times are instants.

use super::team::persons;
use crate::diagnostics::Diagnostics;
use crate::kind::value::At;
use crate::raw::RawConfig;
use crate::raw::schedule::{RawLayer, RawOverride, RawPeriod};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Arc;
use types::config::{Layer, Override, OverrideChange, Schedule, TimeOff};
use types::wallclock::instant;
use types::{PersonId, ScheduleId, Time};

/// Resolves all schedules.
pub(crate) fn schedules(raw: &RawConfig, diagnostics: &mut Diagnostics) -> BTreeMap<ScheduleId, Schedule> {
    let away = Arc::new(time_off(raw));
    let mut out = BTreeMap::new();
    for (name, schedule) in &raw.schedules {
        let id = ScheduleId(name.clone());
        let timezone = schedule.timezone.clone().unwrap_or_else(|| raw.site.timezone.clone());
        let layers = schedule.layer.iter().filter_map(|layer| resolved(raw, layer, diagnostics)).collect();
        let overrides = &schedule.overrides;
        let overrides =
            overrides.iter().filter_map(|one| override_of(raw, &timezone, one, diagnostics)).collect();
        out.insert(id.clone(), Schedule { id, timezone, layers, overrides, away: away.clone() });
    }
    out
}

fn resolved(raw: &RawConfig, layer: &RawLayer, diagnostics: &mut Diagnostics) -> Option<Layer> {
    Some(Layer {
        people: layer.people.iter().map(|turn| persons(raw, &turn.value, diagnostics)).collect(),
        start: layer.start?,
        rotation: layer.rotation?,
        restrictions: layer.restrictions.clone(),
        until: layer.until.as_ref().map(|at| at.value),
    })
}

fn override_of(
    raw: &RawConfig,
    timezone: &TimeZone,
    one: &RawOverride,
    diagnostics: &mut Diagnostics,
) -> Option<Override> {
    let written = &one.written;
    let change = if written.has("replace") {
        let place = written.key_place("replace");
        let named = one.replace.iter().flat_map(|(who, by)| [who, by]);
        let named: Vec<At<String>> =
            named.map(|name| At { value: name.clone(), place: place.clone() }).collect();
        persons(raw, &named, diagnostics);
        let pairs = one.replace.iter().map(|(who, by)| (PersonId(who.clone()), PersonId(by.clone())));
        OverrideChange::Replace(pairs.collect())
    } else if written.has("add") {
        OverrideChange::Add(persons(raw, &one.add, diagnostics))
    } else if written.has("remove") {
        OverrideChange::Remove(persons(raw, &one.remove, diagnostics))
    } else {
        OverrideChange::Only(persons(raw, &one.only, diagnostics))
    };
    let (from, to) = period(timezone, one.from, one.to.as_ref())?;
    Some(Override { from, to, change })
}

/// Time off of everybody who has any, in their own timezone.
fn time_off(raw: &RawConfig) -> BTreeMap<PersonId, Vec<TimeOff>> {
    let away = raw.people.iter().map(|(name, person)| {
        let timezone = person.timezone.as_ref().unwrap_or(&raw.site.timezone);
        let of = |one: &RawPeriod| {
            let (from, to) = period(timezone, one.from, one.to.as_ref())?;
            Some(TimeOff { from, to })
        };
        (PersonId(name.clone()), person.away.iter().filter_map(of).collect::<Vec<_>>())
    });
    away.filter(|(_, all)| !all.is_empty()).collect()
}

/// A period of local time; `None` when an end is missing, which was reported already.
fn period(timezone: &TimeZone, from: Option<DateTime>, to: Option<&At<DateTime>>) -> Option<(Time, Time)> {
    Some((instant(timezone, from?), instant(timezone, to?.value)))
}
