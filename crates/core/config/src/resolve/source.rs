//! Checks sources: the services of their changes exist.

use crate::diagnostics::Diagnostics;
use crate::raw::RawConfig;

/// Reports services that do not exist.
pub(crate) fn check(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    let changes = raw.sources.values().filter_map(|source| source.changes.as_ref());
    for service in changes.filter_map(|changes| changes.service.as_ref()) {
        if !raw.services.contains_key(&service.value) {
            let known = raw.services.keys().map(String::as_str);
            diagnostics.unknown(service.place.clone(), "service", &service.value, known);
        }
    }
}
