//! The likely cause by the measurements: a hint behind the facts, never the cause itself.

use super::text::Tense;
use super::{Facts, clock};
use types::{Kind, LikelyCause};

impl Facts<'_> {
    /// The first likely cause, unless it is the cause that the summary names already.
    pub(super) fn likely_cause(&self) -> Option<&LikelyCause> {
        let first = self.likely.first()?;
        (first.resource != *self.cause || first.server.is_some()).then_some(first)
    }

    /// The first likely cause as a clause with its figure; empty without one.
    pub(super) fn measurements(&self, tense: Tense) -> String {
        let Some(cause) = self.likely_cause() else { return String::new() };
        let mut subject = self.display_name(&cause.resource);
        if cause.resource.kind == Kind::Pool {
            subject = format!("pool {subject}");
        }
        if let Some(server) = &cause.server {
            subject = format!("server {server} of {subject}");
        }
        let since = clock(cause.moved.since, &self.zoned(self.now));
        let moved = &cause.moved;
        match tense {
            Tense::Is => format!(
                "; the measurements point at {subject}: {moved} since {since} (a hint, not a proven cause)"
            ),
            Tense::Was => format!(
                "; the measurements pointed at {subject}: {moved} from {since} (a hint, not a proven cause)"
            ),
        }
    }
}
