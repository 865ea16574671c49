//! A day in the life of the edge, from outside: clients and servers that are not of this project, and HAProxy beside it
//! before the same servers, under the same load, at the same time. What fails here and not there is a fault.
//!
//! | module | holds |
//! |---|---|
//! | `setting` | ports, certificates, servers, both proxies and their configurations |
//! | `server` | the application: this program, begun as `serve PORT` |
//! | `load` | what the clients do all day |
//! | `events` | what happens in the course of the day |
//! | `tally` | what came of it, and the verdict |
//!
//! `DAY_SECS` is the length of the day (default 75), `PORTS=29000-29999` the range that ports are taken from,
//! `DAY_ONLY=browser,grpc` leaves out all loads but these (browser, upload, download, h2load, ab, grpc) and
//! `DAY_KEEP=1` keeps the folder with everybody's logs.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test with a main of its own")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]

#[path = "../../../../io/web/tests/browser/chromium.rs"]
#[allow(dead_code, reason = "shared with the tests of the site, which use more of it")]
mod chromium;
mod events;
mod load;
mod process;
mod server;
mod setting;
mod tally;

use load::Day;
use setting::{Setting, program, python};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally::{Proxy, Tally};

/// Why the day cannot go on: names the program or file.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

const TEST: &str = "an_ordinary_day";
const SECONDS: u64 = 75;
/// Programs of others that the day is made of, and the Debian packages that have them.
const PROGRAMS: [(&str, &[&str], &str); 6] = [
    ("ab", &["-V"], "apache2-utils"),
    ("chromedriver", &["--version"], "chromium-driver"),
    ("chromium", &["--version"], "chromium"),
    ("curl", &["--version"], "curl"),
    ("h2load", &["--version"], "nghttp2-client"),
    ("haproxy", &["-v"], "haproxy"),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [serve, port] = args.as_slice()
        && serve == "serve"
    {
        return ended(
            port.parse()
                .map_err(|_| Failure::from("no port"))
                .and_then(|port| server::run(port).map_err(Failure::from)),
        );
    }
    // As a test's main is called by cargo and by nextest.
    if args.iter().any(|arg| arg == "--list") {
        println!("{TEST}: test");
        return ExitCode::SUCCESS;
    }
    let mut filters = args.iter().filter(|arg| !arg.starts_with('-')).peekable();
    if filters.peek().is_some() && !filters.any(|filter| TEST.contains(filter.as_str())) {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    ended(runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(an_ordinary_day())))
}

fn ended(done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

async fn an_ordinary_day() -> Result<(), Failure> {
    let missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(name, args, _)| {
            !Command::new(program(name)).args(*args).output().is_ok_and(|run| run.status.success())
        })
        .map(|(.., package)| *package)
        .collect();
    if !missing.is_empty() {
        return Err(format!(
            "the day needs Debian's packages {}; `cargo xtask ci` installs them",
            missing.join(", ")
        )
        .into());
    }
    // reqwest wants one even where only http is spoken.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let python = python()?;
    let seconds =
        std::env::var("DAY_SECS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS).max(30);
    let setting = Setting::new(python)?;
    let mut running = setting.start().await.map_err(|why| format!("{why}\n{}", setting.logs()))?;
    let length = Duration::from_secs(seconds);
    let only = std::env::var("DAY_ONLY").unwrap_or_default();
    let only = only.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let day = Arc::new(Day { setting, tally: Tally::default(), ends: Instant::now() + length, only });
    let clients = Proxy::BOTH.map(|proxy| tokio::spawn(load::all(Arc::clone(&day), proxy)));
    let kind = events::happen(&day.setting, &mut running, length).await;
    let mut faults: Vec<String> = kind.err().iter().map(Failure::to_string).collect();
    for client in clients {
        match client.await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => faults.push(why.to_string()),
            Err(why) => faults.push(why.to_string()),
        }
    }
    for proxy in Proxy::BOTH {
        faults.extend(
            load::serves_new_certificate(&day.setting, proxy).await.err().iter().map(Failure::to_string),
        );
    }
    if !running.mainstay.is_running() || !running.haproxy.is_running() {
        faults.push("a proxy is gone at the end of the day".to_owned());
    }
    faults.extend(day.tally.faults(&day.kinds()));
    if !faults.is_empty() {
        println!("{}", day.setting.traces());
    }
    drop(running);
    println!("{}", day.tally.table(&day.kinds()));
    verdict(&day.setting, &faults)
}

fn verdict(setting: &Setting, faults: &[String]) -> Result<(), Failure> {
    if std::env::var_os("DAY_KEEP").is_some() {
        let kept = std::env::temp_dir().join(format!("day-{}", std::process::id()));
        match std::fs::rename(setting.folder.path(), &kept) {
            Ok(()) => println!("everybody's logs: {}", kept.display()),
            Err(why) => println!("{}: {why}", kept.display()),
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(format!("mainstay did worse than HAProxy beside it:\n  {}", faults.join("\n  ")).into())
    }
}
