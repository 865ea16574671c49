//! Scheduled maintenances of the Statuspage API, version 2.

use crate::design::text::iso;
use crate::status_page::api_v2_update::Update;
use engine::views::StatusPage;
use engine::views::status_page::StatusPageMaintenance;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use types::maintenance::MaintenanceState;

#[derive(Serialize)]
struct Row<'a, C> {
    id: String,
    name: &'a str,
    status: &'static str,
    created_at: String,
    updated_at: String,
    monitoring_at: Option<()>,
    resolved_at: Option<String>,
    impact: &'static str,
    shortlink: String,
    started_at: String,
    page_id: &'a str,
    incident_updates: Vec<Update<'a, &'static str>>,
    components: Vec<&'a C>,
    scheduled_for: String,
    scheduled_until: String,
}

/// All maintenances of the status page by their start, each with its state. Statuspage has no status for one that was
/// cancelled: it is left out.
pub(super) fn rows<'a, C: Serialize>(
    status_page: &'a StatusPage,
    page_id: &'a str,
    by_id: &BTreeMap<&str, &'a C>,
) -> Vec<(MaintenanceState, Value)> {
    let shown = status_page.maintenances.iter().filter(|one| one.state != MaintenanceState::Cancelled);
    shown.map(|one| (one.state, json!(row(status_page, page_id, by_id, one)))).collect()
}

fn row<'a, C>(
    status_page: &'a StatusPage,
    page_id: &'a str,
    by_id: &BTreeMap<&str, &'a C>,
    one: &'a StatusPageMaintenance,
) -> Row<'a, C> {
    let count = one.updates.len();
    let updates = one.updates.iter().enumerate().map(|(position, update)| {
        let id = format!("{}-{}", one.id, count - position);
        Update::new(id, status(update.state), &update.body, one.id.to_string(), update.at)
    });
    Row {
        id: one.id.to_string(),
        name: &one.title,
        status: status(one.state),
        created_at: iso(one.added),
        updated_at: iso(one.changed),
        monitoring_at: None,
        resolved_at: one.ended.map(iso),
        impact: "maintenance",
        shortlink: format!("{}/#{}", status_page.url, one.id),
        started_at: iso(one.started.unwrap_or(one.from)),
        page_id,
        incident_updates: updates.collect(),
        components: one.services.iter().filter_map(|(id, _)| by_id.get(id.0.as_str()).copied()).collect(),
        scheduled_for: iso(one.from),
        scheduled_until: iso(one.to),
    }
}

fn status(state: MaintenanceState) -> &'static str {
    match state {
        MaintenanceState::Scheduled => "scheduled",
        MaintenanceState::InProgress => "in_progress",
        // What is not well yet is verified.
        MaintenanceState::Overrun => "verifying",
        MaintenanceState::Completed | MaintenanceState::Cancelled => "completed",
    }
}
