//! Whether an outage would be noticed, and its cause found.

use super::public;
use crate::Audited;
use crate::definition::Definition;
use crate::found::Found;
use std::collections::BTreeSet;
use types::audit::{Criterion, Level};
use types::config::{Probe, ProbeKind};
use types::{Config, Resource, ServiceId};

pub(crate) const CRITERIA: &[Definition] = &[
    Definition {
        criterion: Criterion::Monitored,
        level: Level::Must,
        title: "Each service has a probe",
        why: "A service without one is operational on the status page whatever happens, and its users are the first to notice.",
        how: "From the configuration: a probe is about the service, one of its hosts, or what it depends on.",
        remedy: "Declare `hosts`, from which probes are derived, or a `[probe.NAME]` with `service`.",
        check: monitored,
    },
    Definition {
        criterion: Criterion::HealthCheck,
        level: Level::Should,
        title: "Probes of a service would notice a broken page",
        why: "A request for `/` that accepts whatever status came first is answered by a load balancer, a parking page, or a server that \
              has lost its database. On 2024-01-11 parking pages answered for hours in the place of a sign-in service whose domain had expired.",
        how: "From the configuration: at least one http probe of the service expects a status or a text, or asks for a path of its own.",
        remedy: "Ask for a page that needs what the service needs, and say what it must contain: \
               `http = { path = \"/health\", expect = { status = [200], body_contains = \"ok\" } }`.",
        check: health_check,
    },
    Definition {
        criterion: Criterion::PoolHealth,
        level: Level::Must,
        title: "Servers of a pool are checked",
        why: "Without a check a server is found to be broken by requests of users, and found to be well again by more of them. In the outage of \
              2018-01-16 servers left a pool unseen.",
        how: "From the configuration: each pool of the edge has `health`.",
        remedy: "`health = { path = \"/health\" }` in the pool; the path answers 200 only when the server can do its work.",
        check: pool_health,
    },
    Definition {
        criterion: Criterion::MinHealthy,
        level: Level::Should,
        title: "A pool says how many of its servers must be healthy",
        why: "On 2018-01-16 two of twenty servers were left, and nobody noticed for most of an hour.",
        how: "From the configuration: each pool with more than one server has `min_healthy`.",
        remedy: "`min_healthy` is the least number of servers that carries the daily peak.",
        check: min_healthy,
    },
    Definition {
        criterion: Criterion::Dependencies,
        level: Level::Should,
        title: "A service depends on each pool and database",
        why: "A database that no service depends on explains no outage: its alerts and those of the services are two incidents, and two pages.",
        how: "From the configuration: each `[pool.NAME]` and `[database.NAME]` is in `depends_on` of a service, or serves one.",
        remedy: "`depends_on = [\"database.main\"]` in the services that use it.",
        check: dependencies,
    },
    Definition {
        criterion: Criterion::Runbook,
        level: Level::Should,
        title: "A service that pages has a runbook",
        why: "A person who was woken reads; she does not invent. On 2024-01-11 nine hours passed before a person looked at the registration of the \
              domain, and on 2018-01-16 servers were added for hours before a person counted those that served.",
        how: "From the configuration: `runbook` of each service for which people are paged.",
        remedy: "`runbook = \"https://wiki.acme.com/auth\"`: how to see what is wrong, what has helped before, whom to ask. mainstay puts the link into \
               each page about the service.",
        check: runbook,
    },
];

fn monitored(audited: &Audited<'_>, found: &mut Found) {
    let config = audited.config;
    let about: BTreeSet<&Resource> = config.probes.values().map(|probe| &probe.about).collect();
    for service in config.services.values() {
        let resource = Resource::service(&service.id.0);
        let beneath = config.graph.beneath(&resource);
        if about.contains(&resource) || beneath.iter().any(|below| about.contains(below)) {
            continue;
        }
        let remedy = format!(
            "hosts = [\"{}.example.com\"] in [service.{}], or a [probe.NAME]",
            service.id, service.id
        );
        found.fail(resource, "nothing measures it", remedy);
    }
}

/// HTTP probes of a service.
fn http_probes<'a>(config: &'a Config, service: &ServiceId) -> Vec<&'a Probe> {
    let resource = Resource::service(&service.0);
    let is_about = |probe: &&Probe| {
        let speaks_for = probe.about == resource
            || probe.about.kind == types::Kind::Host
                && config.graph.depends_directly_on(&resource, &probe.about);
        speaks_for && matches!(probe.kind, ProbeKind::Http { .. })
    };
    config.probes.values().filter(is_about).collect()
}

/// Whether a probe would notice that another page is answered.
fn tests_something(probe: &Probe) -> bool {
    let ProbeKind::Http { url, expect, .. } = &probe.kind else { return false };
    let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
    expect.searches()
        || expect.min_size.is_some()
        || !path.is_empty()
        || !expect.learns && !expect.status.is_empty()
}

fn health_check(audited: &Audited<'_>, found: &mut Found) {
    for service in public(audited.config) {
        let probes = http_probes(audited.config, &service.id);
        if probes.is_empty() || probes.iter().any(|probe| tests_something(probe)) {
            continue;
        }
        let remedy = format!(
            "[service.{}] http = {{ path = \"/health\", expect = {{ body_contains = \"ok\" }} }}",
            service.id
        );
        let evidence = "its probes ask for / and accept any page with the status that was seen first";
        found.fail(Resource::service(&service.id.0), evidence, remedy);
    }
}

fn pool_health(audited: &Audited<'_>, found: &mut Found) {
    for pool in audited.config.pools.values().filter(|pool| pool.health.is_none()) {
        let evidence = "its servers are judged by requests of users only";
        let remedy = format!("[pool.{}] health = {{ path = \"/health\" }}", pool.id);
        found.fail(Resource::pool(&pool.id.0), evidence, remedy);
    }
}

fn min_healthy(audited: &Audited<'_>, found: &mut Found) {
    let config = audited.config;
    let declared = config.pools.values().map(|pool| (&pool.id, pool.servers.len(), pool.min_healthy));
    let external = config.external_pools.values().filter_map(|pool| {
        let members = audited.evidence.members.get(&pool.id).map(BTreeSet::len);
        let members = members.or_else(|| Some(pool.members.len()).filter(|declared| *declared > 0));
        if members.is_none() && pool.min_healthy.is_none() {
            found.unknown(Resource::pool(&pool.id.0), "its load balancer has not listed its members yet");
        }
        Some((&pool.id, members?, pool.min_healthy))
    });
    let external: Vec<_> = external.collect();
    for (id, servers, least) in declared.chain(external) {
        if servers < 2 || least.is_some() {
            continue;
        }
        let remedy = format!("[pool.{id}] min_healthy = {}", servers.div_ceil(2).max(1));
        found.fail(Resource::pool(&id.0), format!("it has {servers} servers and no `min_healthy`"), remedy);
    }
}

fn dependencies(audited: &Audited<'_>, found: &mut Found) {
    let config = audited.config;
    let pools = config.pools.keys().chain(config.external_pools.keys()).map(|pool| Resource::pool(&pool.0));
    for resource in pools.chain(config.databases.keys().map(Resource::database)) {
        if config.graph.above(&resource).iter().any(|above| above.kind == types::Kind::Service) {
            continue;
        }
        let remedy = format!("depends_on = [\"{resource}\"] in the services that use it");
        found.fail(resource, "no service depends on it", remedy);
    }
}

fn runbook(audited: &Audited<'_>, found: &mut Found) {
    if audited.config.people.is_empty() {
        return;
    }
    for service in audited.config.services.values().filter(|service| service.runbook.is_none()) {
        let remedy = format!("[service.{}] runbook = \"https://...\"", service.id);
        found.fail(
            Resource::service(&service.id.0),
            "people are paged for it, and it has no runbook",
            remedy,
        );
    }
}
