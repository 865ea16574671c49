//! `[notices]` as written.

use crate::diagnostics::Diagnostics;
use crate::keys::keys;
use crate::kind::list::filled_list;
use crate::kind::scalar::{Boolean, TimeOrFalse};
use crate::kind::string::{Format, format};
use crate::kind::value::At;
use crate::parse::scalar;
use crate::raw::people::{CONTACT, RawContact};
use jiff::civil;

/// Default of `digest`.
const DIGEST_AT: civil::Time = civil::time(8, 30, 0, 0);

const QUIET_HOURS: Format<(civil::Time, civil::Time)> =
    format("a range of hours: \"22:00-07:00\"", Some("^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$"), |text, _| {
        scalar::hours(text, "leave `quiet_hours` out to send notices at any hour")
    });

keys! {
    /// Notices to the team as a whole, which wake no one: alerts and incidents that page nobody, slowness, a line each hour
    /// of an open incident, and a digest each morning. Without this section the people on call get the notices about
    /// incidents, and there is no digest.
    [notices]
    struct RawNotices {
        /// Where they go, all of them: a channel of the configuration and an address on it, as in `contacts` of a person.
        to: Vec<At<RawContact>> = filled_list(CONTACT), required, example r#"["ntfy:acme-ops"]"#;
        /// Local time of the digest, in the timezone of the site. It is about the time since that of the day before.
        digest: Option<civil::Time> = TimeOrFalse, default Some(DIGEST_AT) => "\"08:30\"", example r#""08:30""#;
        /// Whether the digest is sent on a day without news.
        digest_without_news: bool = Boolean, default false, example "true";
        /// Whether the team gets a line each hour while an incident with a page is open. The people who were paged get none
        /// then.
        hourly: bool = Boolean, default true, example "false";
        /// Local time in which notices are held, in the timezone of the site; what is still true is sent after it.
        quiet_hours: Option<(civil::Time, civil::Time)> = QUIET_HOURS, otherwise "none", example r#""22:00-07:00""#;
    }
}

impl RawNotices {
    /// Checks that the digest has a time at which it is sent.
    pub(crate) fn check(self, diagnostics: &mut Diagnostics) -> Self {
        let written = &self.written;
        if let (Some(digest), Some((from, to))) = (self.digest, self.quiet_hours) {
            let is_quiet =
                if from < to { from <= digest && digest < to } else { from <= digest || digest < to };
            if is_quiet {
                let key = if written.has("digest") { "digest" } else { "quiet_hours" };
                let message = format!("the digest at {} is within the quiet hours", digest.strftime("%H:%M"));
                let hint =
                    format!("a time from {} on: digest = \"{}\"", to.strftime("%H:%M"), to.strftime("%H:%M"));
                diagnostics.conflict(written.key_place(key), message, hint);
            }
        }
        if self.digest.is_none() && self.digest_without_news {
            let message = "`digest_without_news` has no effect: there is no digest";
            let hint = "give it a time, digest = \"08:30\", or remove `digest_without_news`";
            diagnostics.conflict(written.key_place("digest_without_news"), message, hint);
        }
        self
    }
}
