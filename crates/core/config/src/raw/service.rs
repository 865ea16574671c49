//! `[service.NAME]` as written.

use crate::diagnostics::{Diagnostics, Place};
use crate::parse::host::{Host, Pattern};
use crate::parse::scalar;
use crate::raw::http::{self, RawHttp};
use crate::raw::traffic::{self, RawTraffic};
use crate::raw::{name_of, title_of};
use crate::reader::table::TableReader;
use crate::reader::value::At;
use crate::suggest::shown;
use crate::value_error::ValueError;
use types::Resource;

/// A service as written.
#[derive(Debug)]
pub(crate) struct RawService {
    pub(crate) place: Place,
    pub(crate) title: String,
    pub(crate) group: Option<String>,
    pub(crate) hosts: Vec<At<Pattern>>,
    /// Position of `*` among them: all hosts that no other service has.
    pub(crate) all_hosts: Option<Place>,
    /// Whether `hosts` has an entry, valid or not.
    pub(crate) has_hosts: bool,
    pub(crate) samples: Vec<At<Host>>,
    /// Whether `wildcard_samples` has an entry, valid or not.
    pub(crate) has_samples: bool,
    /// Services and pools.
    pub(crate) depends_on: Vec<At<Resource>>,
    pub(crate) schedule: Option<At<String>>,
    pub(crate) escalation: Option<At<String>>,
    pub(crate) public: bool,
    pub(crate) traffic: Option<RawTraffic>,
    pub(crate) http: Option<At<RawHttp>>,
}

/// Reads `hosts`: the position of `*`, which means all hosts, and the other entries.
fn hosts(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> (Option<Place>, Vec<At<Pattern>>) {
    let read = |text: &str| if text.trim() == "*" { Ok(None) } else { Pattern::read(text).map(Some) };
    let listed = table.strings(diagnostics, "hosts", read);
    let all_hosts = listed.iter().find(|at| at.value.is_none()).map(|at| at.place.clone());
    let hosts = listed.into_iter().filter_map(|At { value, place }| Some(At { value: value?, place }));
    (all_hosts, hosts.collect())
}

pub(crate) fn service(name: &str, table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> RawService {
    let (all_hosts, hosts) = hosts(table, diagnostics);
    RawService {
        place: table.place.clone(),
        title: table.string(diagnostics, "title", scalar::text).map_or_else(|| title_of(name), |at| at.value),
        group: table.string(diagnostics, "group", scalar::text).map(|at| at.value),
        hosts,
        all_hosts,
        has_hosts: table.is_filled("hosts"),
        samples: table.strings(diagnostics, "wildcard_samples", |text| {
            if text.contains('*') {
                Err(ValueError::new("a sample is a host name without `*`"))
            } else {
                Host::read(text)
            }
        }),
        has_samples: table.is_filled("wildcard_samples"),
        depends_on: table.strings(diagnostics, "depends_on", dependency),
        schedule: table.string(diagnostics, "schedule", name_of),
        escalation: table.string(diagnostics, "escalation", name_of),
        public: table.boolean(diagnostics, "public").unwrap_or(true),
        traffic: table.subtable(diagnostics, "traffic", traffic::read),
        http: http::read(table, diagnostics),
    }
}

/// Parses `service.NAME` or `pool.NAME`; other kinds of resources are not supported.
fn dependency(text: &str) -> Result<Resource, ValueError> {
    let shown = shown(text);
    match text.split_once('.') {
        Some(("service", name)) if !name.is_empty() => Ok(Resource::service(name)),
        Some(("pool", name)) if !name.is_empty() => Ok(Resource::pool(name)),
        Some((kind @ ("database" | "heartbeat"), _)) => {
            Err(ValueError::new(format!("`{shown}`: {kind}s are not supported by this version"))
                .hint("remove it for now; no key is ignored silently"))
        }
        Some((kind @ ("host" | "tls" | "dns" | "domain" | "probe"), _)) => {
            Err(ValueError::new(format!("`{shown}`: a service cannot depend on a {kind} by name"))
                .hint("name the service that it belongs to: depends_on = [\"service.mail\"]"))
        }
        _ => Err(ValueError::new(format!("`{shown}` is not a resource"))
            .hint(format!("write \"service.{shown}\""))),
    }
}
