//! Headroom of pools and databases at their daily peak.

use crate::Audited;
use crate::definition::Definition;
use crate::found::Found;
use std::collections::BTreeSet;
use types::audit::{Criterion, Level};
use types::headroom::WithMore;
use types::{Config, Headroom, Kind, Resource};

pub(crate) const CRITERIA: &[Definition] = &[Definition {
    criterion: Criterion::Headroom,
    level: Level::Should,
    title: "A service has headroom at its daily peak",
    why: "A service that is at its knee every day is slow with the next busy day, the next deploy, or the next server that fails. On \
          2024-02-26 a surge of visitors met a sign-in service whose limit nobody knew.",
    how: "From load tests, the edge and the probes of databases: the highest half minute of the last 24 hours is at most 80 % of the knee of the \
          servers that work, or of the connection slots, and the trend of 30 days does not meet it within 30 days. Of a pool without a load \
          test nothing is known, unless its servers were at their limit before.",
    remedy: "More servers, or less work for each request; of a database a connection pool, or more slots. `mainstay headroom` has the figures.",
    check: headroom,
}];

fn headroom(audited: &Audited<'_>, found: &mut Found) {
    for resource in with_a_knee(audited.config) {
        let Some(headroom) = audited.evidence.headroom.get(&resource) else {
            found.unknown(resource, "nothing was measured yet");
            continue;
        };
        if headroom.is_low() {
            found.fail(resource, headroom.to_string(), remedy(headroom));
        } else if let Some(why) = headroom.unknown() {
            found.unknown(resource, why.to_string());
        }
    }
}

/// Pools that the edge serves, and databases.
fn with_a_knee(config: &Config) -> BTreeSet<Resource> {
    let served = config.services.keys().filter_map(|service| config.traffic_of(service));
    let pools = served.filter(|traffic| config.pools.contains_key(&traffic.pool));
    let pools = pools.map(|traffic| Resource::pool(&traffic.pool.0));
    pools.chain(config.databases.keys().map(Resource::database)).collect()
}

fn remedy(headroom: &Headroom) -> String {
    match headroom.with_more {
        Some(WithMore { servers, .. }) if headroom.resource.kind == Kind::Pool => {
            let plural = if servers == 1 { "" } else { "s" };
            format!(
                "{servers} more server{plural} in [pool.{}], or less work for each request",
                headroom.resource.name
            )
        }
        _ => "a connection pool before it, fewer connections of its clients, or more slots".to_owned(),
    }
}
