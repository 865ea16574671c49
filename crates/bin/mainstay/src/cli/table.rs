//! What people read in the terminal: tables that fit 80 columns, colour only on a terminal.

use crate::cli::Failure;
use serde::Serialize;
use std::io::{IsTerminal, Write};
use types::shown::shown_lines;

/// The colours that [`tinted`] uses. They move nothing, wherever they come from.
const COLOURS: [&str; 4] = ["\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"];

/// How loud a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Broken.
    Bad,
}

/// Prints text and a line break. Control and direction characters are shown by their number, but for the colours that
/// are ours: what a terminal is told to do never comes from outside. A closed pipe is not an error: the reader has seen
/// enough. All that commands say goes through here and [`warn`], because `println!` panics then.
pub(crate) fn say(text: &str) {
    let _ = is_heard(text);
}

/// Text as a terminal may have it. `coloured`: our own words may be tinted.
fn safe(text: &str, coloured: bool) -> String {
    let colours = if coloured { COLOURS.as_slice() } else { &[] };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, colour)) =
        colours.iter().filter_map(|colour| Some((rest.find(colour)?, *colour))).min()
    {
        let (before, after) = rest.split_at(at);
        out.push_str(&shown_lines(before));
        out.push_str(colour);
        rest = after.get(colour.len()..).unwrap_or_default();
    }
    out.push_str(&shown_lines(rest));
    out
}

/// The same; whether anybody still reads. For commands with much to say.
pub(crate) fn is_heard(text: &str) -> bool {
    let out = std::io::stdout();
    writeln!(out.lock(), "{}", safe(text, is_tinted(&out))).is_ok()
}

/// Prints text and a line break to standard error, on the same terms.
pub(crate) fn warn(text: &str) {
    let out = std::io::stderr();
    let _ = writeln!(out.lock(), "{}", safe(text, is_tinted(&out)));
}

/// Prints a value as JSON, spans of time as seconds.
///
/// # Errors
/// When it cannot be written as JSON, which would be a mistake of ours.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let value = web::json::to_value(value).map_err(Failure::no)?;
    let text = serde_json::to_string_pretty(&value).map_err(Failure::no)?;
    say(&text);
    Ok(())
}

/// Whether colour may go there: to a terminal, unless NO_COLOR says something.
pub(crate) fn is_tinted(to: &impl IsTerminal) -> bool {
    to.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty())
}

/// A word in its tone's colour, on a terminal only and not under NO_COLOR.
pub(crate) fn tinted(word: &str, tone: Tone) -> String {
    let code = match tone {
        Tone::Good => 32,
        Tone::Warn => 33,
        Tone::Bad => 31,
    };
    if is_tinted(&std::io::stdout()) { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() }
}

/// Breaks a sentence into lines of at most `width` characters, each begun with `indent`.
pub(crate) fn wrapped(summary: &str, indent: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in summary.split_whitespace() {
        let long = line.chars().count() + word.chars().count() + indent.chars().count() + 1;
        if !line.is_empty() && long > width {
            lines.push(format!("{indent}{line}"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(format!("{indent}{line}"));
    lines.join("\n")
}

/// A text filled up to `width` characters. Never cut: the end of a name is what tells it from its neighbours.
pub(crate) fn cell(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}

/// A name and what belongs to it, from column `width` on: beside it, or beneath a name that is longer.
pub(crate) fn beside(name: &str, width: usize, rest: &str) -> String {
    let line_break = if name.chars().count() > width { "\n" } else { "" };
    let filling = if line_break.is_empty() { width - name.chars().count() } else { width };
    format!("{name}{line_break}{} {rest}", " ".repeat(filling))
}

/// A name, when, and the rest in columns; on a terminal, what does not fit into a line goes on in the next.
pub(crate) fn rows(rows: &[[String; 3]]) -> Vec<String> {
    let widest = |n: usize| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or_default();
    let (first, second) = (widest(0), widest(1));
    let is_narrow = std::io::stdout().is_terminal() && first + second + 4 + widest(2) > TERMINAL;
    let gap = if is_narrow { format!("\n{}", " ".repeat(first)) } else { String::new() };
    rows.iter().map(|[name, when, rest]| format!("{name:<first$}  {when:<second$}{gap}  {rest}")).collect()
}

/// Columns of a terminal that everybody has.
const TERMINAL: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_by_outsiders() {
        let text = "a \x1b[31mbad\x1b[0m ns1.\x1b[2J\x1b]0;pwned\x07\u{202e}exe\n\tb";
        let wanted = "a \x1b[31mbad\x1b[0m ns1.\\u{1b}[2J\\u{1b}]0;pwned\\u{7}\\u{202e}exe\n\tb";
        assert_eq!(safe(text, true), wanted);
        assert_eq!(safe(text, false), wanted.replace("\x1b", "\\u{1b}"));
    }

    #[test]
    fn lines_fit_and_nothing_is_lost() {
        let summary =
            "acme.app expired at 15:28; its name servers are now ns1.parking.example, ns2.parking.example";
        let text = wrapped(summary, "    ", 40);
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        assert_eq!(text.split_whitespace().collect::<Vec<_>>().join(" "), summary);
        assert_eq!(cell("Postgres", 5), "Postgres");
        assert_eq!(beside("ok", 4, "1 s"), "ok   1 s");
        assert_eq!(beside("Postgres", 4, "1 s"), "Postgres\n     1 s");
        let row = |all: [&str; 3]| all.map(str::to_owned);
        let all = [row(["a", "now", "x"]), row(["longer", "n", "y"])];
        assert_eq!(rows(&all), ["a       now  x", "longer  n    y"]);
        assert_eq!(cell("ok", 4), "ok  ");
    }
}
