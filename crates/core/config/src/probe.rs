//! Probes written by hand.

use crate::domain::{Declared, Registration, may_be_declared};
use crate::draft::name_of;
use crate::form::{At, Form};
use crate::host::{Host, dns_name};
use crate::marks::{Marks, Place};
use crate::near::shown;
use crate::url::Url;
use crate::word;
use crate::wrong::Wrong;
use std::time::Duration;
use types::config::Expect;

/// A probe as written.
#[derive(Debug)]
pub(crate) struct ProbeDraft {
    pub(crate) place: Place,
    /// `None` when it was wrong, which is marked already.
    pub(crate) ask: Option<AskDraft>,
    pub(crate) every: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) failure_threshold: Option<u32>,
    pub(crate) success_threshold: Option<u32>,
    pub(crate) failing_for: Option<Duration>,
    pub(crate) service: Option<At<String>>,
}

/// What a probe written by hand asks.
#[derive(Debug)]
pub(crate) enum AskDraft {
    Http(Url, Expect),
    Tcp(Host, u16),
    Dns(String),
    Tls(Host),
    Domain(String),
}

const QUESTIONS: [&str; 5] = ["http", "tcp", "dns", "tls", "domain"];

pub(crate) fn read(form: &mut Form<'_>, declared: &Declared, marks: &mut Marks) -> ProbeDraft {
    let http = form.word(marks, "http", Url::read).map(|at| at.value);
    let tcp = form.word(marks, "tcp", with_port).map(|at| at.value);
    let dns = form.word(marks, "dns", |text| zone(text, declared)).map(|at| at.value);
    let tls = form.word(marks, "tls", Host::read).map(|at| at.value);
    let domain = form.word(marks, "domain", |text| zone(text, declared)).map(|at| at.value);
    let expect = form.table(marks, "expect", expect);

    let given: Vec<&str> = QUESTIONS.into_iter().filter(|name| form.has(name)).collect();
    match given.as_slice() {
        [] => marks.lacking(
            form.place.clone(),
            format!("{} asks nothing", shown(&form.path)),
            "give it one of http, tcp, dns, tls, domain: http = \"https://shop.acme.com/health\"",
        ),
        [_] => {}
        [first, second, ..] => marks.wrong(
            form.key_place(second),
            format!("{} asks both `{first}` and `{second}`", shown(&form.path)),
            "one question a probe: make two probes of it",
        ),
    }
    if form.has("expect") && !form.has("http") && !given.is_empty() {
        marks.wrong(
            form.key_place("expect"),
            "`expect` belongs to `http` only",
            "take it out, or ask `http`",
        );
    }

    let ask = http
        .map(|url| AskDraft::Http(url, expect.unwrap_or_default()))
        .or_else(|| tcp.map(|(host, port)| AskDraft::Tcp(host, port)))
        .or_else(|| dns.map(AskDraft::Dns))
        .or_else(|| tls.map(AskDraft::Tls))
        .or_else(|| domain.map(AskDraft::Domain));
    ProbeDraft {
        place: form.place.clone(),
        ask,
        every: form.span(marks, "interval"),
        timeout: form.span(marks, "timeout"),
        failure_threshold: form.count(marks, "failure_threshold"),
        success_threshold: form.count(marks, "success_threshold"),
        failing_for: form.span(marks, "failing_for"),
        service: form.word(marks, "service", name_of),
    }
}

pub(crate) fn expect(form: &mut Form<'_>, marks: &mut Marks) -> Expect {
    Expect {
        status: form.counts(marks, "status"),
        body_contains: form.word(marks, "body_contains", word::text).map(|at| at.value),
        max_latency: form.span(marks, "max_latency"),
        learns: false,
    }
}

fn with_port(text: &str) -> Result<(Host, u16), Wrong> {
    let host = Host::read(text)?;
    match host.port {
        Some(port) => Ok((host, port)),
        None => Err(Wrong::new(format!("`{}` has no port", shown(text)))
            .hint(format!("for example: tcp = \"{}:25\"", shown(&host.text(0))))),
    }
}

/// A registrable domain, as far as the public suffix list and the configuration can tell.
pub(crate) fn zone(text: &str, declared: &Declared) -> Result<String, Wrong> {
    let name = dns_name(text.trim())?;
    match Registration::of(&name, declared) {
        Registration::Known(zone) | Registration::Unlisted(zone) if zone == name => Ok(zone),
        Registration::Known(zone) | Registration::Unlisted(zone) => {
            let hint = if may_be_declared(&name) {
                format!(
                    "what was registered, and can be lost, is \"{zone}\"; where \"{name}\" is a registration of its \
                     own, declare it: [domain.\"{name}\"]"
                )
            } else {
                format!("what was registered, and can be lost, is \"{zone}\"")
            };
            Err(Wrong::new(format!("`{}` is a name below a registration, not a registration", shown(text)))
                .hint(hint))
        }
        Registration::None => Err(Wrong::new(format!("`{}` cannot be registered by anybody", shown(text)))
            .hint("a name one label below a public suffix: \"acme.app\"")),
    }
}
