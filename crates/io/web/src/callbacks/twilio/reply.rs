//! Replies to an SMS: `A7` acknowledges, `E7` escalates.

use types::IncidentId;

/// What a person has replied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Acknowledges an incident; the only open one without a number.
    Acknowledge(Option<IncidentId>),
    /// Escalates an incident.
    Escalate(Option<IncidentId>),
    /// One of the words by which a number subscribes to SMS or ends that. Twilio obeys and confirms them itself.
    Subscription,
    /// Anything else.
    Other,
}

/// The words that Twilio obeys itself.
const SUBSCRIPTION: [&str; 13] = [
    "stop",
    "stopall",
    "unsubscribe",
    "cancel",
    "end",
    "quit",
    "revoke",
    "optout",
    "start",
    "yes",
    "unstop",
    "help",
    "info",
];

/// Longest reply that is read, in characters: an automatic answer that quotes the message is no answer of a person.
const CHARS_MAX: usize = 24;

/// Reads a reply.
pub(super) fn read(text: &str) -> Reply {
    let text = text.trim().trim_end_matches(['.', '!']).to_lowercase();
    if SUBSCRIPTION.contains(&text.as_str()) {
        return Reply::Subscription;
    }
    if text.chars().count() > CHARS_MAX {
        return Reply::Other;
    }
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
    if numbers.count() > 1 {
        return Reply::Other;
    }
    let plain: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '#' | ':' | '"' | '\'')).collect();
    let digits = plain.trim_matches(|c: char| !c.is_ascii_digit());
    let (before, after) = plain.split_once(digits).unwrap_or((&plain, ""));
    let incident = match digits.parse() {
        Ok(number) => Some(IncidentId(number)),
        Err(_) if digits.is_empty() => None,
        Err(_) => return Reply::Other,
    };
    // Before the number or after it: A7, 7a, ack 7.
    match if digits.is_empty() {
        plain.as_str()
    } else if after.is_empty() {
        before
    } else {
        after
    } {
        word if !before.is_empty() && !after.is_empty() && word != plain => Reply::Other,
        "a" | "ack" | "acknowledge" | "ok" => Reply::Acknowledge(incident),
        "e" | "esc" | "escalate" => Reply::Escalate(incident),
        _ => Reply::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn replies() {
        let seven = Some(IncidentId(7));
        for (text, expected) in [
            ("A7", Reply::Acknowledge(seven)),
            ("a7", Reply::Acknowledge(seven)),
            (" ack 7. ", Reply::Acknowledge(seven)),
            ("ACK #7!", Reply::Acknowledge(seven)),
            ("7a", Reply::Acknowledge(seven)),
            ("\"A7\"", Reply::Acknowledge(seven)),
            ("ack", Reply::Acknowledge(None)),
            ("ok", Reply::Acknowledge(None)),
            ("E7", Reply::Escalate(seven)),
            ("escalate 7", Reply::Escalate(seven)),
            ("e", Reply::Escalate(None)),
            ("STOP", Reply::Subscription),
            ("stop.", Reply::Subscription),
            ("Yes", Reply::Subscription),
            ("7", Reply::Other),
            ("", Reply::Other),
            ("a7e", Reply::Other),
            ("a7 8", Reply::Other),
            ("a99999999999999999999999", Reply::Other),
            ("no", Reply::Other),
            ("I am driving. Reply A7 to acknowledge", Reply::Other),
            ("A٧", Reply::Other),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(?s:.{0,60})|[ae0-9 #]{0,30}") {
            let _ = read(&text);
        }
    }
}
