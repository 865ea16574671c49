//! Lines of the protocol: errors, variables, the state that they make.

use super::unknown;
use std::net::SocketAddr;
use std::time::Duration;
use types::Fault;
use types::ups::UpsSeen;

/// Bytes read of all replies together. A UPS with many outlets lists about 20 kB.
pub(super) const REPLY_MAX: u64 = 256 << 10;
/// Flags of a state that are kept. There are about twenty.
const FLAGS_MAX: usize = 32;
/// Longest flag that is kept, in characters.
const FLAG_MAX: usize = 16;
/// Longest runtime that is believed: a year.
const RUNTIME_MAX: f64 = 365.0 * 86_400.0;
/// Characters of an unexpected reply that are quoted.
const QUOTED_MAX: usize = 100;

/// A word as the protocol writes it.
pub(super) fn quoted(word: &str) -> String {
    let mut quoted = String::from("\"");
    for character in word.chars().filter(|character| !character.is_control()) {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

/// Reads the reply to a login command.
pub(super) fn accepted(line: &str) -> Result<(), Fault> {
    if line == "OK" || line.starts_with("OK ") { Ok(()) } else { Err(refused(line)) }
}

/// What an unexpected line says.
fn refused(line: &str) -> Fault {
    let Some(error) = line.strip_prefix("ERR ") else {
        let why = "what it sends is not the protocol of Network UPS Tools".to_owned();
        return Fault::Garbage { why };
    };
    let code = error.split(' ').next().unwrap_or_default();
    let next = match code {
        "UNKNOWN-UPS" => "upsd has no UPS of this name; `upsc -l HOST` lists them",
        "DATA-STALE" => "upsd gets no data from the UPS; check its cable and `systemctl status nut-driver`",
        "DRIVER-NOT-CONNECTED" => "the driver of the UPS does not run; check `systemctl status nut-driver`",
        "ACCESS-DENIED" | "INVALID-USERNAME" | "INVALID-PASSWORD" | "USERNAME-REQUIRED"
        | "PASSWORD-REQUIRED" => "check `login` here, and the user in upsd.users there",
        _ => "see the log of upsd",
    };
    unknown(format!("upsd answers {} ({next})", text::truncate::chars(code, QUOTED_MAX)))
}

/// The reply to `LIST VAR`, line by line.
#[derive(Debug)]
pub(super) struct Reply {
    begin: String,
    variable: String,
    end: String,
    has_begun: bool,
    status: Option<String>,
    charge: Option<f64>,
    runtime: Option<f64>,
    load: Option<f64>,
}

impl Reply {
    pub(super) fn new(ups: &str) -> Self {
        Self {
            begin: format!("BEGIN LIST VAR {ups}"),
            variable: format!("VAR {ups} "),
            end: format!("END LIST VAR {ups}"),
            has_begun: false,
            status: None,
            charge: None,
            runtime: None,
            load: None,
        }
    }

    /// Takes a line; whether it was the last one.
    pub(super) fn take(&mut self, line: &str) -> Result<bool, Fault> {
        if !self.has_begun {
            self.has_begun = line == self.begin;
            return if self.has_begun { Ok(false) } else { Err(refused(line)) };
        }
        if line == self.end {
            return Ok(true);
        }
        // An error in the middle: the driver has gone meanwhile.
        let Some((name, value)) = line.strip_prefix(&self.variable).and_then(variable) else {
            return Err(refused(line));
        };
        match name {
            "ups.status" => self.status = Some(value),
            "battery.charge" => self.charge = number(&value),
            "battery.runtime" => self.runtime = number(&value),
            "ups.load" => self.load = number(&value),
            _ => {}
        }
        Ok(false)
    }

    /// The state that the lines give.
    pub(super) fn seen(self, address: SocketAddr) -> Result<UpsSeen, Fault> {
        let status = self.status.unwrap_or_default();
        let flags = status.split_whitespace().take(FLAGS_MAX);
        let status: std::collections::BTreeSet<String> =
            flags.map(|flag| text::truncate::chars(flag, FLAG_MAX)).collect();
        // Until a driver has asked its UPS for the first time, upsd lists WAIT alone.
        if status.iter().all(|flag| flag == "WAIT") {
            return Err(unknown("upsd lists no ups.status; the driver may still be starting"));
        }
        let runtime = self.runtime.filter(|seconds| *seconds <= RUNTIME_MAX);
        Ok(UpsSeen {
            address,
            status,
            charge_percent: self.charge.filter(|charge| *charge <= 100.0).map(whole),
            runtime: runtime.map(Duration::from_secs_f64),
            load_percent: self.load.filter(|load| *load <= 1_000.0).map(whole),
        })
    }
}

/// `battery.charge "87"`.
fn variable(text: &str) -> Option<(&str, String)> {
    let (name, value) = text.split_once(' ')?;
    let value = value.strip_prefix('"')?.strip_suffix('"')?;
    let mut unescaped = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        unescaped.push(if character == '\\' { characters.next()? } else { character });
    }
    Some((name, unescaped))
}

/// A number that can be a measurement. Some drivers write "100.0", some "N/A".
fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates; negative ones were left out"
)]
fn whole<N: TryFrom<u32> + Default>(number: f64) -> N {
    N::try_from(number.round() as u32).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lines mean, in short.
    fn read(lines: &[&str]) -> String {
        let mut reply = Reply::new("rack");
        for line in lines {
            match reply.take(line) {
                Ok(false) => {}
                Ok(true) => {
                    let seen = reply.seen("127.0.0.1:3493".parse().unwrap());
                    return seen.map_or_else(
                        |fault| fault.to_string(),
                        |seen| {
                            format!(
                                "{} {:?} {:?} {:?}",
                                seen.status.into_iter().collect::<Vec<_>>().join("+"),
                                seen.charge_percent,
                                seen.runtime.map(|runtime| runtime.as_secs()),
                                seen.load_percent
                            )
                        },
                    );
                }
                Err(fault) => return fault.to_string(),
            }
        }
        "not complete".to_owned()
    }

    #[test]
    fn replies_are_read_or_refused() {
        const BEGIN: &str = "BEGIN LIST VAR rack";
        const END: &str = "END LIST VAR rack";
        for (lines, meaning) in [
            (
                vec![
                    BEGIN,
                    "VAR rack battery.charge \"87\"",
                    "VAR rack battery.runtime \"1438.00\"",
                    "VAR rack device.model \"Smart \\\"UPS\\\" 5\\\\\"",
                    "VAR rack ups.load \"23.4\"",
                    "VAR rack ups.status \"OB DISCHRG\"",
                    END,
                ],
                "DISCHRG+OB Some(87) Some(1438) Some(23)",
            ),
            (vec![BEGIN, "VAR rack ups.status \"OL\"", END], "OL None None None"),
            (
                vec![
                    BEGIN,
                    "VAR rack battery.charge \"-3\"",
                    "VAR rack battery.runtime \"1e300\"",
                    "VAR rack ups.load \"NaN\"",
                    "VAR rack ups.status \"OL\"",
                    END,
                ],
                "OL None None None",
            ),
            (
                vec![BEGIN, "VAR rack ups.status \"WAIT\"", END],
                "gives no state: upsd lists no ups.status; the driver may still be starting",
            ),
            (vec![BEGIN, END], "gives no state: upsd lists no ups.status; the driver may still be starting"),
            (
                vec!["ERR UNKNOWN-UPS"],
                "gives no state: upsd answers UNKNOWN-UPS (upsd has no UPS of this name; `upsc -l HOST` lists them)",
            ),
            (
                vec![BEGIN, "ERR DATA-STALE"],
                "gives no state: upsd answers DATA-STALE (upsd gets no data from the UPS; check its cable and `systemctl \
                 status nut-driver`)",
            ),
            (
                vec!["HTTP/1.1 400 Bad Request"],
                "violates the protocol: what it sends is not the protocol of Network UPS Tools",
            ),
            (
                vec![BEGIN, "VAR other ups.status \"OL\""],
                "violates the protocol: what it sends is not the protocol of Network UPS Tools",
            ),
            (
                vec![BEGIN, "VAR rack ups.status OL"],
                "violates the protocol: what it sends is not the protocol of Network UPS Tools",
            ),
            (vec![BEGIN, "VAR rack ups.status \"OL\""], "not complete"),
        ] {
            assert_eq!(read(&lines), meaning, "{lines:?}");
        }
    }

    #[test]
    fn words_of_a_login_cannot_hold_a_second_command() {
        assert_eq!(quoted("a \"b\\\nFSD rack"), "\"a \\\"b\\\\FSD rack\"");
    }
}
