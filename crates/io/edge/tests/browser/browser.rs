//! A browser with a profile that outlives it, as people have one: it is started again, and has tabs.

use crate::chromium::{self, Scripts};
use serde_json::{Value, json};
use std::ops::Deref;
use std::path::Path;
use std::time::{Duration, Instant};
use thirtyfour::WindowHandle;

/// Timeout of any operation of the browser, also on a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);
const INTERVAL: Duration = Duration::from_millis(50);

pub(crate) struct Browser(chromium::Browser);

impl Deref for Browser {
    type Target = chromium::Browser;

    fn deref(&self) -> &chromium::Browser {
        &self.0
    }
}

impl Browser {
    /// Starts with this profile.
    pub(crate) async fn start(profile: &Path) -> Self {
        let browser = chromium::Browser::start_in(profile, Scripts::Run, &[], TIMEOUT).await;
        browser.set_script_timeout(TIMEOUT).await.unwrap();
        Self(browser)
    }

    /// Ends the browser; its profile stays.
    pub(crate) async fn quit(self) {
        // The session itself: the driver is still there when it ends, and is dropped after it.
        (**self).clone().quit().await.unwrap();
    }

    pub(crate) async fn title(&self) -> String {
        (***self).title().await.unwrap()
    }

    /// Returns the value of an expression in the page, awaited.
    pub(crate) async fn run(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[0]; (async () => ({expression}))().then(done, error => done('failed: ' + error));"
        );
        self.execute_async(script, Vec::new()).await.unwrap().json().clone()
    }

    /// Waits until an expression in the page is true.
    pub(crate) async fn until(&self, expression: &str) {
        let began = Instant::now();
        loop {
            let found = self.run(&format!("Boolean({expression})")).await;
            if found == json!(true) {
                return;
            }
            assert!(began.elapsed() < TIMEOUT, "not true after {TIMEOUT:?}: {expression}: {found}");
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Opens one more tab, and goes on in it. Returns the one before, for [`Browser::tab`].
    pub(crate) async fn open_tab(&self) -> WindowHandle {
        let tab = self.new_tab().await.unwrap();
        self.tab(tab).await
    }

    /// Goes on in this tab. Returns the one before.
    pub(crate) async fn tab(&self, tab: WindowHandle) -> WindowHandle {
        let before = self.window().await.unwrap();
        self.switch_to_window(tab).await.unwrap();
        before
    }
}
