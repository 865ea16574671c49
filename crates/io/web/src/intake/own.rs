//! JSON of mainstay itself.

use super::Reported;
use super::fields::{json, key, link, title, wrong};
use crate::params::name;
use crate::problem::Problem;
use serde::Deserialize;
use types::change::{ChangeKind, NewChange, SERVICES_MAX};
use types::{Resource, Time};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    title: String,
    at: Option<Time>,
    kind: Option<ChangeKind>,
    service: Option<String>,
    #[serde(default)]
    services: Vec<String>,
    resource: Option<Resource>,
    link: Option<String>,
    /// The name of the change at its source.
    id: Option<String>,
    /// Whether the change is complete; with the `id` of one that was reported at its beginning.
    #[serde(default)]
    done: bool,
    by: Option<String>,
}

/// Reads a report. `given_key` is the header `Idempotency-Key`.
pub(super) fn read(body: &[u8], given_key: Option<&str>) -> Result<Reported, Problem> {
    let body: Body = json(body)?;
    let title = title(&body.title).ok_or_else(|| wrong("`title` is empty"))?;
    let checked =
        |text: &String| link(text).ok_or_else(|| wrong("`link` must begin with https:// or http://"));
    let names: Vec<String> = body.service.into_iter().chain(body.services).collect();
    if names.len() > SERVICES_MAX {
        return Err(wrong(format!("a change names at most {SERVICES_MAX} services; leave them out")));
    }
    let new = NewChange {
        at: body.at,
        kind: body.kind.unwrap_or_else(|| ChangeKind::of_title(&title)),
        title,
        resource: body.resource,
        link: body.link.as_ref().map(checked).transpose()?,
        key: body.id.as_deref().or(given_key).and_then(key),
        is_end: body.done,
        ..NewChange::default()
    };
    let by = body.by.as_deref().map(name).transpose()?;
    Ok(Reported::Change { new, names, by })
}
