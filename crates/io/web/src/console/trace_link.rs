//! Text of an alert with a link to the trace that it names.

use askama::filters::HtmlSafe;
use std::fmt;
use std::ops::Range;
use text::escape;

const COMMAND: &str = "mainstay trace ";
const ID_LENGTH: usize = 32;

/// Text as HTML, in which the id of `mainstay trace ID` is a link.
pub(crate) struct TraceLink {
    text: String,
    /// Position of the id.
    trace: Option<Range<usize>>,
}

impl From<String> for TraceLink {
    fn from(text: String) -> Self {
        let trace = text.find(COMMAND).map(|at| at + COMMAND.len()).and_then(|at| {
            let id = text.get(at..at + ID_LENGTH)?;
            id.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(at..at + ID_LENGTH)
        });
        Self { text, trace }
    }
}

impl fmt::Display for TraceLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(trace) = self.trace.clone() else { return f.write_str(&escape::html(&self.text)) };
        let (before, after) = (&self.text[..trace.start], &self.text[trace.end..]);
        let id = &self.text[trace];
        let (before, after) = (escape::html(before), escape::html(after));
        write!(f, "{before}<a href=\"/console/trace/{id}\">{id}</a>{after}")
    }
}

impl HtmlSafe for TraceLink {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_id_in_a_text_is_a_link() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let text = format!("<hit>; the proof: mainstay trace {id}, again");
        let html = TraceLink::from(text).to_string();
        let link = format!("<a href=\"/console/trace/{id}\">{id}</a>");
        assert_eq!(html, format!("{}; the proof: mainstay trace {link}, again", escape::html("<hit>")));
        for text in ["gets 12 times", "mainstay trace soon", "mainstay trace"] {
            assert_eq!(TraceLink::from(text.to_owned()).to_string(), text);
        }
    }
}
