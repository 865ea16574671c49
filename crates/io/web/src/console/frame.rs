//! Frame of every page of the console.

use crate::clock::now;
use crate::design::{Clock, StateClass as _, assets};
use crate::session::Session;
use crate::state::WebState;
use engine::views::Views;
use std::time::Duration;

/// Head, navigation, and the signed-in person.
pub(crate) struct Frame<'a> {
    pub(crate) style: &'static str,
    pub(crate) console_style: &'static str,
    pub(crate) script: &'static str,
    pub(crate) site_name: &'a str,
    pub(crate) favicon: &'static str,
    /// Current page of the navigation: `now`, `edge`, `headroom`, `probes`, `heartbeats`, `audit`, `load`, `maintenance`, or empty.
    pub(crate) page: &'static str,
    /// Refresh interval; 0: never.
    pub(crate) refresh_seconds: u64,
    pub(crate) person: &'a str,
    /// Form token of the session.
    pub(crate) form: String,
    /// Timezone of all times.
    pub(crate) timezone: String,
}

impl<'a> Frame<'a> {
    pub(crate) fn new(
        state: &'a WebState,
        views: &Views,
        session: &'a Session,
        page: &'static str,
        refresh: Duration,
    ) -> Self {
        Self {
            style: assets::STATUS_PAGE_CSS.path,
            console_style: assets::CONSOLE_CSS.path,
            script: assets::REFRESH_JS.path,
            site_name: state.name(),
            favicon: views.status_page.state.class(),
            page,
            refresh_seconds: refresh.as_secs(),
            person: &session.name,
            form: state.sessions().form_token(session, now()),
            timezone: Clock::new(&views.status_page.timezone, now()).named(),
        }
    }
}
