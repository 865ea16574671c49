//! `mainstay status` and `mainstay why`: open incidents and their causes.

use crate::cli::running::Running;
use crate::cli::table::{self, Tone, beside, cell, tinted, wrapped};
use crate::cli::timezone::{display_time, timezone_of};
use crate::cli::{Common, Failure};
use serde_json::Value;
use std::process::ExitCode;
use types::percent::percent;

/// Prints open incidents, services and people on call. Exit code 0 without open incident, else 1.
pub(crate) fn status(common: &Common) -> Result<ExitCode, Failure> {
    let running = Running::find(common)?;
    let mut now = running.get("/api/v1/now")?;
    let edge = running.get_if_any("/api/v1/edge")?;
    if common.json {
        now["edge"] = edge.clone().unwrap_or(Value::Null);
    }
    let open: Vec<&Value> = list(&now["open"]).collect();
    let code = if open.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if common.json {
        table::json(&now)?;
        return Ok(code);
    }
    for line in list(&now["self"]) {
        table::say(&wrapped(text(line), "! ", 80));
    }
    if let Some(why) = now["isolated"].as_str() {
        table::say(&wrapped(&format!("{} {why}", tinted("isolated:", Tone::Warn)), "", 80));
    }
    for open in &open {
        let incident = &open["incident"];
        let head = tinted(&format!("incident-{}", incident["id"]), Tone::Bad);
        let acknowledged = match incident["acknowledged"]["by"].as_str() {
            Some(by) if open["unacknowledged_seconds"].is_null() => format!("acknowledged by {by}"),
            _ => "not acknowledged".to_owned(),
        };
        table::say(&format!("{head}  {acknowledged}"));
        table::say(&wrapped(text(&incident["diagnosis"]["summary"]), "  ", 80));
        say_runbooks(open);
        if let Some(held) = held(&open["held"]) {
            table::say(&wrapped(&held, "  ", 80));
        }
        for entry in
            list(&open["timeline"]).filter(|entry| matches!(text(&entry["kind"]), "noted" | "changed"))
        {
            table::say(&wrapped(text(&entry["text"]), "    ", 80));
        }
    }
    for draft in list(&now["drafts"]) {
        let id = &draft["incident"];
        table::say(&format!("incident-{id}  an update awaits approval: mainstay incident approve {id}"));
        table::say(&wrapped(text(&draft["body"]), "  ", 80));
    }
    if open.is_empty() {
        table::say(&tinted("no open incidents", Tone::Good));
    }
    table::say("");
    for service in list(&now["services"]) {
        let state = text(&service["state"]);
        let tone = match state {
            "operational" => Tone::Good,
            "degraded" | "unknown" | "under_maintenance" => Tone::Warn,
            _ => Tone::Bad,
        };
        let uptime = uptime(service);
        let words = cell(&state.replace('_', " "), 17);
        let rest = format!("{} {uptime:>10}", tinted(&words, tone));
        table::say(&beside(text(&service["title"]), 40, &rest));
    }
    if let Some(edge) = &edge {
        table::say(&format!("\n{}", edge_lines(edge).join("\n")));
    }
    for duty in list(&now["on_call"]) {
        let people: Vec<&str> = list(&duty["people"]).map(|person| text(&person[1])).collect();
        let people = if people.is_empty() { "nobody".to_owned() } else { people.join(", ") };
        table::say(&format!("\non call, {}: {people}", text(&duty["schedule"])));
    }
    Ok(code)
}

/// The runbooks of an incident. A link is never wrapped: terminals open it as a whole.
fn say_runbooks(open: &Value) {
    for runbook in list(&open["runbooks"]) {
        table::say(&format!("  runbook of {}: {}", text(&runbook["title"]), text(&runbook["url"])));
    }
}

/// Uptime of a service, once it has been monitored for a whole day.
fn uptime(service: &Value) -> String {
    let monitored = service["monitored_seconds"].as_f64().unwrap_or_default() >= 86_400.0;
    let share = service["uptime_percent"].as_f64().filter(|_| monitored);
    share.map_or_else(|| "-".to_owned(), |share| format!("{} %", percent(share)))
}

/// One line per service behind the edge: requests, share of rejected and failed ones, healthy servers.
fn edge_lines(edge: &Value) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<34} {:>12} {:>9} {:>9} {:>12}",
        "edge", "requests", "rejected", "failed", "servers"
    )];
    if edge["silent"] == true {
        lines.push(wrapped("no data from the edge; the numbers are outdated", "! ", 80));
    }
    for service in list(&edge["services"]) {
        let now = &service["now"];
        let count = |name: &str| now[name].as_u64().unwrap_or_default();
        let limited: u64 =
            now["limited"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
        let rejected = limited + count("shed") + count("denied") + count("held");
        let span = service["window_seconds"].as_f64().unwrap_or_default();
        let per_sec = if span > 0.0 { count("requests") as f64 / span } else { 0.0 };
        let share = |part: u64| types::percent::share(part, count("requests"));
        let pool = list(&edge["pools"]).find(|pool| pool["id"] == service["pool"]);
        let servers: Vec<&Value> =
            pool.map(|pool| list(&pool["seen"]["servers"]).collect()).unwrap_or_default();
        let healthy =
            servers.iter().filter(|server| matches!(text(&server["state"]), "serving" | "warming")).count();
        let tone = if healthy == 0 || count("failed") > 0 {
            Tone::Bad
        } else if rejected > 0 || healthy < servers.len() {
            Tone::Warn
        } else {
            Tone::Good
        };
        let figures = format!(
            "{:>12} {:>9} {:>9} {:>12}",
            format!("{per_sec:.1}/s"),
            share(rejected),
            share(count("failed")),
            format!("{healthy} of {}", servers.len())
        );
        lines.push(beside(text(&service["title"]), 34, &tinted(&figures, tone)));
        lines.extend(valve_line(&service["valve"]));
    }
    lines
}

/// The valve of a service, while it is not fully open.
fn valve_line(valve: &Value) -> Option<String> {
    let percent = valve["percent"].as_u64()?;
    let limited = if valve["limited"] == true { ", limited mode" } else { "" };
    let ramp = if valve["ramp_from"].is_null() { "" } else { ", opens by itself" };
    let by = text(&valve["by"]);
    let line = format!("  valve {percent} %{limited}{ramp}, set by {by}; `mainstay valve` shows more");
    Some(tinted(&line, Tone::Warn))
}

/// Prints the alerts of a resource and its dependencies. Exit code 0 without alert, else 1.
pub(crate) fn why(common: &Common, resource: &str) -> Result<ExitCode, Failure> {
    let now = Running::find(common)?.get("/api/v1/now")?;
    let named = |node: &&Value| {
        let id = text(&node["resource"]);
        id == resource || id.split_once('.').is_some_and(|(_, name)| name == resource)
    };
    let mut nodes = list(&now["nodes"]).filter(named).peekable();
    if nodes.peek().is_none() {
        let known = list(&now["nodes"]).map(|node| text(&node["resource"])).collect::<Vec<_>>().join(", ");
        return Err(Failure::no(format!("the configuration has no resource `{resource}`"))
            .hint(format!("it has: {known}")));
    }
    let resources: Vec<&str> = nodes.map(|node| text(&node["resource"])).collect();
    let dependencies = dependencies(&now, &resources);
    let alerts: Vec<&Value> =
        list(&now["alerts"]).filter(|alert| dependencies.contains(&text(&alert["about"]))).collect();
    let services = list(&now["services"]);
    let incident =
        services.filter(|row| resources.contains(&format!("service.{}", text(&row["id"])).as_str()));
    let summary = incident.filter_map(|row| row["why"].as_str()).next();
    let cause = list(&now["open"]).map(|open| &open["incident"]["diagnosis"]);
    let summary = summary.or_else(|| {
        cause
            .filter(|diagnosis| dependencies.contains(&text(&diagnosis["cause"])))
            .map(|it| text(&it["summary"]))
            .next()
    });
    let code = if alerts.is_empty() && summary.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if common.json {
        table::json(&serde_json::json!({ "resources": resources, "because": summary, "alerts": alerts }))?;
        return Ok(code);
    }
    match summary {
        Some(summary) => table::say(&wrapped(summary, "", 80)),
        None if alerts.is_empty() => table::say("no alerts for it and its dependencies"),
        None => {}
    }
    if let Some(summary) = summary {
        let is_explained = |open: &&Value| text(&open["incident"]["diagnosis"]["summary"]) == summary;
        list(&now["open"]).filter(is_explained).for_each(say_runbooks);
    }
    let timezone = timezone_of(&now);
    for alert in alerts {
        let line = format!(
            "{} since {}: {}",
            text(&alert["about"]),
            display_time(text(&alert["since"]), &timezone),
            text(&alert["evidence"])
        );
        table::say(&wrapped(&line, "  ", 80));
    }
    Ok(code)
}

/// The resources themselves and all their dependencies.
fn dependencies<'a>(now: &'a Value, resources: &[&'a str]) -> Vec<&'a str> {
    let mut all: Vec<&str> = resources.to_vec();
    let mut next = 0;
    while let Some(above) = all.get(next).copied() {
        let below = list(&now["edges"]).filter(|edge| text(&edge["above"]) == above);
        for resource in below.map(|edge| text(&edge["below"])) {
            if !all.contains(&resource) {
                all.push(resource);
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

/// What holds the pages of an incident.
fn held(held: &Value) -> Option<String> {
    if let Some(title) = held["title"].as_str() {
        return Some(format!("pages are held by maintenance-{}: {title}", held["maintenance"]));
    }
    let silence = held["silence"].as_u64()?;
    Some(format!("pages are held by silence-{silence}: {}", held["comment"].as_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edge_lines_fit_eighty_columns() {
        let server = |state: &str| serde_json::json!({ "state": state });
        let edge = serde_json::json!({
            "silent": false,
            "services": [
                { "title": "Sign-in for customers with very long names", "pool": "auth", "window_seconds": 1.0,
                  "now": { "requests": 5_412, "limited": { "network": 3_611 }, "shed": 394, "denied": 812, "failed": 5 } },
                { "title": "Quiet", "pool": "none", "window_seconds": 0.0, "now": null },
            ],
            "pools": [{ "id": "auth", "seen": { "servers": [server("serving"), server("warming"), server("down")] } }],
        });
        let lines = edge_lines(&edge);
        assert!(
            lines.iter().flat_map(|line| line.lines()).all(|line| line.chars().count() <= 80),
            "{lines:#?}"
        );
        for wanted in ["5412.0/s", "89.0 %", "0.1 %", "2 of 3"] {
            assert!(lines[1].contains(wanted), "{wanted}: {lines:#?}");
        }
        assert!(lines[2].contains("0.0/s") && lines[2].contains("0 of 0"), "{lines:#?}");
    }
}
