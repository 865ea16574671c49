//! `[channel.NAME]` as written.

use crate::diagnostics::Diagnostics;
use crate::formats::{SECRET, URL};
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
use types::config::{self, AcceptedWhen, ChannelKind, SecretRef};

keys! {
    /// A notification channel.
    [channel.NAME]
    struct RawChannel {
        /// Root URL of an ntfy server; its addresses are topics. A channel has exactly one of `ntfy`, `webhook`.
        ntfy: Option<Url> = URL, example r#""https://ntfy.sh""#;
        /// URL that receives a signed POST; its addresses may be empty.
        webhook: Option<Url> = URL, example r#""https://hooks.acme.net/mainstay""#;
        /// Token or signing key: the name of an environment variable or a file, never the secret itself.
        secret: Option<SecretRef> = SECRET, otherwise "none", example r#""env:NTFY_TOKEN""#;
        /// What the body of a 2xx response must have for a delivery to count as accepted.
        accepted_when: Option<AcceptedWhen> = made(check_conditions),
            otherwise "neither an error nor an HTML page", example r#"{ json = { ok = true } }"#;
    }
    unsupported {
        twilio: "phone calls and SMS through Twilio";
        account: "accounts of phone channels";
        from: "sender numbers of phone channels";
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
        self.ntfy.as_ref().map(ntfy).or_else(|| self.webhook.as_ref().map(webhook))
    }

    /// Checks that there is one destination.
    pub(crate) fn check(self, diagnostics: &mut Diagnostics) -> Self {
        let written = &self.written;
        match (written.has("ntfy"), written.has("webhook")) {
            (true, true) => diagnostics.error(
                written.key_place("webhook"),
                format!("{} is both `ntfy` and `webhook`", shown(&written.path)),
                "a channel has one type: declare two channels",
            ),
            (false, false) if !written.has("twilio") => diagnostics.missing(
                written.place.clone(),
                format!("{} has no destination", shown(&written.path)),
                "add ntfy = \"https://ntfy.sh\" or webhook = \"https://...\"",
            ),
            _ => {}
        }
        if let Some((message, hint)) = self.ntfy.as_ref().and_then(below_the_root) {
            diagnostics.error(written.key_place("ntfy"), message, hint);
        }
        self
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
