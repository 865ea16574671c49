//! How the web address of a service's hosts is asked.

use crate::form::{At, Form};
use crate::marks::Marks;
use crate::near::shown;
use crate::probe::expect;
use crate::url::Url;
use crate::wrong::Wrong;
use std::time::Duration;
use types::config::Expect;

/// `http` of a service as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebDraft {
    /// Whether it is asked at all.
    pub(crate) is_asked: bool,
    /// Path and query; `/` when nothing was written.
    pub(crate) path: String,
    /// `None` when nothing was written: then the first answers tell what is usual.
    pub(crate) expect: Option<Expect>,
    pub(crate) failing_for: Option<Duration>,
}

impl Default for WebDraft {
    fn default() -> Self {
        Self { is_asked: true, path: "/".to_owned(), expect: None, failing_for: None }
    }
}

impl WebDraft {
    /// What a good answer looks like. A declared path is one that answers 2xx when all is well.
    pub(crate) fn expected(&self) -> Expect {
        let is_unknown = self.expect.is_none() && self.path == "/";
        self.expect.clone().unwrap_or(Expect { learns: is_unknown, ..Expect::default() })
    }
}

pub(crate) fn read(form: &mut Form<'_>, marks: &mut Marks) -> Option<At<WebDraft>> {
    let place = form.key_place("http");
    let value = form.table_or_none(marks, "http", |form, marks| WebDraft {
        is_asked: true,
        path: form.word(marks, "path", path).map_or_else(|| "/".to_owned(), |at| at.value),
        expect: form.table(marks, "expect", expect),
        failing_for: form.span(marks, "failing_for"),
    })?;
    Some(At { value: value.unwrap_or_else(|| WebDraft { is_asked: false, ..WebDraft::default() }), place })
}

fn path(text: &str) -> Result<String, Wrong> {
    if !text.starts_with('/') {
        return Err(Wrong::new(format!("`{}` is not a path", shown(text)))
            .hint("a path begins with a slash: path = \"/health\""));
    }
    // Read as part of an address, so that both know the same characters.
    Url::read(&format!("https://path.example{text}")).map(|url| url.rest)
}
