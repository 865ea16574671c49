//! Phone channels: which channel serves the contacts `call:` and `sms:`, and whether Twilio can reach this site.

use crate::diagnostics::Diagnostics;
use crate::parse::host::Name;
use crate::parse::url::Url;
use crate::raw::RawConfig;
use crate::raw::channel::RawChannel;
use crate::suggest::shown;
use types::config::{ChannelKind, Medium};

/// Ends of names that exist only inside a network (RFC 2606, RFC 6762, RFC 8375, RFC 9476).
const INNER: [&str; 9] =
    [".local", ".internal", ".lan", ".home.arpa", ".localhost", ".test", ".invalid", ".example", ".alt"];

/// The channel of a phone that is there without being declared: `sms` beside `[channel.call]`, or the other way round. One
/// account serves both.
pub(crate) fn implied(raw: &RawConfig, name: &str) -> Option<ChannelKind> {
    let (source, channel) = serving(raw, name)?;
    let wanted = [Medium::Call, Medium::Sms].into_iter().find(|medium| medium.as_str() == name)?;
    match kind(raw, source, channel)? {
        ChannelKind::Twilio { url, account, from, has_callbacks, .. } => {
            Some(ChannelKind::Twilio { url, account, from, medium: wanted, has_callbacks })
        }
        _ => None,
    }
}

/// The declared channel that serves the contacts of an undeclared `call` or `sms`: the other of the two, or the only one of
/// a phone. `None` for every other name.
pub(crate) fn serving<'a>(raw: &'a RawConfig, name: &str) -> Option<(&'a String, &'a RawChannel)> {
    let other = match name {
        _ if raw.channels.contains_key(name) => return None,
        "call" => Medium::Sms,
        "sms" => Medium::Call,
        _ => return None,
    };
    let is_phone = |channel: &RawChannel| channel.written.has("twilio");
    let other = raw.channels.get_key_value(other.as_str()).filter(|(_, channel)| is_phone(channel));
    other.or_else(|| {
        let mut all = raw.channels.iter().filter(|(_, channel)| is_phone(channel));
        all.next().filter(|_| all.next().is_none())
    })
}

/// The kind of a channel, with what it needs to know about this site.
pub(crate) fn kind(raw: &RawConfig, name: &str, channel: &RawChannel) -> Option<ChannelKind> {
    let mut kind = channel.kind(name)?;
    if let (ChannelKind::Twilio { has_callbacks, .. }, Some(api)) = (&mut kind, &channel.twilio) {
        *has_callbacks = reaches_site(raw, api);
    }
    Some(kind)
}

/// Whether an API can send requests to `site.url`: its host is public, or the API is inside the same network.
fn reaches_site(raw: &RawConfig, api: &Url) -> bool {
    let Some(site) = &raw.url else { return is_inner(api) };
    !is_inner(&site.value) || is_inner(api)
}

/// Whether a host is certainly not on the public internet.
fn is_inner(url: &Url) -> bool {
    match &url.host.name {
        Name::Ip(ip) => netaddr::is_private(*ip),
        Name::Dns(name) => !name.contains('.') || INNER.iter().any(|end| name.ends_with(end)),
    }
}

/// Warns where no key of a phone and no reply can answer a page.
pub(crate) fn warn(raw: &RawConfig, diagnostics: &mut Diagnostics) {
    for (name, channel) in &raw.channels {
        if channel.twilio.as_ref().is_none_or(|api| reaches_site(raw, api)) {
            continue;
        }
        let message = format!(
            "channel `{}`: Twilio cannot reach this site, so that no key of the phone and no reply answers a page: calls are placed and SMS sent, and a person acknowledges in the console or with `mainstay incident ack`",
            shown(name)
        );
        let hint = match &raw.url {
            None => "declare a public address: [site] url = \"https://status.acme.net\"".to_owned(),
            Some(at) => format!("`{}` is not a public address", shown(&at.value.text())),
        };
        diagnostics.warn(
            channel.written.key_place("twilio"),
            message,
            hint + "; Twilio sends the keys there",
        );
    }
}
