//! `mainstay subscriber`: subscribers of the status page.

use crate::cli::running::Running;
use crate::cli::{Common, Failure, actor, table};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use types::Subscriber;
use types::subscription::SubscriberKind;

/// Subscribers in one request of an import.
const BATCH: usize = 200;

#[derive(Debug, Subcommand)]
pub(crate) enum Subscribers {
    /// List all subscribers with their addresses.
    List,
    /// Add a subscriber: `subscriber add slack https://hooks.slack.com/services/...`. It needs no confirmation.
    Add {
        /// How it gets updates.
        kind: KindArgument,
        /// The e-mail address, or the URL of the webhook, https.
        address: String,
        #[command(flatten)]
        options: Options,
    },
    /// Add the e-mail addresses of a CSV file: an address in each line, then its components, separated by spaces. Import only
    /// people who agreed to get these mails.
    Import {
        /// The file.
        file: PathBuf,
        /// Your name; default: the login name.
        #[arg(long)]
        by: Option<String>,
    },
    /// Remove a subscriber, and delete its address.
    Remove {
        /// Its number; `mainstay subscriber list` shows it.
        id: i64,
        /// Your name; default: the login name.
        #[arg(long)]
        by: Option<String>,
    },
}

/// How a subscriber gets updates, as an argument.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KindArgument {
    /// E-mail.
    Mail,
    /// A signed POST with JSON.
    Webhook,
    /// An incoming webhook of Slack.
    Slack,
    /// A workflow of Microsoft Teams.
    Teams,
}

impl From<KindArgument> for SubscriberKind {
    fn from(kind: KindArgument) -> Self {
        match kind {
            KindArgument::Mail => Self::Mail,
            KindArgument::Webhook => Self::Webhook,
            KindArgument::Slack => Self::Slack,
            KindArgument::Teams => Self::Teams,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A component whose updates it gets; may be repeated. Default: all components.
    #[arg(long = "component", value_name = "SERVICE")]
    components: Vec<String>,
    /// Your name; default: the login name.
    #[arg(long)]
    by: Option<String>,
}

impl Subscribers {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        match self {
            Self::List => list(common),
            Self::Add { kind, address, options } => add(common, (*kind).into(), address, options),
            Self::Import { file, by } => import(common, file, by.as_ref()),
            Self::Remove { id, by } => remove(common, *id, by.as_ref()),
        }
    }
}

fn list(common: &Common) -> Result<ExitCode, Failure> {
    let running = Running::find(common)?;
    let (mut all, mut after) = (Vec::new(), 0);
    let messages = loop {
        let page = running.get(&format!("/api/v1/subscribers?after={after}"))?;
        all.extend(serde_json::from_value::<Vec<Subscriber>>(page["subscribers"].clone())?);
        let Some(next) = page["next"].as_i64() else { break page["messages"].clone() };
        after = next;
    };
    if common.json {
        table::json(&json!({ "subscribers": all, "messages": messages }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() {
        table::say("no subscribers");
    }
    for subscriber in all {
        let components: Vec<&str> = subscriber.components.iter().map(|id| id.0.as_str()).collect();
        let components =
            if components.is_empty() { "all components".to_owned() } else { components.join(", ") };
        let cells = [
            table::cell(&subscriber.id.to_string(), 7),
            table::cell(subscriber.kind.name(), 8),
            table::cell(subscriber.state.name(), 10),
            table::cell(&subscriber.address, 40),
        ];
        table::say(&format!("{} {components}", cells.join(" ")));
    }
    let messages: Vec<String> = messages
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, count)| count.as_u64() > Some(0))
        .map(|(progress, count)| format!("{} {count}", progress.replace('_', " ")))
        .collect();
    if !messages.is_empty() {
        table::say(&format!("messages about recent updates: {}", messages.join(", ")));
    }
    Ok(ExitCode::SUCCESS)
}

fn add(common: &Common, kind: SubscriberKind, address: &str, options: &Options) -> Result<ExitCode, Failure> {
    let row = json!({ "kind": kind, "address": address, "components": options.components });
    let body = json!({ "by": actor(options.by.as_ref()), "subscribers": [row] });
    let answer = Running::find(common)?.post("/api/v1/subscribers", &body)?;
    let added = &answer["added"][0];
    if common.json {
        table::json(added)?;
        return Ok(ExitCode::SUCCESS);
    }
    let done =
        if added["new"] == Value::Bool(true) { "added" } else { "was there already; its components are set" };
    table::say(&format!("subscriber {} {done}", added["id"]));
    if let Some(secret) = added["secret"].as_str() {
        table::say("its updates are signed like those of a webhook channel, with this key:");
        table::say(secret);
    }
    Ok(ExitCode::SUCCESS)
}

fn import(common: &Common, file: &Path, by: Option<&String>) -> Result<ExitCode, Failure> {
    let rows = read(file)?;
    let running = Running::find(common)?;
    let mut new = 0_usize;
    for batch in rows.chunks(BATCH) {
        let body = json!({ "by": actor(by), "subscribers": batch });
        let answer = running.post("/api/v1/subscribers", &body)?;
        let added = answer["added"].as_array().map(Vec::as_slice).unwrap_or_default();
        new += added.iter().filter(|row| row["new"] == Value::Bool(true)).count();
    }
    let known = rows.len().saturating_sub(new);
    if common.json {
        table::json(&json!({ "new": new, "known": known }))?;
    } else {
        table::say(&format!("{new} subscribers added, {known} were there already"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The rows of a CSV file, as the API takes them. A first line without an `@` is a heading.
fn read(file: &Path) -> Result<Vec<Value>, Failure> {
    let unreadable = |why: csv::Error| {
        Failure::wrong(format!("{}: {why}", file.display()))
            .hint("an address in each line, then its components")
    };
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_path(file).map_err(unreadable)?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let address = record.get(0).unwrap_or_default().trim();
        if address.is_empty() || rows.is_empty() && !address.contains('@') {
            continue;
        }
        let components: Vec<&str> = record.get(1).unwrap_or_default().split_whitespace().collect();
        rows.push(json!({ "kind": SubscriberKind::Mail, "address": address, "components": components }));
    }
    Ok(rows)
}

fn remove(common: &Common, id: i64, by: Option<&String>) -> Result<ExitCode, Failure> {
    let path = format!("/api/v1/subscribers/{id}/remove");
    let answer = Running::find(common)?.post(&path, &json!({ "by": actor(by) }))?;
    if common.json {
        table::json(&answer)?;
    } else {
        table::say(&format!("subscriber {id}: removed"));
    }
    Ok(ExitCode::SUCCESS)
}
