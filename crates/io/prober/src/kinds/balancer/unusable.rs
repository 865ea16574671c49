//! Why the answer of a load balancer cannot be used, and the next step. Each text continues "haproxy at URL ...".

use types::Fault;
use types::config::BalancerKind;

/// Why an answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("answers with status {status}: {hint}")]
    Status { status: u16, hint: String },
    #[error("answers with a web page instead of {expected}: {hint}")]
    WebPage { expected: &'static str, hint: &'static str },
    #[error("answers with something else than {expected}: {why}; check the address in `from`")]
    Format { expected: &'static str, why: String },
    #[error("sends more than the {} MiB that are read; ask for one pool only", .max >> 20)]
    TooLong { max: usize },
    #[error("lists {members} servers, more than the {max} that are read; name those that count in `members`")]
    TooMany { members: usize, max: usize },
    #[error("has no pool `{wanted}`; it has {there}: set `backend`")]
    NoPool { wanted: String, there: String },
    #[error("has no pools at all; check the address in `from`")]
    NoPools,
    #[error("has no series {wanted}; check `metric` against the page")]
    NoSeries { wanted: String },
    #[error(
        "has series {wanted} without a label that names the server; set `member_label` to one of {labels}"
    )]
    NoLabel { wanted: String, labels: String },
    #[error(
        "does not let mainstay open it (permission denied); let mainstay's user or group in: stats socket {path} mode 660 group mainstay level operator"
    )]
    SocketDenied { path: String },
    #[error(
        "does not exist; add it to the global section of HAProxy: stats socket {path} mode 660 group mainstay level operator"
    )]
    NoSocket { path: String },
    #[error("answers permission denied to `show stat`; add `level operator` to its stats socket")]
    LevelTooLow,
    #[error("cannot be asked, because a secret cannot be read: {why}")]
    Secret { why: String },
}

impl From<Unusable> for Fault {
    fn from(unusable: Unusable) -> Self {
        Self::PoolUnseen { why: unusable.to_string() }
    }
}

/// The format of a load balancer's answer, for people.
pub(super) fn format_of(kind: BalancerKind) -> &'static str {
    match kind {
        BalancerKind::Haproxy => "CSV",
        BalancerKind::Prometheus => "the text format of Prometheus",
        _ => "JSON",
    }
}

/// What to do about a status other than 200.
pub(super) fn of_status(kind: BalancerKind, status: u16, has_secret: bool) -> Unusable {
    let hint = match (status, kind) {
        (401, BalancerKind::Kubernetes) => "it does not accept the token: check `token`, it may have expired",
        (401, _) if has_secret => "it refuses the login: check the secret of `login` or `token`",
        (401, _) => "it wants a login: add login = \"env:NAME\" (USER:PASSWORD), or token = \"env:NAME\"",
        (403, BalancerKind::Kubernetes) => {
            "let the service account list endpointslices of discovery.k8s.io (a Role with the verb list)"
        }
        (403, BalancerKind::Haproxy) => {
            "it denies this page to mainstay's address: allow it in the `http-request` rules there, or ask by the runtime socket: \
             from = \"haproxy:unix:PATH\""
        }
        (403, BalancerKind::Caddy) => {
            "its admin API denies this host name: add it to `admin` `origins`, or ask by the address that it listens on"
        }
        (403, _) => "it denies this page to mainstay's address: allow it there",
        (404, BalancerKind::NginxPlus) => {
            "there is no such page: check the version in the path, as in /api/9/http/upstreams"
        }
        (404, _) => "there is no such page: check the path in `from`",
        (300..=399, _) => "it redirects: write the final URL into `from`",
        (500.., _) => "it fails itself: look at its log",
        _ => "check the address in `from`",
    };
    Unusable::Status { status, hint: hint.to_owned() }
}

/// Whether a body is a web page.
pub(super) fn is_web_page(body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    let begins = |with: &[u8]| start.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    begins(b"<!doctype") || begins(b"<html") || begins(b"<head")
}

/// The error about a web page.
pub(super) fn web_page(kind: BalancerKind) -> Unusable {
    let hint = match kind {
        BalancerKind::Haproxy => "add `;csv` to the URL, as in http://10.0.0.2:8404/stats;csv",
        BalancerKind::Envoy => "use its path /clusters?format=json",
        BalancerKind::Traefik => "use its path /api/http/services, the dashboard is a page for people",
        _ => "check the path in `from`",
    };
    Unusable::WebPage { expected: format_of(kind), hint }
}

/// The error of a body that is not JSON of the expected shape.
pub(super) fn not_json(error: &serde_json::Error) -> Unusable {
    Unusable::Format { expected: "JSON", why: text::truncate::chars(&error.to_string(), 120) }
}
