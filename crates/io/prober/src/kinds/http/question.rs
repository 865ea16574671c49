//! The question of a probe, ready to be asked: method, headers and body with their secrets, and what is looked for in the
//! response.

use crate::kinds::tls::{Identity, IdentityError};
use crate::setup::secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue};
use regex::{Regex, RegexBuilder};
use secrecy::ExposeSecret as _;
use secrets::SecretError;
use serde_json_path::JsonPath;
use types::config::{Expect, HttpRequest, Scalar, SecretRef, TextOrSecret};

/// Largest compiled regular expression, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// The question of a probe.
pub(crate) struct Question {
    pub(super) method: Method,
    pub(super) fields: Vec<Field>,
    pub(super) body: Bytes,
    pub(super) identity: Option<Identity>,
    pub(super) expect: Expect,
    pub(super) pattern: Option<Regex>,
    pub(super) json: Vec<JsonValue>,
}

/// A header of the request.
pub(super) struct Field {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
    /// Whether it is for the server of the configuration alone, and not for those that it redirects to.
    pub(super) is_private: bool,
}

/// An expected value of a JSON body.
pub(super) struct JsonValue {
    pub(super) path: JsonPath,
    pub(super) expected: Scalar,
}

/// Why a question cannot be asked. No secret is quoted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QuestionError {
    /// A secret cannot be read.
    #[error("{part}: {why}")]
    Secret {
        /// The part of the request.
        part: String,
        /// The reason.
        why: SecretError,
    },
    /// A part has characters that a request cannot have.
    #[error("{part} has characters that cannot be sent")]
    Unsendable {
        /// The part of the request.
        part: String,
    },
    /// The login has no password.
    #[error("`login` is not USER:PASSWORD")]
    Login,
    /// The certificate of the client cannot be used.
    #[error("`client_certificate`: {0}")]
    Identity(#[from] IdentityError),
    /// An expectation cannot be compiled. `config` lets no such configuration through.
    #[error("`{0}` in `expect` cannot be used")]
    Expectation(String),
}

impl Question {
    /// Prepares a question. Reads its secrets and its certificate; sends nothing.
    ///
    /// # Errors
    /// A secret or file cannot be used.
    pub(crate) fn new(request: &HttpRequest, expect: &Expect) -> Result<Self, QuestionError> {
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| unsendable("`method`"))?;
        let body = match &request.body {
            Some(body) => Bytes::from(read("`body`", body)?.0),
            None => Bytes::new(),
        };
        let identity = request.client_certificate.as_ref().map(Identity::load).transpose()?;
        let pattern = expect.body_matches.as_ref().map(|pattern| {
            let built = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build();
            built.map_err(|_| QuestionError::Expectation(pattern.clone()))
        });
        let json = expect.json.iter().map(|(path, expected)| {
            let parsed = JsonPath::parse(path).map_err(|_| QuestionError::Expectation(path.clone()))?;
            Ok(JsonValue { path: parsed, expected: expected.clone() })
        });
        Ok(Self {
            method,
            fields: fields(request, &body)?,
            body,
            identity,
            expect: expect.clone(),
            pattern: pattern.transpose()?,
            json: json.collect::<Result<_, QuestionError>>()?,
        })
    }

    /// Whether preparing it costs more than a run should: it reads files, or compiles what is looked for.
    pub(crate) fn is_costly(request: &HttpRequest, expect: &Expect) -> bool {
        expect.parses() || *request != HttpRequest::default()
    }
}

fn fields(request: &HttpRequest, body: &[u8]) -> Result<Vec<Field>, QuestionError> {
    let mut fields = Vec::new();
    for (name, value) in &request.headers {
        let part = format!("the header `{name}`");
        let (text, is_secret) = read(&part, value)?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsendable(&part))?;
        let is_private = is_secret || [AUTHORIZATION, COOKIE, HOST].contains(&name);
        fields.push(Field { name, value: value_of(&part, &text)?, is_private });
    }
    if let Some(text) = authorization(request)? {
        let value = value_of("`login` or `bearer`", &text)?;
        fields.push(Field { name: AUTHORIZATION, value, is_private: true });
    }
    let is_json = || serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    if !body.is_empty() && !fields.iter().any(|field| field.name == CONTENT_TYPE) && is_json() {
        let value = HeaderValue::from_static("application/json");
        fields.push(Field { name: CONTENT_TYPE, value, is_private: false });
    }
    Ok(fields)
}

fn unsendable(part: &str) -> QuestionError {
    QuestionError::Unsendable { part: part.to_owned() }
}

fn value_of(part: &str, text: &str) -> Result<HeaderValue, QuestionError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| unsendable(part))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A text, and whether it is a secret.
fn read(part: &str, value: &TextOrSecret) -> Result<(String, bool), QuestionError> {
    match value {
        TextOrSecret::Text(text) => Ok((text.clone(), false)),
        TextOrSecret::Secret(source) => Ok((exposed(part, source)?, true)),
    }
}

fn exposed(part: &str, source: &SecretRef) -> Result<String, QuestionError> {
    let secret = secret(source).map_err(|why| QuestionError::Secret { part: part.to_owned(), why })?;
    Ok(secret.expose_secret().to_owned())
}

/// The value of `Authorization`, where a key of its own declares it.
fn authorization(request: &HttpRequest) -> Result<Option<String>, QuestionError> {
    if let Some(source) = &request.login {
        let login = exposed("`login`", source)?;
        if !login.contains(':') {
            return Err(QuestionError::Login);
        }
        return Ok(Some(format!("Basic {}", STANDARD.encode(login))));
    }
    let Some(source) = &request.bearer else { return Ok(None) };
    Ok(Some(format!("Bearer {}", exposed("`bearer`", source)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(request: &HttpRequest) -> Vec<(String, String, bool)> {
        let question = Question::new(request, &Expect::default()).unwrap();
        let shown = |field: &Field| {
            (field.name.to_string(), field.value.to_str().unwrap().to_owned(), field.is_private)
        };
        question.fields.iter().map(shown).collect()
    }

    #[test]
    fn content_type_of_json_is_set_unless_declared() {
        let body = |text: &str| Some(TextOrSecret::Text(text.to_owned()));
        let json = HttpRequest { body: body("{\"ping\":1}"), ..HttpRequest::default() };
        assert_eq!(fields(&json), [("content-type".to_owned(), "application/json".to_owned(), false)]);
        let form = HttpRequest { body: body("a=1&b=2"), ..HttpRequest::default() };
        assert_eq!(fields(&form), []);
        let own = TextOrSecret::Text("application/vnd.api+json".to_owned());
        let headers = [("content-type".to_owned(), own)].into();
        assert_eq!(fields(&HttpRequest { headers, ..json })[0].1, "application/vnd.api+json");
    }

    #[test]
    fn secrets_are_read_from_files_and_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("login");
        std::fs::write(&path, "ana:p@ss\n").unwrap();
        let login = Some(SecretRef::File(path.clone()));
        let request = HttpRequest { login, ..HttpRequest::default() };
        assert_eq!(fields(&request), [("authorization".to_owned(), "Basic YW5hOnBAc3M=".to_owned(), true)]);
        let headers = [("x-key".to_owned(), TextOrSecret::Secret(SecretRef::File(path.clone())))].into();
        let request = HttpRequest { headers, ..HttpRequest::default() };
        assert_eq!(fields(&request), [("x-key".to_owned(), "ana:p@ss".to_owned(), true)]);
        std::fs::write(&path, "nothing").unwrap();
        let request = HttpRequest { login: Some(SecretRef::File(path)), ..HttpRequest::default() };
        let error = Question::new(&request, &Expect::default()).err().unwrap();
        assert_eq!(error, QuestionError::Login);
    }
}
