//! The command line: one file per command.
//!
//! Exit code 0: fine; 1: the answer is no; 2: usage or configuration error. `--json` gives everywhere the same as the
//! table.

mod audit;
mod backup;
mod cache;
mod change;
mod check;
mod config;
mod deny;
mod exec;
mod export;
mod failure;
mod fix;
mod headroom;
mod heartbeat;
mod incident;
mod journal;
mod load;
mod log;
mod maintenance;
mod oncall;
mod page;
mod probe;
mod requirements;
mod run;
mod running;
mod silence;
mod status;
mod subscriber;
pub mod table;
mod time_argument;
mod timezone;
mod trace;
mod valve;

pub use failure::Failure;

use crate::app::permissions;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Probes services, diagnoses outages, pages the person on call, updates the status page, and can proxy the traffic.
#[derive(Debug, Parser)]
#[command(name = "mainstay", version, max_term_width = 100)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// The configuration file.
    #[arg(long, global = true, value_name = "PATH", default_value = "./mainstay.toml")]
    pub config: PathBuf,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the configuration, and that every alert reaches a person at every hour of the next 12 months.
    Check {
        /// Check the file only, not this machine: secrets, files, ports, data folder. For a review on another machine.
        #[arg(long)]
        text_alone: bool,
        /// Rewrites keys and sections of earlier versions to their new names first, keeping comments and order.
        #[arg(long)]
        fix: bool,
    },
    /// Run everything. A changed configuration is reloaded; SIGHUP reloads now; SIGTERM drains and ends.
    Run(run::Run),
    /// Audit services, databases, names and on-call against acceptance criteria. Exit code 1: one that must be met is not.
    Audit(audit::Audit),
    /// Show how much of its knee each pool and database uses at its daily peak. Exit code 1: one has too little headroom.
    Headroom(headroom::Headroom),
    /// Show open incidents and the state of all services.
    Status,
    /// Show why a resource is in its state: `mainstay why auth`, `mainstay why domain.acme.app`.
    Why {
        /// A service, host, domain, or any resource by the name that alerts give it.
        resource: String,
    },
    /// Run one probe and show what it sees, with the duration of its phases. Exit code 1: the answer is bad, or there is none.
    Probe(probe::ProbeOnce),
    /// Show who is on call. Exit code 1: nobody is, at that instant or at some instant of that period.
    Oncall(oncall::Oncall),
    /// List, show, acknowledge, note, update, approve, resolve incidents; draft a post-mortem.
    #[command(subcommand)]
    Incident(incident::Incident),
    /// List jobs that report by heartbeats.
    #[command(subcommand)]
    Heartbeat(heartbeat::Heartbeat),
    /// Run a job, and report its start, its end and the end of its output: `mainstay exec nightly-backup -- backup.sh`.
    Exec(exec::Exec),
    /// Record a deploy or another change; list the last ones with their effect on incidents.
    Change(change::Change),
    /// Load test a declared copy of a service: which rate of requests it keeps up with. Exit code 1: it did not answer well.
    Load(load::Load),
    /// Deny traffic for a limited time; list and lift denials.
    #[command(subcommand)]
    Deny(deny::Deny),
    /// Let clients of a service in step by step: `valve auth 20%`; without arguments: list the valves.
    Valve(valve::ValveCommand),
    /// Schedule, list, extend, end and cancel planned work: it is announced, and what it explains pages no one.
    #[command(subcommand)]
    Maintenance(maintenance::MaintenanceCommand),
    /// Hold the pages of alerts of a source by their labels, as amtool does; list and end silences.
    #[command(subcommand)]
    Silence(silence::SilenceCommand),
    /// Purge the response cache of the edge.
    #[command(subcommand)]
    Cache(cache::Cache),
    /// Show how one request was handled: decision, server, duration of each phase. Without an id: the latest requests
    /// that were rejected, failed or slow.
    Trace {
        /// The trace id, from the error page or the header `x-request-id`.
        id: Option<String>,
    },
    /// List, add, import and remove subscribers of the status page.
    #[command(subcommand)]
    Subscriber(subscriber::Subscribers),
    /// Send test pages.
    #[command(subcommand)]
    Page(page::Page),
    /// Prove that backups of databases can be restored; list the last proofs.
    #[command(subcommand)]
    Backup(backup::Backup),
    /// Dump, verify, back up and restore the journal.
    #[command(subcommand)]
    Journal(journal::Journal),
    /// Print a link that signs one person in to the console, once.
    Login,
    /// Write the status page as plain files for a static host. Works also when mainstay is not running.
    Export {
        /// The destination.
        folder: PathBuf,
    },
    /// Print the JSON Schema of mainstay.toml, for editors.
    Schema {
        /// Print the reference as Markdown instead.
        #[arg(long)]
        reference: bool,
    },
}

impl CommandLine {
    /// Runs the command.
    pub(crate) fn run(self) -> ExitCode {
        let common = self.common;
        // Files of an export are public, all others are for mainstay alone.
        if !matches!(self.command, Command::Export { .. }) {
            permissions::restrict_new_files();
        }
        let done = match self.command {
            Command::Check { text_alone, fix } => check::run(&common, text_alone, fix),
            Command::Run(run) => run.run(&common),
            Command::Audit(audit) => audit.run(&common),
            Command::Headroom(headroom) => headroom.run(&common),
            Command::Status => status::status(&common),
            Command::Why { resource } => status::why(&common, &resource),
            Command::Probe(probe) => probe.run(&common),
            Command::Oncall(oncall) => oncall.run(&common),
            Command::Incident(incident) => incident.run(&common),
            Command::Heartbeat(heartbeat) => heartbeat.run(&common),
            Command::Exec(exec) => exec.run(&common),
            Command::Change(change) => change.run(&common),
            Command::Load(load) => load.run(&common),
            Command::Deny(deny) => deny.run(&common),
            Command::Valve(valve) => valve.run(&common),
            Command::Maintenance(maintenance) => maintenance.run(&common),
            Command::Silence(silence) => silence.run(&common),
            Command::Cache(cache) => cache.run(&common),
            Command::Trace { id: Some(id) } => trace::trace(&common, &id),
            Command::Trace { id: None } => trace::list(&common),
            Command::Subscriber(subscribers) => subscribers.run(&common),
            Command::Page(page) => page.run(&common),
            Command::Backup(backup) => backup.run(&common),
            Command::Journal(journal) => journal.run(&common),
            Command::Login => login(&common),
            Command::Export { folder } => export::run(&common, &folder),
            Command::Schema { reference } => schema(reference),
        };
        match done {
            Ok(code) => code,
            Err(failure) => failure.report(common.json),
        }
    }
}

fn login(common: &Common) -> Result<ExitCode, Failure> {
    let answer = running::Running::find(common)?.post("/api/v1/login", &serde_json::json!({}))?;
    if common.json {
        table::json(&answer)?;
    } else {
        table::say(answer["link"].as_str().unwrap_or_default());
    }
    Ok(ExitCode::SUCCESS)
}

fn schema(reference: bool) -> Result<ExitCode, Failure> {
    if reference {
        table::say(&::config::reference());
    } else {
        table::json(&::config::schema())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The name under which a command is recorded: `--by`, or the login name.
fn actor(by: Option<&String>) -> String {
    by.cloned().or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "command line".to_owned())
}
