//! `mainstay check`: is the configuration sound, what would the edge serve from where, and does every alert reach a human at every
//! hour of the next 12 months?

use crate::cli::{Common, Failure, config, fix, machine, table};
use crate::{certificates, clock};
use serde::Serialize;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use types::config::{Edge, Service};
use types::{Config, time};

/// Twelve months ahead.
const AHEAD: Duration = Duration::from_secs(365 * 86_400);

/// Columns of a terminal.
const WIDTH: usize = 80;

#[derive(Serialize)]
struct Answer {
    sound: bool,
    services: usize,
    probes: usize,
    warnings: Vec<String>,
    /// Certificates that could not be shown to visitors.
    certificates: Vec<String>,
    gaps: Vec<String>,
    /// What this machine lacks, so that `run` would not start or not do all that the configuration says.
    missing: Vec<String>,
    edge: Option<Serves>,
    /// Why the edge would take fewer connections than declared.
    shortage: Option<String>,
    /// What `--fix` renamed.
    renamed: Vec<fix::Change>,
}

/// What the edge would serve.
#[derive(Serialize)]
struct Serves {
    listens: Vec<Listens>,
    guards: Vec<Guarded>,
}

#[derive(Clone, Serialize)]
struct Listens {
    at: SocketAddr,
    tls: bool,
    /// Whether other machines can reach it.
    open: bool,
}

#[derive(Serialize)]
struct Guarded {
    service: String,
    hosts: Vec<String>,
    pool: String,
    servers: Vec<String>,
}

pub(crate) fn run(common: &Common, text_alone: bool, fix: bool) -> Result<ExitCode, Failure> {
    let renamed = if fix { fix::fix(&common.config, common.json)? } else { Vec::new() };
    let read = config::read_with_warnings(&common.config)?;
    let missing = if text_alone { Vec::new() } else { machine::missing(&read) };
    let certificates: Vec<String> =
        certificates::unusable(&read, |_| !text_alone).iter().map(ToString::to_string).collect();
    let ::config::Read { config, warnings, .. } = read;
    let now = clock::now();
    let gaps: Vec<String> =
        oncall::gaps(&config, now, time::later(now, AHEAD)).iter().map(|gap| told(&config, gap)).collect();
    let answer = Answer {
        sound: gaps.is_empty() && certificates.is_empty() && missing.is_empty(),
        services: config.services.len(),
        probes: config.probes.len(),
        warnings: warnings.iter().map(ToString::to_string).collect(),
        certificates,
        gaps,
        missing,
        edge: config.edge.as_ref().map(|edge| serves(&config, edge)),
        renamed,
        shortage: config.edge.as_ref().and_then(|edge| {
            edge::descriptors::shortage(edge.limits.max_connections, edge::descriptors::hard_limit())
        }),
    };
    if common.json {
        table::json(&answer)?;
    } else {
        for warning in &answer.warnings {
            table::say(&format!("warning: {warning}"));
        }
        for wrong in &answer.certificates {
            table::say(&table::wrapped(wrong, "", WIDTH));
        }
        answer.edge.iter().for_each(say_edge);
        answer.shortage.iter().for_each(|why| table::say(&table::wrapped(why, "  ", WIDTH)));
        for wrong in &answer.missing {
            table::say(&table::wrapped(&format!("missing here: {wrong}"), "", WIDTH));
        }
        for gap in &answer.gaps {
            table::say(&format!("nobody to wake: {gap}"));
        }
        if answer.sound {
            table::say(&format!(
                "{} is sound: {} services, {} probes; somebody can be woken at every hour of the next 12 months",
                common.config.display(),
                answer.services,
                answer.probes
            ));
        }
    }
    Ok(if answer.sound { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn serves(config: &Config, edge: &Edge) -> Serves {
    let listens = |all: &[SocketAddr], tls| {
        all.iter().map(|at| Listens { at: *at, tls, open: !at.ip().is_loopback() }).collect::<Vec<_>>()
    };
    let guarded = |service: &Service| {
        let pool = config.pools.get(&service.traffic.as_ref()?.pool)?;
        Some(Guarded {
            service: service.id.0.clone(),
            hosts: service.declared_hosts.clone(),
            pool: pool.id.0.clone(),
            servers: pool.servers.iter().map(|server| server.at.clone()).collect(),
        })
    };
    Serves {
        listens: [listens(&edge.listen, false), listens(&edge.listen_tls, true)].concat(),
        guards: config.services.values().filter_map(guarded).collect(),
    }
}

fn say_edge(serves: &Serves) {
    for Listens { at, tls, open } in &serves.listens {
        let kind = if *tls { "HTTPS" } else { "HTTP" };
        let reach = if *open { "other machines reach it" } else { "only this machine reaches it" };
        table::say(&format!("the edge listens for {kind} on {at}: {reach}"));
    }
    for guarded in &serves.guards {
        let Guarded { service, hosts, pool, servers } = guarded;
        let from = format!("{service}: {} from pool {pool} ({})", hosts.join(", "), servers.join(", "));
        table::say(&table::wrapped(&from, "  ", WIDTH));
    }
    if serves.guards.is_empty() {
        table::say("  no service has a guard: it would serve nothing");
    }
}

/// A gap as a person reads it, in the zone of the site.
fn told(config: &Config, gap: &oncall::Gap) -> String {
    let shown =
        |at: types::Time| at.to_zoned(config.site.timezone.clone()).strftime("%a %Y-%m-%d %H:%M").to_string();
    let whose = match &gap.service {
        Some(service) => format!("for service `{service}`"),
        None => format!("on escalation `{}`", gap.escalation),
    };
    format!("{whose} from {} to {}: {}", shown(gap.from), shown(gap.to), gap.why)
}
