//! Limits of public services, and whether those of a front end and of the service behind it fit together.

use super::public;
use crate::Audited;
use crate::definition::Definition;
use crate::found::Found;
use types::audit::{Criterion, Level};
use types::config::{Rate, Service, Traffic};
use types::time::spoken;
use types::{Config, Kind, Resource, ServiceId};

const SURGE: &str = "On 2024-02-26 a flood reached a new sign-in service whose protection had never been set up: nobody could sign in for hours.";

pub(crate) const CRITERIA: &[Definition] = &[
    Definition {
        criterion: Criterion::Protection,
        level: Level::Should,
        title: "A public service is behind the edge",
        why: SURGE,
        how: "From the configuration: each public service with hosts has `traffic`. Another product may protect it, which mainstay cannot see.",
        remedy: "Serve it by the edge: `traffic = { pool = \"auth\" }`. If another product protects it, say so in an exception, with the person who \
               knows that it is set up.",
        check: protection,
    },
    Definition {
        criterion: Criterion::TrafficLimits,
        level: Level::Must,
        title: "A public service has limits",
        why: SURGE,
        how: "From the configuration: a limit of one client, one subnet, or the whole service in `traffic`.",
        remedy: "`limit = { client = \"20/s\" }` in `[service.NAME.traffic]`: several times what a busy user needs.",
        check: traffic_limits,
    },
    Definition {
        criterion: Criterion::Recognition,
        level: Level::Should,
        title: "Known users of a service are recognized",
        why: "Under a flood the edge serves those first who signed in before. Without `recognize` all clients are alike to it.",
        how: "From the configuration: `recognize` in `traffic` of each public service that the edge serves.",
        remedy: "`recognize = { method = \"POST\", path = \"/login\", status = [303] }`: a request that only a true user completes.",
        check: recognition,
    },
    Definition {
        criterion: Criterion::OneClient,
        level: Level::Must,
        title: "The clients of a front end are not one client of the service behind it",
        why: "After the flood of 2024-02-26 was gone, sign-in stayed down for hours: the pages called the API for all visitors from a few \
              addresses, and the API limited each address.",
        how: "From the configuration: a service that others depend on limits each client, and the service that depends on it is no declared caller.",
        remedy: "Declare the front end as `[caller.NAME]` with a token, and let it name its clients: docs/guides/own-callers.md.",
        check: one_client,
    },
    Definition {
        criterion: Criterion::CallerLimit,
        level: Level::Must,
        title: "A front end does not let more in than the service behind it allows",
        why: "Two limits that fight refuse users one after the other, and each side sees only its own half. See also one-client.",
        how: "From the configuration: the limits of one client, and of the whole service, of two services of which one depends on the other.",
        remedy: "Raise the limit of the service behind, or lower that of the front end.",
        check: caller_limit,
    },
    Definition {
        criterion: Criterion::Timeouts,
        level: Level::Should,
        title: "A caller waits for longer than what it calls may take",
        why: "A caller that gives up first repeats a request that is still being worked on: the slower the service, the more work it gets.",
        how: "From the configuration: `response_timeout` of a service and of those that it depends on, as far as the edge serves both.",
        remedy: "Let timeouts grow from the inside out: 5 s for the database, 10 s for the API, 20 s for the page.",
        check: timeouts,
    },
    Definition {
        criterion: Criterion::Traces,
        level: Level::Should,
        title: "Requests can be traced through several services",
        why: "On 2024-02-26 there were no traces: that two limits fought was found after hours, by reading both programs.",
        how: "From the configuration: `edge.otlp`, to which the edge exports its spans.",
        remedy: "`otlp = \"http://127.0.0.1:4318/v1/traces\"`: any collector of OpenTelemetry. `mainstay trace` shows the edge's own part without one.",
        check: traces,
    },
];

fn protection(audited: &Audited<'_>, found: &mut Found) {
    for service in public(audited.config).filter(|service| audited.config.traffic_of(&service.id).is_none()) {
        let evidence = "it is not behind the edge: mainstay sees neither limits nor protection before it";
        let remedy = format!(
            "[service.{}.traffic] pool = \"{}\", or an exception that names its protection",
            service.id, service.id
        );
        found.fail(Resource::service(&service.id.0), evidence, remedy);
    }
}

/// Public services that the edge serves.
fn served(config: &Config) -> impl Iterator<Item = (&Service, &Traffic)> {
    public(config).filter_map(|service| Some((service, config.traffic_of(&service.id)?)))
}

fn traffic_limits(audited: &Audited<'_>, found: &mut Found) {
    for (service, traffic) in served(audited.config) {
        if traffic.client.is_none() && traffic.subnet.is_none() && traffic.service.is_none() {
            let remedy = format!("[service.{}.traffic] limit = {{ client = \"20/s\" }}", service.id);
            found.fail(
                Resource::service(&service.id.0),
                "no limit of a client, a subnet or the service",
                remedy,
            );
        }
    }
}

fn recognition(audited: &Audited<'_>, found: &mut Found) {
    for (service, _) in served(audited.config).filter(|(_, traffic)| traffic.recognize.is_none()) {
        let remedy = format!(
            "[service.{}.traffic] recognize = {{ method = \"POST\", path = \"/login\", status = [303] }}",
            service.id
        );
        found.fail(Resource::service(&service.id.0), "under overload all of its clients are alike", remedy);
    }
}

/// A service that the edge serves, with its name.
type Served<'a> = (&'a ServiceId, &'a Traffic);

/// Pairs of services that the edge serves: a front end, and a service that it depends on.
fn pairs(config: &Config) -> impl Iterator<Item = (Served<'_>, Served<'_>)> {
    let behind = |service: &Resource| -> Option<Served<'_>> {
        let service = config.services.get(&ServiceId(service.name.clone()))?;
        Some((&service.id, config.traffic_of(&service.id)?))
    };
    config.services.values().filter_map(|service| Some((service, config.traffic_of(&service.id)?))).flat_map(
        move |(service, traffic)| {
            let needs = service.depends_on.iter().filter(|need| need.kind == Kind::Service);
            needs.filter_map(behind).map(move |below| ((&service.id, traffic), below))
        },
    )
}

fn one_client(audited: &Audited<'_>, found: &mut Found) {
    for ((front, _), (behind, limits)) in pairs(audited.config) {
        let is_caller = audited.config.callers.values().any(|caller| caller.service.as_ref() == Some(front));
        if let Some(client) = limits.client.filter(|_| !is_caller) {
            let evidence = format!(
                "{behind} allows one client {}, and all users of {front} may be one client to it",
                shown(client)
            );
            let remedy = format!(
                "[caller.{front}] service = \"{front}\", token = \"env:{}_TOKEN\"",
                front.0.to_uppercase().replace('-', "_")
            );
            found.fail(Resource::service(&front.0), evidence, remedy);
        }
    }
}

fn caller_limit(audited: &Audited<'_>, found: &mut Found) {
    for ((front, outer), (behind, inner)) in pairs(audited.config) {
        for (whose, lets_in, allows) in [
            ("one client", outer.client, inner.client),
            ("all clients together", outer.service, inner.service),
        ] {
            let (Some(lets_in), Some(allows)) = (lets_in, allows) else { continue };
            if per_second(allows) < per_second(lets_in) {
                let evidence = format!(
                    "{front} lets {whose} make {}, and {behind} behind it allows only {}",
                    shown(lets_in),
                    shown(allows)
                );
                found.fail(
                    Resource::service(&front.0),
                    evidence,
                    format!("a limit of {behind} that is not below that of {front}"),
                );
            }
        }
    }
}

fn per_second(rate: Rate) -> f64 {
    f64::from(rate.count) / rate.per.as_secs_f64().max(0.001)
}

fn shown(rate: Rate) -> String {
    format!("{} requests in {}", rate.count, spoken(rate.per))
}

fn timeouts(audited: &Audited<'_>, found: &mut Found) {
    for ((front, outer), (behind, inner)) in pairs(audited.config) {
        if outer.response_timeout < inner.response_timeout {
            let evidence = format!(
                "the edge gives up on {front} after {}, and on {behind} behind it only after {}",
                spoken(outer.response_timeout),
                spoken(inner.response_timeout)
            );
            let remedy = format!("[service.{behind}.traffic] response_timeout below that of {front}");
            found.fail(Resource::service(&front.0), evidence, remedy);
        }
    }
}

fn traces(audited: &Audited<'_>, found: &mut Found) {
    if audited.config.edge.as_ref().is_some_and(|edge| edge.otlp.is_none()) {
        let remedy = "[edge] otlp = \"http://127.0.0.1:4318/v1/traces\"";
        found.fail(Resource::here(), "the edge exports no spans", remedy);
    }
}
