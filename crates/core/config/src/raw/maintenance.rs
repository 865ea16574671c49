//! `[maintenance.NAME]` as written: planned work on services.

use crate::diagnostics::Diagnostics;
use crate::keys::keys;
use crate::kind::list::list;
use crate::kind::scalar::{LOCAL_DATETIME, Span, duration};
use crate::kind::string::{Format, NameOf, Text, format};
use crate::kind::value::At;
use crate::raw::schedule::ROTATION;
use crate::raw::title_of;
use crate::suggest::shown;
use crate::value_error::ValueError;
use jiff::civil;
use std::time::Duration;
use types::config::{PlannedMaintenance, Rotation};
use types::maintenance::{LASTING_MAX, TEXT_MAX, TITLE_MAX};
use types::{Resource, ServiceId};

/// Length of a maintenance.
const LASTING: Span = duration(Duration::from_secs(60), LASTING_MAX);

/// Names of what a maintenance may name beside services.
const RESOURCE: Format<Resource> =
    format("a resource: \"database.main\"", Some("^(pool|database)\\..+$"), |text, _| resource(text));

keys! {
    /// Planned work on services, once or again and again. While it goes on, the status page shows it, and failures that it
    /// explains page no one.
    [maintenance.NAME]
    struct RawMaintenance {
        /// What is done, in words for the public.
        title: Option<At<String>> = Text, otherwise "from the name of the section", example r#""Database upgrade""#;
        /// More about it, in words for the public.
        text: Option<At<String>> = Text, otherwise "none", example r#""Sign-in may fail for a few seconds.""#;
        /// The services that are worked on. What other services need too is not part of it.
        services: Vec<At<String>> = list(NameOf("service")), otherwise "those of `resources`", example r#"["auth"]"#;
        /// The databases and pools that are worked on. Services that depend on them may fail with them.
        resources: Vec<At<Resource>> = list(RESOURCE), otherwise "none", example r#"["database.main"]"#;
        /// Start of the first one, in the timezone of the site.
        start: Option<civil::DateTime> = LOCAL_DATETIME, required, example "2026-12-05T02:00:00";
        /// Length of each.
        duration: Option<Duration> = LASTING, required, example r#""2h""#;
        /// From one start to the next, in wall-clock time.
        repeat: Option<Rotation> = ROTATION, otherwise "once", example r#""1 week""#;
        /// None starts at this time or later, in the timezone of the site.
        until: Option<At<civil::DateTime>> = LOCAL_DATETIME, otherwise "never", example "2027-12-01T00:00:00";
    }
}

impl RawMaintenance {
    /// Checks that title and text fit, and that none begins before the one before it has ended.
    pub(crate) fn check(self, diagnostics: &mut Diagnostics) -> Self {
        for (value, most) in [(&self.title, TITLE_MAX), (&self.text, TEXT_MAX)] {
            if let Some(at) = value.as_ref().filter(|at| at.value.chars().count() > most) {
                diagnostics.error(at.place.clone(), format!("longer than {most} characters"), "shorten it");
            }
        }
        let is_empty = !self.written.is_filled("services") && !self.written.is_filled("resources");
        if is_empty {
            diagnostics.missing(
                self.written.place.clone(),
                "names nothing that is worked on",
                "name services: services = [\"api\"], or databases and pools: resources = [\"database.main\"]",
            );
        }
        let apart = self.repeat.map(shortest);
        if let Some(apart) = apart.filter(|apart| self.duration.is_some_and(|lasting| *apart <= lasting)) {
            diagnostics.error(
                self.written.place.clone(),
                format!(
                    "each starts {} h after the one before, which then still goes on",
                    apart.as_secs() / 3_600
                ),
                "shorten `duration`, or repeat it less often",
            );
        }
        self
    }

    /// The maintenance; `None` when a required key is missing, which was reported already.
    pub(crate) fn resolve(&self, name: &str) -> Option<PlannedMaintenance> {
        Some(PlannedMaintenance {
            title: self.title.as_ref().map_or_else(|| title_of(name), |at| at.value.clone()),
            text: self.text.as_ref().map(|at| at.value.clone()),
            services: self.services.iter().map(|at| ServiceId(at.value.clone())).collect(),
            resources: self.resources.iter().map(|at| at.value.clone()).collect(),
            start: self.start?,
            duration: self.duration.filter(|lasting| *lasting <= LASTING_MAX)?,
            repeat: self.repeat,
            until: self.until.as_ref().map(|at| at.value),
        })
    }
}

/// Parses `pool.NAME` or `database.NAME`; services have a key of their own.
fn resource(text: &str) -> Result<Resource, ValueError> {
    let shown_text = shown(text);
    match text.split_once('.') {
        Some(("pool", name)) if !name.is_empty() => Ok(Resource::pool(name)),
        Some(("database", name)) if !name.is_empty() => Ok(Resource::database(name)),
        Some(("service", name)) => Err(ValueError::new(format!("`{shown_text}` is a service"))
            .hint(format!("name it in the other key: services = [\"{}\"]", shown(name)))),
        _ => Err(ValueError::new(format!("`{shown_text}` is neither a database nor a pool"))
            .hint("write \"database.main\" or \"pool.auth\"")),
    }
}

/// The shortest time between two starts: a month has at least 28 days, and a day at the begin of summer time 23 hours.
fn shortest(repeat: Rotation) -> Duration {
    let hours = match repeat {
        Rotation::Hours(count) => u64::from(count),
        Rotation::Days(count) => u64::from(count) * 24 - 1,
        Rotation::Weeks(count) => u64::from(count) * 168 - 1,
        Rotation::Months(count) => u64::from(count) * 28 * 24 - 1,
    };
    Duration::from_secs(hours * 3_600)
}
