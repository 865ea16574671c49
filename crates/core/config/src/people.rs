//! The team: people, who is on call when, whom to wake and whom next, and the ways to reach them.

use crate::draft::{name_of, titled};
use crate::form::{At, Form};
use crate::marks::{Marks, Place};
use crate::near::shown;
use crate::url::Url;
use crate::word;
use crate::wrong::Wrong;
use jiff::civil;
use jiff::tz::TimeZone;
use std::path::Path;
use std::time::Duration;
use types::config::{AcceptedWhen, ChannelKind, SecretRef, Turn};

/// A person as written.
#[derive(Debug)]
pub(crate) struct PersonDraft {
    pub(crate) place: Place,
    pub(crate) name: String,
    pub(crate) zone: TimeZone,
    pub(crate) awake: Option<(civil::Time, civil::Time)>,
    pub(crate) reach: Vec<At<ContactDraft>>,
}

/// `ntfy:ana` taken apart; whether the channel exists is judged later.
#[derive(Clone, Debug)]
pub(crate) struct ContactDraft {
    pub(crate) channel: String,
    pub(crate) address: String,
}

/// A schedule as written.
#[derive(Debug)]
pub(crate) struct ScheduleDraft {
    pub(crate) place: Place,
    pub(crate) zone: TimeZone,
    pub(crate) layers: Vec<LayerDraft>,
}

/// A layer as written.
#[derive(Debug)]
pub(crate) struct LayerDraft {
    pub(crate) people: Vec<At<String>>,
    pub(crate) start: Option<civil::DateTime>,
    pub(crate) every: Option<Turn>,
    pub(crate) until: Option<civil::DateTime>,
}

/// An escalation as written.
#[derive(Debug)]
pub(crate) struct EscalationDraft {
    pub(crate) place: Place,
    pub(crate) steps: Vec<StepDraft>,
    pub(crate) repeat: u32,
    pub(crate) fallback: Vec<At<ContactDraft>>,
    /// Whether `fallback` stands there, right or wrong.
    pub(crate) has_fallback: bool,
}

/// A step as written.
#[derive(Debug)]
pub(crate) struct StepDraft {
    pub(crate) schedules: Vec<At<String>>,
    pub(crate) people: Vec<At<String>>,
    pub(crate) prefer_awake: bool,
    pub(crate) wait: Duration,
}

/// A channel as written.
#[derive(Debug)]
pub(crate) struct ChannelDraft {
    pub(crate) place: Place,
    /// `None` when it was wrong, which is marked already.
    pub(crate) kind: Option<ChannelKind>,
    pub(crate) secret: Option<SecretRef>,
    pub(crate) accepted_when: Option<AcceptedWhen>,
    /// Whether `secret` stands there, right or wrong.
    pub(crate) has_secret: bool,
}

/// How long a step waits unless told.
pub(crate) const WAIT: Duration = Duration::from_secs(300);
/// How often an escalation is climbed again unless told.
pub(crate) const REPEAT: u32 = 3;

pub(crate) fn person(name: &str, form: &mut Form<'_>, zone: &TimeZone, marks: &mut Marks) -> PersonDraft {
    PersonDraft {
        place: form.place.clone(),
        name: form.word(marks, "name", word::text).map_or_else(|| titled(name), |at| at.value),
        zone: form.word(marks, "timezone", word::zone).map_or_else(|| zone.clone(), |at| at.value),
        awake: form.word(marks, "waking_hours", word::awake).map(|at| at.value),
        reach: form.words(marks, "contacts", reach),
    }
}

fn reach(text: &str) -> Result<ContactDraft, Wrong> {
    let (channel, address) = text.trim().split_once(':').unwrap_or((text.trim(), ""));
    if channel.is_empty() {
        return Err(Wrong::new(format!("`{}` names no channel", shown(text))));
    }
    if address.len() > 500 || address.chars().any(char::is_control) {
        return Err(Wrong::new(format!("`{}` is not an address", shown(text))));
    }
    Ok(ContactDraft { channel: channel.to_owned(), address: address.trim().to_owned() })
}

pub(crate) fn schedule(form: &mut Form<'_>, zone: &TimeZone, marks: &mut Marks) -> ScheduleDraft {
    ScheduleDraft {
        place: form.place.clone(),
        zone: form.word(marks, "timezone", word::zone).map_or_else(|| zone.clone(), |at| at.value),
        layers: form.tables(marks, "layer", layer),
    }
}

fn layer(form: &mut Form<'_>, marks: &mut Marks) -> LayerDraft {
    let people = form.words(marks, "people", name_of);
    let start = form.moment(marks, "start");
    let every = form.word(marks, "rotation", word::turn);
    let until = form.moment(marks, "until");
    if let (Some(start), Some(until)) = (&start, &until)
        && until.value <= start.value
    {
        let message = "the layer ends before its first shift begins";
        marks.wrong(until.place.clone(), message, format!("a moment after `start`, {}", start.value));
    }
    LayerDraft {
        people,
        start: start.map(|at| at.value),
        every: every.map(|at| at.value),
        until: until.map(|at| at.value),
    }
}

pub(crate) fn escalation(form: &mut Form<'_>, marks: &mut Marks) -> EscalationDraft {
    EscalationDraft {
        place: form.place.clone(),
        steps: form.tables(marks, "steps", step),
        repeat: form.count(marks, "repeat").unwrap_or(REPEAT),
        fallback: form.words(marks, "fallback", reach),
        has_fallback: form.has("fallback"),
    }
}

fn step(form: &mut Form<'_>, marks: &mut Marks) -> StepDraft {
    let schedules = form.words(marks, "schedules", name_of);
    let people = form.words(marks, "people", name_of);
    let prefer = form.word(marks, "prefer", |text| {
        if text == "awake" {
            Ok(())
        } else {
            Err(Wrong::new(format!("nobody can be preferred by `{}`", shown(text)))
                .hint("only: prefer = \"awake\""))
        }
    });
    let wait = form.span(marks, "escalate_after").unwrap_or(WAIT);
    // A list that is there but wrong was marked already; only true emptiness is a step without anybody.
    let is_wrong = |name, list: &[At<String>]| list.is_empty() && form.is_filled(name);
    if schedules.is_empty()
        && people.is_empty()
        && !is_wrong("schedules", &schedules)
        && !is_wrong("people", &people)
    {
        marks.lacking(
            form.place.clone(),
            "the step names nobody",
            "give it `schedules` or `people`: { schedules = [\"platform\"], wait = \"5m\" }",
        );
    }
    StepDraft { schedules, people, prefer_awake: prefer.is_some(), wait }
}

pub(crate) fn channel(form: &mut Form<'_>, folder: &Path, marks: &mut Marks) -> ChannelDraft {
    let ntfy = form.word(marks, "ntfy", Url::read);
    let webhook = form.word(marks, "webhook", Url::read);
    let secret = form.word(marks, "secret", |text| word::secret(text, folder));
    let accepted_when = form.table(marks, "accepted_when", accepted_when);
    match (form.has("ntfy"), form.has("webhook")) {
        (true, true) => marks.wrong(
            form.key_place("webhook"),
            format!("{} is both `ntfy` and `webhook`", shown(&form.path)),
            "one kind a channel: make two channels of it",
        ),
        (false, false) if !form.has("twilio") => marks.lacking(
            form.place.clone(),
            format!("{} leads nowhere", shown(&form.path)),
            "give it ntfy = \"https://ntfy.sh\" or webhook = \"https://...\"",
        ),
        _ => {}
    }
    if let Some(at) = &ntfy
        && let Some((message, hint)) = below_the_root(&at.value)
    {
        marks.wrong(form.key_place("ntfy"), message, hint);
    }
    // ntfy takes JSON at the server's root only: below it, the text of the JSON would be the message.
    let ntfy = ntfy.map(|at| ChannelKind::Ntfy { url: at.value.text().trim_end_matches('/').to_owned() });
    let webhook = webhook.map(|at| ChannelKind::Webhook { url: at.value.text() });
    ChannelDraft {
        place: form.place.clone(),
        kind: ntfy.or(webhook),
        secret: secret.map(|at| at.value),
        accepted_when,
        has_secret: form.has("secret"),
    }
}

/// What is wrong with an address of ntfy that is not a server's root, and how it is meant to be written.
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
            "the topic stands behind the channel: ntfy = \"{root}\", and reach = [\"CHANNEL:{topic}\"]"
        ),
        None => format!("ntfy = \"{root}\"; a token stands in `secret`"),
    };
    Some((message, hint))
}

fn accepted_when(form: &mut Form<'_>, marks: &mut Marks) -> AcceptedWhen {
    let read = AcceptedWhen {
        json: form.scalars(marks, "json"),
        text: form.word(marks, "text", word::text).map(|at| at.value),
    };
    if read == AcceptedWhen::default() && !form.has("json") && !form.has("text") {
        let hint = "name a field, { json = { ok = true } }, or words, { text = \"accepted\" }";
        marks.lacking(form.place.clone(), "it accepts nothing", hint);
    }
    read
}
