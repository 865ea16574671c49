//! Load tests with the real program: a copy with a known capacity, and a mainstay that runs beside it.

use crate::instance::{Instance, SITE, Web, until};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use testbed::origin::Origin;
use testbed::pace::Pace;

/// A pager: counts what comes in, and accepts it.
fn pager() -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let pages = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&pages);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
            let _ = stream.read(&mut [0; 8_192]);
            count.fetch_add(1, Ordering::Relaxed);
            let _ = stream.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
        }
    });
    (port, pages)
}

/// A copy of this capacity; its runtime keeps it alive.
fn copy(places: usize, capacity: u64) -> (tokio::runtime::Runtime, Origin) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let each = Duration::from_micros(places as u64 * 1_000_000 / capacity);
    let origin = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        Origin::start(listener, Pace::new(places, each, Duration::from_secs(60), Instant::now())).unwrap()
    });
    (runtime, origin)
}

fn config(production: &Web, pager: u16, copy: &Origin) -> String {
    format!(
        r#"{SITE}
[service.shop]
title = "Shop"

[probe.front]
http = "http://{}/"
interval = "500ms"
failure_threshold = 2
service = "shop"

[load.copy]
target = "http://{}/work"
service = "shop"
allow = {{ rate = "200/s", lasting = "3m" }}
max_latency = "500ms"

[channel.phone]
webhook = "http://127.0.0.1:{pager}/page"

[person.ana]
timezone = "UTC"
contacts = ["phone:ana"]
"#,
        production.address,
        copy.address(),
    )
}

fn said(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The ordinary twin: a copy is overloaded, and production, its status page and its pager do not notice.
#[test]
fn overload_of_a_copy_leaves_production_alone() {
    let (_runtime, origin) = copy(4, 60);
    let web = Web::start();
    let (port, pages) = pager();
    let mut instance = Instance::with(&config(&web, port, &origin));
    instance.start();
    until("an operational shop", || (instance.state_of("shop") == "operational").then_some(()));

    let output = instance.command(&["load", "copy", "--by", "ana"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("knee at ") && text.contains("did not keep up"), "{text}");

    let stored = instance.json(&["load", "list"]);
    let test = &stored["load_tests"][0];
    let knee = test["knee"]["rate_milli"].as_u64().unwrap();
    assert!((54_000..=66_000).contains(&knee), "{test:#}");
    assert_eq!((&test["by"]["id"], &test["service"]), (&json!("ana"), &json!("shop")));

    web.answers_again(4);
    assert_eq!(instance.state_of("shop"), "operational");
    assert_eq!(instance.json(&["status"])["open"], json!([]));
    assert_eq!(instance.json(&["incident", "list"]), json!([]));
    assert_eq!(pages.load(Ordering::Relaxed), 0, "no one was paged");
    let (_, summary) = instance.get("/api/v2/summary.json");
    assert_eq!(summary["status"]["indicator"], "none", "{summary}");

    // The result survives, and is stored once.
    instance.kill();
    instance.start();
    let again =
        until("the result", || instance.json(&["load", "list"])["load_tests"].as_array()?.first().cloned());
    assert_eq!(again["knee"], test["knee"]);
    let mut result = test.clone();
    let fields = result.as_object_mut().unwrap();
    fields.remove("by");
    fields.remove("summary");
    let file = instance.folder.path().join("result.json");
    fs::write(&file, json!({ "test": result }).to_string()).unwrap();
    let output = instance.command(&["load", "store", "result.json"]);
    assert!(said(&output).contains("stored already"), "{}", said(&output));
    assert_eq!(instance.json(&["load", "list"])["load_tests"].as_array().map(Vec::len), Some(1));
}

#[test]
fn undeclared_target_production_and_more_than_the_bound_are_refused() {
    let (_runtime, origin) = copy(4, 60);
    let web = Web::start();
    let instance = Instance::with(&config(&web, 1, &origin));
    for (args, wanted) in [
        (&["load", "shop"] as &[&str], "declared are: copy (service shop)"),
        (&["load", "nothing"], "declared are: copy (service shop)"),
        (&["load", "copy", "--rate", "201"], "201/s is more than the 200/s that [load.copy] allows"),
        (&["load", "copy", "--to", "1000/s"], "1000/s is more than the 200/s"),
        (&["load", "copy", "--for", "1h"], "a step lasts from 1 s to the 180 s"),
    ] {
        let output = instance.command(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
        assert!(said(&output).contains(wanted), "{args:?}: {}", said(&output));
    }
    let dry = instance.command(&["load", "copy", "--dry-run"]);
    assert!(dry.status.success() && said(&dry).contains("nothing was sent"), "{}", said(&dry));
    assert_eq!(origin.counts().asked, 0);

    // A target of a service that does not exist: a result would be credited to nothing.
    for (service, wanted) in [("nothing", "declared: `shop`"), ("shoop", "did you mean `shop`?")] {
        instance.write_config(
            &config(&web, 1, &origin)
                .replace("/work\"\nservice = \"shop\"", &format!("/work\"\nservice = \"{service}\"")),
        );
        let output = instance.command(&["load", "copy"]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        let text = said(&output);
        assert!(text.contains(&format!("unknown service `{service}`")) && text.contains(wanted), "{text}");
    }

    // The address of a server of a pool, by another name: the text of the configuration cannot show it.
    let pool =
        format!("[edge]\nlisten = [\"127.0.0.1:0\"]\n[pool.shop]\nservers = [\"{}\"]\n", origin.address());
    let by_name = config(&web, 1, &origin).replace(
        &format!("http://{}/work", origin.address()),
        &format!("http://localhost:{}/work", origin.address().port()),
    );
    instance.write_config(&(by_name + &pool));
    let output = instance.command(&["load", "copy"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("a server of pool shop"), "{}", said(&output));
    assert_eq!(origin.counts().asked, 0);
}

#[test]
fn result_without_a_running_mainstay_is_printed_and_not_stored() {
    let (_runtime, origin) = copy(50, 1_000);
    let instance = Instance::with(&config(&Web::start(), 1, &origin));
    let args = ["load", "copy", "--rate", "20/s", "--rate", "40/s", "--for", "2s"];
    let output = instance.command(&args);
    assert!(output.status.success() && said(&output).contains("not stored"), "{}", said(&output));
    let result: Value = instance.json(&args);
    assert_eq!(
        (&result["stored"], &result["test"]["ended"]),
        (&json!(false), &json!("complete")),
        "{result:#}"
    );
    assert_eq!(result["test"]["steps"][1]["due"], 80, "{result:#}");
    drop(origin);
    let output = instance.command(&args);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("does not answer well"), "{}", said(&output));
}
