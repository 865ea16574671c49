//! Accessibility checks by axe-core, which is installed by npm; skipped with a message where npm is missing.

use crate::chromium::{Browser, Scripts, is_installed};
use crate::fixture::Fixture;
use crate::pages::{PUBLIC, TEAM};
use crate::subscriptions;
use crate::team::signed_in;
use crate::views;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

const PACKAGE: &str = include_str!("axe/package.json");
const LOCK: &str = include_str!("axe/package-lock.json");

/// Returns axe-core from the temporary folder of the tests: installed once, verified by npm against the lock file.
fn script() -> Option<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("axe");
    let file = folder.join("node_modules/axe-core/axe.min.js");
    let lock = folder.join("package-lock.json");
    let fetched = file.exists() && std::fs::read_to_string(&lock).is_ok_and(|old| old == LOCK);
    if !fetched && let Err(why) = fetch(folder) {
        println!("axe skipped: {why}");
        return None;
    }
    Some(std::fs::read_to_string(file).unwrap())
}

fn fetch(folder: PathBuf) -> std::io::Result<()> {
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("package.json"), PACKAGE)?;
    std::fs::write(folder.join("package-lock.json"), LOCK)?;
    let npm = Command::new("npm")
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--fetch-timeout=20000",
            "--fetch-retries=1",
        ])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| std::io::Error::new(error.kind(), format!("npm cannot be started: {error}")))?;
    let last = || String::from_utf8_lossy(&npm.stderr).lines().last().unwrap_or("no output").to_owned();
    if npm.status.success() { Ok(()) } else { Err(std::io::Error::other(format!("npm ci: {}", last()))) }
}

/// Violated rules of a page, with their elements.
async fn violations(browser: &Browser, axe: &str) -> Value {
    browser.cdp().send_raw("Runtime.evaluate", json!({ "expression": axe })).await.unwrap();
    let check = "const done = arguments[arguments.length - 1];
        axe.run(document, { resultTypes: ['violations'] }).then((result) => done(result.violations.map((broken) =>
            [broken.id, broken.help, broken.nodes.map((node) => node.html.slice(0, 160) + ' ' + node.failureSummary)])),
            (error) => done(String(error)))";
    browser.execute_async(check, Vec::new()).await.unwrap().json().clone()
}

#[tokio::test]
async fn axe_finds_no_violations() {
    if !is_installed() {
        return;
    }
    let Some(axe) = script() else { return };
    let fixture = Fixture::new().await;
    let browser = Browser::start(Scripts::Run).await;
    signed_in(&browser, &fixture).await;
    browser.run("document.documentElement.removeAttribute('lang')").await;
    assert_eq!(violations(&browser, &axe).await[0][0], "html-has-lang", "axe detects a violation");
    fixture.state.publish(Arc::new(subscriptions::views()));
    for colours in ["light", "dark"] {
        browser.look(390, colours).await;
        for link in subscriptions::links(&fixture) {
            browser.open(&link).await;
            let found = violations(&browser, &axe).await;
            assert_eq!(found, json!([]), "{link}, {colours}: {found:#}");
        }
    }
    for (state, views) in [("outage", views::outage()), ("healthy", views::healthy())] {
        fixture.state.publish(Arc::new(views));
        fixture.state.refresh_latencies();
        for colours in ["light", "dark"] {
            for width in [390, 1200] {
                browser.look(width, colours).await;
                for path in PUBLIC.into_iter().chain(TEAM).chain(["/console/login"]) {
                    if state == "healthy" && path == "/incidents/incident-7" {
                        continue;
                    }
                    browser.open(&format!("{}{path}", fixture.base)).await;
                    // Everything is unfolded: axe ignores what is hidden.
                    browser
                        .run("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
                        .await;
                    let found = violations(&browser, &axe).await;
                    assert_eq!(found, json!([]), "{path}, {state}, {width} px, {colours}: {found:#}");
                }
            }
        }
    }
}
