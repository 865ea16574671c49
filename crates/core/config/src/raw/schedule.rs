//! `[schedule.NAME]` as written: layers, restrictions, overrides; and periods of local time.

use crate::formats::TIMEZONE;
use crate::keys::keys;
use crate::kind::Context;
use crate::kind::list::{OneOrList, filled_list, filled_map, list};
use crate::kind::reader::Written;
use crate::kind::scalar::LOCAL_DATETIME;
use crate::kind::string::{Choice, Format, NameOf, format};
use crate::kind::table::{Tables, made};
use crate::kind::value::At;
use crate::parse::scalar;
use crate::suggest::shown;
use crate::value_error::ValueError;
use jiff::civil;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use types::config::{Restriction, Rotation};

/// Maximum of restrictions of one layer: the hours of a week, and some more.
const RESTRICTIONS_MAX: usize = 50;

pub(crate) const ROTATION: Format<Rotation> = format(
    "a rotation: \"1 week\", \"8 hours\"",
    Some("^[1-9][0-9]{0,3} (hour|day|week|month)s?$"),
    |text, _| scalar::rotation(text),
);
const TIME_OF_DAY: Format<civil::Time> =
    format("a time of day: \"09:00\"", Some("^[0-9]{2}:[0-9]{2}$"), |text, _| {
        let error = || ValueError::new(format!("`{}` is not a time of day", shown(text)));
        scalar::time_of_day(text).ok_or_else(error)
    });
/// Days of the week, from Monday.
const DAY: Choice<usize> =
    Choice(&[("mon", 0), ("tue", 1), ("wed", 2), ("thu", 3), ("fri", 4), ("sat", 5), ("sun", 6)]);
/// What an override may do; exactly one of them.
const CHANGES: [&str; 4] = ["replace", "add", "remove", "only"];

keys! {
    /// An on-call schedule.
    [schedule.NAME]
    struct RawSchedule {
        /// Timezone of all its local times.
        timezone: Option<TimeZone> = TIMEZONE, otherwise "that of the site", example r#""Europe/Tallinn""#;
        /// Layers of the rotation. The last layer that has a person on call wins.
        layer: Vec<RawLayer> = Tables(made(RawLayer::check)), required,
            example r#"[{ people = ["ana", "bo"], start = 2026-10-26T09:00:00, rotation = "1 week" }]"#;
        /// Changes of who is on call for a while, each applied to what the ones before it left.
        overrides as "override": Vec<RawOverride> = Tables(made(RawOverride::check)), otherwise "none",
            example r#"[{ from = 2026-12-24T18:00:00, to = 2026-12-26T09:00:00, replace = { ana = "bo" } }]"#;
    }
}

keys! {
    /// A layer of a schedule.
    struct RawLayer {
        /// People in rotation; the first has the shift that begins at `start`. A list in the list is people who are on call
        /// together. An empty list is a planned gap: nobody is on call, whatever the layers before it say.
        people: Vec<At<Vec<At<String>>>> = list(OneOrList(NameOf("person"))), required, example r#"["ana", ["bo", "cy"]]"#;
        /// Begin of the first shift, in the timezone of the schedule.
        start: Option<civil::DateTime> = LOCAL_DATETIME, required, example "2026-10-26T09:00:00";
        /// Length of a shift in wall-clock time: a week stays a week across a DST change.
        rotation: Option<Rotation> = ROTATION, required, example r#""1 week""#;
        /// Hours of the week to which the layer is limited. A shift that lies wholly outside of them takes no turn.
        restrictions: Vec<Restriction> = Tables(made(RawRestriction::check)), otherwise "all hours",
            example r#"[{ days = ["mon", "tue", "wed", "thu", "fri"], from = "09:00", to = "17:00" }]"#;
        /// End of the layer, in the timezone of the schedule.
        until: Option<At<civil::DateTime>> = LOCAL_DATETIME, otherwise "never", example "2027-01-01T00:00:00";
    }
}

keys! {
    /// A range of hours on some days of the week.
    struct RawRestriction {
        /// Days of the week on which it begins.
        days: Vec<usize> = filled_list(DAY), otherwise "every day", example r#"["mon", "tue"]"#;
        /// Its begin, in the timezone of the schedule.
        from: Option<civil::Time> = TIME_OF_DAY, otherwise "00:00", example r#""09:00""#;
        /// Its end. Not after `from`, it is on the next day; equal times are 24 hours.
        to: Option<civil::Time> = TIME_OF_DAY, otherwise "00:00", example r#""17:00""#;
    }
}

keys! {
    /// A change of who is on call for a while: exactly one of `replace`, `add`, `remove` and `only`.
    struct RawOverride {
        /// Its begin, in the timezone of the schedule.
        from: Option<civil::DateTime> = LOCAL_DATETIME, required, example "2026-12-24T18:00:00";
        /// Its end, in the timezone of the schedule.
        to: Option<At<civil::DateTime>> = LOCAL_DATETIME, required, example "2026-12-26T09:00:00";
        /// Who is on call instead of whom.
        replace: BTreeMap<String, String> = filled_map("person", |name| Ok(name.to_owned()), NameOf("person")),
            example r#"{ ana = "bo" }"#;
        /// People who are on call in addition.
        add: Vec<At<String>> = filled_list(NameOf("person")), example r#"["dee"]"#;
        /// People who are not on call.
        remove: Vec<At<String>> = filled_list(NameOf("person")), example r#"["ana"]"#;
        /// The only people on call. Empty, it is a planned gap: nobody is.
        only: Vec<At<String>> = list(NameOf("person")), example r#"["dee"]"#;
    }
}

keys! {
    /// A period of local time.
    struct RawPeriod {
        /// Its begin, in the timezone of the person.
        from: Option<civil::DateTime> = LOCAL_DATETIME, required, example "2026-12-20T00:00:00";
        /// Its end, in the timezone of the person.
        to: Option<At<civil::DateTime>> = LOCAL_DATETIME, required, example "2026-12-27T00:00:00";
    }
}

impl RawLayer {
    fn check(self, written: &Written, context: &mut Context<'_>) -> Option<Self> {
        if let (Some(start), Some(until)) = (self.start, &self.until)
            && until.value <= start
        {
            let message = "the layer ends before its first shift begins";
            context.diagnostics.error(until.place.clone(), message, format!("a time after `start`, {start}"));
        }
        if self.restrictions.len() > RESTRICTIONS_MAX {
            let message = format!("a layer has at most {RESTRICTIONS_MAX} restrictions");
            let hint = "name several days in one of them: days = [\"mon\", \"tue\"]";
            context.diagnostics.error(written.key_place("restrictions"), message, hint);
        }
        Some(self)
    }
}

impl RawRestriction {
    fn check(self, written: &Written, _: &mut Context<'_>) -> Option<Restriction> {
        let mut days = [!written.has("days"); 7];
        for day in self.days {
            days[day] = true;
        }
        let midnight = civil::Time::midnight();
        Some(Restriction { days, from: self.from.unwrap_or(midnight), to: self.to.unwrap_or(midnight) })
    }
}

impl RawOverride {
    fn check(self, written: &Written, context: &mut Context<'_>) -> Option<Self> {
        in_order(self.from, self.to.as_ref(), context);
        let found: Vec<&str> = CHANGES.into_iter().filter(|name| written.has(name)).collect();
        match found.as_slice() {
            [] => context.diagnostics.missing(
                written.place.clone(),
                "the override changes nothing",
                "add one of `replace`, `add`, `remove` and `only`: replace = { ana = \"bo\" }",
            ),
            [_] => {}
            [.., last] => context.diagnostics.conflict(
                written.key_place(last),
                format!(
                    "an override has one of {}",
                    text::list::and(found.iter().map(|name| format!("`{name}`")))
                ),
                "write several overrides, in the order in which they apply",
            ),
        }
        Some(self)
    }
}

impl RawPeriod {
    pub(crate) fn check(self, _: &Written, context: &mut Context<'_>) -> Option<Self> {
        in_order(self.from, self.to.as_ref(), context);
        Some(self)
    }
}

/// Reports a period that ends before it begins.
fn in_order(from: Option<civil::DateTime>, to: Option<&At<civil::DateTime>>, context: &mut Context<'_>) {
    if let (Some(from), Some(to)) = (from, to)
        && to.value <= from
    {
        context.diagnostics.error(
            to.place.clone(),
            "it ends before it begins",
            format!("a time after `from`, {from}"),
        );
    }
}
