//! `[channel.NAME]` as written.

use crate::diagnostics::Diagnostics;
use crate::formats::{ACCOUNT, SECRET, SENDER, SMTP, URL};
use crate::keys::keys;
use crate::kind::Context;
use crate::kind::list::map;
use crate::kind::reader::Written;
use crate::kind::scalar::Scalar;
use crate::kind::string::{Choice, Text};
use crate::kind::table::made;
use crate::parse::phone::Sender;
use crate::parse::url::Url;
use crate::suggest::shown;
use std::collections::BTreeMap;
use types::config::{self, AcceptedWhen, ChannelKind, ChatService, Medium, SecretRef, SmtpServer};

keys! {
    /// A notification channel.
    [channel.NAME]
    struct RawChannel {
        /// Root URL of an ntfy server; its addresses are topics. A channel has exactly one of `ntfy`, `webhook`, `smtp`,
        /// `twilio`, `slack`, `discord`, `teams`, `telegram`.
        ntfy: Option<Url> = URL, example r#""https://ntfy.sh""#;
        /// URL that receives a signed POST; its addresses may be empty.
        webhook: Option<Url> = URL, example r#""https://hooks.acme.net/mainstay""#;
        /// SMTP server that relays e-mail; its addresses are e-mail addresses. `smtps://` is TLS from the first byte,
        /// `smtp://` is STARTTLS, and plain text on this machine only. An account is written before an `@`.
        smtp: Option<SmtpServer> = SMTP, example r#""smtps://status@relay.acme.net""#;
        /// Base URL of Twilio, for phone calls and SMS; its addresses are phone numbers with `+` and country code. One such
        /// channel serves the contacts `call:` and `sms:`.
        twilio: Option<Url> = URL, example r#""https://api.twilio.com""#;
        /// Account of Twilio; its auth token is `secret`.
        account: Option<String> = ACCOUNT, example r#""AC0123456789abcdef0123456789abcdef""#;
        /// Whether a channel of Twilio calls or writes.
        medium: Option<Medium> = Choice(&[("call", Medium::Call), ("sms", Medium::Sms)]),
            otherwise "\"sms\" for the channel `sms`, else \"call\"", example r#""sms""#;
        /// URL of an incoming webhook of Slack; its addresses are empty. The URL is a secret.
        slack: Option<SecretRef> = SECRET, example r#""env:SLACK_URL""#;
        /// URL of a webhook of Discord; its addresses are empty. The URL is a secret.
        discord: Option<SecretRef> = SECRET, example r#""env:DISCORD_URL""#;
        /// URL of a workflow of Microsoft Teams; its addresses are empty. The URL is a secret.
        teams: Option<SecretRef> = SECRET, example r#""env:TEAMS_URL""#;
        /// Base URL of Telegram's bots; its addresses are ids of chats, `secret` is the token of the bot.
        telegram: Option<Url> = URL, example r#""https://api.telegram.org""#;
        /// Sender of e-mail, or the phone number or messaging service (`MG...`) of Twilio.
        from: Option<Sender> = SENDER, example r#""Acme status <status@acme.net>""#;
        /// Token, signing key or password: the name of an environment variable or a file, never the secret itself.
        secret: Option<SecretRef> = SECRET, otherwise "none", example r#""env:NTFY_TOKEN""#;
        /// What the body of a 2xx response must have for a delivery to count as accepted.
        accepted_when: Option<AcceptedWhen> = made(check_conditions),
            otherwise "neither an error nor an HTML page", example r#"{ json = { ok = true } }"#;
    }
}

keys! {
    for AcceptedWhen {
        /// The body is a JSON object with these fields and values.
        json: BTreeMap<String, config::Scalar> = map("field", |name| Ok(name.to_owned()), Scalar),
            otherwise "none", example "{ ok = true }";
        /// The body contains this text.
        text: Option<String> = Text, otherwise "none", example r#""accepted""#;
    }
}

/// The keys of which a channel has exactly one.
const KINDS: [&str; 8] = ["ntfy", "webhook", "smtp", "twilio", "slack", "discord", "teams", "telegram"];

impl RawChannel {
    /// Its provider; `None` when it is missing or invalid, which was reported already. `name` is that of the channel.
    pub(crate) fn kind(&self, name: &str) -> Option<ChannelKind> {
        let base = |url: &Url| url.text().trim_end_matches('/').to_owned();
        // ntfy accepts JSON at its root only; at a topic the JSON text would be the message.
        let ntfy = |url: &Url| ChannelKind::Ntfy { url: base(url) };
        let webhook = |url: &Url| ChannelKind::Webhook { url: url.text() };
        let chat = |service| move |url: &SecretRef| ChannelKind::Chat { service, url: url.clone() };
        let telegram = |url: &Url| ChannelKind::Telegram { url: base(url) };
        let mail = || match (&self.smtp, &self.from) {
            (Some(server), Some(Sender::Mailbox(from))) => {
                Some(ChannelKind::Mail { server: server.clone(), from: from.clone() })
            }
            _ => None,
        };
        let twilio = || match (&self.twilio, &self.account, &self.from) {
            (Some(url), Some(account), Some(Sender::Phone(from))) => Some(ChannelKind::Twilio {
                url: base(url),
                account: account.clone(),
                from: from.clone(),
                medium: self.medium_of(name),
                has_callbacks: false,
            }),
            _ => None,
        };
        let url = self.ntfy.as_ref().map(ntfy).or_else(|| self.webhook.as_ref().map(webhook));
        url.or_else(|| self.slack.as_ref().map(chat(ChatService::Slack)))
            .or_else(|| self.discord.as_ref().map(chat(ChatService::Discord)))
            .or_else(|| self.teams.as_ref().map(chat(ChatService::Teams)))
            .or_else(|| self.telegram.as_ref().map(telegram))
            .or_else(mail)
            .or_else(twilio)
    }

    /// Whether a channel of Twilio with this name calls or writes.
    pub(crate) fn medium_of(&self, name: &str) -> Medium {
        let by_name = if name == Medium::Sms.as_str() { Medium::Sms } else { Medium::Call };
        self.medium.unwrap_or(by_name)
    }

    /// Checks that there is one destination. `name` is that of the channel.
    pub(crate) fn check(self, name: &str, diagnostics: &mut Diagnostics) -> Self {
        let written = &self.written;
        let kinds: Vec<&str> = KINDS.into_iter().filter(|key| written.has(key)).collect();
        match kinds[..] {
            [first, second, ..] => diagnostics.error(
                written.key_place(second),
                format!("{} is both `{first}` and `{second}`", shown(&written.path)),
                "a channel has one type: declare two channels",
            ),
            [] => diagnostics.missing(
                written.place.clone(),
                format!("{} has no destination", shown(&written.path)),
                "add ntfy = \"https://ntfy.sh\" or webhook = \"https://...\" or smtp = \"smtps://...\" or twilio = \"https://api.twilio.com\"",
            ),
            _ => {}
        }
        self.check_sender(diagnostics);
        self.check_mail(diagnostics);
        self.check_twilio(diagnostics);
        self.check_caller(name, diagnostics);
        self.check_chat(diagnostics);
        if let Some((message, hint)) = self.ntfy.as_ref().and_then(below_the_root) {
            diagnostics.error(written.key_place("ntfy"), message, hint);
        }
        self
    }

    /// Checks that e-mail and Twilio have a sender of their own kind, and that nothing else has one.
    fn check_sender(&self, diagnostics: &mut Diagnostics) {
        let written = &self.written;
        let path = shown(&written.path);
        let example = match (written.has("smtp"), written.has("twilio")) {
            (true, _) => "from = \"Acme status <status@acme.net>\"",
            (_, true) => "from = \"+3725550000\", a number of the account",
            _ if written.has("from") => {
                let message = format!("{path} has a sender and no `smtp` or `twilio`");
                let hint = "add smtp = \"smtps://...\", or remove `from`";
                return diagnostics.error(written.key_place("from"), message, hint);
            }
            _ => return,
        };
        if !written.has("from") {
            let message = format!("{path} has no sender");
            return diagnostics.missing(written.place.clone(), message, format!("add {example}"));
        }
        let fits = match &self.from {
            Some(Sender::Mailbox(_)) => written.has("smtp"),
            Some(Sender::Phone(_)) => written.has("twilio"),
            None => true,
        };
        if !fits {
            let message = format!("`from` of {path} is not a sender of this type");
            diagnostics.error(written.key_place("from"), message, format!("for example: {example}"));
        }
    }

    /// Checks that e-mail has a password where it has an account.
    fn check_mail(&self, diagnostics: &mut Diagnostics) {
        let written = &self.written;
        let has_account = self.smtp.as_ref().is_some_and(|server| server.user.is_some());
        if has_account != written.has("secret") && self.smtp.is_some() {
            let message =
                format!("{} needs both an account and its password, or neither", shown(&written.path));
            let hint = "smtp = \"smtps://ACCOUNT@relay.acme.net\" and secret = \"env:SMTP_PASSWORD\"";
            diagnostics.error(written.key_place("smtp"), message, hint);
        }
    }

    /// Checks that Twilio has an account and its token, and that nothing else has an account.
    fn check_twilio(&self, diagnostics: &mut Diagnostics) {
        let written = &self.written;
        let path = shown(&written.path);
        if !written.has("twilio") {
            for key in ["account", "medium"].into_iter().filter(|key| written.has(key)) {
                let message = format!("{path} has `{key}` and no `twilio`");
                let hint = format!("add twilio = \"https://api.twilio.com\", or remove `{key}`");
                diagnostics.error(written.key_place(key), message, hint);
            }
            return;
        }
        for (key, hint) in [
            ("account", "add account = \"AC...\", the account SID of Twilio's console"),
            ("secret", "add secret = \"env:TWILIO_TOKEN\", the auth token of the account"),
        ] {
            if !written.has(key) {
                diagnostics.missing(written.place.clone(), format!("{path} has no `{key}`"), hint);
            }
        }
        if let Some(url) = self.twilio.as_ref().filter(|url| !url.rest.trim_matches('/').is_empty()) {
            let root = Url { rest: String::new(), ..url.clone() }.text();
            let message = format!("`{}` is not the root of the API", shown(&url.text()));
            diagnostics.error(written.key_place("twilio"), message, format!("twilio = \"{root}\""));
        }
    }

    /// Checks that calls come from a number: Twilio refuses a call from a messaging service, which would be known only
    /// when a page fails.
    fn check_caller(&self, name: &str, diagnostics: &mut Diagnostics) {
        let written = &self.written;
        let Some(Sender::Phone(from)) = &self.from else { return };
        if written.has("twilio") && self.medium_of(name) == Medium::Call && !from.starts_with('+') {
            let message = format!("{} calls, and a messaging service only writes", shown(&written.path));
            let hint = "from = \"+3725550000\", a number of the account, or medium = \"sms\"";
            diagnostics.error(written.key_place("from"), message, hint);
        }
    }

    /// Checks that a bot has a token, and that the URL of a chat is its only secret.
    fn check_chat(&self, diagnostics: &mut Diagnostics) {
        let written = &self.written;
        let path = shown(&written.path);
        if written.has("telegram") && !written.has("secret") {
            let hint = "add secret = \"env:TELEGRAM_TOKEN\", the token that @BotFather gave";
            diagnostics.missing(written.place.clone(), format!("{path} has no `secret`"), hint);
        }
        for key in ["slack", "discord", "teams"].into_iter().filter(|key| written.has(key)) {
            if written.has("secret") {
                let message = format!("{path} has two secrets: the URL of `{key}` is one");
                diagnostics.error(written.key_place("secret"), message, "remove `secret`");
            }
        }
    }
}

/// Returns message and hint for an ntfy URL that is not the root of a server.
fn below_the_root(url: &Url) -> Option<(String, String)> {
    let path = url.rest.split('?').next().unwrap_or_default();
    if url.rest.trim_matches('/').is_empty() {
        return None;
    }
    let root = Url { rest: String::new(), ..url.clone() }.text();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let message = format!("`{}` is not the root of an ntfy server", shown(&url.text()));
    let hint = match parts.first() {
        Some(topic) => format!(
            "the topic belongs in the contact: ntfy = \"{root}\", and contacts = [\"CHANNEL:{topic}\"]"
        ),
        None => format!("ntfy = \"{root}\"; a token belongs in `secret`"),
    };
    Some((message, hint))
}

fn check_conditions(
    read: AcceptedWhen,
    written: &Written,
    context: &mut Context<'_>,
) -> Option<AcceptedWhen> {
    if read == AcceptedWhen::default() && !written.has("json") && !written.has("text") {
        let hint = "add a field, { json = { ok = true } }, or a text, { text = \"accepted\" }";
        context.diagnostics.missing(written.place.clone(), "`accepted_when` has no condition", hint);
    }
    Some(read)
}
