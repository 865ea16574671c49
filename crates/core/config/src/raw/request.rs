//! Requests as written: method, headers, body, authentication.

use crate::diagnostics::{Diagnostics, Place};
use crate::formats::FILE;
use crate::keys::keys;
use crate::kind::string::{Format, format};
use crate::kind::table::{Table, made};
use crate::parse::scalar;
use crate::raw::traffic::method;
use crate::suggest::shown;
use crate::value_error::ValueError;
use std::collections::BTreeMap;
use std::path::PathBuf;
use types::config::{CertificateFiles, Expect, HttpRequest, SecretRef, TextOrSecret};

/// Longest body, in bytes.
const BODY_MAX: usize = 64 << 10;
/// Most headers.
pub(crate) const HEADERS_MAX: usize = 32;
/// Headers that belong to the connection.
const RESERVED: [&str; 8] =
    ["connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];
/// Headers whose value is a secret by their purpose.
const CREDENTIALS: [&str; 2] = ["authorization", "proxy-authorization"];

pub(crate) const METHOD: Format<String> = format("an HTTP method: \"POST\"", None, |text, _| method(text));
/// The method of a probe: not one that opens a tunnel or returns the request with its secrets.
pub(crate) const PROBE_METHOD: Format<String> =
    format("an HTTP method: \"POST\"", None, |text, _| match method(text)?.as_str() {
        tunnel @ ("CONNECT" | "TRACE") => {
            Err(ValueError::new(format!("{tunnel} is no method of a probe")).hint("GET, HEAD, POST, ..."))
        }
        other => Ok(other.to_owned()),
    });
pub(crate) const HEADER: Format<TextOrSecret> =
    format("a header's text, or a secret", None, |text, context| match is_reference(text) {
        true => Ok(TextOrSecret::Secret(scalar::secret(text, context.folder)?)),
        false => Ok(TextOrSecret::Text(header_text(text)?)),
    });
pub(crate) const PROBE_BODY: Format<TextOrSecret> =
    format("a string, or a secret", None, |text, context| match is_reference(text) {
        true => Ok(TextOrSecret::Secret(scalar::secret(text, context.folder)?)),
        false => Ok(TextOrSecret::Text(body(text)?)),
    });
pub(crate) const CLIENT_CERTIFICATE: Table<RawClientCertificate, CertificateFiles> =
    made(|files: RawClientCertificate, _, _| {
        let is_whole = !files.certificate.as_os_str().is_empty() && !files.key.as_os_str().is_empty();
        is_whole.then_some(CertificateFiles { chain: files.certificate, key: files.key })
    });

keys! {
    /// Certificate of a client.
    struct RawClientCertificate {
        /// PEM file with the certificate, and those between it and its root.
        certificate: PathBuf = FILE, required, example r#""client.pem""#;
        /// PEM file with the key.
        key: PathBuf = FILE, required, example r#""client.key""#;
    }
}

fn is_reference(text: &str) -> bool {
    text.starts_with("env:") || text.starts_with("file:")
}

pub(crate) fn body(text: &str) -> Result<String, ValueError> {
    if text.len() > BODY_MAX {
        return Err(
            ValueError::new(format!("the body has {} bytes", text.len())).hint(format!("{BODY_MAX} at most"))
        );
    }
    Ok(text.to_owned())
}

/// Parses the name of a header of a request, to lower case.
pub(crate) fn header_name(text: &str) -> Result<String, ValueError> {
    let name = any_header_name(text)?;
    if RESERVED.contains(&name.as_str()) { Err(reserved(&name)) } else { Ok(name) }
}

/// Parses the name of a header, to lower case.
pub(crate) fn any_header_name(text: &str) -> Result<String, ValueError> {
    let name = text.to_ascii_lowercase();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > 100 || !name.bytes().all(is_token) {
        return Err(ValueError::new(format!("`{}` is not the name of a header", shown(text))));
    }
    Ok(name)
}

/// The error of a header that mainstay sets itself.
pub(crate) fn reserved(name: &str) -> ValueError {
    ValueError::new(format!("the header `{name}` is set by mainstay"))
        .hint("remove it: it belongs to the connection, or names the tool in the target's log")
}

fn header_text(text: &str) -> Result<String, ValueError> {
    let is_allowed = |byte: u8| byte == b'\t' || (b' '..=b'~').contains(&byte);
    if text.len() > 8 << 10 || !text.bytes().all(is_allowed) {
        return Err(ValueError::new("the text of a header has characters that cannot be sent")
            .hint("printable ASCII, at most 8 KiB")
            .secret());
    }
    Ok(text.to_owned())
}

/// The keys of a request as written, wherever they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawRequest {
    pub(crate) method: Option<String>,
    pub(crate) headers: BTreeMap<String, TextOrSecret>,
    pub(crate) body: Option<TextOrSecret>,
    pub(crate) login: Option<SecretRef>,
    pub(crate) bearer: Option<SecretRef>,
    pub(crate) client_certificate: Option<CertificateFiles>,
}

impl RawRequest {
    /// Checks the keys against one another, and against what is expected. `place` is the position of a key.
    pub(crate) fn check(
        &self,
        expect: Option<&Expect>,
        place: impl Fn(&str) -> Place,
        diagnostics: &mut Diagnostics,
    ) {
        for name in CREDENTIALS {
            if let Some(TextOrSecret::Text(_)) = self.headers.get(name) {
                diagnostics.hide(place("headers"));
                diagnostics.error(
                    place("headers"),
                    format!("the value of `{name}` must not be written in the configuration"),
                    "refer to it: \"env:NAME\" or \"file:PATH\"; replace this one, it may have been copied with the file",
                );
            }
        }
        let given = [
            ("login", self.login.is_some()),
            ("bearer", self.bearer.is_some()),
            ("headers", self.headers.contains_key("authorization")),
        ];
        let given: Vec<&str> = given.into_iter().filter_map(|(key, is)| is.then_some(key)).collect();
        if let [_, second, ..] = given.as_slice() {
            diagnostics.error(
                place(second),
                "a request has one `Authorization`",
                "keep one of login, bearer and headers.Authorization",
            );
        }
        if self.headers.len() > HEADERS_MAX {
            diagnostics.error(
                place("headers"),
                format!("{} headers are too many", self.headers.len()),
                format!("{HEADERS_MAX} at most"),
            );
        }
        let sized = |expect: &Expect| expect.min_size.or(expect.max_size).is_some();
        let needs_body = expect.is_some_and(|expect| expect.searches() || sized(expect));
        if needs_body && self.method.as_deref() == Some("HEAD") {
            diagnostics.error(
                place("expect"),
                "the response to HEAD has no body, and `expect` is about it",
                "use GET, or expect status, headers and max_latency only",
            );
        }
        if self.body.is_some() && self.method.is_none() {
            diagnostics.error(
                place("body"),
                "a request with a body needs a method",
                "declare it: method = \"POST\"",
            );
        }
    }

    /// The request.
    pub(crate) fn resolved(&self) -> HttpRequest {
        let RawRequest { method, headers, body, login, bearer, client_certificate } = self.clone();
        HttpRequest {
            method: method.unwrap_or_else(|| "GET".to_owned()),
            headers,
            body,
            login,
            bearer,
            client_certificate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_headers_are_refused() {
        assert_eq!(header_name("Accept").unwrap(), "accept");
        for name in ["", "a b", "Transfer-Encoding", "Content-Length", "a:"] {
            assert!(header_name(name).is_err(), "{name}");
        }
        assert!(header_text("a\r\nb").is_err() && header_text("Bearer x").is_ok());
    }
}
