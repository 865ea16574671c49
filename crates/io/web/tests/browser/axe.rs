//! axe-core's judgement of the pages. It comes by npm; where there is none this is left out, and says so.

use crate::driver::{Browser, Scripts, at_hand};
use crate::pages::{PUBLIC, TEAM};
use crate::stand::Stand;
use crate::team::signed_in;
use crate::world;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

const PACKAGE: &str = include_str!("axe/package.json");
const LOCK: &str = include_str!("axe/package-lock.json");

/// axe-core in the folder of this test's leavings: fetched once, checked by npm against the lock.
fn script() -> Option<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("axe");
    let file = folder.join("node_modules/axe-core/axe.min.js");
    let lock = folder.join("package-lock.json");
    let fetched = file.exists() && std::fs::read_to_string(&lock).is_ok_and(|old| old == LOCK);
    if !fetched && let Err(why) = fetch(folder) {
        println!("not judged by axe: {why}");
        return None;
    }
    Some(std::fs::read_to_string(file).unwrap())
}

fn fetch(folder: PathBuf) -> Result<(), String> {
    let said = |error: std::io::Error| error.to_string();
    std::fs::create_dir_all(&folder).map_err(said)?;
    std::fs::write(folder.join("package.json"), PACKAGE).map_err(said)?;
    std::fs::write(folder.join("package-lock.json"), LOCK).map_err(said)?;
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
        .map_err(|error| format!("npm cannot be started: {error}"))?;
    let last = || String::from_utf8_lossy(&npm.stderr).lines().last().unwrap_or("no word").to_owned();
    if npm.status.success() { Ok(()) } else { Err(format!("npm ci: {}", last())) }
}

/// Every rule that is broken on the page, with the elements that break it.
async fn broken(browser: &Browser, axe: &str) -> Value {
    browser.devtools("Runtime.evaluate", json!({ "expression": axe })).await;
    let judge = "const done = arguments[arguments.length - 1];
        axe.run(document, { resultTypes: ['violations'] }).then((judged) => done(judged.violations.map((broken) =>
            [broken.id, broken.help, broken.nodes.map((node) => node.html.slice(0, 160) + ' ' + node.failureSummary)])),
            (error) => done(String(error)))";
    browser.tell("execute/async", json!({ "script": judge, "args": [] })).await
}

#[tokio::test]
async fn axe_finds_nothing() {
    if !at_hand() {
        return;
    }
    let Some(axe) = script() else { return };
    let stand = Stand::new().await;
    let browser = Browser::start(Scripts::Run).await;
    signed_in(&browser, &stand).await;
    browser.run("document.documentElement.removeAttribute('lang')").await;
    assert_eq!(broken(&browser, &axe).await[0][0], "html-has-lang", "it does judge");
    for (state, views) in [("outage", world::outage()), ("well", world::well())] {
        stand.site.publish(Arc::new(views));
        for colours in ["light", "dark"] {
            for width in [390, 1200] {
                browser.look(width, colours).await;
                for path in PUBLIC.into_iter().chain(TEAM).chain(["/console/login"]) {
                    if state == "well" && path == "/incidents/incident-7" {
                        continue;
                    }
                    browser.open(&format!("{}{path}", stand.base)).await;
                    // Judged as a visitor meets it with everything unfolded: what is closed is not looked at.
                    browser
                        .run("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
                        .await;
                    let broken = broken(&browser, &axe).await;
                    assert_eq!(broken, json!([]), "{path}, {state}, {width} px, {colours}: {broken:#}");
                }
            }
        }
    }
}
