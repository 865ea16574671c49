//! Checks maintenances: what they name exists.

use crate::diagnostics::Diagnostics;
use crate::raw::RawConfig;
use std::collections::BTreeMap;
use types::config::PlannedMaintenance;
use types::{Kind, Resource};

/// Resolves all maintenances and reports services, databases and pools that do not exist.
pub(crate) fn maintenances(
    raw: &RawConfig,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<String, PlannedMaintenance> {
    for service in raw.maintenances.values().flat_map(|planned| &planned.services) {
        if !raw.services.contains_key(&service.value) {
            let known = raw.services.keys().map(String::as_str);
            diagnostics.unknown(service.place.clone(), "service", &service.value, known);
        }
    }
    for resource in raw.maintenances.values().flat_map(|planned| &planned.resources) {
        let declared: Vec<&str> = match resource.value.kind {
            Kind::Pool => raw.pools.keys().map(String::as_str).collect(),
            _ => raw.databases.keys().map(String::as_str).collect(),
        };
        let Resource { kind, name } = &resource.value;
        if !declared.contains(&name.as_str()) {
            diagnostics.unknown(resource.place.clone(), kind.as_str(), name, declared.into_iter());
        }
    }
    let resolved =
        raw.maintenances.iter().map(|(name, planned)| Some((name.clone(), planned.resolve(name)?)));
    resolved.flatten().collect()
}
