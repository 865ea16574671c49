//! `mainstay headroom`: the share of its knee that each pool and database uses at its daily peak.

use crate::cli::running::Running;
use crate::cli::table::{self, Tone};
use crate::cli::{Common, Failure};
use clap::Args;
use serde::Deserialize;
use std::process::ExitCode;

/// Shows headroom.
#[derive(Debug, Args)]
pub(crate) struct Headroom {
    /// Show what this many more servers would make of the daily peak.
    #[arg(long, value_name = "SERVERS", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    more: Option<u32>,
}

#[derive(Deserialize)]
struct Row {
    resource: String,
    is_low: bool,
    unknown: Option<String>,
    text: String,
}

impl Headroom {
    /// Exit code 1: something has too little headroom.
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let path = match self.more {
            Some(more) => format!("/api/v1/headroom?more={more}"),
            None => "/api/v1/headroom".to_owned(),
        };
        let answer = Running::find(common)?.get(&path)?;
        let rows: Vec<Row> = serde_json::from_value(answer["resources"].clone()).map_err(Failure::no)?;
        let is_low = rows.iter().any(|row| row.is_low);
        if common.json {
            table::json(&answer)?;
        } else {
            print(&rows);
        }
        Ok(if is_low { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn print(rows: &[Row]) {
    if rows.is_empty() {
        table::say("the edge serves no pool, and no database is declared");
    }
    for row in rows {
        let (word, tone) = match (row.is_low, &row.unknown) {
            (true, _) => ("low", Tone::Bad),
            (false, Some(_)) => ("unknown", Tone::Warn),
            (false, None) => ("ok", Tone::Good),
        };
        table::say(&format!("{} {}", table::cell(&row.resource, 30), table::tinted(word, tone)));
        table::say(&table::wrapped(&row.text, "    ", 80));
    }
}
