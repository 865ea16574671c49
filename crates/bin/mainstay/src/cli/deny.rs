//! `mainstay deny`: denials of traffic, each with an end.

use crate::cli::running::Running;
use crate::cli::{Common, Failure, actor, table};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;
use types::{Denial, DenialId, DenyTarget, time};

#[derive(Debug, Subcommand)]
pub(crate) enum Deny {
    /// Deny a country: `deny country XX --for 2h`.
    Country {
        /// Two letters (ISO 3166-1).
        #[arg(value_name = "CODE")]
        value: String,
        #[command(flatten)]
        options: Options,
    },
    /// Deny an autonomous system: `deny asn AS64500 --for 2h`.
    Asn {
        /// The number, as AS64500.
        #[arg(value_name = "ASN")]
        value: String,
        #[command(flatten)]
        options: Options,
    },
    /// Deny an address or a range: `deny cidr 192.0.2.0/24 --for 2h`.
    Cidr {
        /// One address, or a range in CIDR notation.
        #[arg(value_name = "CIDR")]
        value: String,
        #[command(flatten)]
        options: Options,
    },
    /// List the denials in force.
    List,
    /// Lift a denial before its end.
    Lift {
        /// The number of the denial.
        #[arg(value_parser = numbered)]
        id: DenialId,
        /// Your name; default: the login name.
        #[arg(long)]
        by: Option<String>,
    },
}

/// The argument is no number of a denial.
#[derive(Debug, thiserror::Error)]
#[error("write its number, such as 3 or denial-3; `mainstay deny list` shows them")]
struct NotADenial;

/// Parses the number of a denial, `3` or `denial-3`.
fn numbered(text: &str) -> Result<DenialId, NotADenial> {
    text.parse().map_err(|_| NotADenial)
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Duration: `30m`, `2h`, `1d`. The denial ends by itself.
    #[arg(long = "for", value_name = "D", value_parser = config::duration)]
    lasting: Duration,
    /// Only at this service; default: at all services.
    #[arg(long)]
    service: Option<String>,
    /// Your name; default: the login name.
    #[arg(long)]
    by: Option<String>,
    /// Confirm a range that covers all clients, this machine, trusted proxies or callers; without it such a range is
    /// refused.
    #[arg(long)]
    everybody: bool,
}

/// The part of the response to a denial that is printed.
#[derive(Deserialize)]
struct Created {
    denial: DenialId,
}

impl Deny {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        match self {
            Self::Country { value, options } => {
                deny(common, value, options, "a country is written as two letters", |what| {
                    matches!(what, DenyTarget::Country(_))
                })
            }
            Self::Asn { value, options } => {
                deny(common, value, options, "an autonomous system is written AS64500", |what| {
                    matches!(what, DenyTarget::Asn(_))
                })
            }
            Self::Cidr { value, options } => {
                let hint = "an address is written 192.0.2.7, a range 192.0.2.0/24";
                deny(common, value, options, hint, |what| matches!(what, DenyTarget::Cidr(_)))
            }
            Self::List => list(common),
            Self::Lift { id, by } => lift(common, *id, by.as_ref()),
        }
    }
}

fn deny(
    common: &Common,
    typed: &str,
    options: &Options,
    hint: &str,
    is_kind: impl Fn(&DenyTarget) -> bool,
) -> Result<ExitCode, Failure> {
    let what = typed.parse::<DenyTarget>().ok().filter(is_kind);
    let what = what.ok_or_else(|| Failure::wrong(format!("`{typed}` is not a valid value")).hint(hint))?;
    let body = json!({
        "by": actor(options.by.as_ref()),
        "what": what.to_string(),
        "service": options.service,
        "for_seconds": options.lasting.as_secs(),
        "everybody": options.everybody,
    });
    let answer = Running::find(common)?.post("/api/v1/deny", &body)?;
    if common.json {
        table::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let place = options.service.as_ref().map_or_else(String::new, |service| format!(" at {service}"));
    let span = time::spoken(options.lasting);
    let created: Created = serde_json::from_value(answer).map_err(Failure::no)?;
    let id = created.denial;
    let summary = format!("{id}: {what} is denied{place} for {span}");
    table::say(&table::wrapped(&summary, "", 80));
    table::say(&format!("lift it with `mainstay deny lift {}`; `mainstay deny list` shows all", id.0));
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
        table::say("no denials in force except those of the configuration");
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
    let answer = Running::find(common)?.post(&path, &json!({ "by": actor(by) }))?;
    if common.json {
        table::json(&answer)?;
    } else {
        table::say(&format!("{id}: lifted"));
    }
    Ok(ExitCode::SUCCESS)
}
