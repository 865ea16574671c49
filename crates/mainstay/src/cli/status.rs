//! `mainstay status` and `mainstay why`: what is wrong, and why, in the terminal.

use crate::cli::running::Running;
use crate::cli::table::{self, Tone, cell, tinted, wrapped};
use crate::cli::{Common, Failure};
use serde_json::Value;
use std::process::ExitCode;

/// Exit 0 when nothing is wrong, 1 when an incident is open.
pub(crate) fn status(common: &Common) -> Result<ExitCode, Failure> {
    let now = Running::find(common)?.get("/api/v1/now")?;
    let open: Vec<&Value> = list(&now["open"]).collect();
    let code = if open.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if common.json {
        table::json(&now)?;
        return Ok(code);
    }
    for line in list(&now["house"]) {
        table::say(&wrapped(text(line), "! ", 80));
    }
    if let Some(why) = now["blind"].as_str() {
        table::say(&wrapped(&format!("{} {why}", tinted("blind", Tone::Warn)), "", 80));
    }
    for open in &open {
        let incident = &open["incident"];
        let head = tinted(&format!("incident-{}", incident["id"]), Tone::Bad);
        let hand = match incident["acknowledged"]["by"].as_str() {
            Some(by) if open["unacknowledged_for"].is_null() => format!("{by} has it in hand"),
            _ => "nobody has it in hand".to_owned(),
        };
        table::say(&format!("{head}  {hand}"));
        table::say(&wrapped(text(&incident["diagnosis"]["sentence"]), "  ", 80));
    }
    if open.is_empty() {
        table::say(&tinted("no open incidents", Tone::Good));
    }
    table::say("");
    for service in list(&now["services"]) {
        let state = text(&service["state"]);
        let tone = match state {
            "operational" => Tone::Good,
            "degraded" | "unknown" => Tone::Warn,
            _ => Tone::Bad,
        };
        let uptime =
            service["uptime_percent"].as_f64().map_or("no data".to_owned(), |share| format!("{share:.2} %"));
        let words = cell(&state.replace('_', " "), 16);
        table::say(&format!("{} {} {uptime:>10}", cell(text(&service["title"]), 40), tinted(&words, tone)));
    }
    for duty in list(&now["on_call"]) {
        let people: Vec<&str> = list(&duty["people"]).map(|person| text(&person[1])).collect();
        let people = if people.is_empty() { "nobody".to_owned() } else { people.join(", ") };
        table::say(&format!("\non call, {}: {people}", text(&duty["rota"])));
    }
    Ok(code)
}

/// Exit 0 when the thing is well, 1 when something is wrong with it or beneath it.
pub(crate) fn why(common: &Common, thing: &str) -> Result<ExitCode, Failure> {
    let now = Running::find(common)?.get("/api/v1/now")?;
    let named = |node: &&Value| {
        let id = text(&node["thing"]);
        id == thing || id.split_once('.').is_some_and(|(_, name)| name == thing)
    };
    let mut nodes = list(&now["nodes"]).filter(named).peekable();
    if nodes.peek().is_none() {
        let known = list(&now["nodes"]).map(|node| text(&node["thing"])).collect::<Vec<_>>().join(", ");
        return Err(Failure::no(format!("the plan knows no `{thing}`")).hint(format!("it knows: {known}")));
    }
    let things: Vec<&str> = nodes.map(|node| text(&node["thing"])).collect();
    let beneath = beneath(&now, &things);
    let findings: Vec<&Value> =
        list(&now["findings"]).filter(|finding| beneath.contains(&text(&finding["about"]))).collect();
    let services = list(&now["services"]);
    let incident = services.filter(|row| things.contains(&format!("service.{}", text(&row["id"])).as_str()));
    let sentence = incident.filter_map(|row| row["why"].as_str()).next();
    let cause = list(&now["open"]).map(|open| &open["incident"]["diagnosis"]);
    let sentence = sentence.or_else(|| {
        cause
            .filter(|diagnosis| beneath.contains(&text(&diagnosis["cause"])))
            .map(|it| text(&it["sentence"]))
            .next()
    });
    let code = if findings.is_empty() && sentence.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if common.json {
        table::json(&serde_json::json!({ "things": things, "because": sentence, "findings": findings }))?;
        return Ok(code);
    }
    match sentence {
        Some(sentence) => table::say(&wrapped(sentence, "", 80)),
        None if findings.is_empty() => table::say("nothing is wrong with it, nor with what it stands on"),
        None => {}
    }
    for finding in findings {
        let line = format!(
            "{} since {}: {}",
            text(&finding["about"]),
            text(&finding["since"]),
            text(&finding["evidence"])
        );
        table::say(&wrapped(&line, "  ", 80));
    }
    Ok(code)
}

/// The things themselves and everything that they stand on.
fn beneath<'a>(now: &'a Value, things: &[&'a str]) -> Vec<&'a str> {
    let mut all: Vec<&str> = things.to_vec();
    let mut next = 0;
    while let Some(above) = all.get(next).copied() {
        let below = list(&now["edges"]).filter(|edge| text(&edge["above"]) == above);
        for thing in below.map(|edge| text(&edge["below"])) {
            if !all.contains(&thing) {
                all.push(thing);
            }
        }
        next += 1;
    }
    all
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
