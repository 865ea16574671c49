//! How the status page follows from what is known.

use crate::history::{History, days};
use crate::known::{Known, Told};
use crate::status_page::{Component, Group, PastDay, Post, StatusPage, StatusPageIncident};
use crate::{Facts, posts, words};
use jiff::civil::Date;
use std::collections::BTreeMap;
use std::time::Duration;
use text::escape::replace_unsafe;
use types::config::{Publish, Service};
use types::event::{PostStatus, ServiceState};
use types::{Config, IncidentId, ServiceId, Time};

/// Past incidents are shown for so many days, quiet ones too.
const PAST_DAYS: u16 = 7;

/// A share of less than a whole day that was watched says nothing.
const WATCHED_MIN: Duration = Duration::from_secs(86_400);

pub(crate) fn status_page(config: &Config, known: &Known, now: Time, facts: &Facts<'_>) -> StatusPage {
    let groups = groups(config, known, now);
    let components = || groups.iter().flat_map(|group: &Group| &group.components);
    let state = components().map(|component| component.state).max().unwrap_or(ServiceState::Unknown);
    let worst: Vec<String> = components()
        .filter(|component| component.state == state)
        .map(|component| component.title.clone())
        .collect();
    let headline = headline(state, &worst, components().count());
    let open = known.told.iter().rev().filter(|(_, told)| !told.posts.is_empty() && !told.is_over());
    StatusPage {
        name: replace_unsafe(&config.site.name),
        title: replace_unsafe(&config.status_page.title),
        url: config.site.url.clone(),
        clock: config.site.timezone.clone(),
        zone: config.site.timezone.iana_name().unwrap_or("UTC").to_owned(),
        changed: known.changed.unwrap_or(now),
        looked_every: config.probes.values().map(|probe| probe.interval).min().unwrap_or(Duration::ZERO),
        state,
        headline,
        open: open.map(|(id, told)| incident(config, *id, told, facts)).collect(),
        past: past(config, known, now, facts),
        groups,
    }
}

/// One sentence that names the broken thing.
fn headline(state: ServiceState, worst: &[String], all: usize) -> String {
    match state {
        ServiceState::Operational => "All systems operational".to_owned(),
        ServiceState::Unknown if worst.len() == all => {
            "No data: we cannot see whether anything works".to_owned()
        }
        _ => format!("{}: {}", state.title(), words::list(worst)),
    }
}

/// Services by group, both in the order of the configuration; a group stands where its first service does.
fn groups(config: &Config, known: &Known, now: Time) -> Vec<Group> {
    let place: BTreeMap<&ServiceId, usize> =
        config.status_page.order.iter().enumerate().map(|(place, id)| (id, place)).collect();
    let mut services: Vec<&Service> = config.services.values().filter(|service| service.public).collect();
    services.sort_by_key(|service| place.get(&service.id).copied().unwrap_or(usize::MAX));
    let mut groups: Vec<Group> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let calendar = calendar(config, now);
    for service in services {
        let name = replace_unsafe(service.group.as_deref().unwrap_or_default());
        let component = component(known, now, &calendar, service);
        let place = *places.entry(name.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.components.push(component),
            None => groups.push(Group { name, components: vec![component] }),
        }
    }
    groups
}

/// The days of the history in the zone of the site, computed once for all services.
fn calendar(config: &Config, now: Time) -> Vec<(Date, Time, Time)> {
    days(config.status_page.history_days.max(1), now, &config.site.timezone).collect()
}

fn begin(calendar: &[(Date, Time, Time)], now: Time) -> Time {
    calendar.first().map_or(now, |(_, from, _)| *from)
}

fn component(known: &Known, now: Time, calendar: &[(Date, Time, Time)], service: &Service) -> Component {
    let never = History::default();
    let history = known.histories.get(&service.id).unwrap_or(&never);
    let current = history.current();
    let from = begin(calendar, now);
    Component {
        id: service.id.clone(),
        title: replace_unsafe(&service.title),
        state: current.map_or(ServiceState::Unknown, |(state, _)| state),
        since: current.map(|(_, since)| since),
        days: history.by_day(calendar, now),
        uptime_percent: history
            .uptime_percent(from, now)
            .filter(|_| history.watched(from, now) >= WATCHED_MIN),
    }
}

fn incident(config: &Config, id: IncidentId, told: &Told, facts: &Facts<'_>) -> StatusPageIncident {
    let title = |id: &ServiceId| {
        config.services.get(id).map_or_else(|| id.0.clone(), |service| replace_unsafe(&service.title))
    };
    let last = told.posts.last();
    let affected = last.into_iter().flat_map(|post| &post.affected);
    let is_open = facts.incidents.get(&id).is_some_and(|incident| incident.is_open());
    let resolved = last.filter(|_| told.is_over()).map(|post| told.ended.unwrap_or(post.at));
    StatusPageIncident {
        id,
        title: replace_unsafe(&told.title),
        status: last.map_or(PostStatus::Investigating, |post| post.status),
        impact: told.impact,
        started: told.since,
        resolved,
        affected: affected.map(|(id, state)| (id.clone(), title(id), *state)).collect(),
        posts: told
            .posts
            .iter()
            .rev()
            .map(|post| Post { body: replace_unsafe(&post.body), ..post.clone() })
            .collect(),
        next_post_by: last
            .filter(|_| config.status_page.publish == Publish::Automatic)
            .filter(|post| is_open && post.status != PostStatus::Resolved)
            .map(|post| posts::promise(post.at)),
    }
}

/// Days on which something was watched, newest first: of the time before the first start there is nothing to tell.
fn past(config: &Config, known: &Known, now: Time, facts: &Facts<'_>) -> Vec<PastDay> {
    let day = |at: Time| config.site.timezone.to_datetime(at).date();
    let begun = known.begun.map(day);
    let mut past: Vec<PastDay> = days(PAST_DAYS, now, &config.site.timezone)
        .filter(|(date, _, _)| begun.is_none_or(|begun| *date >= begun))
        .map(|(date, _, _)| PastDay { date, incidents: Vec::new() })
        .collect();
    for (id, told) in known.told.iter().rev().filter(|(_, told)| told.is_over()) {
        let told = incident(config, *id, told, facts);
        let ended = told.resolved.map(day);
        if let Some(day) = past.iter_mut().find(|day| Some(day.date) == ended) {
            day.incidents.push(told);
        }
    }
    past.reverse();
    past
}

/// Uptime and watched time of each service over the history of the status page.
pub(crate) fn uptimes<'a>(
    config: &'a Config,
    known: &'a Known,
    now: Time,
) -> impl Iterator<Item = (&'a ServiceId, (Option<f64>, Duration))> {
    let from = begin(&calendar(config, now), now);
    let of = move |(id, history): (&'a ServiceId, &'a History)| {
        (id, (history.uptime_percent(from, now), history.watched(from, now)))
    };
    known.histories.iter().filter(move |(id, _)| config.services.contains_key(*id)).map(of)
}

#[cfg(test)]
mod tests {
    use crate::world::World;

    #[test]
    fn groups_and_services_have_the_order_of_the_file() {
        let mut world = World::new("2026-11-22T12:00:00Z");
        for (id, group) in [("shop", "Last"), ("auth", "First"), ("api", "Last")] {
            if let Some(service) = world.config.services.get_mut(&id.into()) {
                service.group = Some(group.to_owned());
                service.title = format!("{id} \u{202e}");
            }
        }
        world.config.status_page.order = ["shop", "auth", "inner", "api"].map(Into::into).to_vec();
        let status_page = world.status_page();
        let told: Vec<(&str, Vec<&str>)> = status_page
            .groups
            .iter()
            .map(|group| {
                (group.name.as_str(), group.components.iter().map(|part| part.id.0.as_str()).collect())
            })
            .collect();
        assert_eq!(told, [("Last", vec!["shop", "api"]), ("First", vec!["auth"])]);
        assert_eq!(status_page.groups[0].components[0].title, "shop \u{fffd}");
    }
}
