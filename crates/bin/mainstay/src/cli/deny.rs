//! `mainstay deny`: some traffic is refused for a while, and let through again by itself.

use crate::cli::running::Running;
use crate::cli::{Common, Failure, table, who};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;
use types::{Denial, DenialId, DenyWhat, time};

#[derive(Debug, Subcommand)]
pub(crate) enum Deny {
    /// All that comes from a country: `deny country XX --for 2h`.
    Country {
        /// Its two letters (ISO 3166-1).
        code: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// All that comes from a network, by its number: `deny network AS64500 --for 2h`.
    Network {
        /// The number of the autonomous system.
        number: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// All that comes from an address or a range: `deny address 192.0.2.0/24 --for 2h`.
    Address {
        /// The address or range.
        range: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// What is denied now, by whom and until when.
    List,
    /// Let it through again before its time.
    Lift {
        /// The number of the denial.
        #[arg(value_parser = numbered)]
        id: DenialId,
        /// Who you are; the login name unless told.
        #[arg(long)]
        by: Option<String>,
    },
}

/// Reads the number of a denial, `3` or `denial-3`.
fn numbered(text: &str) -> Result<DenialId, String> {
    text.parse()
        .map_err(|_| "write its number, such as 3 or denial-3; `mainstay deny list` shows them".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct Terms {
    /// For how long: `30m`, `2h`, `1d`. It undoes itself.
    #[arg(long = "for", value_name = "SPAN", value_parser = config::span)]
    lasting: Duration,
    /// At this service alone; everywhere unless told.
    #[arg(long)]
    service: Option<String>,
    /// Who you are; the login name unless told.
    #[arg(long)]
    by: Option<String>,
    /// Confirms a range that covers everybody, this machine, or declared hops and callers. Without it such a range is refused.
    #[arg(long)]
    everybody: bool,
}

/// What is read of the answer to a denial.
#[derive(Deserialize)]
struct Made {
    denial: DenialId,
}

impl Deny {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        match self {
            Self::Country { code, terms } => deny(common, code, terms, "a country has two letters", |what| {
                matches!(what, DenyWhat::Country(_))
            }),
            Self::Network { number, terms } => {
                deny(common, number, terms, "a network is written AS64500", |what| {
                    matches!(what, DenyWhat::Asn(_))
                })
            }
            Self::Address { range, terms } => {
                let hint = "an address is written 192.0.2.7, a range 192.0.2.0/24";
                deny(common, range, terms, hint, |what| matches!(what, DenyWhat::Net(_)))
            }
            Self::List => list(common),
            Self::Lift { id, by } => lift(common, *id, by.as_ref()),
        }
    }
}

fn deny(
    common: &Common,
    typed: &str,
    terms: &Terms,
    hint: &str,
    is_meant: impl Fn(&DenyWhat) -> bool,
) -> Result<ExitCode, Failure> {
    let what = typed.parse::<DenyWhat>().ok().filter(is_meant);
    let what =
        what.ok_or_else(|| Failure::wrong(format!("`{typed}` cannot be denied like this")).hint(hint))?;
    let body = json!({
        "by": who(terms.by.as_ref()),
        "what": what.to_string(),
        "service": terms.service,
        "for_seconds": terms.lasting.as_secs(),
        "everybody": terms.everybody,
    });
    let answer = Running::find(common)?.post("/api/v1/deny", &body)?;
    if common.json {
        table::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let place = terms.service.as_ref().map_or_else(String::new, |service| format!(" at {service}"));
    let span = time::spoken(terms.lasting);
    let made: Made = serde_json::from_value(answer).map_err(Failure::no)?;
    let id = made.denial;
    let summary =
        format!("{id}: {what} is refused{place} from now on; in {span} it is let through again by itself");
    table::say(&table::wrapped(&summary, "", 80));
    table::say(&format!("`mainstay deny lift {}` ends it sooner, `mainstay deny list` shows all", id.0));
    Ok(ExitCode::SUCCESS)
}

fn list(common: &Common) -> Result<ExitCode, Failure> {
    let answer = Running::find(common)?.get("/api/v1/denials")?;
    let denials: Vec<Denial> = serde_json::from_value(answer["denials"].clone()).map_err(Failure::no)?;
    if common.json {
        let shown = |denial: &Denial| {
            json!({
                "id": denial.id, "what": denial.what.to_string(), "service": denial.service,
                "from": denial.from, "until": denial.until, "by": denial.by
            })
        };
        table::json(&json!({ "denials": denials.iter().map(shown).collect::<Vec<_>>() }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if denials.is_empty() {
        table::say("nothing is denied but what the configuration denies");
    }
    for denial in denials {
        let place = denial.service.map_or_else(|| "everywhere".to_owned(), |service| format!("at {service}"));
        let until = denial.until.strftime("%Y-%m-%d %H:%M:%S UTC");
        let (id, what) = (table::cell(&denial.id.to_string(), 11), denial.what.to_string());
        let line = format!("{id} {} {place}, until {until}, by {}", table::cell(&what, 19), denial.by);
        table::say(&line);
    }
    Ok(ExitCode::SUCCESS)
}

fn lift(common: &Common, id: DenialId, by: Option<&String>) -> Result<ExitCode, Failure> {
    let path = format!("/api/v1/denials/{}/lift", id.0);
    let answer = Running::find(common)?.post(&path, &json!({ "by": who(by) }))?;
    if common.json {
        table::json(&answer)?;
    } else {
        table::say(&format!("{id}: let through again"));
    }
    Ok(ExitCode::SUCCESS)
}
