//! The command line: one file a command, names as the documentation promises them.
//!
//! Exit 0 is fine, 1 is "the answer is no", 2 is a wrong command or a wrong configuration. `--json` gives everywhere what the
//! table gives.

mod check;
mod compare;
mod config;
mod demo;
mod deny;
mod drill;
mod export;
mod failure;
mod incident;
mod journal;
mod machine;
mod moment;
mod oncall;
mod page;
mod run;
mod running;
mod status;
mod table;
mod trace;
mod world;
mod zone;

pub(crate) use config::folder as config_folder;
pub(crate) use failure::Failure;
pub(crate) use table::say;

use crate::private;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Keeps a small company's services standing: from the fault to the right cause, to a human who answers, to an honest
/// word for the users.
#[derive(Debug, Parser)]
#[command(name = "mainstay", version, max_term_width = 100)]
pub(crate) struct Line {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// The configuration.
    #[arg(long, global = true, value_name = "FILE", default_value = "./mainstay.toml")]
    pub config: PathBuf,
    /// Answer in JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A small world of its own on loopback: an outage happens, mainstay deals with it. Prints the status page's address.
    Demo(demo::Demo),
    /// Is the configuration sound? Who would be paged, every hour of the next 12 months?
    Check {
        /// Looks at the text alone, not at what this machine has: secrets, files, ports, the data folder. For a review elsewhere.
        #[arg(long)]
        text_alone: bool,
    },
    /// Everything: watches, diagnoses, wakes, tells. A changed configuration is taken over at once; SIGTERM drains.
    Run(run::Run),
    /// What is wrong, in the terminal.
    Status,
    /// Why a thing is as it is: `mainstay why auth`, `mainstay why domain.acme.app`.
    Why {
        /// A service, a host, a domain, or a thing as alerts name it.
        resource: String,
    },
    /// Who is on call.
    Oncall(oncall::Oncall),
    /// List, show, acknowledge, note, update, resolve.
    #[command(subcommand)]
    Incident(incident::Incident),
    /// Refuse some traffic for a while, see what is refused, lift it.
    #[command(subcommand)]
    Deny(deny::Deny),
    /// What became of one request: who decided, which server, what took how long. Without an id, the latest that were
    /// refused, failed or slow.
    Trace {
        /// Its id, as the error page and the header `x-request-id` have it.
        id: Option<String>,
    },
    /// Test pages.
    #[command(subcommand)]
    Page(page::Page),
    /// An outage of real life with real parts; prints the score.
    Drill(drill::Drill),
    /// Dump, verify, back up, restore.
    #[command(subcommand)]
    Journal(journal::Journal),
    /// A fresh link that signs one person in to the console of the running mainstay, once.
    Login,
    /// The status page as plain files, for any static host. Works whether mainstay runs or not.
    Export {
        /// Where to.
        folder: PathBuf,
    },
    /// The JSON Schema of mainstay.toml, for editors.
    Schema {
        /// The reference as a page of Markdown instead.
        #[arg(long)]
        reference: bool,
    },
}

impl Line {
    /// Runs the command. Whatever it says to people is on the terminal when it returns.
    pub(crate) fn run(self) -> ExitCode {
        let common = self.common;
        // The files of an export are for everybody, all others for mainstay alone.
        if !matches!(self.command, Command::Export { .. }) {
            private::by_default();
        }
        let done = match self.command {
            Command::Demo(demo) => demo.run(),
            Command::Check { text_alone } => check::run(&common, text_alone),
            Command::Run(run) => run.run(&common),
            Command::Status => status::status(&common),
            Command::Why { resource } => status::why(&common, &resource),
            Command::Oncall(oncall) => oncall.run(&common),
            Command::Incident(incident) => incident.run(&common),
            Command::Deny(deny) => deny.run(&common),
            Command::Trace { id: Some(id) } => trace::trace(&common, &id),
            Command::Trace { id: None } => trace::lately(&common),
            Command::Page(page) => page.run(&common),
            Command::Drill(drill) => drill.run(&common),
            Command::Journal(journal) => journal.run(&common),
            Command::Login => login(&common),
            Command::Export { folder } => export::run(&common, &folder),
            Command::Schema { reference } => schema(reference),
        };
        match done {
            Ok(code) => code,
            Err(failure) => failure.tell(common.json),
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

/// Who asks, for the others to know.
fn who(by: Option<&String>) -> String {
    by.cloned().or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "command line".to_owned())
}

/// A JSON object on one line, for whoever reads our standard output by machine.
pub(crate) fn say_json(value: &serde_json::Value) {
    table::say(&value.to_string());
}
