//! `mainstay silence`: hold the pages of alerts of a source, list silences, end them.

use crate::cli::running::Running;
use crate::cli::timezone::{display_time, timezone_of};
use crate::cli::{Common, Failure, actor, table};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;
use types::SilenceId;

#[derive(Debug, Subcommand)]
pub(crate) enum SilenceCommand {
    /// Hold pages from now on: `silence add prometheus 'alertname="DiskFull"' 'instance=~"db.*"' --for 2h --comment "resize"`.
    /// What is silenced is still shown.
    Add(Add),
    /// List them: active ones, those that come, those that ended lately.
    List,
    /// End one: what still fires pages then.
    Expire {
        /// The number of the silence.
        #[arg(value_parser = numbered)]
        id: SilenceId,
        /// Your name; default: the login name.
        #[arg(long)]
        by: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The source of the alerts: NAME of [source.NAME].
    source: String,
    /// What their labels must be, all of it: `alertname="DiskFull"`, with =, !=, =~ or !~.
    #[arg(required = true, value_name = "MATCHER")]
    matchers: Vec<String>,
    /// How long: `30m`, `2h`, `1d`.
    #[arg(long = "for", value_name = "D", value_parser = config::duration)]
    lasting: Duration,
    /// Why.
    #[arg(long)]
    comment: String,
    /// Your name; default: the login name.
    #[arg(long)]
    by: Option<String>,
}

/// The argument is no number of a silence.
#[derive(Debug, thiserror::Error)]
#[error("write its number, such as 3 or silence-3; `mainstay silence list` shows them")]
struct NotASilence;

fn numbered(text: &str) -> Result<SilenceId, NotASilence> {
    text.parse().map_err(|_| NotASilence)
}

impl SilenceCommand {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let running = Running::find(common)?;
        match self {
            Self::Add(add) => add.run(common, &running),
            Self::List => list(common, &running),
            Self::Expire { id, by } => expire(common, &running, *id, by.as_ref()),
        }
    }
}

impl Add {
    fn run(&self, common: &Common, running: &Running) -> Result<ExitCode, Failure> {
        let body = json!({
            "by": actor(self.by.as_ref()),
            "source": self.source,
            "matchers": self.matchers,
            "comment": self.comment,
            "for_seconds": self.lasting.as_secs(),
        });
        let answer = running.post("/api/v1/silences", &body)?;
        if common.json {
            table::json(&answer)?;
            return Ok(ExitCode::SUCCESS);
        }
        let timezone = timezone_of(&running.get("/api/v1/now")?);
        let until = display_time(answer["to"].as_str().unwrap_or_default(), &timezone);
        let id = &answer["silence"];
        table::say(&format!(
            "silence-{id} holds pages until {until}; end it with `mainstay silence expire {id}`"
        ));
        Ok(ExitCode::SUCCESS)
    }
}

fn list(common: &Common, running: &Running) -> Result<ExitCode, Failure> {
    let answer = running.get("/api/v1/silences")?;
    if common.json {
        table::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let timezone = timezone_of(&answer);
    let mut rows: Vec<&Value> = answer["silences"].as_array().into_iter().flatten().collect();
    if rows.is_empty() {
        table::say(
            "no silence; set one with: mainstay silence add SOURCE 'alertname=\"NAME\"' --for 2h --comment WHY",
        );
    }
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    rows.sort_by_key(|row| (text(row, "state") == "expired", row["id"].as_u64()));
    for row in rows {
        let time = |name: &str| display_time(&text(row, name), &timezone);
        let end = if row["expired"].is_null() { time("to") } else { time("expired") };
        let (state, source) = (text(row, "state"), text(row, "source"));
        table::say(&format!("silence-{} {state}, {source}, from {} to {end}", row["id"], time("from")));
        table::say(&table::wrapped(&text(row, "text"), "  ", 80));
        let author = Some(text(row, "author")).filter(|author| !author.is_empty());
        let words = [author, Some(text(row, "comment"))].into_iter().flatten().collect::<Vec<_>>().join(": ");
        if !words.is_empty() {
            table::say(&table::wrapped(&words, "  ", 80));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn expire(
    common: &Common,
    running: &Running,
    id: SilenceId,
    by: Option<&String>,
) -> Result<ExitCode, Failure> {
    let path = format!("/api/v1/silences/{}/expire", id.0);
    let answer = running.post(&path, &json!({ "by": actor(by) }))?;
    if common.json {
        table::json(&answer)?;
    } else {
        table::say(&format!("{id}: ended; what still fires pages now"));
    }
    Ok(ExitCode::SUCCESS)
}
