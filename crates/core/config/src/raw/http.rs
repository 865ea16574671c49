//! `http` of a service as written: the request of its derived probes.

use crate::diagnostics::Diagnostics;
use crate::parse::url::Url;
use crate::raw::probe::expect;
use crate::reader::table::TableReader;
use crate::reader::value::At;
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

impl Default for RawHttp {
    fn default() -> Self {
        Self { is_probed: true, path: "/".to_owned(), expect: None, failing_for: None }
    }
}

impl RawHttp {
    /// Which responses are successful. A declared path must answer 2xx.
    pub(crate) fn expected(&self) -> Expect {
        let is_unknown = self.expect.is_none() && self.path == "/";
        self.expect.clone().unwrap_or(Expect { learns: is_unknown, ..Expect::default() })
    }
}

pub(crate) fn read(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> Option<At<RawHttp>> {
    let place = table.key_place("http");
    let value = table.subtable_or_false(diagnostics, "http", |table, diagnostics| RawHttp {
        is_probed: true,
        path: table.string(diagnostics, "path", path).map_or_else(|| "/".to_owned(), |at| at.value),
        expect: table.subtable(diagnostics, "expect", expect),
        failing_for: table.duration(diagnostics, "failing_for"),
    })?;
    Some(At { value: value.unwrap_or_else(|| RawHttp { is_probed: false, ..RawHttp::default() }), place })
}

fn path(text: &str) -> Result<String, ValueError> {
    if !text.starts_with('/') {
        return Err(ValueError::new(format!("`{}` is not a path", shown(text)))
            .hint("a path begins with /: path = \"/health\""));
    }
    // Parsed as part of a URL, so that the same characters are accepted.
    Url::read(&format!("https://path.example{text}")).map(|url| url.rest)
}
