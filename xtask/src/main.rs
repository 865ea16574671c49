//! The one front door for developers' commands: `cargo xtask ci|fix|bless|tidy|sim|day|bench`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks to its user")]

mod packages;
mod run;
mod tidy;

use run::{cargo, step};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND

  ci                 everything that must be green: format, tidy, clippy, tests, simulation, drills, licences
  fix                format, and mend what clippy can mend
  bless              accept snapshots and stories, draw ARCHITECTURE.md's picture and the generated docs anew
  draw               ARCHITECTURE.md's picture alone
  tidy               the repository's own rules: who imports whom, names, sizes, forgotten files
  licences           what deny.toml allows is all there is
  sim [--seed N] [--hours H]       the engine in a world in a box
  day [SECONDS]      a day in the life of the edge, HAProxy beside it; 300 seconds unless given
  bench [NAME]       against peers, side by side in one run; results into bench/";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if let Err(why) = std::env::set_current_dir(run::root()) {
        eprintln!("cannot enter the workspace: {why}");
        return ExitCode::from(2);
    }
    let done = match args.as_slice() {
        ["ci"] => ci(),
        ["fix"] => fix(),
        ["bless"] => bless(),
        ["tidy"] => tidy::check(),
        ["draw"] => tidy::draw(),
        ["licences"] => licences(),
        ["sim", rest @ ..] => sim(rest),
        ["day", rest @ ..] => day(rest),
        ["bench", rest @ ..] => bench(rest),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("\nxtask: {why}");
            ExitCode::FAILURE
        }
    }
}

type Done = Result<(), String>;

fn ci() -> Done {
    packages::install()?;
    step("format", || cargo(&["fmt", "--all", "--check"]))?;
    step("tidy", tidy::check)?;
    step("clippy", || cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    step("tests", || cargo(&["test", "--workspace", "--no-fail-fast"]))?;
    // The tests have built both programs; `cargo run -p` would build half the tree anew with other features.
    step("simulation, fixed seeds", || built("sim", &["--seed", "1", "--seeds", "20", "--hours", "24"]))?;
    step("drill expired-name", || built("mainstay-drill", &["expired-name"]))?;
    step("drill expired-name, killed eight times", || {
        built("mainstay-drill", &["expired-name", "--kills", "8", "--brief"])
    })?;
    step("drill surge", || built("mainstay-drill", &["surge", "--alone", "--brief"]))?;
    step("licences and sources", licences)
}

fn fix() -> Done {
    cargo(&["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged"])?;
    cargo(&["fmt", "--all"])
}

fn bless() -> Done {
    tidy::draw()?;
    run::command(
        "cargo",
        &["test", "--workspace", "--no-fail-fast"],
        &[("INSTA_UPDATE", "always"), ("BLESS", "1")],
    )
}

fn sim(rest: &[&str]) -> Done {
    // The thinkers are optimised in the dev profile too: no second build of everything for this.
    let mut args = vec!["run", "-q", "-p", "sim", "--bin", "sim", "--"];
    args.extend(rest);
    cargo(&args)
}

/// Runs a program of the workspace as it was built last.
fn built(name: &str, args: &[&str]) -> Done {
    let program = run::target_folder()?.join("debug").join(name);
    run::command(&program.display().to_string(), args, &[])
}

fn day(rest: &[&str]) -> Done {
    packages::install()?;
    let seconds = rest.first().copied().unwrap_or("300");
    run::command("cargo", &["test", "-p", "mainstay", "--test", "day"], &[("DAY_SECS", seconds)])
}

fn bench(rest: &[&str]) -> Done {
    let name = rest.first().copied().unwrap_or("all");
    run::command("bash", &["bench/run", name], &[])
}

/// cargo-deny is a tool of its own; where it is not installed the licences are checked from `cargo metadata` alone.
fn licences() -> Done {
    if run::quiet("cargo", &["deny", "--version"]) {
        return cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"]);
    }
    println!(
        "cargo-deny is not installed (cargo install cargo-deny): checking deny.toml's licences and bans by metadata"
    );
    tidy::licences()
}
