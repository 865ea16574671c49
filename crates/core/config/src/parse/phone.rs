//! Parses phone numbers, senders and accounts of phone services.

use crate::parse::mail;
use crate::suggest::shown;
use crate::value_error::ValueError;
use types::config::Mailbox;

/// Digits of a phone number after the `+` (E.164: 15 at most).
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// A sender: of e-mail, or of calls and SMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// An e-mail address with a name.
    Mailbox(Mailbox),
    /// A phone number, or a messaging service of Twilio.
    Phone(String),
}

/// Whether this is a phone number in the form of E.164: `+3725550100`.
pub(crate) fn is_number(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        DIGITS.contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

/// Parses an e-mail address, a phone number, or `MG` and 32 digits.
pub(crate) fn sender(text: &str) -> Result<Sender, ValueError> {
    let given = text.trim();
    if is_number(given) || is_sid(given, "MG") {
        return Ok(Sender::Phone(given.to_owned()));
    }
    if given.starts_with('+') || given.starts_with("MG") && !given.contains('@') {
        return Err(ValueError::new(format!("`{}` is not a phone number", shown(given)))
            .hint("with country code and without spaces: \"+3725550000\""));
    }
    mail::mailbox(text).map(Sender::Mailbox)
}

/// Parses the account of Twilio.
pub(crate) fn account(text: &str) -> Result<String, ValueError> {
    let given = text.trim();
    if is_sid(given, "AC") {
        return Ok(given.to_owned());
    }
    Err(ValueError::new(format!("`{}` is not an account of Twilio", shown(given)))
        .hint("the account SID of Twilio's console: AC and 32 hexadecimal digits"))
}

/// Whether this is an id of Twilio: two letters and 32 hexadecimal digits.
fn is_sid(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers() {
        for (text, is) in [
            ("+3725550100", true),
            ("+15005550006", true),
            ("3725550100", false),
            ("+372 555 0100", false),
            ("+0725550100", false),
            ("+123456", false),
            ("+1234567890123456", false),
            ("+37255501O0", false),
            ("", false),
        ] {
            assert_eq!(is_number(text), is, "{text}");
        }
    }

    #[test]
    fn senders() {
        let service = format!("MG{}", "0".repeat(32));
        for text in ["+3725550000", service.as_str()] {
            assert_eq!(sender(text).unwrap(), Sender::Phone(text.to_owned()));
        }
        assert!(matches!(sender("Acme <a@acme.net>").unwrap(), Sender::Mailbox(_)));
        assert!(matches!(sender("MGa@acme.net").unwrap(), Sender::Mailbox(_)));
        for text in ["+372", "MG12", "acme", ""] {
            assert!(sender(text).is_err(), "{text}");
        }
        assert!(account(&format!("AC{}", "a".repeat(32))).is_ok() && account("AC").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,60}|[+MGAC0-9@ ]{0,40}") {
            let _ = (sender(&text), account(&text), is_number(&text));
        }
    }
}
