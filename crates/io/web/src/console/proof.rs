//! A sentence that names a request as its proof leads to that request.

use askama::filters::HtmlSafe;
use std::fmt;
use text::escape;

const COMMAND: &str = "mainstay trace ";
const ID_LENGTH: usize = 32;

/// A sentence as HTML, with the id in `mainstay trace ID` as a link.
pub(crate) struct Proof<'a> {
    before: &'a str,
    trace: Option<&'a str>,
    after: &'a str,
}

impl<'a> From<&'a str> for Proof<'a> {
    fn from(summary: &'a str) -> Self {
        let found = summary.find(COMMAND).map(|at| at + COMMAND.len()).and_then(|at| {
            let id = summary.get(at..at + ID_LENGTH)?;
            id.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some((at, id))
        });
        match found {
            Some((at, id)) => {
                Self { before: &summary[..at], trace: Some(id), after: &summary[at + ID_LENGTH..] }
            }
            None => Self { before: summary, trace: None, after: "" },
        }
    }
}

impl fmt::Display for Proof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape::html(self.before))?;
        if let Some(id) = self.trace {
            write!(f, "<a href=\"/console/trace/{id}\">{id}</a>")?;
        }
        f.write_str(&escape::html(self.after))
    }
}

impl HtmlSafe for Proof<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_of_a_summary_is_something_to_follow() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let summary = format!("<hit>; the proof: mainstay trace {id}, again");
        let told = Proof::from(summary.as_str()).to_string();
        let link = format!("<a href=\"/console/trace/{id}\">{id}</a>");
        assert_eq!(told, format!("{}; the proof: mainstay trace {link}, again", escape::html("<hit>")));
        for summary in ["gets 12 times", "mainstay trace soon", "mainstay trace"] {
            assert_eq!(Proof::from(summary).to_string(), summary);
        }
    }
}
