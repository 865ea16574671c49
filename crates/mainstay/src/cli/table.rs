//! What people read in the terminal: tables that fit 80 columns, colour only on a terminal.

use crate::cli::Failure;
use serde::Serialize;
use std::io::{IsTerminal, Write};

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

/// Prints text and a line break. A closed pipe is not an error: the reader has seen enough. All that commands say goes through
/// here and [`warn`], because `println!` panics then.
pub(crate) fn say(text: &str) {
    let _ = is_heard(text);
}

/// The same; whether anybody still reads. For commands with much to say.
pub(crate) fn is_heard(text: &str) -> bool {
    writeln!(std::io::stdout().lock(), "{text}").is_ok()
}

/// Prints text and a line break to standard error, on the same terms.
pub(crate) fn warn(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints a value as JSON, spans of time as seconds.
///
/// # Errors
/// When it cannot be written as JSON, which would be a mistake of ours.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let value = site::seconds::json(value).map_err(Failure::no)?;
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
pub(crate) fn wrapped(sentence: &str, indent: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in sentence.split_whitespace() {
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
    fn lines_fit_and_nothing_is_lost() {
        let sentence =
            "acme.app expired at 15:28; its name servers are now ns1.parking.example, ns2.parking.example";
        let text = wrapped(sentence, "    ", 40);
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        assert_eq!(text.split_whitespace().collect::<Vec<_>>().join(" "), sentence);
        assert_eq!(cell("Postgres", 5), "Postgres");
        assert_eq!(beside("ok", 4, "1 s"), "ok   1 s");
        assert_eq!(beside("Postgres", 4, "1 s"), "Postgres\n     1 s");
        let row = |all: [&str; 3]| all.map(str::to_owned);
        let all = [row(["a", "now", "x"]), row(["longer", "n", "y"])];
        assert_eq!(rows(&all), ["a       now  x", "longer  n    y"]);
        assert_eq!(cell("ok", 4), "ok  ");
    }
}
