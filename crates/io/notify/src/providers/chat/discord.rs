//! The message of a webhook of Discord. See <https://discord.com/developers/docs/resources/webhook>.

use super::super::Links;
use serde_json::{Value, json};
use text::truncate;
use types::notification::{Notification, Urgency};

/// Maximum length of a message, in characters.
const CHARS_MAX: usize = 2_000;
/// Maximum length of the title, in characters, before characters are escaped.
const TITLE_MAX: usize = 250;

/// Flag: links have no previews.
const NO_EMBEDS: u32 = 1 << 2;
/// Flag: no notification with a sound.
const SILENT: u32 = 1 << 12;

/// Title, text and the link that answers. Nobody is mentioned, whatever the text says.
pub(super) fn message(notification: &Notification, links: &Links<'_>) -> Value {
    let mark = if notification.urgency == Urgency::Page { "🚨 " } else { "" };
    let title = escaped(&truncate::chars(&notification.title, TITLE_MAX));
    let link = match links.acknowledge {
        Some(link) => format!("[Acknowledge](<{link}>)"),
        None => format!("<{}>", links.status_page),
    };
    let room =
        CHARS_MAX.saturating_sub(mark.chars().count() + title.chars().count() + link.chars().count() + 6);
    let text = truncate::chars(&escaped(&notification.body), room);
    // A cut may leave a single backslash, which would escape what follows.
    let text = text.trim_end_matches(['…', '\\']);
    let flags = if notification.urgency == Urgency::Quiet { NO_EMBEDS | SILENT } else { NO_EMBEDS };
    json!({
        "content": format!("{mark}**{title}**\n{text}\n{link}"),
        "allowed_mentions": { "parse": [] },
        "flags": flags,
    })
}

/// Text without markup: a backslash before each character that Discord reads as such.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(
            c,
            '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '<' | '#' | '[' | ']' | '(' | ')' | '-' | ':'
        ) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{LINKS, NO_LINK, page};
    use super::*;
    use proptest::prelude::*;
    use types::notification::Urgency;

    #[test]
    fn page_has_no_markup_and_mentions_nobody() {
        assert_eq!(
            message(&page("Sign-in is *down*", "@everyone <@1> expired"), &LINKS),
            json!({
                "content": "🚨 **Sign\\-in is \\*down\\***\n@everyone \\<@1\\> expired\n[Acknowledge](<https://status.acme.net/ack/TOKEN>)",
                "allowed_mentions": { "parse": [] },
                "flags": 4
            })
        );
        let quiet = Notification { urgency: Urgency::Quiet, ..page("t", "b") };
        let quiet = message(&quiet, &NO_LINK);
        assert_eq!(quiet["content"], "**t**\nb\n<https://status.acme.net>");
        assert_eq!(quiet["flags"], 4_100, "no sound");
    }

    proptest! {
        #[test]
        fn any_text_fits(title in "(?s:.{0,600})|[*_]{0,600}", body in "(?s:.{0,6000})|[*\\\\]{0,3000}") {
            let message = message(&page(&title, &body), &LINKS);
            let content = message["content"].as_str().unwrap();
            prop_assert!(content.chars().count() <= CHARS_MAX);
            prop_assert!(content.ends_with("\n[Acknowledge](<https://status.acme.net/ack/TOKEN>)"));
        }
    }
}
