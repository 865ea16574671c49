//! `mainstay-drill demo | NAME`: known outages with real parts on loopback, against mainstay as a child process;
//! `mainstay-drill rank FILE`: recorded ones.
//!
//! Exit code 0: every limit was met; 1: one was missed; 2: usage error.

mod child;
mod comparison;
mod demo;
mod drills;
mod killer;
mod notes;
mod pool_report;
mod power;
mod power_report;
mod rank;
mod run;
mod stage;

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the demonstration, or a known outage with its score.
#[derive(Debug, Parser)]
#[command(name = "mainstay-drill", version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    /// Print the score as JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A small company on loopback: a domain expires, mainstay reacts. Prints the address of the status page.
    Demo(demo::Demo),
    /// A domain expires at the registrar (Logto, 2024-01-11).
    ExpiredName(drills::Options),
    /// A flood of requests, then limits that conflict (Toggl, 2024-02-26).
    Surge {
        #[command(flatten)]
        options: drills::Options,
        /// Leave out the second part, the same surge behind a plain round-robin proxy.
        #[arg(long)]
        alone: bool,
    },
    /// A slow query empties a pool while its clients reconnect (Toggl, 2018-01-16).
    ShrinkingPool {
        #[command(flatten)]
        options: drills::Options,
        /// Leave out the second part, the same outage behind a plain round-robin proxy.
        #[arg(long)]
        alone: bool,
        /// Number of WebSocket clients.
        #[arg(long, default_value_t = 2_000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=9_500))]
        clients: u32,
    },
    /// The power of the only database is cut; then the slow crash after it (Toggl, August 2011).
    PowerCut(drills::Options),
    /// Rank the causes of recorded faults by their metrics, one JSON line for each case.
    Rank(rank::Options),
}

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_default();
    let rest: Vec<OsString> = args.collect();
    if let Some((first, product_args)) = rest.split_first()
        && first == child::PRODUCT
    {
        return mainstay::run(std::iter::once("mainstay".into()).chain(product_args.iter().cloned()));
    }
    // One TLS provider for the whole process. An error means that one is set already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let line = CommandLine::parse_from(std::iter::once(program).chain(rest));
    let json = line.json;
    let result = match line.command {
        Command::Demo(demo) => demo.run(),
        Command::ExpiredName(options) => drills::expired_name(&options, json),
        Command::Surge { options, alone } => drills::surge(&options, json, alone),
        Command::ShrinkingPool { options, alone, clients } => {
            drills::shrinking_pool(&options, json, alone, clients as usize)
        }
        Command::PowerCut(options) => drills::power_cut(&options, json),
        Command::Rank(options) => options.run(),
    };
    result.unwrap_or_else(|failure| failure.report(json))
}
