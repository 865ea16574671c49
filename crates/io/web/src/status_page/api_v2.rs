//! The Statuspage API, version 2, which existing tools can read.
//!
//! It has no status for missing data, and `operational` would be wrong: a component without data is
//! `degraded_performance`, and its description says why.

use crate::cache::digest;
use crate::design::text::iso;
use crate::status_page::api_v2_maintenance as maintenance;
use crate::status_page::api_v2_update::{Affected, Update};
use crate::wording::headline::headline;
use engine::views::StatusPage;
use engine::views::status_page::{Component as Part, StatusPageIncident};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use types::Time;
use types::event::{ServiceState, UpdateStatus};
use types::maintenance::MaintenanceState;

/// Most incidents in `incidents.json`, as Statuspage has it.
const INCIDENTS_MAX: usize = 50;

#[derive(Clone, Serialize)]
struct Page<'a> {
    id: String,
    name: &'a str,
    url: &'a str,
    time_zone: &'a str,
    updated_at: String,
}

#[derive(Serialize)]
struct Status {
    indicator: &'static str,
    description: String,
}

#[derive(Clone, Serialize)]
pub(super) struct Component<'a> {
    id: String,
    name: &'a str,
    status: &'static str,
    created_at: String,
    updated_at: String,
    position: usize,
    description: Option<&'static str>,
    showcase: bool,
    start_date: Option<Date>,
    group_id: Option<String>,
    page_id: String,
    group: bool,
    only_show_if_degraded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    components: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Incident<'a> {
    id: String,
    name: &'a str,
    status: UpdateStatus,
    created_at: String,
    updated_at: String,
    monitoring_at: Option<String>,
    resolved_at: Option<String>,
    impact: &'static str,
    shortlink: String,
    started_at: String,
    page_id: String,
    incident_updates: Vec<Update<'a, UpdateStatus>>,
    components: Vec<Component<'a>>,
}

/// Returns path and body of every document.
#[must_use]
pub fn documents(status_page: &StatusPage) -> Vec<(String, String)> {
    let page_id: String = digest(status_page.url.as_bytes()).chars().take(12).collect();
    let page = Page {
        id: page_id.clone(),
        name: &status_page.title,
        url: &status_page.url,
        time_zone: &status_page.timezone_name,
        updated_at: iso(status_page.changed),
    };
    let status = Status { indicator: indicator(status_page.state), description: headline(status_page) };
    let components = components(status_page, &page_id);
    let by_id: BTreeMap<&str, &Component<'_>> =
        components.iter().filter(|row| !row.group).map(|row| (row.id.as_str(), row)).collect();
    let row = |incident| incident_row(status_page, &page_id, &by_id, incident);
    let open: Vec<_> = status_page.open.iter().map(row).collect();
    let past = status_page.past.iter().flat_map(|day| &day.incidents);
    let all: Vec<_> = status_page.open.iter().chain(past).take(INCIDENTS_MAX).map(row).collect();
    let all_maintenances = maintenance::rows(status_page, &page_id, &by_id);
    let maintenances = |is_shown: fn(MaintenanceState) -> bool| {
        let shown: Vec<_> =
            all_maintenances.iter().filter(|(state, _)| is_shown(*state)).map(|(_, row)| row).collect();
        json!({ "page": page, "scheduled_maintenances": shown })
    };
    let is_open = |state| state < MaintenanceState::Completed;

    let mut summary = json!({ "page": page, "components": components, "incidents": open });
    summary["scheduled_maintenances"] = maintenances(is_open)["scheduled_maintenances"].take();
    summary["status"] = json!(status);
    [
        ("summary", summary),
        ("status", json!({ "page": page, "status": status })),
        ("components", json!({ "page": page, "components": components })),
        ("incidents", json!({ "page": page, "incidents": all })),
        ("incidents/unresolved", json!({ "page": page, "incidents": open })),
        ("scheduled-maintenances", maintenances(|_| true)),
        ("scheduled-maintenances/upcoming", maintenances(|state| state == MaintenanceState::Scheduled)),
        ("scheduled-maintenances/active", maintenances(MaintenanceState::is_active)),
    ]
    .into_iter()
    .map(|(name, body): (&str, Value)| (format!("/api/v2/{name}.json"), body.to_string()))
    .collect()
}

/// Components in the order of the status page, each group before its members.
fn components<'a>(status_page: &'a StatusPage, page_id: &str) -> Vec<Component<'a>> {
    let mut rows: Vec<Component<'a>> = Vec::new();
    for group in &status_page.groups {
        let group_id = (!group.name.is_empty()).then(|| group_id(&group.name));
        let members: Vec<_> =
            group.components.iter().map(|part| member(status_page, page_id, part)).collect();
        if let Some(id) = &group_id {
            let worst = group.components.iter().map(|part| part.state).max().unwrap_or(ServiceState::Unknown);
            rows.push(Component {
                id: id.clone(),
                name: &group.name,
                status: status(worst),
                created_at: members.iter().map(|row| row.created_at.clone()).min().unwrap_or_default(),
                updated_at: members.iter().map(|row| row.updated_at.clone()).max().unwrap_or_default(),
                position: 0,
                description: None,
                showcase: false,
                start_date: members.iter().filter_map(|row| row.start_date).min(),
                group_id: None,
                page_id: page_id.to_owned(),
                group: true,
                only_show_if_degraded: false,
                components: Some(members.iter().map(|row| row.id.clone()).collect()),
            });
        }
        rows.extend(members.into_iter().map(|row| Component { group_id: group_id.clone(), ..row }));
    }
    for (place, row) in rows.iter_mut().enumerate() {
        row.position = place + 1;
    }
    rows
}

fn member<'a>(status_page: &StatusPage, page_id: &str, part: &'a Part) -> Component<'a> {
    let first = part.days.iter().find(|day| day.worst.is_some()).map(|day| day.date);
    // The creation of a service is not recorded: the first day with data is the best substitute.
    let created = first
        .map_or(status_page.changed, |day| midnight(day, &status_page.timezone))
        .min(part.since.unwrap_or(status_page.changed));
    Component {
        id: part.id.0.clone(),
        name: &part.title,
        status: status(part.state),
        created_at: iso(created),
        updated_at: iso(part.since.unwrap_or(created)),
        position: 0,
        description: part
            .access
            .map(|access| access.message())
            .or((part.state == ServiceState::Unknown)
                .then_some("No data: it cannot be monitored at the moment.")),
        showcase: true,
        start_date: first,
        group_id: None,
        page_id: page_id.to_owned(),
        group: false,
        only_show_if_degraded: false,
        components: None,
    }
}

fn incident_row<'a>(
    status_page: &StatusPage,
    page_id: &str,
    by_id: &BTreeMap<&str, &Component<'a>>,
    incident: &'a StatusPageIncident,
) -> Incident<'a> {
    let updates = &incident.updates;
    let monitoring = updates.iter().rev().find(|update| update.status == UpdateStatus::Monitoring);
    Incident {
        id: incident.id.to_string(),
        name: &incident.title,
        status: incident.status,
        created_at: iso(updates.last().map_or(incident.started, |update| update.at)),
        updated_at: iso(updates.first().map_or(incident.started, |update| update.at)),
        monitoring_at: monitoring.map(|update| iso(update.at)),
        resolved_at: incident.resolved.map(iso),
        impact: indicator(incident.impact),
        shortlink: format!("{}/incidents/{}", status_page.url, incident.id),
        started_at: iso(incident.started),
        page_id: page_id.to_owned(),
        incident_updates: incident_updates(incident),
        components: incident
            .affected
            .iter()
            .filter_map(|(id, _, _)| by_id.get(id.0.as_str()))
            .map(|row| (*row).clone())
            .collect(),
    }
}

/// Updates of an incident, newest first.
fn incident_updates(incident: &StatusPageIncident) -> Vec<Update<'_, UpdateStatus>> {
    let titles: BTreeMap<&str, &str> =
        incident.affected.iter().map(|(id, title, _)| (id.0.as_str(), title.as_str())).collect();
    let mut rows = Vec::with_capacity(incident.updates.len());
    for (position, update) in incident.updates.iter().enumerate() {
        let before = incident.updates.get(position + 1);
        let old = |id| before.and_then(|before| before.affected.iter().find(|(other, _)| other == id));
        let affected = update.affected.iter().map(|(id, new)| Affected {
            code: &id.0,
            name: titles.get(id.0.as_str()).copied().unwrap_or(&id.0),
            old_status: old(id).map_or("operational", |(_, old)| status(*old)),
            new_status: status(*new),
        });
        let affected: Vec<_> = affected.collect();
        let id = update.id.to_string();
        let mut row = Update::new(id, update.status, &update.body, incident.id.to_string(), update.at);
        row.affected_components = (!affected.is_empty()).then_some(affected);
        rows.push(row);
    }
    rows
}

fn status(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Operational => "operational",
        ServiceState::UnderMaintenance => "under_maintenance",
        ServiceState::Unknown | ServiceState::Degraded => "degraded_performance",
        ServiceState::PartialOutage => "partial_outage",
        ServiceState::MajorOutage => "major_outage",
    }
}

fn indicator(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Operational => "none",
        // The indicator of Statuspage.
        ServiceState::UnderMaintenance => "maintenance",
        ServiceState::Unknown | ServiceState::Degraded => "minor",
        ServiceState::PartialOutage => "major",
        ServiceState::MajorOutage => "critical",
    }
}

fn midnight(date: Date, zone: &TimeZone) -> Time {
    date.to_zoned_datetime(zone.clone()).map_or(Time::UNIX_EPOCH, |zoned| zoned.timestamp())
}

/// Returns the id of a group: independent of other groups, different for every name in any script, and never the id of
/// a service, which has no dot.
fn group_id(name: &str) -> String {
    let digest: String = digest(name.as_bytes()).chars().take(12).collect();
    format!("group.{digest}")
}

#[cfg(test)]
mod tests {
    use super::group_id;
    use std::collections::BTreeSet;

    #[test]
    fn group_ids_differ_in_any_script() {
        let names = [
            "Customer facing",
            "customer-facing",
            "!!!",
            "???",
            "🚀",
            "🛰",
            "Вход",
            "Выход",
            "日本語",
            "A B",
            "A/B",
        ];
        let ids: BTreeSet<String> = names.into_iter().map(group_id).collect();
        assert_eq!(ids.len(), names.len());
        assert!(
            ids.iter().all(|id| id.is_ascii() && id.contains('.')),
            "no service has a dot in its name: {ids:?}"
        );
    }
}
