//! Telegram: a bot that writes to chats. See <https://core.telegram.org/bots/api#sendmessage>.

use super::endpoint::{ChannelError, Endpoint};
use super::{AcknowledgeLink, Capabilities, Links, Outgoing};
use crate::http::HttpClient;
use crate::{response, secret};
use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;
use serde_json::{Value, json};
use std::time::Duration;
use text::truncate;
use types::config::Channel;
use types::notification::{Delivered, Notification, Undelivered, Urgency};

/// Length of title and text, in characters. With the link it is less than the 4,096 of Telegram, also where characters
/// count twice.
const TITLE_MAX: usize = 250;
const TEXT_MAX: usize = 1_500;

/// A channel to the bot.
#[derive(Debug)]
pub(crate) struct Telegram {
    endpoint: Endpoint,
}

impl Telegram {
    pub(super) const CAPABILITIES: Capabilities =
        Capabilities { acknowledge_link: AcknowledgeLink::Full, callbacks: false, message_bytes_max: None };

    pub(super) fn new(url: &str, channel: &Channel) -> Result<Self, ChannelError> {
        let token = channel.secret.as_ref().map(secret::read).transpose()?;
        let token = token.as_ref().map_or("", |token| token.expose_secret());
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_alphanumeric() || b":_-".contains(&b)) {
            return Err(ChannelError::NotAToken);
        }
        let url = Zeroizing::new(format!("{url}/bot{token}/sendMessage"));
        Ok(Self { endpoint: Endpoint::new(&url, channel)? })
    }

    pub(super) async fn send(
        &self,
        http: &HttpClient,
        outgoing: &Outgoing<'_>,
    ) -> Result<Delivered, Undelivered> {
        let body = message(outgoing.notification, &outgoing.links);
        let response = HttpClient::send(self.endpoint.request(http, outgoing).body(body.to_string())).await?;
        let json = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        match self.endpoint.judge(&response, outgoing) {
            Ok(delivered) => Ok(Delivered { receipt: receipt(&json).or(delivered.receipt) }),
            Err(undelivered) => Err(explained(undelivered, &response.body, &json)),
        }
    }
}

/// The message: plain text, in which nothing is markup, with the link that answers.
fn message(notification: &Notification, links: &Links<'_>) -> Value {
    let mark = if notification.urgency == Urgency::Page { "🚨 " } else { "" };
    let title = truncate::chars(&notification.title, TITLE_MAX);
    let text = truncate::chars(&notification.body, TEXT_MAX);
    // A button needs a public URL; a link in the text works in every network.
    let link = match links.acknowledge {
        Some(link) => format!("Acknowledge: {link}"),
        None => links.status_page.to_owned(),
    };
    json!({
        "chat_id": notification.contact.address,
        "text": format!("{mark}{title}\n{text}\n\n{link}"),
        "disable_notification": notification.urgency == Urgency::Quiet,
        "link_preview_options": { "is_disabled": true },
    })
}

/// The number of the message.
fn receipt(json: &Value) -> Option<String> {
    json.get("result")?.get("message_id")?.as_i64().map(|id| id.to_string())
}

/// A refusal with Telegram's own delay and description.
fn explained(undelivered: Undelivered, body: &[u8], json: &Value) -> Undelivered {
    let asked = json.get("parameters").and_then(|parameters| parameters.get("retry_after")?.as_u64());
    let asked = asked.map(Duration::from_secs).filter(|_| undelivered.retriable);
    let why = match json.get("error_code").and_then(Value::as_u64) {
        Some(401 | 404) => {
            "Telegram does not know the token of the bot: check `secret` of the channel".to_owned()
        }
        Some(403) => "the bot may not write to this chat: the person sends it /start first".to_owned(),
        _ => match response::text_field(body, "description", &[]) {
            Some(description) if !undelivered.why.contains(&description) => {
                format!("{}: {description}", undelivered.why)
            }
            _ => undelivered.why,
        },
    };
    Undelivered { why, retry_after: asked.or(undelivered.retry_after), ..undelivered }
}

#[cfg(test)]
mod tests {
    use super::super::chat::fixture::{self, LINKS};
    use super::*;
    use proptest::prelude::*;
    use types::notification::Contact;

    fn page(title: &str, body: &str) -> Notification {
        let contact = Contact { channel: "telegram".into(), address: "123456789".to_owned() };
        Notification { contact, ..fixture::page(title, body) }
    }

    #[test]
    fn page_is_plain_text_with_link() {
        assert_eq!(
            message(&page("Sign-in <b>", "acme.app *expired*"), &LINKS),
            json!({
                "chat_id": "123456789",
                "text": "🚨 Sign-in <b>\nacme.app *expired*\n\nAcknowledge: https://status.acme.net/ack/TOKEN",
                "disable_notification": false,
                "link_preview_options": { "is_disabled": true }
            })
        );
    }

    #[test]
    fn refusal_has_delay_and_next_step() {
        let explain = |retriable, json: Value| {
            let by_status = Undelivered { why: "refused".to_owned(), retriable, retry_after: None };
            explained(by_status, json.to_string().as_bytes(), &json)
        };
        let busy = json!({
            "ok": false, "error_code": 429, "description": "Too Many Requests: retry after 5",
            "parameters": { "retry_after": 5 }
        });
        assert_eq!(explain(true, busy).retry_after, Some(Duration::from_secs(5)));
        let blocked = json!({ "ok": false, "error_code": 403, "description": "Forbidden: bot was blocked by the user" });
        assert!(explain(false, blocked).why.contains("/start"));
        let unknown = json!({ "ok": false, "error_code": 400, "description": "Bad Request: chat not found" });
        assert_eq!(explain(false, unknown).why, "refused: Bad Request: chat not found");
        assert_eq!(explain(true, Value::Null).why, "refused");
    }

    proptest! {
        #[test]
        fn any_text_fits(title in "(?s:.{0,600})", body in "(?s:.{0,6000})") {
            let message = message(&page(&title, &body), &LINKS);
            prop_assert!(message["text"].as_str().unwrap().encode_utf16().count() <= 4_096);
        }
    }
}
