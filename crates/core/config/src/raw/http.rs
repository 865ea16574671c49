//! `http` of a service as written: the request of its derived probes.

use crate::formats::{FAILING_FOR, SECRET};
use crate::keys::keys;
use crate::kind::list::map;
use crate::kind::string::{Format, format};
use crate::kind::table::{Table, made};
use crate::parse::url::Url;
use crate::raw::expect::EXPECT;
use crate::raw::request::{CLIENT_CERTIFICATE, HEADER, PROBE_BODY, PROBE_METHOD, RawRequest, header_name};
use crate::suggest::shown;
use crate::value_error::ValueError;
use std::collections::BTreeMap;
use std::time::Duration;
use types::config::{CertificateFiles, Expect, HttpRequest, SecretRef, TextOrSecret};

/// `http` of a service as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawHttp {
    /// Whether `http` probes are derived at all.
    pub(crate) is_probed: bool,
    /// Path and query; `/` by default.
    pub(crate) path: String,
    /// `None` when it is not declared: then the first responses are learned.
    pub(crate) expect: Option<Expect>,
    pub(crate) failing_for: Option<Duration>,
    pub(crate) method: Option<String>,
    pub(crate) headers: BTreeMap<String, TextOrSecret>,
    pub(crate) body: Option<TextOrSecret>,
    pub(crate) login: Option<SecretRef>,
    pub(crate) bearer: Option<SecretRef>,
    pub(crate) client_certificate: Option<CertificateFiles>,
}

/// `http` of a service, with checks across its keys.
pub(crate) const HTTP: Table<RawHttp, RawHttp> = made(|http: RawHttp, written, context| {
    http.request().check(http.expect.as_ref(), |key| written.key_place(key), context.diagnostics);
    Some(http)
});

const TARGET: Format<String> = format("a path that begins with /", Some("^/"), |text, _| path(text));

keys! {
    for RawHttp {
        /// Request path.
        path: String = TARGET, default "/".to_owned() => "/", example r#""/health""#;
        /// Method of the request.
        method: Option<String> = PROBE_METHOD, otherwise "GET", example r#""POST""#;
        /// Headers of the request, as in `[probe.NAME]`.
        headers: BTreeMap<String, TextOrSecret> = map("header", header_name, HEADER), otherwise "none",
            example r#"{ Accept = "application/json", X-Api-Key = "env:AUTH_API_KEY" }"#;
        /// Body of the request, as in `[probe.NAME]`.
        body: Option<TextOrSecret> = PROBE_BODY, otherwise "none", example r#"'{"ping":1}'"#;
        /// Reference to `USER:PASSWORD` of basic authentication.
        login: Option<SecretRef> = SECRET, otherwise "none", example r#""env:AUTH_LOGIN""#;
        /// Reference to a bearer token.
        bearer: Option<SecretRef> = SECRET, otherwise "none", example r#""env:AUTH_TOKEN""#;
        /// Certificate that the client presents, as in `[probe.NAME]`.
        client_certificate: Option<CertificateFiles> = CLIENT_CERTIFICATE, otherwise "none",
            example r#"{ certificate = "client.pem", key = "client.key" }"#;
        /// Which responses are successful.
        expect: Option<Expect> = EXPECT,
            otherwise "any 2xx; for `/` the status code of the first answer, if below 500",
            example "{ status = [200, 401] }";
        /// How long it must fail before an alert fires.
        failing_for: Option<Duration> = FAILING_FOR, otherwise "as in [probe_defaults]", example r#""30s""#;
    } ..default
}

impl Default for RawHttp {
    fn default() -> Self {
        let RawRequest { method, headers, body, login, bearer, client_certificate } = RawRequest::default();
        let path = "/".to_owned();
        Self {
            is_probed: true,
            path,
            expect: None,
            failing_for: None,
            method,
            headers,
            body,
            login,
            bearer,
            client_certificate,
        }
    }
}

impl RawHttp {
    /// `http = false`: no `http` probe is derived.
    pub(crate) fn none() -> Self {
        Self { is_probed: false, ..Self::default() }
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

    /// The request.
    pub(crate) fn resolved(&self) -> Box<HttpRequest> {
        Box::new(self.request().resolved())
    }

    /// Which responses are successful. A declared path must answer 2xx.
    pub(crate) fn expected(&self) -> Expect {
        let is_unknown = self.expect.is_none() && self.path == "/";
        self.expect.clone().unwrap_or(Expect { learns: is_unknown, ..Expect::default() })
    }
}

fn path(text: &str) -> Result<String, ValueError> {
    if !text.starts_with('/') {
        return Err(ValueError::new(format!("`{}` is not a path", shown(text)))
            .hint("a path begins with /: path = \"/health\""));
    }
    // Parsed as part of a URL, so that the same characters are accepted.
    Url::read(&format!("https://path.example{text}")).map(|url| url.rest)
}
