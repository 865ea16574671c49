//! Developers' commands: `cargo xtask ci|fix|bless|tidy|sim|day|bench`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line prints")]

mod licences;
mod packages;
mod run;
mod tidy;

use run::{cargo, step};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND

  ci                 everything that must be green: format, tidy, clippy, tests, simulation, drills, licences
  fix                format, and apply clippy's suggestions
  bless              accept snapshots and stories, redraw ARCHITECTURE.md and the generated docs
  draw               the drawing in ARCHITECTURE.md alone
  tidy [--report]    the repository's own rules: layers, module cycles, banned words, sizes, forgotten files;
                     --report prints every hit and does not fail
  licences           licences and bans of deny.toml
  sim [--seed N] [--hours H]       the engine in a simulated world: virtual time, failing journals
  sim --month [--seed N] [--fault] an ordinary month, in which nobody may be paged; with a fault, somebody must
  day [SECONDS]      an ordinary day of the edge, HAProxy beside it; default 300 seconds
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
        ["tidy"] => tidy::check(false),
        ["tidy", "--report"] => tidy::check(true),
        ["draw"] => tidy::draw(),
        ["licences"] => licences::check(),
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
    step("tidy", || tidy::check(false))?;
    step("clippy", || once(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    step("tests", || once(&["test", "--workspace"]))?;
    // The tests have built both programs; `cargo run -p` would rebuild half the tree with other features.
    step("simulation, fixed seeds", || built("sim", &["--seed", "1", "--seeds", "20", "--hours", "24"]))?;
    step("drills expired-name, also killed eight times, beside shrinking-pool", drills_that_wait)?;
    step("drill surge", || built("mainstay-drill", &["surge", "--alone", "--brief"]))?;
    step("licences and sources", licences::check)
}

/// A build that is not repeated soon: neither what a next build could reuse, nor what a debugger reads.
fn once(args: &[&str]) -> Done {
    run::command("cargo", args, &[("CARGO_INCREMENTAL", "0"), ("CARGO_PROFILE_DEV_DEBUG", "0")])
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
    // The core is optimised in the dev profile too: no second build of everything for this.
    let mut args = vec!["run", "-q", "-p", "mainstay-sim", "--bin", "sim", "--"];
    args.extend(rest);
    cargo(&args)
}

/// Runs a program of the workspace as it was built last.
fn built(name: &str, args: &[&str]) -> Done {
    run::command(&path_of(name)?, args, &[])
}

fn path_of(name: &str) -> Result<String, String> {
    Ok(run::target_folder()?.join("debug").join(name).display().to_string())
}

/// Drills that mostly wait, side by side; what the second lane says is printed after its end.
fn drills_that_wait() -> Done {
    let program = path_of("mainstay-drill")?;
    std::thread::scope(|scope| {
        let pool = scope
            .spawn(|| run::captured(&program, &["shrinking-pool", "--alone", "--brief", "--clients", "500"]));
        let names = run::command(&program, &["expired-name"], &[])
            .and_then(|()| run::command(&program, &["expired-name", "--kills", "8", "--brief"], &[]));
        let (said, pool) = pool.join().map_err(|_| "the lane of shrinking-pool panicked")?;
        println!("{said}");
        names.and(pool)
    })
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
