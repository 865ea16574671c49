//! Text of an alert with a link to the trace that it names.

use askama::filters::HtmlSafe;
use std::fmt;
use text::escape;

const COMMAND: &str = "mainstay trace ";
const ID_LENGTH: usize = 32;

/// Text as HTML, in which the id of `mainstay trace ID` is a link.
pub(crate) struct TraceLink<'a> {
    before: &'a str,
    trace: Option<&'a str>,
    after: &'a str,
}

impl<'a> From<&'a str> for TraceLink<'a> {
    fn from(text: &'a str) -> Self {
        let found = text.find(COMMAND).map(|at| at + COMMAND.len()).and_then(|at| {
            let id = text.get(at..at + ID_LENGTH)?;
            id.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some((at, id))
        });
        match found {
            Some((at, id)) => Self { before: &text[..at], trace: Some(id), after: &text[at + ID_LENGTH..] },
            None => Self { before: text, trace: None, after: "" },
        }
    }
}

impl fmt::Display for TraceLink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape::html(self.before))?;
        if let Some(id) = self.trace {
            write!(f, "<a href=\"/console/trace/{id}\">{id}</a>")?;
        }
        f.write_str(&escape::html(self.after))
    }
}

impl HtmlSafe for TraceLink<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_id_in_a_text_is_a_link() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let text = format!("<hit>; the proof: mainstay trace {id}, again");
        let html = TraceLink::from(text.as_str()).to_string();
        let link = format!("<a href=\"/console/trace/{id}\">{id}</a>");
        assert_eq!(html, format!("{}; the proof: mainstay trace {link}, again", escape::html("<hit>")));
        for text in ["gets 12 times", "mainstay trace soon", "mainstay trace"] {
            assert_eq!(TraceLink::from(text).to_string(), text);
        }
    }
}
