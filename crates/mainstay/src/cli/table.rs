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

/// Prints text and a line break. A closed pipe is not an error: the reader has seen enough.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints a value as JSON.
///
/// # Errors
/// When it cannot be written as JSON, which would be a mistake of ours.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::no)?;
    say(&text);
    Ok(())
}

/// A word in its tone's colour, on a terminal only and not under NO_COLOR.
pub(crate) fn tinted(word: &str, tone: Tone) -> String {
    let plain = !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some();
    let code = match tone {
        Tone::Good => 32,
        Tone::Warn => 33,
        Tone::Bad => 31,
    };
    if plain { word.to_owned() } else { format!("\x1b[{code}m{word}\x1b[0m") }
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

/// A text cut to `width` characters and filled up to it.
pub(crate) fn cell(text: &str, width: usize) -> String {
    let long = text.chars().count() > width;
    let cut: String = if long {
        text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
    } else {
        text.to_owned()
    };
    format!("{cut:<width$}")
}

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
        assert_eq!(cell("Postgres", 5), "Post…");
        assert_eq!(cell("ok", 4), "ok  ");
    }
}
