//! The adaptive card of a workflow of Microsoft Teams. See
//! <https://learn.microsoft.com/en-us/connectors/teams/#microsoft-teams-webhook>.

use super::super::Links;
use serde_json::{Value, json};
use text::truncate;
use types::notification::{Notification, Urgency};

/// Maximum length of title and text, in characters: a card has at most 28 KB.
const TITLE_MAX: usize = 250;
const TEXT_MAX: usize = 5_000;

/// Title and text as runs of rich text, which are not read as Markdown, and the link that answers.
pub(super) fn message(notification: &Notification, links: &Links<'_>) -> Value {
    let color = if notification.urgency == Urgency::Page { "Attention" } else { "Default" };
    let title = truncate::chars(&notification.title, TITLE_MAX);
    let run = |run: Value| json!({ "type": "RichTextBlock", "inlines": [run] });
    let mut body = vec![run(json!({ "type": "TextRun", "text": title, "color": color, "weight": "Bolder" }))];
    if !notification.body.is_empty() {
        let text = truncate::chars(&notification.body, TEXT_MAX);
        body.push(run(json!({ "type": "TextRun", "text": text })));
    }
    let (label, url) = match links.acknowledge {
        Some(link) => ("Acknowledge", link),
        None => ("Status page", links.status_page),
    };
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{ "type": "Action.OpenUrl", "title": label, "url": url }],
    });
    json!({
        "type": "message",
        "attachments": [{ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card }],
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{LINKS, page};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn page_is_a_card_with_a_link() {
        let message = message(&page("Sign-in is down", "acme.app expired"), &LINKS);
        let card = &message["attachments"][0]["content"];
        assert_eq!(card["body"][0]["inlines"][0]["text"], "Sign-in is down");
        assert_eq!(card["body"][0]["inlines"][0]["color"], "Attention");
        assert_eq!(card["body"][1]["inlines"][0]["text"], "acme.app expired");
        assert_eq!(
            card["actions"][0],
            json!({ "type": "Action.OpenUrl", "title": "Acknowledge", "url": "https://status.acme.net/ack/TOKEN" })
        );
    }

    proptest! {
        #[test]
        fn any_text_fits(title in "(?s:.{0,600})", body in "(?s:.{0,9000})") {
            prop_assert!(message(&page(&title, &body), &LINKS).to_string().len() < 28 << 10);
        }
    }
}
