//! What every page of the console has around it.

use super::door::Session;
use crate::look::words::Look as _;
use crate::look::{Clock, assets};
use crate::site::{Site, now};
use engine::views::Views;
use std::time::Duration;

/// The head, the way from page to page, and who is signed in.
pub(crate) struct Frame<'a> {
    pub(crate) style: &'static str,
    pub(crate) console_style: &'static str,
    pub(crate) script: &'static str,
    pub(crate) site_name: &'a str,
    pub(crate) favicon: &'static str,
    /// Which page it is: `now`, `edge`, or none of those in the head.
    pub(crate) page: &'static str,
    /// How often it renews itself; never when 0.
    pub(crate) every_secs: u64,
    pub(crate) who: &'a str,
    /// Proves that a form was made for this session.
    pub(crate) form: String,
    /// The zone of all times, in words.
    pub(crate) zone: String,
}

impl<'a> Frame<'a> {
    pub(crate) fn new(
        site: &'a Site,
        views: &Views,
        session: &'a Session,
        page: &'static str,
        every: Duration,
    ) -> Self {
        Self {
            style: assets::STATUS_PAGE_CSS.path,
            console_style: assets::CONSOLE_CSS.path,
            script: assets::LIVE_JS.path,
            site_name: &site.settings().name,
            favicon: views.status_page.state.class(),
            page,
            every_secs: every.as_secs(),
            who: &session.name,
            form: site.door().form_token(session, now()),
            zone: Clock::new(&views.status_page.clock, now()).named(),
        }
    }
}
