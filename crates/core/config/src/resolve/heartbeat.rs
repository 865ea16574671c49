//! Checks heartbeats: their services exist, those of backups exist, and a name that everybody can guess is not open to everybody.

use crate::diagnostics::Diagnostics;
use crate::raw::RawConfig;
use std::collections::BTreeMap;
use types::config::{BackupSource, Heartbeat};

/// Resolves all heartbeats and reports services that do not exist.
pub(crate) fn heartbeats(raw: &RawConfig, diagnostics: &mut Diagnostics) -> BTreeMap<String, Heartbeat> {
    for (name, heartbeat) in &raw.heartbeats {
        if let Some(service) = heartbeat.service.as_ref().filter(|it| !raw.services.contains_key(&it.value)) {
            let known = raw.services.keys().map(String::as_str);
            diagnostics.unknown(service.place.clone(), "service", &service.value, known);
        }
        let is_public = raw.url.is_some() || !raw.site.listen.ip().is_loopback();
        if is_public && heartbeat.key.is_none() {
            diagnostics.warn(
                heartbeat.written.place.clone(),
                format!("everybody who reaches this site can report for `{name}` at /ping/{name}"),
                "add a secret: key = \"env:NAME\"; its URL is then /ping/SECRET",
            );
        }
    }
    for backup in raw.databases.values().filter_map(|database| database.backup.as_ref()?.as_ref()) {
        let Some(from) = &backup.from else { continue };
        if let BackupSource::Heartbeat(name) = &from.value
            && !raw.heartbeats.contains_key(name)
        {
            let known = raw.heartbeats.keys().map(String::as_str);
            diagnostics.unknown(from.place.clone(), "heartbeat", name, known);
        }
    }
    let site = &raw.site.timezone;
    let resolved = raw.heartbeats.iter().map(|(name, raw)| Some((name.clone(), raw.resolve(site)?)));
    resolved.flatten().collect()
}
