//! What is spoken in a call and written in an SMS.

use super::super::Links;
use text::{escape, truncate};
use types::notification::Notification;

/// Maximum length of an SMS for Twilio, in characters. Longer ones are refused (21617).
pub(super) const SMS_CHARS_MAX: usize = 1_600;

/// Length of title and text in an SMS, in characters: with link and instructions it has two or three parts, each of which
/// is paid for.
const SMS_TEXT_MAX: usize = 240;

/// Length of the spoken text, in characters: about 40 seconds. Twilio takes 4,000 characters of TwiML.
const SPOKEN_MAX: usize = 500;

/// Seconds that a person has to press a key after the text.
const KEY_SECS: u8 = 15;

/// The TwiML of a call: the text twice, and the keys that answer it, where Twilio can report them.
pub(super) fn twiml(notification: &Notification, links: &Links<'_>) -> String {
    let text = format!("{}. {}", notification.title.trim_end_matches('.'), notification.body);
    let text = spoken(&text);
    let say = |text: &str| format!("<Say loop=\"2\">{}</Say>", escape::html(text));
    let Some(callbacks) = links.callbacks else {
        let text = format!("{text} Acknowledge in the console or on the command line.");
        return format!("<Response>{}</Response>", say(&text));
    };
    let keys = match notification.incident {
        Some(_) => "Press 1 to acknowledge, 2 to escalate, 3 to repeat.",
        None => "Press 1 to answer this test.",
    };
    format!(
        "<Response><Gather input=\"dtmf\" numDigits=\"1\" timeout=\"{KEY_SECS}\" actionOnEmptyResult=\"true\" method=\"POST\" action=\"{}/keys\">{}</Gather></Response>",
        escape::html(callbacks),
        say(&format!("{text} {keys}"))
    )
}

/// Text that a voice reads: one line, without characters that XML does not have.
fn spoken(text: &str) -> String {
    let text = escape::replace_hidden(&text.replace(['\n', '\r', '\t'], " "));
    truncate::chars(&text.replace(char::REPLACEMENT_CHARACTER, " "), SPOKEN_MAX)
}

/// The text of an SMS.
pub(super) fn sms(notification: &Notification, links: &Links<'_>) -> String {
    let text = format!("{}: {}", notification.title.trim_end_matches('.'), notification.body);
    let text = truncate::chars(&plain(&text), SMS_TEXT_MAX).replace('…', "...");
    let answer = match (notification.incident, links.callbacks, links.acknowledge) {
        (Some(incident), Some(_), Some(link)) => {
            format!("Reply A{0} to acknowledge, E{0} to escalate, or {link}", incident.0)
        }
        (_, _, Some(link)) if notification.incident.is_some() => format!("Acknowledge: {link}"),
        (_, _, Some(link)) => format!("Answer: {link}"),
        (_, _, None) => links.status_page.to_owned(),
    };
    format!("{text}\n{answer}")
}

/// Typographic characters as those of GSM 7-bit (3GPP TS 23.038): a single other one makes each part of the SMS hold 67
/// characters instead of 153. Letters of other scripts stay.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '…' => out.push_str("..."),
            '–' | '—' | '‐' | '‑' | '−' => out.push('-'),
            '‘' | '’' | '‚' | '′' | '`' => out.push('\''),
            '“' | '”' | '„' | '″' | '«' | '»' => out.push('"'),
            '→' => out.push_str("->"),
            '•' | '·' => out.push('*'),
            '\u{a0}' | '\u{202f}' | '\u{2009}' => out.push(' '),
            '×' => out.push('x'),
            c => out.push(c),
        }
    }
    escape::replace_unsafe(&out)
}

#[cfg(test)]
mod tests {
    use super::super::super::chat::fixture;
    use super::*;
    use proptest::prelude::*;
    use types::notification::Contact;

    const LINKS: Links<'_> = Links {
        status_page: "https://status.acme.net",
        acknowledge: Some("https://status.acme.net/a/7.1764763200.AAAAAAAAAAAA"),
        callbacks: Some("https://status.acme.net/callbacks/twilio/TOKEN"),
    };

    fn page(title: &str, body: &str) -> Notification {
        let contact = Contact { channel: "call".into(), address: "+3725550100".to_owned() };
        Notification { contact, ..fixture::page(title, body) }
    }

    #[test]
    fn call_reads_text_twice_and_takes_a_key() {
        let page = page("Sign-in is down", "acme.app <expired> & gone");
        assert_eq!(
            twiml(&page, &LINKS),
            "<Response><Gather input=\"dtmf\" numDigits=\"1\" timeout=\"15\" actionOnEmptyResult=\"true\" method=\"POST\" action=\"https://status.acme.net/callbacks/twilio/TOKEN/keys\"><Say loop=\"2\">Sign-in is down. acme.app &lt;expired&gt; &amp; gone Press 1 to acknowledge, 2 to escalate, 3 to repeat.</Say></Gather></Response>"
        );
        let unreachable = twiml(&page, &Links { callbacks: None, ..LINKS });
        assert!(!unreachable.contains("Gather") && unreachable.contains("in the console"), "{unreachable}");
        let test = twiml(&Notification { incident: None, ..page }, &LINKS);
        assert!(test.contains("Press 1 to answer this test.") && !test.contains("escalate"), "{test}");
    }

    #[test]
    fn sms_is_short_and_says_how_to_answer() {
        let page = page("Sign-in is down", "“acme.app” expired – 41 names fail…");
        let text = sms(&page, &LINKS);
        assert_eq!(
            text,
            "Sign-in is down: \"acme.app\" expired - 41 names fail...\nReply A7 to acknowledge, E7 to escalate, or https://status.acme.net/a/7.1764763200.AAAAAAAAAAAA"
        );
        assert!(text.is_ascii() && text.len() <= 2 * 153);
        let inner = sms(&page, &Links { callbacks: None, ..LINKS });
        assert!(
            inner.ends_with("\nAcknowledge: https://status.acme.net/a/7.1764763200.AAAAAAAAAAAA"),
            "{inner}"
        );
        let notice = sms(&page, &Links { callbacks: None, acknowledge: None, ..LINKS });
        assert!(notice.ends_with("\nhttps://status.acme.net"), "{notice}");
    }

    proptest! {
        #[test]
        fn any_text_fits(title in "\\PC{0,300}|(?s:.{0,300})", body in "(?s:.{0,3000})|[\u{0}-\u{1f}<>&\"]{0,600}") {
            let page = page(&title, &body);
            let twiml = twiml(&page, &LINKS);
            prop_assert!(twiml.chars().count() <= 4_000);
            prop_assert_eq!(twiml.matches('<').count(), 6, "no markup of others");
            prop_assert!(!twiml.chars().any(char::is_control));
            prop_assert!(sms(&page, &LINKS).chars().count() <= SMS_CHARS_MAX);
        }
    }
}
