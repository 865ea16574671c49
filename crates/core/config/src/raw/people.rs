//! `[person.NAME]`, `[schedule.NAME]`, `[escalation.NAME]` and `[channel.NAME]` as written.

use crate::diagnostics::{Diagnostics, Place};
use crate::parse::scalar;
use crate::parse::url::Url;
use crate::raw::{name_of, title_of};
use crate::reader::table::TableReader;
use crate::reader::value::At;
use crate::suggest::shown;
use crate::value_error::ValueError;
use jiff::civil;
use jiff::tz::TimeZone;
use std::path::Path;
use std::time::Duration;
use types::config::{AcceptedWhen, ChannelKind, Rotation, SecretRef};

/// A person as written.
#[derive(Debug)]
pub(crate) struct RawPerson {
    pub(crate) place: Place,
    pub(crate) name: String,
    pub(crate) timezone: TimeZone,
    pub(crate) waking_hours: Option<(civil::Time, civil::Time)>,
    pub(crate) contacts: Vec<At<RawContact>>,
}

/// A contact, `ntfy:ana`; whether the channel exists is checked later.
#[derive(Clone, Debug)]
pub(crate) struct RawContact {
    pub(crate) channel: String,
    pub(crate) address: String,
}

/// A schedule as written.
#[derive(Debug)]
pub(crate) struct RawSchedule {
    pub(crate) place: Place,
    pub(crate) timezone: TimeZone,
    pub(crate) layers: Vec<RawLayer>,
}

/// A layer as written.
#[derive(Debug)]
pub(crate) struct RawLayer {
    pub(crate) people: Vec<At<String>>,
    pub(crate) start: Option<civil::DateTime>,
    pub(crate) rotation: Option<Rotation>,
    pub(crate) until: Option<civil::DateTime>,
}

/// An escalation as written.
#[derive(Debug)]
pub(crate) struct RawEscalation {
    pub(crate) place: Place,
    pub(crate) steps: Vec<RawStep>,
    pub(crate) repeat: u32,
    pub(crate) fallback: Vec<At<RawContact>>,
    /// Whether `fallback` is there, valid or not.
    pub(crate) has_fallback: bool,
}

/// A step as written.
#[derive(Debug)]
pub(crate) struct RawStep {
    pub(crate) schedules: Vec<At<String>>,
    pub(crate) people: Vec<At<String>>,
    pub(crate) prefer_awake: bool,
    pub(crate) escalate_after: Duration,
}

/// A channel as written.
#[derive(Debug)]
pub(crate) struct RawChannel {
    pub(crate) place: Place,
    /// `None` when it is invalid, which was reported already.
    pub(crate) kind: Option<ChannelKind>,
    pub(crate) secret: Option<SecretRef>,
    pub(crate) accepted_when: Option<AcceptedWhen>,
    /// Whether `secret` is there, valid or not.
    pub(crate) has_secret: bool,
}

/// Default of `escalate_after`.
pub(crate) const ESCALATE_AFTER: Duration = Duration::from_secs(300);
/// Default of `repeat`.
pub(crate) const REPEAT: u32 = 3;

pub(crate) fn person(
    name: &str,
    table: &mut TableReader<'_>,
    timezone: &TimeZone,
    diagnostics: &mut Diagnostics,
) -> RawPerson {
    RawPerson {
        place: table.place.clone(),
        name: table.string(diagnostics, "name", scalar::text).map_or_else(|| title_of(name), |at| at.value),
        timezone: table
            .string(diagnostics, "timezone", scalar::timezone)
            .map_or_else(|| timezone.clone(), |at| at.value),
        waking_hours: table.string(diagnostics, "waking_hours", scalar::waking_hours).map(|at| at.value),
        contacts: table.strings(diagnostics, "contacts", contact),
    }
}

fn contact(text: &str) -> Result<RawContact, ValueError> {
    let (channel, address) = text.trim().split_once(':').unwrap_or((text.trim(), ""));
    if channel.is_empty() {
        return Err(ValueError::new(format!("`{}` names no channel", shown(text))));
    }
    if address.len() > 500 || address.chars().any(char::is_control) {
        return Err(ValueError::new(format!("`{}` is not an address", shown(text))));
    }
    Ok(RawContact { channel: channel.to_owned(), address: address.trim().to_owned() })
}

pub(crate) fn schedule(
    table: &mut TableReader<'_>,
    timezone: &TimeZone,
    diagnostics: &mut Diagnostics,
) -> RawSchedule {
    RawSchedule {
        place: table.place.clone(),
        timezone: table
            .string(diagnostics, "timezone", scalar::timezone)
            .map_or_else(|| timezone.clone(), |at| at.value),
        layers: table.subtables(diagnostics, "layer", layer),
    }
}

fn layer(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> RawLayer {
    let people = table.strings(diagnostics, "people", name_of);
    let start = table.local_datetime(diagnostics, "start");
    let rotation = table.string(diagnostics, "rotation", scalar::rotation);
    let until = table.local_datetime(diagnostics, "until");
    if let (Some(start), Some(until)) = (&start, &until)
        && until.value <= start.value
    {
        let message = "the layer ends before its first shift begins";
        diagnostics.error(until.place.clone(), message, format!("a time after `start`, {}", start.value));
    }
    RawLayer {
        people,
        start: start.map(|at| at.value),
        rotation: rotation.map(|at| at.value),
        until: until.map(|at| at.value),
    }
}

pub(crate) fn escalation(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> RawEscalation {
    RawEscalation {
        place: table.place.clone(),
        steps: table.subtables(diagnostics, "steps", step),
        repeat: table.integer(diagnostics, "repeat").unwrap_or(REPEAT),
        fallback: table.strings(diagnostics, "fallback", contact),
        has_fallback: table.has("fallback"),
    }
}

fn step(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> RawStep {
    let schedules = table.strings(diagnostics, "schedules", name_of);
    let people = table.strings(diagnostics, "people", name_of);
    let prefer = table.string(diagnostics, "prefer", |text| {
        if text == "awake" {
            Ok(())
        } else {
            Err(ValueError::new(format!("`{}` is not a value of `prefer`", shown(text)))
                .hint("only: prefer = \"awake\""))
        }
    });
    let escalate_after = table.duration(diagnostics, "escalate_after").unwrap_or(ESCALATE_AFTER);
    // A list with invalid entries was reported already.
    let is_wrong = |name, list: &[At<String>]| list.is_empty() && table.is_filled(name);
    if schedules.is_empty()
        && people.is_empty()
        && !is_wrong("schedules", &schedules)
        && !is_wrong("people", &people)
    {
        diagnostics.missing(
            table.place.clone(),
            "the step has neither schedules nor people",
            "add `schedules` or `people`: { schedules = [\"platform\"], escalate_after = \"5m\" }",
        );
    }
    RawStep { schedules, people, prefer_awake: prefer.is_some(), escalate_after }
}

pub(crate) fn channel(
    table: &mut TableReader<'_>,
    folder: &Path,
    diagnostics: &mut Diagnostics,
) -> RawChannel {
    let ntfy = table.string(diagnostics, "ntfy", Url::read);
    let webhook = table.string(diagnostics, "webhook", Url::read);
    let secret = table.string(diagnostics, "secret", |text| scalar::secret(text, folder));
    let accepted_when = table.subtable(diagnostics, "accepted_when", accepted_when);
    match (table.has("ntfy"), table.has("webhook")) {
        (true, true) => diagnostics.error(
            table.key_place("webhook"),
            format!("{} is both `ntfy` and `webhook`", shown(&table.path)),
            "a channel has one type: declare two channels",
        ),
        (false, false) if !table.has("twilio") => diagnostics.missing(
            table.place.clone(),
            format!("{} has no destination", shown(&table.path)),
            "add ntfy = \"https://ntfy.sh\" or webhook = \"https://...\"",
        ),
        _ => {}
    }
    if let Some(at) = &ntfy
        && let Some((message, hint)) = below_the_root(&at.value)
    {
        diagnostics.error(table.key_place("ntfy"), message, hint);
    }
    // ntfy accepts JSON at its root only; at a topic the JSON text would be the message.
    let ntfy = ntfy.map(|at| ChannelKind::Ntfy { url: at.value.text().trim_end_matches('/').to_owned() });
    let webhook = webhook.map(|at| ChannelKind::Webhook { url: at.value.text() });
    RawChannel {
        place: table.place.clone(),
        kind: ntfy.or(webhook),
        secret: secret.map(|at| at.value),
        accepted_when,
        has_secret: table.has("secret"),
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

fn accepted_when(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> AcceptedWhen {
    let read = AcceptedWhen {
        json: table.scalars(diagnostics, "json"),
        text: table.string(diagnostics, "text", scalar::text).map(|at| at.value),
    };
    if read == AcceptedWhen::default() && !table.has("json") && !table.has("text") {
        let hint = "add a field, { json = { ok = true } }, or a text, { text = \"accepted\" }";
        diagnostics.missing(table.place.clone(), "`accepted_when` has no condition", hint);
    }
    read
}
