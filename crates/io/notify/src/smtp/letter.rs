//! Messages as bytes: headers and bodies. lettre encodes everything that a person wrote.

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use std::time::{Duration, SystemTime};
use subscribers::Mail;
use types::Time;

/// A message cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LetterError {
    /// The recipient is not an address.
    #[error("the recipient is not an e-mail address")]
    Recipient,
    /// lettre does not accept it.
    #[error("the mail cannot be written: {0}")]
    Message(#[from] lettre::error::Error),
}

/// Writes a mail to a subscriber. `list` is the host name of the status page.
pub(crate) fn to_subscriber(
    from: &Mailbox,
    to: &str,
    mail: &Mail,
    list: &str,
    now: Time,
) -> Result<(Address, Vec<u8>), LetterError> {
    let address: Address = to.parse().map_err(|_| LetterError::Recipient)?;
    let domain = from.email.domain();
    let mut builder = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, address.clone()))
        .date(system_time(now))
        .message_id(Some(format!("<{}@{domain}>", mail.id)))
        .subject(mail.subject.clone());
    if let Some(thread) = &mail.thread {
        let thread = format!("<{thread}@{domain}>");
        builder = builder.in_reply_to(thread.clone()).references(thread);
    }
    // RFC 3834, section 5: nothing answers automatically. RFC 2919: mail programs group and filter by the list.
    builder = raw(builder, HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    builder = raw(builder, HeaderName::new_from_ascii_str("List-Id"), format!("<updates.{list}>"));
    if let Some(url) = &mail.unsubscribe {
        builder = raw(builder, HeaderName::new_from_ascii_str("List-Unsubscribe"), format!("<{url}>"));
        // RFC 8058, section 3.1: only with an https link.
        if url.starts_with("https://") {
            let name = HeaderName::new_from_ascii_str("List-Unsubscribe-Post");
            builder = raw(builder, name, "List-Unsubscribe=One-Click".to_owned());
        }
    }
    let body = MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone());
    Ok((address, builder.multipart(body)?.formatted()))
}

/// Writes a mail to a person of the team: text alone.
pub(crate) fn to_person(
    from: &Mailbox,
    to: &str,
    (subject, text): (&str, String),
    key: &str,
    now: Time,
) -> Result<(Address, Vec<u8>), LetterError> {
    let address: Address = to.parse().map_err(|_| LetterError::Recipient)?;
    let id: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let subject: String = subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let builder = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, address.clone()))
        .date(system_time(now))
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        .subject(subject);
    let builder = raw(builder, HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    Ok((address, builder.singlepart(SinglePart::plain(text))?.formatted()))
}

/// Adds a header whose value is printable ASCII, exactly as it is: receivers compare it by bytes, and a link must not be
/// encoded. Any other character is left out.
fn raw(
    builder: lettre::message::MessageBuilder,
    name: HeaderName,
    value: String,
) -> lettre::message::MessageBuilder {
    let value: String = value.chars().filter(|c| c.is_ascii_graphic()).collect();
    builder.raw_header(HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value))
}

fn system_time(at: Time) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(at.as_second()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(subject: &str, unsubscribe: &str) -> Mail {
        Mail {
            subject: subject.to_owned(),
            text: "Sign-in is failing. Grüße\n.\nend".to_owned(),
            html: "<p>Sign-in is failing.</p>".to_owned(),
            id: "update-12.3".to_owned(),
            thread: Some("incident-7.3".to_owned()),
            unsubscribe: Some(unsubscribe.to_owned()),
        }
    }

    fn written(mail: &Mail) -> String {
        let from = Mailbox::new(Some("Acme, Störung".to_owned()), "status@acme.net".parse().unwrap());
        let now = "2026-12-02T12:00:00Z".parse().unwrap();
        let (_, bytes) = to_subscriber(&from, "ana@example.com", mail, "status.acme.net", now).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
        let (head, _) = message.split_once("\r\n\r\n")?;
        head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    #[test]
    fn headers_follow_the_rules_of_mail_providers() {
        let long = format!("https://status.acme.net/subscriptions/{}/unsubscribe", "A".repeat(120));
        let message = written(&mail("Investigating: Sign-in is failing", &long));
        for (name, expected) in [
            ("List-Unsubscribe", format!("<{long}>")),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()),
            ("List-Id", "<updates.status.acme.net>".to_owned()),
            ("Auto-Submitted", "auto-generated".to_owned()),
            ("Message-ID", "<update-12.3@acme.net>".to_owned()),
            ("References", "<incident-7.3@acme.net>".to_owned()),
            ("To", "ana@example.com".to_owned()),
            ("Date", "Wed, 02 Dec 2026 12:00:00 +0000".to_owned()),
        ] {
            assert_eq!(header(&message, name), Some(expected.as_str()), "{name}\n{message}");
        }
        assert!(message.is_ascii() && message.contains("multipart/alternative"), "{message}");
        assert!(message.lines().all(|line| line.len() < 998));
        let plain = written(&mail("x", "http://status.acme.net/x"));
        assert_eq!(header(&plain, "List-Unsubscribe-Post"), None, "one click needs https");
    }

    #[test]
    fn texts_of_people_become_no_header() {
        let message =
            written(&mail("x\r\nBcc: evil@example.com\r\n\r\n<b>", "https://a.b/\r\nBcc: evil@example.com"));
        assert_eq!(header(&message, "Bcc"), None, "{message}");
        assert!(
            to_person(
                &Mailbox::new(None, "status@acme.net".parse().unwrap()),
                "ana@example.com>\r\nRCPT TO:<evil@example.com",
                ("x", String::new()),
                "k",
                Time::UNIX_EPOCH
            )
            .is_err()
        );
    }
}
