//! `mainstay trace`: how one request was handled, or a list of the latest requests that failed.

use crate::cli::running::Running;
use crate::cli::table::{self, Tone, tinted, wrapped};
use crate::cli::{Common, Failure};
use std::process::ExitCode;
use text::trace_id;
use types::Trace;
use types::trace::{Hop, Verdict, duration_text};

const WIDTH: usize = 80;
/// Deepest indentation of nested requests.
const DEPTH_MAX: usize = 4;
/// Width of the names of phases.
const NAME_WIDTH: usize = 22;

/// Prints a trace. Exit code 0 when every hop served the request, 1 when one rejected it or failed.
pub(crate) fn trace(common: &Common, id: &str) -> Result<ExitCode, Failure> {
    let id = parse_id(id)?;
    let answer = Running::find(common)?.get(&format!("/api/v1/trace/{id}"))?;
    let trace: Trace = serde_json::from_value(answer).map_err(Failure::no)?;
    let went_well = trace.hops.iter().all(Hop::went_well);
    if common.json {
        table::json(&trace)?;
    } else {
        table::say(&report(&trace));
    }
    Ok(if went_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lists the latest requests that were rejected, failed or slow, the newest last, next to the prompt.
pub(crate) fn list(common: &Common) -> Result<ExitCode, Failure> {
    let answer = Running::find(common)?.get("/api/v1/traces")?;
    let traces: Vec<Trace> = serde_json::from_value(answer).map_err(Failure::no)?;
    if common.json {
        table::json(&traces)?;
        return Ok(ExitCode::SUCCESS);
    }
    if traces.is_empty() {
        table::say("no rejected, failed or slow request within the memory of the edge");
    }
    traces.iter().rev().filter_map(list_line).for_each(|line| table::say(&line));
    Ok(ExitCode::SUCCESS)
}

/// One line of the list: the innermost hop that failed, or the outermost when none did.
fn list_line(trace: &Trace) -> Option<String> {
    let hop = trace.hops.iter().rev().find(|hop| !hop.went_well()).or(trace.hops.first())?;
    let at = hop.at.strftime("%H:%M:%S");
    let service = hop.service.as_ref().map_or(hop.host.as_str(), |service| &service.0);
    let asked = format!("{service} {} {}", hop.method, hop.path);
    let (id, verdict) = (&trace.id, hop.verdict.as_str());
    Some(format!("{id} {at} {verdict:<10} {:>3} {asked}", hop.status))
}

/// Parses a trace id, with or without dashes and spaces around it.
fn parse_id(id: &str) -> Result<String, Failure> {
    if let Some(id) = trace_id::canonical(id) {
        return Ok(id);
    }
    let hint = "it is on every error page and in the header `x-request-id` of every response";
    Err(Failure::wrong("the id of a request has 32 hexadecimal digits").hint(hint))
}

fn report(trace: &Trace) -> String {
    let mut lines = vec![trace.id.clone()];
    for (depth, hop) in trace.nested() {
        lines.push(String::new());
        lines.extend(hop_lines(&"    ".repeat(depth.min(DEPTH_MAX)), hop));
    }
    lines.join("\n")
}

fn hop_lines(indent: &str, hop: &Hop) -> Vec<String> {
    let tone = match hop.verdict {
        _ if hop.went_well() => Tone::Good,
        Verdict::Limited | Verdict::Shed | Verdict::Held | Verdict::Duplicate => Tone::Warn,
        _ => Tone::Bad,
    };
    let word = hop.outcome();
    let service = hop.service.as_ref().map_or("no service", |service| &service.0);
    let asked = format!("{service}  {} {}{}", hop.method, hop.host, hop.path);
    let room = WIDTH - indent.len() - word.len() - 1;
    let inner = format!("{indent}  ");
    // A long path is wrapped, never cut: paths often differ at their end.
    let mut lines: Vec<String> = if asked.chars().count() > room {
        let letters: Vec<char> = asked.chars().collect();
        let parts = letters.chunks(WIDTH - indent.len()).map(|part| part.iter().collect::<String>());
        parts
            .map(|part| format!("{indent}{part}"))
            .chain([format!("{inner}{}", tinted(word, tone))])
            .collect()
    } else {
        vec![format!("{indent}{} {}", table::cell(&asked, room), tinted(word, tone))]
    };
    lines.push(wrapped(&hop.message(), &inner, WIDTH));
    let own = hop.caller.as_ref().map_or_else(String::new, |own| format!("internal caller {own}, for "));
    let from = hop.source().map_or_else(String::new, |from| format!(" ({from})"));
    let who = format!(
        "{} UTC, {own}{} client {}{from}, {}, {} bytes in, {} out",
        hop.at.strftime("%Y-%m-%d %H:%M:%S%.3f"),
        hop.client_kind,
        hop.client,
        hop.protocol,
        hop.received_bytes,
        hop.sent_bytes
    );
    lines.push(wrapped(&who, &inner, WIDTH));
    let bar_width = WIDTH.saturating_sub(inner.len() + NAME_WIDTH + 11);
    for phase in &hop.phases {
        let bar = bar(phase.began_us, phase.took_us, hop.took_us, bar_width);
        let name = table::cell(&phase.name, NAME_WIDTH);
        lines.push(format!("{inner}{name} {:>8}  {bar}", duration_text(phase.took_us)).trim_end().to_owned());
    }
    if hop.attempts.len() > 1 || hop.attempts.iter().any(|attempt| attempt.why.is_some()) {
        for (at, attempt) in hop.attempts.iter().enumerate() {
            let end = match (&attempt.why, attempt.status) {
                (Some(why), _) => why.clone(),
                (None, Some(status)) => format!("responded {status}"),
                (None, None) => "no response".to_owned(),
            };
            let line =
                format!("{}. {} {end}, after {}", at + 1, attempt.server, duration_text(attempt.took_us));
            lines.push(wrapped(&line, &inner, WIDTH));
        }
    }
    lines
}

/// The bar of a phase within the whole request, at least one character long.
fn bar(began_us: u64, took_us: u64, whole_us: u64, width: usize) -> String {
    let whole = whole_us.max(began_us.saturating_add(took_us)).max(1);
    let place =
        |us: u64| usize::try_from(u128::from(us) * width as u128 / u128::from(whole)).unwrap_or(width);
    let from = place(began_us).min(width.saturating_sub(1));
    let to = place(began_us.saturating_add(took_us)).clamp(from + 1, width.max(from + 1));
    format!("{}{}", " ".repeat(from), "━".repeat(to - from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::trace::{Attempt, Phase};

    fn hop() -> Hop {
        let phase = |name: &str, began_us, took_us| Phase { name: name.to_owned(), began_us, took_us };
        Hop {
            span: "a".to_owned(),
            parent: None,
            at: "2026-11-22T04:16:09.12Z".parse().unwrap(),
            service: Some("auth".into()),
            pool: Some("auth".into()),
            method: "POST".to_owned(),
            host: "auth.acme.com".to_owned(),
            path: "/login".to_owned(),
            protocol: "HTTP/2".to_owned(),
            client: "198.51.100.7".to_owned(),
            country: Some("EE".to_owned()),
            asn: Some(64500),
            client_kind: "recognized".to_owned(),
            caller: None,
            verdict: Verdict::Passed,
            limit: None,
            status: 303,
            why: None,
            phases: vec![
                phase("policy check", 0, 20),
                phase("queued", 20, 12_000),
                phase("wait for first byte", 12_400, 161_000),
                phase("send response", 173_400, 8_600),
            ],
            attempts: vec![
                Attempt {
                    server: "10.0.0.11:8080".to_owned(),
                    began_us: 12_020,
                    took_us: 300,
                    status: None,
                    why: Some("connection refused".to_owned()),
                },
                Attempt {
                    server: "10.0.0.12:8080".to_owned(),
                    began_us: 12_400,
                    took_us: 161_000,
                    status: Some(303),
                    why: None,
                },
            ],
            received_bytes: 41,
            sent_bytes: 1_024,
            took_us: 182_000,
        }
    }

    #[test]
    fn report_fits_eighty_columns() {
        let mut beneath = hop();
        beneath.span = "b".to_owned();
        beneath.parent = Some("a".to_owned());
        beneath.at = "2026-11-22T04:16:09.15Z".parse().unwrap();
        beneath.service = Some("api".into());
        beneath.host = "api.acme.com".to_owned();
        beneath.path = format!("/v1/session/{}", "x".repeat(60));
        beneath.caller = Some("auth-web".into());
        beneath.verdict = Verdict::Limited;
        beneath.status = 429;
        beneath.limit = Some("client limit of api, 20/s".to_owned());
        beneath.phases.truncate(1);
        beneath.attempts.clear();
        beneath.took_us = 90;
        let text =
            report(&Trace { id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(), hops: vec![beneath, hop()] });
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        for wanted in [
            "10.0.0.12:8080 answered 303 after 161 ms",
            "1. 10.0.0.11:8080 connection refused, after 300 µs",
            "      refused with 429 by the client limit of api, 20/s",
            "internal caller auth-web, for recognized",
            "wait for first byte      161 ms",
        ] {
            assert!(text.contains(wanted), "{wanted}\n{text}");
        }
        assert!(text.find("auth  POST").unwrap() < text.find("    api  POST").unwrap(), "{text}");
    }

    #[test]
    fn list_line_shows_the_failed_hop() {
        let mut limited = hop();
        limited.verdict = Verdict::Limited;
        limited.status = 429;
        let trace = Trace { id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(), hops: vec![hop(), limited] };
        let line = list_line(&trace).unwrap();
        assert_eq!(line, "4bf92f3577b34da6a3ce929d0e0e4736 04:16:09 limited    429 auth POST /login");
    }

    #[test]
    fn bar_stays_within_width() {
        assert_eq!(bar(0, 0, 100, 10), "━");
        assert_eq!(bar(50, 50, 100, 10), "     ━━━━━");
        assert_eq!(bar(100, 0, 100, 10), "         ━");
        assert_eq!(bar(90, 400, 100, 10).chars().count(), 10);
        assert_eq!(bar(0, 0, 0, 10), "━");
    }

    #[test]
    fn id_is_accepted_with_dashes_and_capitals() {
        let id = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736";
        assert_eq!(parse_id(&id.to_uppercase()).unwrap(), id.replace('-', ""));
        assert!(parse_id("../now").is_err());
    }
}
