//! JSON for webhooks, Slack and Teams.

use crate::message::{Page, affected, details_url, earlier};
use serde_json::{Value, json};
use text::truncate;
use types::PublicUpdate;
use types::maintenance::MaintenanceState;
use types::subscription::{EarlierUpdate, SubjectStatus, SubscriberKind, UpdateSubject};
use types::time::formatted;

/// Maximum length of a text of Slack, in characters; with escapes and markup it stays below 3,000.
const SLACK_MAX: usize = 2_000;
/// Maximum length of the text of a card of Teams, in characters: a card has at most 28 KB.
const TEAMS_MAX: usize = 5_000;

/// The body of the POST to a subscriber; `None` for mail.
#[must_use]
pub fn body(
    kind: SubscriberKind,
    page: &Page,
    update: &PublicUpdate,
    missed: &[&EarlierUpdate],
) -> Option<Value> {
    match kind {
        SubscriberKind::Mail => None,
        SubscriberKind::Webhook => Some(webhook(page, update, missed)),
        SubscriberKind::Slack => Some(slack(page, update, missed)),
        SubscriberKind::Teams => Some(teams(page, update, missed)),
    }
}

fn webhook(page: &Page, update: &PublicUpdate, missed: &[&EarlierUpdate]) -> Value {
    let affected =
        update.affected.iter().map(|(id, title, state)| json!({ "id": id, "title": title, "state": state }));
    let (about, number) = match update.about {
        UpdateSubject::Incident(incident) => ("incident", incident.0),
        UpdateSubject::Maintenance(maintenance) => ("maintenance", maintenance.0),
    };
    json!({
        "key": update.id.to_string(),
        (about): number,
        "at": update.at,
        "status": update.status,
        "title": update.title,
        "body": update.body,
        "affected": affected.collect::<Vec<_>>(),
        "earlier": missed.iter().map(|update| {
            json!({ "key": update.id.to_string(), "at": update.at, "status": update.status, "body": update.body })
        }).collect::<Vec<_>>(),
        "url": details_url(page, update),
        "page": { "title": page.title, "url": page.url },
    })
}

/// The three characters that Slack reads as markup of links and mentions.
fn slack_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn slack(page: &Page, update: &PublicUpdate, missed: &[&EarlierUpdate]) -> Value {
    let status = update.status.title();
    let title = slack_text(&truncate::chars(&update.title, 200));
    let plain = |text: String| json!({ "type": "plain_text", "text": text, "emoji": false });
    let at = formatted(update.at, &page.timezone, "%-d %b %Y, %H:%M");
    // Only plain text: nothing that a person wrote becomes a mention or a link.
    let mut blocks = vec![
        json!({ "type": "section", "text": plain(format!("{status}: {}", truncate::chars(&update.title, 200))) }),
        json!({ "type": "section", "text": plain(truncate::chars(&update.body, SLACK_MAX)) }),
    ];
    if let Some(earlier) = earlier(page, missed) {
        blocks.push(json!({ "type": "section", "text": plain(truncate::chars(&earlier, SLACK_MAX)) }));
    }
    let notes = affected(update).into_iter().chain([at]).map(plain);
    blocks.push(json!({ "type": "context", "elements": notes.collect::<Vec<_>>() }));
    let url = details_url(page, update);
    blocks.push(json!({
        "type": "context",
        "elements": [{ "type": "mrkdwn", "text": format!("<{url}|{}>", slack_text(&page.title)) }],
    }));
    json!({ "text": format!("{status}: {title}"), "blocks": blocks })
}

fn teams(page: &Page, update: &PublicUpdate, missed: &[&EarlierUpdate]) -> Value {
    let color = match update.status {
        status if status.is_over() => "Good",
        SubjectStatus::Incident(_) | SubjectStatus::Maintenance(MaintenanceState::Overrun) => "Attention",
        SubjectStatus::Maintenance(_) => "Accent",
    };
    let at = formatted(update.at, &page.timezone, "%-d %b %Y, %H:%M");
    // Rich text runs are not read as Markdown.
    let run =
        |text: String| json!({ "type": "RichTextBlock", "inlines": [{ "type": "TextRun", "text": text }] });
    let mut body = vec![
        json!({
            "type": "RichTextBlock",
            "inlines": [
                { "type": "TextRun", "text": format!("{}: ", update.status.title()), "color": color, "weight": "Bolder" },
                { "type": "TextRun", "text": truncate::chars(&update.title, 200), "weight": "Bolder" },
            ],
        }),
        run(truncate::chars(&update.body, TEAMS_MAX)),
    ];
    body.extend(earlier(page, missed).map(|earlier| run(truncate::chars(&earlier, TEAMS_MAX))));
    body.extend(affected(update).map(run));
    body.push(run(at));
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{ "type": "Action.OpenUrl", "title": page.title, "url": details_url(page, update) }],
    });
    json!({
        "type": "message",
        "attachments": [{ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::fixture::{earlier, page, update};
    use types::MaintenanceId;

    #[test]
    fn bodies_of_all_kinds() {
        let bodies: Vec<Value> = SubscriberKind::ALL
            .iter()
            .filter_map(|kind| body(*kind, &page(), &update(), &[&earlier()]))
            .collect();
        assert_eq!(bodies.len(), 3);
        insta::assert_snapshot!(serde_json::to_string_pretty(&bodies).unwrap());
    }

    #[test]
    fn maintenance_is_no_incident() {
        let maintenance = PublicUpdate {
            about: UpdateSubject::Maintenance(MaintenanceId(3)),
            status: SubjectStatus::Maintenance(MaintenanceState::Scheduled),
            title: "Database upgrade".to_owned(),
            affected: vec![("auth".into(), "Sign-in".to_owned(), None)],
            ..update()
        };
        let webhook = body(SubscriberKind::Webhook, &page(), &maintenance, &[]).unwrap();
        assert_eq!((&webhook["maintenance"], &webhook["incident"]), (&json!(3), &Value::Null));
        assert_eq!(
            (&webhook["status"], &webhook["affected"][0]["state"]),
            (&json!("scheduled"), &Value::Null)
        );
        assert_eq!(webhook["url"], "https://status.acme.net/#maintenance-3");
        let slack = body(SubscriberKind::Slack, &page(), &maintenance, &[]).unwrap();
        assert_eq!(slack["text"], "Maintenance scheduled: Database upgrade");
        assert_eq!(affected(&maintenance).unwrap(), "Affected: Sign-in");
        // What is stored until it is sent reads as it was written, also what an earlier version stored.
        for stored in [maintenance, update()] {
            let json = serde_json::to_string(&stored).unwrap();
            assert_eq!(serde_json::from_str::<PublicUpdate>(&json).unwrap(), stored);
        }
        let json = serde_json::to_value(update()).unwrap();
        assert_eq!((&json["incident"], &json["status"]), (&json!(7), &json!("investigating")));
    }

    #[test]
    fn long_texts_and_mentions_stay_text() {
        let long =
            PublicUpdate { title: "<!channel> & all".to_owned(), body: "<@U1> ".repeat(3_000), ..update() };
        let before = EarlierUpdate { body: "<@U1> ".repeat(3_000), ..earlier() };
        let missed = [&before];
        let slack = body(SubscriberKind::Slack, &page(), &long, &missed).unwrap();
        assert_eq!(slack["text"], "Investigating: &lt;!channel&gt; &amp; all");
        for block in [1, 2] {
            assert!(slack["blocks"][block]["text"]["text"].as_str().unwrap().chars().count() <= 3_000);
        }
        let teams = body(SubscriberKind::Teams, &page(), &long, &missed).unwrap();
        assert!(teams.to_string().len() < 28 << 10);
    }
}
