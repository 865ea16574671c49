//! Builds the public status page from the state.

use crate::history::{History, days};
use crate::maintenance;
use crate::state::{IncidentState, State};
use crate::status_page::{Component, Group, PastDay, StatusPage, StatusPageIncident, Update};
use jiff::civil::Date;
use std::collections::BTreeMap;
use std::time::Duration;
use text::escape::replace_unsafe;
use types::config::{Publish, Service};
use types::event::{ServiceState, UpdateStatus};
use types::{Config, Context, IncidentId, ServiceId, Time};

/// Number of past days on the page, including days without incidents.
const PAST_DAYS: u16 = 7;

/// Minimum monitored time for an uptime: less than a whole day is not representative.
const MONITORED_MIN: Duration = Duration::from_secs(86_400);

pub(crate) fn status_page(context: &Context<'_>, state: &State) -> StatusPage {
    let Context { config, now, .. } = *context;
    let groups = groups(config, state, now);
    let components = groups.iter().flat_map(|group| &group.components);
    let overall = components.map(|component| component.state).max().unwrap_or(ServiceState::Unknown);
    let maintenances = maintenance::maintenances(context, &state.maintenances);
    let published = state.incidents.iter().rev();
    let open =
        published.filter(|(_, published)| !published.updates.is_empty() && !published.is_resolved_publicly());
    StatusPage {
        name: replace_unsafe(&config.site.name),
        title: replace_unsafe(&config.status_page.title),
        url: config.site.url.clone(),
        timezone: config.site.timezone.clone(),
        timezone_name: config.site.timezone.iana_name().unwrap_or("UTC").to_owned(),
        changed: maintenances.iter().map(|one| one.changed).chain(state.changed).max().unwrap_or(now),
        check_interval: config.probes.values().map(|probe| probe.interval).min().unwrap_or(Duration::ZERO),
        state: overall,
        open: open.map(|(id, published)| incident(context, *id, published)).collect(),
        past: past(context, state),
        maintenances,
        response_times: config.status_page.response_times,
        subscriptions: config.status_page.subscribers.as_ref().is_some_and(|it| it.mail.is_some()),
        groups,
    }
}

/// Services by group, both in the order of the configuration; a group has the position of its first service.
fn groups(config: &Config, state: &State, now: Time) -> Vec<Group> {
    let place: BTreeMap<&ServiceId, usize> =
        config.status_page.order.iter().enumerate().map(|(place, id)| (id, place)).collect();
    let mut services: Vec<&Service> = config.services.values().filter(|service| service.public).collect();
    services.sort_by_key(|service| place.get(&service.id).copied().unwrap_or(usize::MAX));
    let mut groups: Vec<Group> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let calendar = calendar(config, now);
    for service in services {
        let name = replace_unsafe(service.group.as_deref().unwrap_or_default());
        let component = component(state, now, &calendar, service);
        let place = *places.entry(name.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.components.push(component),
            None => groups.push(Group { name, components: vec![component] }),
        }
    }
    groups
}

/// The days of the history in the timezone of the page, computed once for all services.
fn calendar(config: &Config, now: Time) -> Vec<(Date, Time, Time)> {
    days(config.status_page.history_days.max(1), now, &config.site.timezone).collect()
}

fn begin(calendar: &[(Date, Time, Time)], now: Time) -> Time {
    calendar.first().map_or(now, |(_, from, _)| *from)
}

fn component(state: &State, now: Time, calendar: &[(Date, Time, Time)], service: &Service) -> Component {
    let empty = History::default();
    let history = state.histories.get(&service.id).unwrap_or(&empty);
    let current = history.current();
    let from = begin(calendar, now);
    let monitored = history.monitored(from, now);
    Component {
        id: service.id.clone(),
        title: replace_unsafe(&service.title),
        state: current.map_or(ServiceState::Unknown, |(state, _)| state),
        access: state.access.get(&service.id).copied(),
        since: current.map(|(_, since)| since),
        days: history.by_day(calendar, now),
        uptime_percent: history.uptime_percent(from, now).filter(|_| monitored >= MONITORED_MIN),
    }
}

fn incident(context: &Context<'_>, id: IncidentId, published: &IncidentState) -> StatusPageIncident {
    let config = context.config;
    let title = |id: &ServiceId| {
        config.services.get(id).map_or_else(|| id.0.clone(), |service| replace_unsafe(&service.title))
    };
    let last = published.updates.last();
    let affected = last.into_iter().flat_map(|update| &update.affected);
    let is_open = context.incidents.get(&id).is_some_and(|incident| incident.is_open());
    let resolved = last.filter(|_| published.is_resolved_publicly());
    let updates = published.updates.iter().rev();
    StatusPageIncident {
        id,
        title: replace_unsafe(&published.title),
        status: last.map_or(UpdateStatus::Investigating, |update| update.status),
        impact: published.impact,
        started: published.since,
        resolved: resolved.map(|update| published.ended.unwrap_or(update.at)),
        affected: affected.map(|(id, state)| (id.clone(), title(id), *state)).collect(),
        updates: updates
            .map(|update| Update { body: replace_unsafe(&update.body), ..update.clone() })
            .collect(),
        next_update_by: last
            .filter(|_| config.status_page.publish == Publish::Automatic)
            .filter(|update| is_open && update.status != UpdateStatus::Resolved)
            .map(|update| types::incident::next_update_by(update.at)),
    }
}

/// Past days with data, newest first. Days before the first start are left out.
fn past(context: &Context<'_>, state: &State) -> Vec<PastDay> {
    let Context { config, now, .. } = *context;
    let day = |at: Time| config.site.timezone.to_datetime(at).date();
    let begun = state.begun.map(day);
    let mut past: Vec<PastDay> = days(PAST_DAYS, now, &config.site.timezone)
        .filter(|(date, _, _)| begun.is_none_or(|begun| *date >= begun))
        .map(|(date, _, _)| PastDay { date, incidents: Vec::new() })
        .collect();
    for (id, published) in state.incidents.iter().rev().filter(|(_, other)| other.is_resolved_publicly()) {
        let incident = incident(context, *id, published);
        let ended = incident.resolved.map(day);
        if let Some(day) = past.iter_mut().find(|day| Some(day.date) == ended) {
            day.incidents.push(incident);
        }
    }
    past.reverse();
    past
}

/// Uptime and monitored time of each service over the history of the status page.
pub(crate) fn uptimes<'a>(
    config: &'a Config,
    state: &'a State,
    now: Time,
) -> impl Iterator<Item = (&'a ServiceId, (Option<f64>, Duration))> {
    let from = begin(&calendar(config, now), now);
    let of = move |(id, history): (&'a ServiceId, &'a History)| {
        (id, (history.uptime_percent(from, now), history.monitored(from, now)))
    };
    state.histories.iter().filter(move |(id, _)| config.services.contains_key(*id)).map(of)
}

#[cfg(test)]
mod tests {
    use crate::fixture::Fixture;

    #[test]
    fn groups_and_services_keep_the_order_of_the_configuration() {
        let mut fixture = Fixture::new("2026-11-22T12:00:00Z");
        for (id, group) in [("shop", "Last"), ("auth", "First"), ("api", "Last")] {
            if let Some(service) = fixture.config.services.get_mut(&id.into()) {
                service.group = Some(group.to_owned());
                service.title = format!("{id} \u{202e}");
            }
        }
        fixture.config.status_page.order = ["shop", "auth", "inner", "api"].map(Into::into).to_vec();
        let status_page = fixture.status_page();
        let found: Vec<(&str, Vec<&str>)> = status_page
            .groups
            .iter()
            .map(|group| {
                (group.name.as_str(), group.components.iter().map(|part| part.id.0.as_str()).collect())
            })
            .collect();
        assert_eq!(found, [("Last", vec!["shop", "api"]), ("First", vec!["auth"])]);
        assert_eq!(status_page.groups[0].components[0].title, "shop \u{fffd}");
    }
}
