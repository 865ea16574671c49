//! `[person.NAME]` and `[escalation.NAME]` as written.

use crate::formats::{BRIEF, DAY, TIMEZONE};
use crate::keys::keys;
use crate::kind::Context;
use crate::kind::list::{filled_list, list};
use crate::kind::reader::Written;
use crate::kind::scalar::{duration, integer};
use crate::kind::string::{Choice, Format, NameOf, Text, format};
use crate::kind::table::{Tables, made};
use crate::kind::value::At;
use crate::parse::scalar;
use crate::raw::schedule::RawPeriod;
use crate::suggest::shown;
use crate::value_error::ValueError;
use jiff::civil;
use jiff::tz::TimeZone;
use std::time::Duration;

/// Default of `escalate_after`.
pub(crate) const ESCALATE_AFTER: Duration = Duration::from_secs(300);
/// Default of `repeat`.
pub(crate) const REPEAT: u32 = 3;

pub(crate) const CONTACT: Format<RawContact> = format(
    "a contact, CHANNEL:ADDRESS: \"ntfy:ana\"",
    Some("^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(:.*)?$"),
    |text, _| contact(text),
);
const WAKING_HOURS: Format<(civil::Time, civil::Time)> =
    format("a range of hours: \"07:30-23:00\"", Some("^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$"), |text, _| {
        scalar::waking_hours(text)
    });
keys! {
    /// A team member.
    [person.NAME]
    struct RawPerson {
        /// Display name.
        name: Option<String> = Text, otherwise "the name of the section", example r#""Ana""#;
        /// Their timezone.
        timezone: Option<TimeZone> = TIMEZONE, otherwise "that of the site", example r#""Europe/Tallinn""#;
        /// When they are awake, in their timezone; may cross midnight.
        waking_hours: Option<(civil::Time, civil::Time)> = WAKING_HOURS,
            otherwise "unknown", example r#""07:30-23:00""#;
        /// Contact methods, tried in this order within a step: a channel of the configuration and an address on it.
        contacts: Vec<At<RawContact>> = filled_list(CONTACT), required, example r#"["ntfy:ana"]"#;
        /// Time off. Meanwhile they are on call in no schedule; a step of an escalation that names them still pages them.
        away: Vec<RawPeriod> = Tables(made(RawPeriod::check)), otherwise "none",
            example "[{ from = 2026-12-20T00:00:00, to = 2026-12-27T00:00:00 }]";
    }
}

keys! {
    /// An escalation policy: who is paged, and who next. When `default` is not declared it is one step with all schedules
    /// (all people when there is no schedule), 5 minutes, repeated 3 times.
    [escalation.NAME]
    struct RawEscalation {
        /// The steps, in order. Each names at least one schedule or person.
        steps: Vec<RawStep> = Tables(made(RawStep::check)), required,
            example r#"[{ schedules = ["platform"], escalate_after = "5m" }]"#;
        /// How often all steps are repeated before `fallback`.
        repeat: u32 = integer::<u32>(0, 100), default REPEAT, example "3";
        /// Contacts that are paged when all steps and repeats went unacknowledged, and repeatedly from then on.
        fallback: Vec<At<RawContact>> = list(CONTACT), otherwise "none", example r#"["ntfy:everybody"]"#;
    }
}

keys! {
    /// A step of an escalation.
    struct RawStep {
        /// Pages the people who are on call in all of these schedules.
        schedules: Vec<At<String>> = list(NameOf("schedule")), otherwise "none", example r#"["platform"]"#;
        /// Pages these people in addition.
        people: Vec<At<String>> = list(NameOf("person")), otherwise "none", example r#"["cto"]"#;
        /// `"awake"`: pages only people within their waking hours; all when there is none.
        prefer_awake as "prefer": bool = Choice(&[("awake", true)]),
            default false => "all concurrently", example r#""awake""#;
        /// Time until the next step when nobody has acknowledged.
        escalate_after: Duration = duration(BRIEF, DAY), default ESCALATE_AFTER, example r#""5m""#;
    }
}

/// A contact, `ntfy:ana`; whether the channel exists is checked later.
#[derive(Clone, Debug)]
pub(crate) struct RawContact {
    pub(crate) channel: String,
    pub(crate) address: String,
}

impl RawStep {
    fn check(self, written: &Written, context: &mut Context<'_>) -> Option<Self> {
        // A list with invalid entries was reported already.
        let is_missing = |name, list: &[At<String>]| list.is_empty() && !written.is_filled(name);
        if is_missing("schedules", &self.schedules) && is_missing("people", &self.people) {
            context.diagnostics.missing(
                written.place.clone(),
                "the step has neither schedules nor people",
                "add `schedules` or `people`: { schedules = [\"platform\"], escalate_after = \"5m\" }",
            );
        }
        Some(self)
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
