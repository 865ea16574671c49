//! Checks subscribers: their channel exists and sends e-mail, and their links are https.

use crate::diagnostics::Diagnostics;
use crate::raw::RawConfig;
use crate::suggest::shown;
use types::config::ChannelKind;

/// Reports a channel that does not exist or does not send e-mail, and warns of links without TLS.
pub(crate) fn check(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    let Some(mail) = &raw.mail_channel else { return };
    let Some(channel) = raw.channels.get(&mail.value) else {
        let known = raw.channels.keys().map(String::as_str);
        return diagnostics.unknown(mail.place.clone(), "channel", &mail.value, known);
    };
    // A channel without a kind was reported already.
    if channel.kind(&mail.value).is_some_and(|kind| !matches!(kind, ChannelKind::Mail { .. })) {
        let message = format!("channel `{}` does not send e-mail", shown(&mail.value));
        let hint =
            "declare one: [channel.mail] smtp = \"smtps://relay.acme.net\", from = \"status@acme.net\"";
        diagnostics.conflict(mail.place.clone(), message, hint);
    }
    if !raw.url.as_ref().is_some_and(|url| url.value.is_https) {
        // RFC 8058, section 3.1: the link of a one-click unsubscription is https.
        let message = "mails have no one-click unsubscription: `site.url` is not https";
        let hint = "set the public URL: [site] url = \"https://status.acme.net\"";
        diagnostics.warn(mail.place.clone(), message, hint);
    }
}
