//! Webhook of GitLab for deployments: `Deployment Hook`.

use super::fields::{json, key, link, time, title, wrong};
use super::{Reported, unknown_source};
use crate::params::{NAME_MAX, cleaned};
use crate::problem::Problem;
use crate::sources::ChangeSource;
use axum::http::HeaderMap;
use serde::Deserialize;
use types::change::{ChangeKind, NewChange};

#[derive(Deserialize)]
struct Event {
    status: String,
    status_changed_at: Option<String>,
    deployment_id: Option<u64>,
    deployable_url: Option<String>,
    environment: Option<String>,
    project: Project,
    short_sha: Option<String>,
    user: Option<User>,
    commit_url: Option<String>,
}

#[derive(Deserialize)]
struct Project {
    name: String,
    path_with_namespace: String,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

/// Checks the secret token, in `X-Gitlab-Token`.
pub(super) fn verify(source: &ChangeSource, headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get("x-gitlab-token").map(|given| given.as_bytes()).unwrap_or_default();
    if source.has_secret(given) { Ok(()) } else { Err(unknown_source()) }
}

/// Reads a delivery. The change is the deployment: repeated deliveries and further statuses are about the same one.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Reported, Problem> {
    if headers.get("x-gitlab-event").is_none_or(|event| event.as_bytes() != b"Deployment Hook") {
        return Ok(Reported::Ignored("only deployment events are changes"));
    }
    let event: Event = json(body)?;
    let (is_end, outcome) = match event.status.as_str() {
        "running" => (false, ""),
        "success" => (true, ""),
        "failed" => (true, " (failed)"),
        "canceled" => (true, " (canceled)"),
        _ => return Ok(Reported::Ignored("this status of a deployment changes nothing")),
    };
    let path = event.project.path_with_namespace;
    let repository = path.rsplit('/').next().unwrap_or_default().to_owned();
    let version = event.short_sha.unwrap_or_default();
    let place = event.environment.map(|place| format!(" to {place}")).unwrap_or_default();
    let written = format!("deploy {repository} {version}{place}{outcome}");
    let title = title(&written).ok_or_else(|| wrong("the deployment has no name"))?;
    let links = event.deployable_url.iter().chain(&event.commit_url);
    let new = NewChange {
        at: event.status_changed_at.as_deref().and_then(time),
        kind: ChangeKind::Deploy,
        title,
        link: links.into_iter().find_map(|url| link(url)),
        key: event.deployment_id.and_then(|id| key(&format!("{path}/deployments/{id}"))),
        is_end,
        ..NewChange::default()
    };
    let by = event.user.and_then(|user| cleaned(&user.username, NAME_MAX));
    Ok(Reported::Change { new, names: vec![repository, event.project.name], by })
}
