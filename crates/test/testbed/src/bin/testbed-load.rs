//! Load for benchmarks: floods, idle connections, TLS session resumption, a link with
//! delay. Output in JSON.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks to its user")]

use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use testbed::flood::{Flood, Group, Report, Settings};
use testbed::idle_connections::{ConnectionCounts, IdleConnections, Kind};
use testbed::relay::{Line, Relay};
use testbed::resume;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until};

#[derive(Parser)]
#[command(about = "What benches ask of a server, and how it fared, in JSON")]
enum Args {
    /// Run a scenario: clients on an absolute schedule, phase by phase.
    Flood {
        /// A file; see `Scenario`.
        scenario: PathBuf,
        /// Processes whose CPU time is reported phase by phase.
        #[arg(long)]
        watch: Vec<u32>,
    },
    /// Opens connections, prints `open`, holds them, looks at them each second.
    Hold {
        /// WebSockets, or idle connections.
        kind: What,
        /// How many.
        count: usize,
        /// Where.
        target: SocketAddr,
        /// The Host asked for.
        #[arg(long, default_value = "bench.test")]
        host: String,
        /// The path asked for.
        #[arg(long, default_value = "/")]
        path: String,
        /// How long they are held.
        #[arg(long, default_value_t = 10)]
        secs: u64,
    },
    /// Relay connections over a link with delay, until SIGTERM.
    Relay {
        /// Where to listen.
        listen: SocketAddr,
        /// Where what comes in goes.
        target: SocketAddr,
        /// A round trip.
        #[arg(long, default_value_t = 100)]
        rtt_ms: u64,
        /// Megabits a second, each way.
        #[arg(long, default_value_t = 100.0)]
        megabits: f64,
    },
    /// Connects again and again with the session of the first time.
    Resume {
        /// Where.
        target: SocketAddr,
        /// The name on the certificate.
        name: String,
        /// PEM file of its certificate authority.
        ca: PathBuf,
        /// How often.
        #[arg(long, default_value_t = 2_000)]
        count: u32,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    Websocket,
    Idle,
}

/// A flood as a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    target: SocketAddr,
    host: String,
    deadline_ms: u64,
    #[serde(default)]
    seed: u64,
    groups: Vec<Group>,
    phases: Vec<Phase>,
    /// The phase from whose beginning the way back to 90 % is measured.
    #[serde(default)]
    back_in: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Phase {
    name: String,
    secs: f64,
    /// Visits a second of each group, in their order.
    rates: Vec<f64>,
}

#[derive(Serialize)]
struct Flooded {
    #[serde(flatten)]
    report: Report,
    back_to_90_secs: Option<f64>,
    /// Per phase: CPU seconds of all processes watched.
    cpu_secs: BTreeMap<String, f64>,
}

fn main() -> ExitCode {
    let done = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match done.map_err(Into::into).and_then(|runtime| runtime.block_on(run(Args::parse()))) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("testbed-load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<String, Box<dyn Error>> {
    Ok(match args {
        Args::Flood { scenario, watch } => {
            let scenario = serde_json::from_slice(&std::fs::read(scenario)?)?;
            serde_json::to_string(&flood(scenario, &watch).await?)?
        }
        Args::Hold { kind, count, target, host, path, secs } => {
            let kind = match kind {
                What::Websocket => Kind::WebSocket,
                What::Idle => Kind::Idle,
            };
            let held = IdleConnections::open(kind, count, target, &host, &path).await?;
            serde_json::to_string(&hold(held, Duration::from_secs(secs)).await)?
        }
        Args::Relay { listen, target, rtt_ms, megabits } => {
            let line = Line { delay: Duration::from_millis(rtt_ms) / 2, megabits_per_second: megabits };
            let _relay = Relay::start(TcpListener::bind(listen).await?, target, line)?;
            signal(SignalKind::terminate())?.recv().await;
            String::new()
        }
        Args::Resume { target, name, ca, count } => {
            serde_json::to_string(&resume::reconnect(target, &name, &ca, count).await?)?
        }
    })
}

async fn flood(scenario: Scenario, watch: &[u32]) -> Result<Flooded, Box<dyn Error>> {
    if let Some(phase) = scenario.phases.iter().find(|phase| phase.rates.len() != scenario.groups.len()) {
        return Err(format!("phase {} needs a rate for each of the groups", phase.name).into());
    }
    let flood = Flood::start(Settings {
        target: scenario.target,
        host: scenario.host,
        deadline: Duration::from_millis(scenario.deadline_ms),
        groups: scenario.groups,
        seed: scenario.seed,
    })?;
    let mut cpu_secs = BTreeMap::new();
    let mut ends = Instant::now();
    for phase in scenario.phases {
        let before = cpu(watch);
        flood.phase(&phase.name, &phase.rates);
        ends += Duration::from_secs_f64(phase.secs);
        sleep_until(ends).await;
        *cpu_secs.entry(phase.name).or_default() += cpu(watch) - before;
    }
    let report = flood.end();
    let back_to_90_secs = scenario.back_in.and_then(|phase| report.back_to(0.9, &phase));
    Ok(Flooded { report, back_to_90_secs, cpu_secs })
}

async fn hold(mut held: IdleConnections, lasts: Duration) -> ConnectionCounts {
    println!("open");
    let ends = Instant::now() + lasts;
    loop {
        let counts = held.check().await;
        if counts.lost > 0 || Instant::now() >= ends {
            return counts;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// CPU seconds of processes so far, from /proc. A process that is gone counts nothing.
fn cpu(pids: &[u32]) -> f64 {
    // Clock ticks are a hundredth of a second on every Linux of today (proc_pid_stat(5)).
    pids.iter().filter_map(|&pid| ticks(pid)).sum::<u64>() as f64 / 100.0
}

fn ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; user and system time are the 12th and 13th after it.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}
