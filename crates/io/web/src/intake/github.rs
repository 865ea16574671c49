//! Webhooks of GitHub for deployments: `deployment` when one begins, `deployment_status` when it goes on.

use super::fields::{json, key, kind, link, time, title, wrong};
use super::{Reported, unknown_source};
use crate::params::{NAME_MAX, cleaned};
use crate::problem::Problem;
use crate::sources::ChangeSource;
use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use sha2::Sha256;
use types::change::NewChange;

#[derive(Deserialize)]
struct Event {
    deployment: Deployment,
    deployment_status: Option<Status>,
    repository: Repository,
}

#[derive(Deserialize)]
struct Deployment {
    id: u64,
    #[serde(default)]
    sha: String,
    #[serde(rename = "ref")]
    branch: Option<String>,
    task: Option<String>,
    environment: Option<String>,
    created_at: Option<String>,
    creator: Option<User>,
}

#[derive(Deserialize)]
struct Status {
    state: String,
    created_at: Option<String>,
    #[serde(default)]
    log_url: String,
    #[serde(default)]
    target_url: String,
}

#[derive(Deserialize)]
struct Repository {
    name: String,
    full_name: String,
    html_url: Option<String>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

/// Checks the signature: HMAC-SHA256 of the body with the secret, in `X-Hub-Signature-256`.
pub(super) fn verify(source: &ChangeSource, headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
    let given = headers.get("x-hub-signature-256").and_then(|given| given.to_str().ok());
    let given = given.and_then(|given| text::hex::decode::<32>(given.strip_prefix("sha256=")?));
    let mac = Hmac::<Sha256>::new_from_slice(source.secret.expose_secret().as_bytes());
    let (Some(given), Ok(mac)) = (given, mac) else { return Err(unknown_source()) };
    mac.chain_update(body).verify_slice(&given).map_err(|_| unknown_source())
}

/// Reads a delivery. The change is the deployment: a repeated delivery, and every further status, is about the same one.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Reported, Problem> {
    match headers.get("x-github-event").map(|event| event.as_bytes()) {
        Some(b"deployment" | b"deployment_status") => {}
        Some(b"ping") => return Ok(Reported::Ignored("a ping")),
        _ => return Ok(Reported::Ignored("only the events deployment and deployment_status are changes")),
    }
    let Event { deployment, deployment_status: status, repository } = json(body)?;
    let state = status.as_ref().map_or("created", |status| status.state.as_str());
    let (is_end, outcome) = match state {
        "created" | "in_progress" => (false, ""),
        "success" => (true, ""),
        "failure" | "error" => (true, " (failed)"),
        // Also `inactive`: a later deployment replaced this one.
        _ => return Ok(Reported::Ignored("this status of a deployment changes nothing")),
    };
    let stamp = status.as_ref().and_then(|status| status.created_at.as_deref());
    let at = stamp.or(deployment.created_at.as_deref()).and_then(time);
    let version = match deployment.sha.get(..7) {
        Some(short) => short.to_owned(),
        None => deployment.branch.unwrap_or_default(),
    };
    let place = deployment.environment.map(|place| format!(" to {place}")).unwrap_or_default();
    let task = deployment.task.as_deref().unwrap_or("deploy");
    let written = format!("{task} {} {version}{place}{outcome}", repository.name);
    let title = title(&written).ok_or_else(|| wrong("the deployment has no name"))?;
    let logs = status.iter().flat_map(|status| [&status.log_url, &status.target_url]);
    let new = NewChange {
        at,
        kind: kind(&title),
        title,
        link: logs.chain(&repository.html_url).find_map(|url| link(url)),
        key: key(&format!("{}/deployments/{}", repository.full_name, deployment.id)),
        is_end,
        ..NewChange::default()
    };
    let by = deployment.creator.and_then(|user| cleaned(&user.login, NAME_MAX));
    Ok(Reported::Change { new, names: vec![repository.name], by })
}
