//! `[probe.NAME]` and `[probe_defaults]` as written.

use crate::diagnostics::Diagnostics;
use crate::formats::{FAILING_FOR, HOST, INTERVAL, SECRET, SEVERITY, THRESHOLD, TIMEOUT, URL};
use crate::keys::keys;
use crate::kind::list::map;
use crate::kind::string::{Format, NameOf, Text, format};
use crate::kind::value::At;
use crate::parse::domain::{Declared, Registration, may_be_declared};
use crate::parse::host::{Host, dns_name};
use crate::parse::url::Url;
use crate::raw::expect::EXPECT;
use crate::raw::request::{CLIENT_CERTIFICATE, HEADER, PROBE_BODY, PROBE_METHOD, RawRequest, header_name};
use crate::suggest::shown;
use crate::value_error::ValueError;
use std::collections::BTreeMap;
use std::time::Duration;
use text::list;
use types::Severity;
use types::config::{CertificateFiles, Expect, HttpRequest, SecretRef, TextOrSecret};

const SERVICE_PORT: Format<(Host, u16)> =
    format("a host with a port: \"mail.acme.com:25\"", None, |text, _| with_port(text));
const DOMAIN: Format<String> =
    format("a registrable domain such as \"acme.app\"", None, |text, context| zone(text, &context.declared));
const UPS: Format<(String, Host)> =
    format("a UPS at the daemon of Network UPS Tools: \"rack@10.0.0.3\"", Some("^[^@]+@."), |text, _| {
        ups(text)
    });
/// Longest name of a UPS: upsd has no limit, and no name is that long.
const UPS_MAX: usize = 64;

keys! {
    /// A probe in addition to those derived from `hosts`.
    [probe.NAME]
    struct RawProbe {
        /// Requests this URL and follows redirects. A probe has exactly one of `http`, `tcp`, `dns`, `tls`, `domain`, `nut`.
        http: Option<Url> = URL, example r#""https://shop.acme.com/health""#;
        /// Opens a TCP connection.
        tcp: Option<(Host, u16)> = SERVICE_PORT, example r#""mail.acme.com:25""#;
        /// Queries the parent zone, the name servers and the resolvers of a domain.
        dns: Option<String> = DOMAIN, example r#""acme.app""#;
        /// Fetches the certificate of a host, with a port if it is not 443.
        tls: Option<Host> = HOST, example r#""mail.acme.com:993""#;
        /// Queries the registry of a domain.
        domain: Option<String> = DOMAIN, example r#""acme.app""#;
        /// Asks the daemon of Network UPS Tools (upsd) for the state of an uninterruptible power supply: its name, `@`, and the
        /// host of the daemon, with a port if it is not 3493.
        nut: Option<(String, Host)> = UPS, example r#""rack@10.0.0.3""#;
        /// Reference to `USER:PASSWORD`: basic authentication for `http`, the login for `nut`. Without it none is sent; upsd
        /// needs none for reading.
        login: Option<SecretRef> = SECRET, otherwise "none", example r#""env:SHOP_LOGIN""#;
        /// Reference to a bearer token for `http`.
        bearer: Option<SecretRef> = SECRET, otherwise "none", example r#""env:SHOP_TOKEN""#;
        /// Method of the `http` request. It is sent to every address of the host.
        method: Option<String> = PROBE_METHOD, otherwise "GET", example r#""POST""#;
        /// Headers of the `http` request, each with its text; `env:NAME` and `file:PATH` are secrets. Secrets, `Authorization` and
        /// `Cookie` are not sent to other hosts that a redirect leads to.
        headers: BTreeMap<String, TextOrSecret> = map("header", header_name, HEADER), otherwise "none",
            example r#"{ Accept = "application/json", X-Api-Key = "env:SHOP_API_KEY" }"#;
        /// Body of the `http` request: a string, or a secret as in `headers`. JSON is sent as `application/json`, unless
        /// `headers` has another `Content-Type`.
        body: Option<TextOrSecret> = PROBE_BODY, otherwise "none", example r#"'{"ping":1}'"#;
        /// Certificate that the client presents to an `http` server which asks for one, in PEM files.
        client_certificate: Option<CertificateFiles> = CLIENT_CERTIFICATE, otherwise "none",
            example r#"{ certificate = "client.pem", key = "client.key" }"#;
        /// Time between probes.
        interval: Option<Duration> = INTERVAL, otherwise "as in [probe_defaults]", example r#""30s""#;
        /// Timeout of one probe.
        timeout: Option<Duration> = TIMEOUT, otherwise "as in [probe_defaults]", example r#""5s""#;
        /// Consecutive failures before an alert fires.
        failure_threshold: Option<u32> = THRESHOLD, otherwise "as in [probe_defaults]", example "3";
        /// Consecutive successes before an alert resolves.
        success_threshold: Option<u32> = THRESHOLD, otherwise "as in [probe_defaults]", example "2";
        /// How long it must fail before an alert fires.
        failing_for: Option<Duration> = FAILING_FOR, otherwise "as in [probe_defaults]", example r#""30s""#;
        /// Which responses to `http` are successful.
        expect: Option<Expect> = EXPECT, otherwise "any 2xx",
            example r#"{ status = [200], body_contains = "ok", max_latency = "2s" }"#;
        /// Highest severity of its alerts: `warning` notifies and pages no one, `info` opens no incident.
        severity: Severity = SEVERITY, default Severity::Critical, example r#""warning""#;
        /// The service that it monitors.
        service: Option<At<String>> = NameOf("service"), otherwise "none", example r#""auth""#;
        /// Where the machine stands that it asks, as in `[service.NAME]`.
        location: Option<String> = Text, otherwise "that of its service", example r#""rack A""#;
    }
    unsupported {
        postgres: "queries to a database";
        plugin: "Nagios plugins as probes";
    }
}

keys! {
    /// Intervals, timeouts and thresholds of derived probes; defaults of `[probe.NAME]`.
    [probe_defaults]
    struct ProbeDefaults {
        /// Interval of `http`, `tcp` and `nut` probes.
        http: Duration = INTERVAL, default Duration::from_secs(30), example r#""30s""#;
        /// Interval of `tls` probes, which fetch the certificate of a host.
        tls: Duration = INTERVAL, default Duration::from_secs(3_600), example r#""1h""#;
        /// Interval of `dns` probes, which query the parent zone, the name servers and the resolvers of a domain.
        dns: Duration = INTERVAL, default Duration::from_secs(60), example r#""60s""#;
        /// Interval of `domain` probes, which query the registry. A change of DNS or TLS triggers one earlier.
        domain: Duration = INTERVAL, default Duration::from_secs(86_400), example r#""1d""#;
        /// Timeout of one probe, all phases and redirects together.
        timeout: Duration = TIMEOUT, default Duration::from_secs(10), example r#""10s""#;
        /// Consecutive failures before an alert fires. A first failure is followed up immediately, not after `interval`.
        /// `domain` probes need 1.
        failure_threshold: u32 = THRESHOLD, default 3, example "3";
        /// Consecutive successes before an alert resolves. `domain` probes need 1.
        success_threshold: u32 = THRESHOLD, default 2, example "2";
        /// How long a probe must fail without a success before an alert fires, in addition to `failure_threshold`. A restart
        /// that takes less pages nobody. Does not apply to `domain` probes.
        failing_for: Duration = FAILING_FOR, default Duration::from_secs(5), example r#""30s""#;
    }
}

/// The target of a probe as written.
#[derive(Debug)]
pub(crate) enum RawAsk {
    Http(Url, Box<HttpRequest>, Expect),
    Tcp(Host, u16),
    Dns(String),
    Tls(Host),
    Domain(String),
    Nut { ups: String, host: Host, login: Option<SecretRef> },
}

/// Keys that belong to some kinds only.
const KEYS_OF_KINDS: [(&str, &[&str]); 7] = [
    ("expect", &["http"]),
    ("login", &["http", "nut"]),
    ("bearer", &["http"]),
    ("method", &["http"]),
    ("headers", &["http"]),
    ("body", &["http"]),
    ("client_certificate", &["http"]),
];

const PROBE_KINDS: [&str; 6] = ["http", "tcp", "dns", "tls", "domain", "nut"];

impl RawProbe {
    /// The target; `None` when it is missing or invalid, which was reported already.
    pub(crate) fn ask(&self) -> Option<RawAsk> {
        let http = self.http.clone().map(|url| {
            let request = Box::new(self.request().resolved());
            RawAsk::Http(url, request, self.expect.clone().unwrap_or_default())
        });
        http.or_else(|| self.tcp.clone().map(|(host, port)| RawAsk::Tcp(host, port)))
            .or_else(|| self.dns.clone().map(RawAsk::Dns))
            .or_else(|| self.tls.clone().map(RawAsk::Tls))
            .or_else(|| self.domain.clone().map(RawAsk::Domain))
            .or_else(|| {
                self.nut.clone().map(|(ups, host)| RawAsk::Nut { ups, host, login: self.login.clone() })
            })
    }

    fn request(&self) -> RawRequest {
        RawRequest {
            method: self.method.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
            login: self.login.clone(),
            bearer: self.bearer.clone(),
            client_certificate: self.client_certificate.clone(),
        }
    }

    /// Checks that there is one target, and that the other keys belong to it.
    pub(crate) fn check(self, diagnostics: &mut Diagnostics) -> Self {
        let written = &self.written;
        let given: Vec<&str> = PROBE_KINDS.into_iter().filter(|name| written.has(name)).collect();
        match given.as_slice() {
            [] => diagnostics.missing(
                written.place.clone(),
                format!("{} has no target", shown(&written.path)),
                "add one of http, tcp, dns, tls, domain, nut: http = \"https://shop.acme.com/health\"",
            ),
            [_] => {}
            [first, second, ..] => diagnostics.error(
                written.key_place(second),
                format!("{} has both `{first}` and `{second}`", shown(&written.path)),
                "a probe has one target: declare two probes",
            ),
        }
        for (key, kinds) in KEYS_OF_KINDS {
            if written.has(key) && !kinds.iter().any(|kind| written.has(kind)) && !given.is_empty() {
                let quoted: Vec<String> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
                diagnostics.error(
                    written.key_place(key),
                    format!("`{key}` belongs to {} only", list::and(&quoted)),
                    format!("remove it, or use {}", list::or(&quoted)),
                );
            }
        }
        if written.has("http") {
            self.request().check(self.expect.as_ref(), |key| written.key_place(key), diagnostics);
        }
        self
    }
}

fn with_port(text: &str) -> Result<(Host, u16), ValueError> {
    let host = Host::read(text)?;
    match host.port {
        Some(port) => Ok((host, port)),
        None => Err(ValueError::new(format!("`{}` has no port", shown(text)))
            .hint(format!("for example: tcp = \"{}:25\"", shown(&host.text(0))))),
    }
}

/// Parses `NAME@HOST` or `NAME@HOST:PORT`, as the tools of Network UPS Tools write it.
fn ups(text: &str) -> Result<(String, Host), ValueError> {
    let error = |message: String| ValueError::new(message).hint("for example: nut = \"rack@10.0.0.3\"");
    let (name, host) = text
        .trim()
        .split_once('@')
        .ok_or_else(|| error(format!("`{}` has no `@` between the UPS and the host of upsd", shown(text))))?;
    let is_name = |name: &str| {
        (1..=UPS_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if !is_name(name) {
        return Err(error(format!("`{}` is not the name of a UPS", shown(name))));
    }
    Ok((name.to_owned(), Host::read(host)?))
}

/// Parses a registrable domain, by the public suffix list and the declarations of the configuration.
pub(crate) fn zone(text: &str, declared: &Declared) -> Result<String, ValueError> {
    let name = dns_name(text.trim())?;
    match Registration::of(&name, declared) {
        Registration::Known(zone) | Registration::Unlisted(zone) if zone == name => Ok(zone),
        Registration::Known(zone) | Registration::Unlisted(zone) => {
            let hint = if may_be_declared(&name) {
                format!(
                    "the registered domain is \"{zone}\"; where \"{name}\" is a registration of its \
                     own, declare it: [domain.\"{name}\"]"
                )
            } else {
                format!("the registered domain is \"{zone}\"")
            };
            Err(ValueError::new(format!("`{}` is below a registered domain, not one itself", shown(text)))
                .hint(hint))
        }
        Registration::None => Err(ValueError::new(format!("`{}` cannot be registered", shown(text)))
            .hint("one label below a public suffix: \"acme.app\"")),
    }
}
