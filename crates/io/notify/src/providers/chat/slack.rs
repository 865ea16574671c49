//! The message of an incoming webhook of Slack. See <https://docs.slack.dev/messaging/formatting-message-text>.

use super::super::Links;
use serde_json::{Value, json};
use text::truncate;
use types::notification::{Notification, Urgency};

/// Maximum length of title and text, in characters: a block of Slack has 3,000.
const TITLE_MAX: usize = 250;
const TEXT_MAX: usize = 2_900;

/// Title and text as plain text, in which nothing becomes a mention or a link, and the link that answers.
pub(super) fn message(notification: &Notification, links: &Links<'_>) -> Value {
    let title = truncate::chars(&notification.title, TITLE_MAX);
    let mark = if notification.urgency == Urgency::Page { "🚨 " } else { "" };
    let plain = |text: String| json!({ "type": "plain_text", "text": text, "emoji": false });
    let mut blocks = vec![json!({ "type": "section", "text": plain(format!("{mark}{title}")) })];
    if !notification.body.is_empty() {
        let text = plain(truncate::chars(&notification.body, TEXT_MAX));
        blocks.push(json!({ "type": "section", "text": text }));
    }
    let link = match links.acknowledge {
        Some(link) => format!("<{link}|Acknowledge>"),
        None => format!("<{}|Status page>", links.status_page),
    };
    blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": link }] }));
    // `text` is shown in notifications only, and is read as markup.
    json!({ "text": format!("{mark}{}", escaped(&title)), "blocks": blocks, "unfurl_links": false })
}

/// The three characters that Slack reads as markup of links and mentions.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{LINKS, NO_LINK, page};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn page_has_plain_text_and_link() {
        assert_eq!(
            message(&page("<!channel> & all", "acme.app *expired*"), &LINKS),
            json!({
                "text": "🚨 &lt;!channel&gt; &amp; all",
                "blocks": [
                    { "type": "section", "text": { "type": "plain_text", "text": "🚨 <!channel> & all", "emoji": false } },
                    { "type": "section", "text": { "type": "plain_text", "text": "acme.app *expired*", "emoji": false } },
                    { "type": "context", "elements": [
                        { "type": "mrkdwn", "text": "<https://status.acme.net/ack/TOKEN|Acknowledge>" }
                    ] }
                ],
                "unfurl_links": false
            })
        );
        let notice = message(&page("t", ""), &NO_LINK);
        assert_eq!(notice["blocks"][1]["elements"][0]["text"], "<https://status.acme.net|Status page>");
    }

    proptest! {
        #[test]
        fn any_text_fits(title in "(?s:.{0,600})", body in "(?s:.{1,6000})") {
            let message = message(&page(&title, &body), &LINKS);
            for block in [0, 1] {
                let text = message["blocks"][block]["text"]["text"].as_str().unwrap();
                prop_assert!((1..=3_000).contains(&text.chars().count()));
            }
            prop_assert!(!message["text"].as_str().unwrap().contains(['<', '>']));
        }
    }
}
