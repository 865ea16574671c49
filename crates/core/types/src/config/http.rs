//! The request of an `http` probe, and which responses are successful.

use super::{CertificateFiles, Scalar, SecretRef, TextOrSecret};
use crate::fault::{Fault, HttpFault};
use crate::probe_result::HttpSeen;
use std::collections::BTreeMap;
use std::time::Duration;

/// The request of an `http` probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// Method, in upper case.
    pub method: String,
    /// Headers in addition to those of every probe, or instead of them; names in lower case.
    pub headers: BTreeMap<String, TextOrSecret>,
    /// Body.
    pub body: Option<TextOrSecret>,
    /// Reference to `USER:PASSWORD` of basic authentication (RFC 7617).
    pub login: Option<SecretRef>,
    /// Reference to a bearer token (RFC 6750).
    pub bearer: Option<SecretRef>,
    /// Certificate and key that the client presents in the TLS handshake.
    pub client_certificate: Option<CertificateFiles>,
}

impl Default for HttpRequest {
    fn default() -> Self {
        Self {
            method: "GET".to_owned(),
            headers: BTreeMap::new(),
            body: None,
            login: None,
            bearer: None,
            client_certificate: None,
        }
    }
}

/// Which HTTP responses are successful.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// Accepted status codes; empty means any 2xx.
    pub status: Vec<u16>,
    /// Headers that the response must have, by names in lower case, each with a text that one of its values contains.
    pub headers: BTreeMap<String, String>,
    /// Text that the body must contain.
    pub body_contains: Option<String>,
    /// Texts that the body must not contain.
    pub body_lacks: Vec<String>,
    /// Regular expression that the body must match somewhere.
    pub body_matches: Option<String>,
    /// Values of the JSON body by JSONPath (RFC 9535). Every selected value must be equal, and one must be selected.
    pub json: BTreeMap<String, Scalar>,
    /// Least bytes of the body.
    pub min_size: Option<u64>,
    /// Most bytes of the body.
    pub max_size: Option<u64>,
    /// A slower response is a fault.
    pub max_latency: Option<Duration>,
    /// Whether the status code is learned because none is declared: that of the first response, if below 500.
    pub learns: bool,
}

impl Expect {
    /// Whether a status code is one of those declared.
    #[must_use]
    pub fn accepts(&self, status: u16) -> bool {
        match self.status.as_slice() {
            [] => (200..300).contains(&status),
            declared => declared.contains(&status),
        }
    }

    /// Whether anything about the text of the body is declared.
    #[must_use]
    pub fn searches(&self) -> bool {
        self.body_contains.is_some() || !self.body_lacks.is_empty() || self.parses()
    }

    /// Whether the body is needed as a whole.
    #[must_use]
    pub fn parses(&self) -> bool {
        self.body_matches.is_some() || !self.json.is_empty()
    }

    /// What is wrong with a response whose status code is accepted, apart from its latency. A body that could not be searched
    /// is a fault only where nothing else is wrong.
    #[must_use]
    pub fn content_fault(&self, seen: &HttpSeen) -> Option<Fault> {
        if seen.body_found == Some(false) {
            return Some(Fault::BodyLacks);
        }
        if let Some(http) = seen.unmet.first() {
            return Some(Fault::Http { http: http.clone() });
        }
        if let Some(why) = &seen.unsearchable {
            return Some(Fault::Http { http: HttpFault::Unsearchable { why: why.clone() } });
        }
        (self.body_contains.is_some() && seen.body_found.is_none()).then_some(Fault::TextNotReached)
    }
}
