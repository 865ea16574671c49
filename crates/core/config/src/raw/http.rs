//! `http` of a service as written: the request of its derived probes.

use crate::formats::FAILING_FOR;
use crate::keys::keys;
use crate::kind::string::{Format, format};
use crate::kind::table::table;
use crate::parse::url::Url;
use crate::suggest::shown;
use crate::value_error::ValueError;
use std::time::Duration;
use types::config::Expect;

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
}

const TARGET: Format<String> = format("a path that begins with /", Some("^/"), |text, _| path(text));

keys! {
    for RawHttp {
        /// Request path.
        path: String = TARGET, default "/".to_owned() => "/", example r#""/health""#;
        /// Which responses are successful.
        expect: Option<Expect> = table::<Expect>(),
            otherwise "any 2xx; for `/` the status code of the first answer, if below 500",
            example "{ status = [200, 401] }";
        /// How long it must fail before an alert fires.
        failing_for: Option<Duration> = FAILING_FOR, otherwise "as in [probe_defaults]", example r#""30s""#;
    } ..default
}

impl Default for RawHttp {
    fn default() -> Self {
        Self { is_probed: true, path: "/".to_owned(), expect: None, failing_for: None }
    }
}

impl RawHttp {
    /// `http = false`: no `http` probe is derived.
    pub(crate) fn none() -> Self {
        Self { is_probed: false, ..Self::default() }
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
