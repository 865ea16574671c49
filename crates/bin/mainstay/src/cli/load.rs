//! `mainstay load`: finds the rate of requests at which a copy of a service no longer keeps up.

mod arguments;
mod stored;

use crate::app::clock;
use crate::cli::running::Running;
use crate::cli::{Common, Failure, actor, config, table};
use ::load::{Asked, Next, Production, Rates, Search, wording};
use arguments::RateArgument;
use clap::{Args, Subcommand};
use load_generator::{LoadError, Setting, TargetError};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use types::Config;
use types::config::LoadTarget;
use types::load_test::{LoadEnd, LoadTest};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Load {
    #[command(subcommand)]
    action: Option<Action>,
    /// The target: the NAME of a `[load.NAME]` in the configuration.
    #[arg(required = true)]
    target: Option<String>,
    /// Runs this rate of requests per second instead of searching for the knee; may be repeated.
    #[arg(long = "rate", value_name = "RATE", conflicts_with = "to")]
    rates: Vec<RateArgument>,
    /// Searches up to this rate; default: the bound of the target.
    #[arg(long, value_name = "RATE")]
    to: Option<RateArgument>,
    /// Duration of each step; default: about 5 s, longer at low rates.
    #[arg(long = "for", value_name = "DURATION", value_parser = ::config::duration)]
    step: Option<Duration>,
    /// Shows what would be sent, and sends nothing.
    #[arg(long)]
    dry_run: bool,
    /// Your name; default: the login name.
    #[arg(long)]
    by: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the stored results, newest first.
    List,
    /// Store a result that was written with `--json` where mainstay did not run.
    Store {
        /// The file.
        file: PathBuf,
        /// Your name; default: the login name.
        #[arg(long)]
        by: Option<String>,
    },
}

impl Load {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        match (&self.action, &self.target) {
            (Some(Action::List), _) | (None, None) => stored::list(common),
            (Some(Action::Store { file, by }), _) => stored::store(common, file, by.as_ref()),
            (None, Some(name)) => self.test(common, name),
        }
    }

    fn test(&self, common: &Common, name: &str) -> Result<ExitCode, Failure> {
        let config = config::read(&common.config, common.json)?;
        let target = declared(&config, name)?;
        let search = Search::new(target, &self.asked()).map_err(|why| {
            Failure::wrong(why)
                .hint("ask for less, or raise the bound in the configuration, where it is reviewed")
        })?;
        if self.dry_run {
            return show(common, target, search);
        }
        let test = run(common, &config, target, search)?;
        let stored = store(common, &test, &actor(self.by.as_ref()))?;
        if common.json {
            table::json(&json!({ "test": test, "summary": wording::summary(&test), "stored": stored }))?;
        } else {
            print_result(&test, stored, common);
        }
        Ok(if is_good(&test) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn asked(&self) -> Asked {
        let rates = match self.rates.as_slice() {
            [] => Rates::Knee(self.to.map(|rate| rate.0)),
            rates => Rates::Given(rates.iter().map(|rate| rate.0).collect()),
        };
        Asked { rates, step: self.step }
    }
}

/// The declared target with this name.
fn declared<'c>(config: &'c Config, name: &str) -> Result<&'c LoadTarget, Failure> {
    config.loads.get(name).ok_or_else(|| {
        // A name of a service is given as often as that of a target.
        let known = config.loads.values().map(|target| match &target.service {
            Some(service) => format!("{} (service {service})", target.name),
            None => target.name.clone(),
        });
        let known: Vec<String> = known.collect();
        let hint = match known.as_slice() {
            [] => format!(
                "declare it: [load.{name}] target = \"https://staging.example/\", allow = {{ rate = \"500/s\" }}"
            ),
            known => format!("declared are: {}", text::list::and(known.iter())),
        };
        Failure::wrong(format!("there is no [load.{name}] in {}: what is not declared is not tested", config.site.name))
            .hint(hint)
    })
}

/// Prints the first steps and the bounds.
fn show(common: &Common, target: &LoadTarget, mut search: Search) -> Result<ExitCode, Failure> {
    let LoadTarget { method, url, allow, .. } = target;
    let first = match search.next(Duration::ZERO) {
        Next::Run(step) => Some(step),
        _ => None,
    };
    if common.json {
        let first =
            first.map(|step| json!({ "rate_milli": step.rate_milli, "seconds": step.lasting.as_secs_f64() }));
        table::json(&json!({
            "target": target.name, "method": method, "url": url, "first_step": first,
            "allow": { "rate": allow.rate, "seconds": allow.lasting.as_secs(), "connections": allow.connections },
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    table::say(&format!("{method} {url}"));
    if let Some(step) = first {
        table::say(&format!(
            "first step: {} for {:.0} s",
            wording::rate(step.rate_milli),
            step.lasting.as_secs_f64()
        ));
    }
    table::say(&format!(
        "never more than {} in a second, {} connections, {} s in total; nothing was sent",
        wording::rate(u64::from(allow.rate) * 1_000),
        allow.connections,
        allow.lasting.as_secs()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Runs the test; prints each step.
fn run(common: &Common, config: &Config, target: &LoadTarget, search: Search) -> Result<LoadTest, Failure> {
    let setting = Setting {
        target: target.clone(),
        production: Production::of(config),
        ca_files: config.site.extra_ca_files.clone(),
        at: clock::now(),
    };
    if !common.json {
        table::say(&format!("load test of {}: {} {}", target.name, target.method, target.url));
    }
    let report = |step: &types::load_test::LoadStep| {
        if !common.json {
            table::say(&wording::step(step));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::no)?;
    let stop = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    runtime.block_on(load_generator::run(setting, search, stop, report)).map_err(refused)
}

fn refused(why: LoadError) -> Failure {
    match &why {
        LoadError::Target(TargetError::Production { .. }) => {
            Failure::wrong(why).hint("declare the address of a copy, on other servers")
        }
        LoadError::Target(_) => Failure::wrong(why),
        LoadError::NoAnswer { .. } => Failure::no(why).hint(
            "request it by hand first, from this machine; if the answer is as it should be, declare its `status`",
        ),
        LoadError::Machine(_) => Failure::no(why).hint("see `ulimit -n`: each connection is an open file"),
    }
}

/// Stores the result in the running mainstay; whether there is one.
fn store(common: &Common, test: &LoadTest, by: &str) -> Result<bool, Failure> {
    let Some(running) = Running::find_if_any(common)? else { return Ok(false) };
    running.post("/api/v1/load-tests", &json!({ "by": by, "test": test }))?;
    Ok(true)
}

fn print_result(test: &LoadTest, stored: bool, common: &Common) {
    table::say(&wording::summary(test));
    if let Some(why) = wording::ended(test.ended) {
        table::say(&table::wrapped(why, "", 80));
    }
    if !stored {
        let command = format!("mainstay load store FILE --config {}", common.config.display());
        table::say("not stored: mainstay does not run with this configuration here");
        table::say(&format!("  repeat with `--json > FILE`, and store it where it runs: {command}"));
    }
}

/// Whether the exit code is 0: there is a result, and the target did not fail.
fn is_good(test: &LoadTest) -> bool {
    test.knee.is_some() && !matches!(test.ended, LoadEnd::ErrorBudget | LoadEnd::NoAnswer)
}
