//! `[channel.NAME]` as written.

use crate::diagnostics::Diagnostics;
use crate::formats::{MAILBOX, SECRET, SMTP, URL};
use crate::keys::keys;
use crate::kind::Context;
use crate::kind::list::map;
use crate::kind::reader::Written;
use crate::kind::scalar::Scalar;
use crate::kind::string::Text;
use crate::kind::table::made;
use crate::parse::url::Url;
use crate::suggest::shown;
use std::collections::BTreeMap;
use types::config::{self, AcceptedWhen, ChannelKind, Mailbox, SecretRef, SmtpServer};

keys! {
    /// A notification channel.
    [channel.NAME]
    struct RawChannel {
        /// Root URL of an ntfy server; its addresses are topics. A channel has exactly one of `ntfy`, `webhook`.
        ntfy: Option<Url> = URL, example r#""https://ntfy.sh""#;
        /// URL that receives a signed POST; its addresses may be empty.
        webhook: Option<Url> = URL, example r#""https://hooks.acme.net/mainstay""#;
        /// SMTP server that relays e-mail; its addresses are e-mail addresses. `smtps://` is TLS from the first byte,
        /// `smtp://` is STARTTLS, and plain text on this machine only. An account is written before an `@`.
        smtp: Option<SmtpServer> = SMTP, example r#""smtps://status@relay.acme.net""#;
        /// Sender of e-mail.
        from: Option<Mailbox> = MAILBOX, example r#""Acme status <status@acme.net>""#;
        /// Token, signing key or password: the name of an environment variable or a file, never the secret itself.
        secret: Option<SecretRef> = SECRET, otherwise "none", example r#""env:NTFY_TOKEN""#;
        /// What the body of a 2xx response must have for a delivery to count as accepted.
        accepted_when: Option<AcceptedWhen> = made(check_conditions),
            otherwise "neither an error nor an HTML page", example r#"{ json = { ok = true } }"#;
    }
    unsupported {
        twilio: "phone calls and SMS through Twilio";
        account: "accounts of phone channels";
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

impl RawChannel {
    /// Its provider; `None` when it is missing or invalid, which was reported already.
    pub(crate) fn kind(&self) -> Option<ChannelKind> {
        // ntfy accepts JSON at its root only; at a topic the JSON text would be the message.
        let ntfy = |url: &Url| ChannelKind::Ntfy { url: url.text().trim_end_matches('/').to_owned() };
        let webhook = |url: &Url| ChannelKind::Webhook { url: url.text() };
        let mail = || {
            let (server, from) = (self.smtp.clone()?, self.from.clone()?);
            Some(ChannelKind::Mail { server, from })
        };
        self.ntfy.as_ref().map(ntfy).or_else(|| self.webhook.as_ref().map(webhook)).or_else(mail)
    }

    /// Checks that there is one destination.
    pub(crate) fn check(self, diagnostics: &mut Diagnostics) -> Self {
        let written = &self.written;
        let kinds: Vec<&str> =
            ["ntfy", "webhook", "smtp"].into_iter().filter(|key| written.has(key)).collect();
        match kinds[..] {
            [first, second, ..] => diagnostics.error(
                written.key_place(second),
                format!("{} is both `{first}` and `{second}`", shown(&written.path)),
                "a channel has one type: declare two channels",
            ),
            [] if !written.has("twilio") => diagnostics.missing(
                written.place.clone(),
                format!("{} has no destination", shown(&written.path)),
                "add ntfy = \"https://ntfy.sh\" or webhook = \"https://...\" or smtp = \"smtps://...\"",
            ),
            _ => {}
        }
        self.check_mail(diagnostics);
        if let Some((message, hint)) = self.ntfy.as_ref().and_then(below_the_root) {
            diagnostics.error(written.key_place("ntfy"), message, hint);
        }
        self
    }
}

impl RawChannel {
    /// Checks that e-mail has a sender, and a password where it has an account.
    fn check_mail(&self, diagnostics: &mut Diagnostics) {
        let written = &self.written;
        let path = shown(&written.path);
        if written.has("smtp") && !written.has("from") {
            let hint = "add from = \"Acme status <status@acme.net>\"";
            diagnostics.missing(written.place.clone(), format!("{path} has no sender"), hint);
        }
        if written.has("from") && !written.has("smtp") {
            let hint = "add smtp = \"smtps://...\", or remove `from`";
            diagnostics.error(written.key_place("from"), format!("{path} has a sender and no `smtp`"), hint);
        }
        let has_account = self.smtp.as_ref().is_some_and(|server| server.user.is_some());
        if has_account != written.has("secret") && self.smtp.is_some() {
            let message = format!("{path} needs both an account and its password, or neither");
            let hint = "smtp = \"smtps://ACCOUNT@relay.acme.net\" and secret = \"env:SMTP_PASSWORD\"";
            diagnostics.error(written.key_place("smtp"), message, hint);
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
