//! Terminal output: tables that fit 80 columns, colour only on a terminal.

use serde::Serialize;
use std::io::{IsTerminal, Write};
use text::escape::hidden_in_lines;
use text::wrap::{self, LongWord};

/// The escape sequences that [`tinted`] uses. They only set the colour.
const COLOURS: [&str; 4] = ["\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"];

/// Meaning of a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Healthy.
    Good,
    /// Worth a look.
    Warn,
    /// Broken.
    Bad,
}

/// Prints text and a line break. Control and direction characters are escaped, except for our own colours, so that
/// external text cannot control the terminal. A closed pipe is not an error. All output of commands goes through here
/// and [`warn`], because `println!` panics on a closed pipe.
pub fn say(text: &str) {
    let _ = try_say(text);
}

/// Escapes text for the terminal. `coloured` keeps our own colours.
fn safe(text: &str, coloured: bool) -> String {
    let colours = if coloured { COLOURS.as_slice() } else { &[] };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, colour)) =
        colours.iter().filter_map(|colour| Some((rest.find(colour)?, *colour))).min()
    {
        let (before, after) = rest.split_at(at);
        out.push_str(&hidden_in_lines(before));
        out.push_str(colour);
        rest = after.get(colour.len()..).unwrap_or_default();
    }
    out.push_str(&hidden_in_lines(rest));
    out
}

/// As [`say`]; returns false when the pipe is closed. For commands with long output.
pub(crate) fn try_say(text: &str) -> bool {
    let out = std::io::stdout();
    writeln!(out.lock(), "{}", safe(text, is_tinted(&out))).is_ok()
}

/// As [`say`], to standard error.
pub fn warn(text: &str) {
    let out = std::io::stderr();
    let _ = writeln!(out.lock(), "{}", safe(text, is_tinted(&out)));
}

/// Prints a value as JSON, durations as seconds.
///
/// # Errors
/// When it cannot be serialized, which would be a bug.
pub fn json<T: Serialize>(value: &T) -> Result<(), serde_json::Error> {
    let value = web::json::to_value(value)?;
    let text = serde_json::to_string_pretty(&value)?;
    say(&text);
    Ok(())
}

/// Prints a JSON object on one line, for programs that read standard output line by line.
pub(crate) fn say_line(value: &serde_json::Value) {
    say(&value.to_string());
}

/// Whether output is coloured: on a terminal, unless NO_COLOR is set.
pub(crate) fn is_tinted(to: &impl IsTerminal) -> bool {
    to.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty())
}

/// A word in the colour of its tone, where output is coloured.
pub(crate) fn tinted(word: &str, tone: Tone) -> String {
    let code = match tone {
        Tone::Good => 32,
        Tone::Warn => 33,
        Tone::Bad => 31,
    };
    if is_tinted(&std::io::stdout()) { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() }
}

/// Wraps text into lines of at most `width` characters, each with the prefix `indent`.
pub fn wrapped(text: &str, indent: &str, width: usize) -> String {
    wrap::wrapped(text, indent, indent, width, LongWord::Whole).join("\n")
}

/// Text padded to `width` characters. Never cut: names often differ at their end.
pub(crate) fn cell(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}

/// A name, and text from column `width` on: on the same line, or on the next when the name is longer.
pub(crate) fn beside(name: &str, width: usize, rest: &str) -> String {
    let line_break = if name.chars().count() > width { "\n" } else { "" };
    let filling = if line_break.is_empty() { width - name.chars().count() } else { width };
    format!("{name}{line_break}{} {rest}", " ".repeat(filling))
}

/// Rows of name, time and rest in columns; on a terminal, the rest moves to the next line when it does not fit.
pub(crate) fn rows(rows: &[[String; 3]]) -> Vec<String> {
    let widest = |n: usize| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or_default();
    let (first, second) = (widest(0), widest(1));
    let is_narrow = std::io::stdout().is_terminal() && first + second + 4 + widest(2) > TERMINAL;
    let gap = if is_narrow { format!("\n{}", " ".repeat(first)) } else { String::new() };
    rows.iter().map(|[name, when, rest]| format!("{name:<first$}  {when:<second$}{gap}  {rest}")).collect()
}

/// Columns of the narrowest terminal that is supported.
const TERMINAL: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_text_cannot_control_the_terminal() {
        let text = "a \x1b[31mbad\x1b[0m ns1.\x1b[2J\x1b]0;pwned\x07\u{202e}exe\n\tb";
        let wanted = "a \x1b[31mbad\x1b[0m ns1.\\u{1b}[2J\\u{1b}]0;pwned\\u{7}\\u{202e}exe\n\tb";
        assert_eq!(safe(text, true), wanted);
        assert_eq!(safe(text, false), wanted.replace("\x1b", "\\u{1b}"));
    }

    #[test]
    fn wrapped_lines_fit_and_keep_every_word() {
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
