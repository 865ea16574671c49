//! `mainstay check`: problems of the configuration, what the edge would serve, and gaps in the schedules of the next 12
//! months.

use crate::app::{certificates, clock};
use crate::cli::{Common, Failure, config, fix, requirements, table};
use serde::Serialize;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use types::config::{Edge, Service};
use types::{Config, time};

/// Period that is checked for gaps.
const AHEAD: Duration = Duration::from_secs(365 * 86_400);

/// Columns of a terminal.
const WIDTH: usize = 80;

#[derive(Serialize)]
struct Answer {
    sound: bool,
    services: usize,
    probes: usize,
    warnings: Vec<String>,
    /// Certificates that cannot be used.
    certificates: Vec<String>,
    gaps: Vec<String>,
    /// Requirements that this machine does not meet, so that `run` would not start or not do everything.
    missing: Vec<String>,
    edge: Option<EdgeReport>,
    /// Why the edge would accept fewer connections than configured.
    shortage: Option<String>,
    /// What `--fix` renamed.
    renamed: Vec<fix::Change>,
}

/// Listeners and services of the edge.
#[derive(Serialize)]
struct EdgeReport {
    listeners: Vec<Listener>,
    services: Vec<Proxied>,
}

#[derive(Clone, Serialize)]
struct Listener {
    address: SocketAddr,
    tls: bool,
    /// Whether other machines can reach it.
    public: bool,
}

#[derive(Serialize)]
struct Proxied {
    service: String,
    hosts: Vec<String>,
    pool: String,
    servers: Vec<String>,
}

pub(crate) fn run(common: &Common, text_alone: bool, fix: bool) -> Result<ExitCode, Failure> {
    let renamed = if fix { fix::fix(&common.config, common.json)? } else { Vec::new() };
    let read = config::read_with_warnings(&common.config)?;
    let missing = if text_alone { Vec::new() } else { requirements::missing(&read) };
    let certificates: Vec<String> =
        certificates::unusable(&read, |_| !text_alone).iter().map(ToString::to_string).collect();
    let ::config::Read { config, warnings, .. } = read;
    let now = clock::now();
    let gaps: Vec<String> = oncall::gaps(&config, now, time::later(now, AHEAD))
        .iter()
        .map(|gap| gap_text(&config, gap))
        .collect();
    let answer = Answer {
        sound: gaps.is_empty() && certificates.is_empty() && missing.is_empty(),
        services: config.services.len(),
        probes: config.probes.len(),
        warnings: warnings.iter().map(ToString::to_string).collect(),
        certificates,
        gaps,
        missing,
        edge: config.edge.as_ref().map(|edge| edge_report(&config, edge)),
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
        for problem in &answer.certificates {
            table::say(&table::wrapped(problem, "", WIDTH));
        }
        answer.edge.iter().for_each(print_edge);
        answer.shortage.iter().for_each(|why| table::say(&table::wrapped(why, "  ", WIDTH)));
        for missing in &answer.missing {
            table::say(&table::wrapped(&format!("missing on this machine: {missing}"), "", WIDTH));
        }
        for gap in &answer.gaps {
            table::say(&format!("nobody on call: {gap}"));
        }
        if answer.sound {
            table::say(&format!(
                "{} is valid: {} services, {} probes; a person is on call at every hour of the next 12 months",
                common.config.display(),
                answer.services,
                answer.probes
            ));
        }
    }
    Ok(if answer.sound { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn edge_report(config: &Config, edge: &Edge) -> EdgeReport {
    let listeners = |all: &[SocketAddr], tls| {
        all.iter()
            .map(|at| Listener { address: *at, tls, public: !at.ip().is_loopback() })
            .collect::<Vec<_>>()
    };
    let proxied = |service: &Service| {
        let pool = config.pools.get(&service.traffic.as_ref()?.pool)?;
        Some(Proxied {
            service: service.id.0.clone(),
            hosts: service.declared_hosts.clone(),
            pool: pool.id.0.clone(),
            servers: pool.servers.iter().map(|server| server.at.clone()).collect(),
        })
    };
    EdgeReport {
        listeners: [listeners(&edge.listen, false), listeners(&edge.listen_tls, true)].concat(),
        services: config.services.values().filter_map(proxied).collect(),
    }
}

fn print_edge(edge: &EdgeReport) {
    for Listener { address, tls, public } in &edge.listeners {
        let kind = if *tls { "HTTPS" } else { "HTTP" };
        let reach =
            if *public { "reachable from other machines" } else { "reachable from this machine only" };
        table::say(&format!("the edge listens for {kind} on {address}: {reach}"));
    }
    for Proxied { service, hosts, pool, servers } in &edge.services {
        let line = format!("{service}: {} from pool {pool} ({})", hosts.join(", "), servers.join(", "));
        table::say(&table::wrapped(&line, "  ", WIDTH));
    }
    if edge.services.is_empty() {
        table::say("  no service has a `traffic` section: the edge would serve nothing");
    }
}

/// Text of a gap, in the timezone of the site.
fn gap_text(config: &Config, gap: &oncall::Gap) -> String {
    let shown = |at: types::Time| {
        at.to_zoned_datetime(config.site.timezone.clone()).strftime("%a %Y-%m-%d %H:%M").to_string()
    };
    let whose = match &gap.service {
        Some(service) => format!("for service `{service}`"),
        None => format!("on escalation `{}`", gap.escalation),
    };
    format!("{whose} from {} to {}: {}", shown(gap.from), shown(gap.to), gap.why)
}
