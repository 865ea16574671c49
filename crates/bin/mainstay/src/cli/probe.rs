//! `mainstay probe KIND TARGET`: one run of a probe, with the duration of its phases. Works without a running mainstay.

mod http;

use self::http::HttpOptions;
use crate::app::config_path;
use crate::cli::table::{self, Tone};
use crate::cli::{Common, Failure, config as configuration};
use clap::{Args, ValueEnum};
use prober::Prober;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use types::config::{Probe, ProbeKind};
use types::probe_result::{Answer, Phases};
use types::{Config, Fault, ProbeResult};

/// Name of the probe in texts and JSON.
const NAME: &str = "once";

/// Runs one probe.
#[derive(Debug, Args)]
pub(crate) struct ProbeOnce {
    /// What is asked.
    kind: KindName,
    /// The target, as `[probe.NAME]` has it: a URL, HOST:PORT, a domain, a host, or UPS@HOST.
    target: String,
    /// Reference to a secret with USER:PASSWORD, for `http` and `nut`: `env:NAME` or `file:PATH`.
    #[arg(long, value_name = "SECRET")]
    login: Option<String>,
    /// Timeout of the run.
    #[arg(long, default_value = "10s", value_parser = config::duration)]
    timeout: Duration,
    #[command(flatten)]
    http: HttpOptions,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KindName {
    Http,
    Tcp,
    Dns,
    Tls,
    Domain,
    Nut,
}

impl ProbeOnce {
    /// Exit code 1: the answer is bad, or there is none.
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let (config, probe) = self.configuration(common)?;
        let prober = Prober::new(&config).map_err(Failure::wrong)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = runtime.map_err(Failure::no)?.block_on(prober.run(&probe));
        let bad = bad(&probe, &result);
        if common.json {
            let (is_ok, fault) = (bad.is_none(), bad.as_ref());
            let ProbeResult { phases, answer, addresses, .. } = &result;
            table::json(&serde_json::json!({
                "is_ok": is_ok, "fault": fault, "phases": web::json::to_value(phases)?,
                "answer": web::json::to_value(answer)?, "addresses": web::json::to_value(addresses)?,
            }))?;
        } else {
            print(&self.target, &result, bad.as_deref());
        }
        Ok(if bad.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    /// The probe, parsed as the configuration would be, among the settings of the configuration file if there is one.
    fn configuration(&self, common: &Common) -> Result<(Config, Probe), Failure> {
        let kind = self.kind.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let mut text = format!("[probe.{NAME}]\n{kind} = {}\n", toml_text(&self.target)?);
        if let Some(login) = &self.login {
            text.push_str(&format!("login = {}\n", toml_text(login)?));
        }
        text.push_str(&self.http.keys()?);
        let folder = config_path::folder(&common.config);
        let alone = config::read(&text, "the arguments", &folder).map_err(|problems| {
            let first = problems.first();
            let message = first.map_or_else(|| problems.to_string(), |problem| problem.message.clone());
            let failure = Failure::wrong(message);
            match first.and_then(|problem| problem.hint.clone()) {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        })?;
        let alone = alone.config;
        let probe = alone.probes.get(&NAME.into()).cloned();
        let mut probe = probe.ok_or_else(|| Failure::wrong("no probe can be made of the arguments"))?;
        probe.timeout = self.timeout;
        let mut config =
            if Path::exists(&common.config) { configuration::read(&common.config, true)? } else { alone };
        // Only what this probe needs: no secret of another part has to be there.
        config.databases.clear();
        config.external_pools.clear();
        config.probes = [(probe.id.clone(), probe.clone())].into();
        // A person asks for this target, so that it may be private.
        config.site.allow_private =
            ["0.0.0.0/0", "::/0"].iter().filter_map(|range| range.parse().ok()).collect();
        Ok((config, probe))
    }
}

/// A text as TOML writes it, whose escapes are those of JSON.
fn toml_text(text: &str) -> Result<String, Failure> {
    Ok(serde_json::to_string(text)?)
}

/// What is wrong with an answer by itself; thresholds and what is usual are known only to a running mainstay.
fn bad(probe: &Probe, result: &ProbeResult) -> Option<String> {
    match (&result.answer, &probe.kind) {
        (Answer::Failed(fault), _) => Some(fault.to_string()),
        (Answer::Http(seen), ProbeKind::Http { expect, .. }) => {
            let status = (!expect.accepts(seen.status)).then_some(Fault::Status { got: seen.status });
            let limit = expect.max_latency.filter(|limit| result.phases.total > *limit);
            let slow = || limit.map(|limit| Fault::Slow { limit });
            status.or_else(|| expect.content_fault(seen)).or_else(slow).map(|fault| fault.to_string())
        }
        (Answer::Tls(seen), _) => seen.faults.first().map(ToString::to_string),
        (Answer::Dns(seen), _) => seen.delegation.as_ref().err().map(ToString::to_string),
        (Answer::Ups(seen), _) => {
            let flag = ["OB", "LB", "FSD", "OFF", "OVER"].into_iter().find(|flag| seen.is(flag));
            flag.map(|flag| format!("has the state {flag}"))
        }
        _ => None,
    }
}

fn print(target: &str, result: &ProbeResult, bad: Option<&str>) {
    let (word, tone) = if bad.is_some() { ("bad", Tone::Bad) } else { ("ok", Tone::Good) };
    let what = bad.map(|bad| format!(" {bad}")).unwrap_or_default();
    table::say(&format!("{} {target}{what}", table::tinted(word, tone)));
    for fact in facts(&result.answer).into_iter().chain(addresses(result)) {
        table::say(&table::wrapped(&fact, "    ", 100));
    }
    for line in phases(&result.phases) {
        table::say(&format!("    {line}"));
    }
}

/// Each address behind the name, where there are several.
fn addresses(result: &ProbeResult) -> Vec<String> {
    if result.addresses.len() < 2 {
        return Vec::new();
    }
    let shown = result.addresses.iter().map(|seen| match &seen.fault {
        Some(fault) => format!("{} {fault}", seen.address),
        None => format!("{} answers", seen.address),
    });
    shown.collect()
}

/// A line for each phase: its name and its duration.
fn phases(phases: &Phases) -> Vec<String> {
    let before = [phases.dns, phases.connect, phases.tls, phases.first_byte];
    let before: Duration = before.into_iter().flatten().sum();
    let body = phases.first_byte.map(|_| phases.total.saturating_sub(before));
    let named = [
        ("DNS lookup", phases.dns),
        ("connect", phases.connect),
        ("TLS handshake", phases.tls),
        ("first byte", phases.first_byte),
        ("body", body),
        ("total", Some(phases.total)),
    ];
    let shown = named.into_iter().filter_map(|(name, took)| {
        let took = types::trace::duration_text(u64::try_from(took?.as_micros()).ok()?);
        Some(format!("{name:<14}{took:>10}"))
    });
    shown.collect()
}

/// The facts of an answer, one a line.
fn facts(answer: &Answer) -> Vec<String> {
    match answer {
        Answer::Http(seen) => {
            let redirects = seen.hops.iter().rev().skip(1).rev();
            let mut facts: Vec<String> =
                redirects.map(|hop| format!("{} redirects with status {}", hop.url, hop.status)).collect();
            facts.push(format!("status {}, {} bytes from {}", seen.status, seen.body_bytes, seen.address));
            facts.extend(seen.notes.iter().map(|note| format!("note: {note}")));
            facts
        }
        Answer::Tcp { address } => vec![format!("{address} accepts connections")],
        Answer::Tls(seen) => seen
            .chain
            .iter()
            .map(|one| format!("{}, by {}, until {}", one.subject, one.issuer, one.not_after))
            .collect(),
        Answer::Dns(seen) => seen
            .servers
            .iter()
            .map(|said| match &said.soa {
                Ok(serial) => format!("{}: serial {serial}", said.server),
                Err(fault) => format!("{} {fault}", said.server),
            })
            .collect(),
        Answer::Domain(seen) => {
            let expires = seen.registrar_expires.or(seen.registry_expires);
            let expires = expires.map_or_else(|| "unknown".to_owned(), |at| at.to_string());
            vec![
                format!("expires {expires}, by {}", seen.source),
                format!("status: {}", list(&seen.statuses)),
                format!("name servers: {}", list(&seen.name_servers)),
            ]
        }
        Answer::Ups(seen) => {
            let mut facts = vec![format!("ups.status {}, from {}", list(&seen.status), seen.address)];
            let charge = seen.charge_percent.map(|charge| format!("battery {charge} %"));
            let runtime =
                seen.runtime.map(|runtime| format!("{} minutes on battery", runtime.as_secs() / 60));
            let load = seen.load_percent.map(|load| format!("load {load} %"));
            facts.extend([charge, runtime, load].into_iter().flatten());
            facts
        }
        Answer::Database(_) | Answer::Pool(_) | Answer::Failed(_) => Vec::new(),
    }
}

fn list(words: &std::collections::BTreeSet<String>) -> String {
    text::list::commas_or_more(words, 20)
}
