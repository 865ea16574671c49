//! Notices to the team as a whole.

use crate::notification::Contact;
use jiff::civil;

/// Notices to the team as a whole: to a chat, a topic or a mailing list that many read and that wakes no one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notices {
    /// Where they go, all of them concurrently. Never empty.
    pub to: Vec<Contact>,
    /// Local time of the digest, in the timezone of the site; `None` without one.
    pub digest: Option<civil::Time>,
    /// Whether the digest is sent on a day without news.
    pub digest_without_news: bool,
    /// Whether the team gets a line each hour while an incident with a page is open.
    pub hourly: bool,
    /// Local time in which notices are held, in the timezone of the site: from, to; `to` before `from` crosses midnight.
    pub quiet_hours: Option<(civil::Time, civil::Time)>,
}
