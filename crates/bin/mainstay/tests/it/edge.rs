//! The edge within a running mainstay, and alone: serving, traces, counters, denials, reload under load.

mod backend;
mod client;
mod limits;

use crate::instance::{Instance, PATIENCE, SITE, until};
use backend::Backend;
use client::{Answer, Client};
use serde_json::Value;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A port that was free a moment ago.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A configuration whose edge serves one service from these servers.
fn config(edge: SocketAddr, servers: &[&Backend], more: &str) -> String {
    let servers: Vec<String> = servers.iter().map(|server| format!("\"{}\"", server.address)).collect();
    let mut text = format!(
        r#"{SITE}
[edge]
listen = ["{edge}"]
access_log = true
threads = 2

[service.shop]
title = "Shop"
hosts = ["shop.test"]

[service.shop.traffic]
pool = "shop"
recognize = {{ method = "POST", path = "/login", status = [200], for = "30d" }}

[pool.shop]
servers = [{}]
max_concurrency = 100

[person.ana]
contacts = ["hook:ana"]

[channel.hook]
webhook = "http://127.0.0.1:9/"
"#,
        servers.join(", ")
    );
    let _ = write!(text, "{more}");
    text
}

/// Repeats a request until the edge responds with this status code.
fn answered(edge: SocketAddr, from: &str, status: u16) -> Answer {
    until(&format!("a {status}"), || {
        let answer = Client::connect(from, edge).ok()?.ask("GET", "/", &[]).ok()?;
        (answer.status == status).then_some(answer)
    })
}

fn text(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn request_is_served_traced_and_counted() {
    let (one, two, edge) = (Backend::start("one"), Backend::start("two"), free());
    let mut instance = Instance::with(&config(edge, &[&one, &two], ""));
    instance.start();
    let answer = answered(edge, "127.0.0.1", 200);
    assert!(answer.body.contains("from one") || answer.body.contains("from two"), "{}", answer.body);
    let id = answer.header("x-request-id").unwrap().to_owned();
    assert_eq!(id.len(), 32, "{id}");

    let failed = Client::connect("127.0.0.1", edge).unwrap().ask("GET", "/status/503", &[]).unwrap();
    assert_eq!(failed.status, 503);
    let id = failed.header("x-request-id").unwrap().to_owned();
    let output = until("the trace", || {
        let output = instance.command(&["trace", &id]);
        (!output.stdout.is_empty()).then_some(output)
    });
    assert_eq!(output.status.code(), Some(1), "something failed");
    let output = text(&output);
    for wanted in ["shop  GET shop.test/status/503", "answered 503 after", "wait for first byte", "127.0.0.1"]
    {
        assert!(output.contains(wanted), "{wanted}: {output}");
    }
    assert!(output.lines().all(|line| line.chars().count() <= 80), "{output}");
    let trace = instance.json(&["trace", &id]);
    assert_eq!((&trace["id"], &trace["hops"][0]["status"]), (&Value::from(id), &Value::from(503)));
    assert!(
        text(&instance.command(&["trace"])).contains(trace["id"].as_str().unwrap()),
        "it failed, so it is listed"
    );
    let unknown = instance.command(&["trace", "00000000000000000000000000000001"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(instance.command(&["trace", "x"]).status.code(), Some(2));

    until("the view of the edge", || {
        (instance.get("/api/v1/edge").1["services"][0]["id"] == "shop").then_some(())
    });
    until("two servers that serve", || {
        let status = text(&instance.command(&["status"]));
        status.lines().any(|line| line.starts_with("Shop") && line.contains("2 of 2")).then_some(())
    });
    let metrics = until("the count", || {
        let metrics = instance.text("/metrics");
        metrics.contains("mainstay_edge_requests_total{service=\"shop\"").then_some(metrics)
    });
    assert!(
        metrics.contains("# TYPE probe_success gauge") && metrics.trim_end().ends_with("# EOF"),
        "{metrics}"
    );
}

#[test]
fn denial_by_command_is_in_force_immediately_and_ends_by_itself() {
    let (one, edge) = (Backend::start("one"), free());
    let mut instance = Instance::with(&config(edge, &[&one], ""));
    instance.start();
    answered(edge, "127.0.0.9", 200);
    let began = Instant::now();
    // A busy disk may not respond in time; such a denial is refused.
    let deny = |args: &[&str]| {
        until("a denial that is on disk", || {
            let denied = instance.command(args);
            denied.status.success().then(|| text(&denied))
        })
    };
    let said = deny(&["deny", "cidr", "127.0.0.8/31", "--for", "5s", "--service", "shop", "--by", "ana"]);
    assert!(said.starts_with("denial-") && said.contains(": 127.0.0.8/31 is denied at shop"), "{said}");
    let refused = answered(edge, "127.0.0.9", 403);
    answered(edge, "127.0.0.1", 200);
    let list = text(&instance.command(&["deny", "list"]));
    assert!(list.contains("127.0.0.8/31") && list.contains("at shop") && list.contains("by ana"), "{list}");
    let why = text(&instance.command(&["trace", refused.header("x-request-id").unwrap()]));
    assert!(why.contains("denied") && why.contains("refused with 403"), "{why}");
    answered(edge, "127.0.0.9", 200);
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
    until("an empty list", || {
        text(&instance.command(&["deny", "list"])).contains("no denials in force").then_some(())
    });

    // Lifted before its end, and kept across a kill.
    let said = deny(&["deny", "cidr", "127.0.0.9", "--for", "1h"]);
    answered(edge, "127.0.0.9", 403);
    instance.kill();
    instance.start();
    answered(edge, "127.0.0.9", 403);
    // The first command prints the command that lifts the denial.
    let lift: Vec<&str> = said.split('`').nth(1).unwrap().split(' ').skip(1).collect();
    let lifted = |args: &[&str]| {
        until("a denial that is lifted", || {
            instance.command(args);
            (instance.command(args).status.code() == Some(1)).then_some(())
        });
    };
    lifted(&lift);
    let left = instance.json(&["deny", "list"]);
    for denial in left["denials"].as_array().unwrap() {
        lifted(&["deny", "lift", &denial["id"].to_string()]);
    }
    answered(edge, "127.0.0.9", 200);
    assert_eq!(instance.command(&["deny", "cidr", "everybody", "--for", "1h"]).status.code(), Some(2));
    for everybody in ["0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96"] {
        assert!(
            !instance.command(&["deny", "cidr", everybody, "--for", "1h"]).status.success(),
            "{everybody}"
        );
        answered(edge, "127.0.0.1", 200);
    }
    let elsewhere = instance.command(&["deny", "country", "EE", "--for", "1h", "--service", "nothing"]);
    assert_eq!(elsewhere.status.code(), Some(1), "{elsewhere:?}");
}

#[test]
fn config_reload_under_load_fails_no_request() {
    let (one, two, edge) = (Backend::start("one"), Backend::start("two"), free());
    let mut instance = Instance::with(&config(edge, &[&one], ""));
    instance.start();
    answered(edge, "127.0.0.1", 200);
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, done) = (stop.clone(), done.clone());
            thread::spawn(move || {
                // One connection throughout: a reload that closes it fails the next request.
                let mut client = Client::connect("127.0.0.1", edge).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.ask("GET", "/", &[]).unwrap();
                    assert_eq!(answer.status, 200, "{}", answer.body);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for n in 0..6 {
        let servers: &[&Backend] = if n % 2 == 0 { &[&two] } else { &[&one] };
        instance.write_config(&config(
            edge,
            servers,
            &format!("\n[service.other-{n}]\ntitle = \"Other {n}\"\n"),
        ));
        instance.hang_up();
        let wanted = if n % 2 == 0 { "from two" } else { "from one" };
        until("the other server", || {
            let answer = Client::connect("127.0.0.1", edge).ok()?.ask("GET", "/", &[]).ok()?;
            answer.body.contains(wanted).then_some(())
        });
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    assert!(done.load(Ordering::Relaxed) > 100);
}

#[test]
fn edge_only_uses_the_same_keys_and_reloads_its_config() {
    let (one, two, edge) = (Backend::start("one"), Backend::start("two"), free());
    let mut instance = Instance::with(&config(edge, &[&one], ""));
    instance.start();
    answered(edge, "127.0.0.1", 200);
    let login = Client::connect("127.0.0.1", edge).unwrap().ask("POST", "/login", &[]).unwrap();
    let cookie = login.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert!(cookie.starts_with("mainstay="), "{cookie}");
    assert!(instance.command(&["deny", "cidr", "127.0.0.9", "--for", "1h"]).status.success());
    answered(edge, "127.0.0.9", 403);
    assert_eq!(instance.terminate(), Some(0));

    instance.start_edge_only();
    answered(edge, "127.0.0.1", 200);
    answered(edge, "127.0.0.9", 403);
    let asked = |path: &str, headers: &[(&str, &str)]| {
        Client::connect("127.0.0.1", edge).unwrap().ask("GET", path, headers).unwrap()
    };
    asked("/known", &[("cookie", &cookie)]);
    asked("/stranger", &[]);
    let client = |path: &str| {
        until("the line", || {
            let said = instance.output();
            let line = said.lines().find(|line| line.contains(path))?;
            serde_json::from_str::<Value>(line).ok()?["client_kind"].as_str().map(str::to_owned)
        })
    };
    assert_eq!((client("/known"), client("/stranger")), ("recognized".to_owned(), "first-time".to_owned()));

    instance.write_config(&config(edge, &[&two], ""));
    instance.hang_up();
    until("the other server", || asked("/", &[]).body.contains("from two").then_some(()));
    instance.write_config("no configuration at all");
    instance.hang_up();
    until("the message", || instance.log().contains("the old one stays in force").then_some(()));
    assert!(asked("/", &[]).body.contains("from two"));
    assert_eq!(instance.terminate(), Some(0));
}

#[test]
fn valve_survives_a_restart_and_reaches_an_edge_that_runs_alone() {
    let (one, edge) = (Backend::start("one"), free());
    let mut instance = Instance::with(&config(edge, &[&one], ""));
    instance.start();
    answered(edge, "127.0.0.1", 200);
    let valve = |instance: &Instance, args: &[&str]| {
        let output = instance.command(&[&["valve"], args].concat());
        assert!(output.status.success(), "{output:?}");
        text(&output)
    };
    assert!(valve(&instance, &[]).contains("shop                 open"), "{}", valve(&instance, &[]));
    let set = valve(&instance, &["shop", "0%", "--by", "ana"]);
    assert!(set.contains("shop: valve 0 %") && set.contains("mainstay valve shop 100%"), "{set}");
    answered(edge, "127.0.0.1", 503);
    let listed = valve(&instance, &[]);
    assert!(listed.contains("shop                 0 %, since") && listed.contains("by ana"), "{listed}");
    assert!(text(&instance.command(&["status"])).contains("valve 0 %, set by ana"));
    assert_eq!(instance.terminate(), Some(0));

    instance.start();
    answered(edge, "127.0.0.1", 503);
    assert!(instance.text("/metrics").contains("mainstay_edge_valve_position_ratio{service=\"shop\"} 0.0"));
    assert_eq!(instance.terminate(), Some(0));

    instance.start_edge_only();
    answered(edge, "127.0.0.1", 503);
    assert_eq!(instance.terminate(), Some(0));

    instance.start();
    for refused in [&["valve", "shop", "101%"][..], &["valve", "shop", "20%", "--limited", "--ramp"]] {
        assert_eq!(instance.command(refused).status.code(), Some(2), "{refused:?}");
    }
    assert_eq!(instance.command(&["valve", "nothing", "20%"]).status.code(), Some(1));
    valve(&instance, &["shop", "100%"]);
    answered(edge, "127.0.0.1", 200);
}

#[test]
fn edge_only_traces_and_counts_requests_and_refuses_other_commands() {
    let (one, edge) = (Backend::start("one"), free());
    let mut instance = Instance::with(&config(edge, &[&one], ""));
    instance.start_edge_only();
    answered(edge, "127.0.0.1", 200);
    let failed = Client::connect("127.0.0.1", edge).unwrap().ask("GET", "/status/503", &[]).unwrap();
    let id = failed.header("x-request-id").unwrap();
    let trace = until("the trace", || {
        let output = instance.command(&["trace", id, "--json"]);
        serde_json::from_slice::<Value>(&output.stdout).ok().filter(|trace| trace["id"] == id)
    });
    assert_eq!(trace["hops"][0]["status"], 503);
    assert!(text(&instance.command(&["trace"])).contains(id));
    until("the count", || {
        instance
            .text("/metrics")
            .contains("mainstay_edge_responses_total{service=\"shop\",pool=\"shop\",code=\"5xx\"} 1")
            .then_some(())
    });
    until("the message", || instance.output().contains("/metrics").then_some(()));
    let (status, _) = instance.get("/api/v1/now");
    assert_eq!(status, 503);
    let denied = instance.command(&["deny", "country", "EE", "--for", "1h"]);
    let why = String::from_utf8_lossy(&denied.stderr).into_owned();
    assert!(denied.status.code() == Some(1) && why.contains("Only the edge runs here"), "{why}");
    // Without the token: 401.
    let address = std::fs::read_to_string(instance.folder.path().join("data/address")).unwrap();
    let answer =
        Client::connect("127.0.0.1", address.parse().unwrap()).unwrap().ask("GET", "/metrics", &[]).unwrap();
    assert_eq!(answer.status, 401);
    assert_eq!(instance.terminate(), Some(0));
    assert!(!instance.folder.path().join("data/address").exists());

    // When the address is in use there are no traces, but requests are served.
    let holds = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holds.local_addr().unwrap();
    instance.write_config(&config(edge, &[&one], "").replace("127.0.0.1:0\"", &format!("{taken}\"")));
    instance.start_edge_only();
    answered(edge, "127.0.0.1", 200);
    until("the message", || instance.log().contains("no traces and no metrics").then_some(()));
}

#[test]
fn edge_only_starts_with_damaged_denials_file_and_logs_it() {
    let (one, edge) = (Backend::start("one"), free());
    let mut instance = Instance::with(&config(edge, &[&one], ""));
    std::fs::create_dir(instance.folder.path().join("data")).unwrap();
    std::fs::write(instance.folder.path().join("data/denials.json"), "[{\"id\":1,\"wh").unwrap();
    instance.start_edge_only();
    answered(edge, "127.0.0.1", 200);
    let log = instance.log();
    assert!(log.contains("saved denials cannot be read") && log.contains("denials.json: EOF"), "{log}");
}

#[test]
fn journal_that_cannot_be_written_delays_no_request() {
    let (one, edge) = (Backend::start("one"), free());
    let mut instance = Instance::with(&config(edge, &[&one], ""));
    instance.start();
    answered(edge, "127.0.0.1", 200);
    let journal = rusqlite::Connection::open(instance.folder.path().join("data/journal.db")).unwrap();
    journal.execute_batch("BEGIN IMMEDIATE").unwrap();
    let denied = instance.command(&["deny", "cidr", "198.51.100.0/24", "--for", "1h"]);
    assert_eq!(denied.status.code(), Some(1), "not on disk, not promised: {denied:?}");
    let mut client = Client::connect("127.0.0.1", edge).unwrap();
    let deadline = Instant::now() + Duration::from_secs(3);
    while Instant::now() < deadline {
        let began = Instant::now();
        assert_eq!(client.ask("GET", "/", &[]).unwrap().status, 200);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
    journal.execute_batch("ROLLBACK").unwrap();
    until("a denial that is on disk", || {
        instance.command(&["deny", "cidr", "198.51.100.0/24", "--for", "1h"]).status.success().then_some(())
    });
}

#[test]
fn caller_is_identified_by_its_token_and_sighup_reads_a_replaced_token() {
    let (one, edge) = (Backend::start("one"), free());
    let mut instance = Instance::with(&config(edge, &[&one], "\n[caller.web]\ntoken = \"file:web-token\"\n"));
    let without = instance.command(&["run"]);
    assert_eq!(without.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&without.stderr).contains("caller `web`"), "{without:?}");
    let token = instance.folder.path().join("web-token");
    std::fs::write(&token, "first\n").unwrap();
    instance.start();
    answered(edge, "127.0.0.1", 200);
    let caller = |token: &str| {
        let asked = Client::connect("127.0.0.1", edge).unwrap().ask(
            "GET",
            "/status/503",
            &[("mainstay-caller", token)],
        );
        let id = asked.unwrap().header("x-request-id").unwrap().to_owned();
        until("the trace", || {
            let trace = instance.json(&["trace", &id]);
            trace["hops"][0]
                .is_object()
                .then(|| trace["hops"][0]["caller"].as_str().unwrap_or("nobody").to_owned())
        })
    };
    assert_eq!((caller("first"), caller("second")), ("web".to_owned(), "nobody".to_owned()));
    std::fs::write(&token, "second\n").unwrap();
    instance.hang_up();
    until("the new token", || (caller("second") == "web").then_some(()));
    assert_eq!(caller("first"), "nobody");
}

#[test]
fn access_log_and_listeners_follow_the_config_and_threads_need_a_restart() {
    let (one, edge, other) = (Backend::start("one"), free(), free());
    let text = config(edge, &[&one], "");
    let mut instance = Instance::with(&text.replace("access_log = true", "access_log = false"));
    instance.start();
    answered(edge, "127.0.0.1", 200);
    instance.write_config(&text.replace(&format!("[\"{edge}\"]"), &format!("[\"{edge}\", \"{other}\"]")));
    instance.hang_up();
    answered(other, "127.0.0.1", 200);
    until("a line", || {
        Client::connect("127.0.0.1", other).ok()?.ask("GET", "/seen", &[]).ok()?;
        instance.output().contains("/seen").then_some(())
    });
    instance.write_config(&text.replace("threads = 2", "threads = 1"));
    instance.hang_up();
    let problem = until("the message", || {
        let (_, now) = instance.get("/api/v1/now");
        now["self"].as_array()?.first()?.as_str().map(str::to_owned)
    });
    assert!(problem.contains("edge.threads changed: that needs a restart"), "{problem}");
    answered(other, "127.0.0.1", 200);
}

#[test]
fn drain_waits_for_requests_in_progress() {
    let (one, edge) = (Backend::start("one"), free());
    let mut instance = Instance::with(&config(edge, &[&one], ""));
    for alone in [false, true] {
        instance.start_edge(alone);
        answered(edge, "127.0.0.1", 200);
        let asking = thread::spawn(move || {
            Client::connect("127.0.0.1", edge).unwrap().ask("GET", "/slow", &[]).unwrap()
        });
        until("a request under way", || one.is_asked("/slow").then_some(()));
        assert_eq!(instance.terminate(), Some(0));
        let answer = asking.join().unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "/slow from one"));
        assert!(Client::connect("127.0.0.1", edge).is_err(), "the door is closed");
    }
}

#[test]
fn stored_responses_are_purged_by_command_with_and_without_the_rest() {
    let (one, edge) = (Backend::start("one"), free());
    let rule = "[[service.shop.traffic.cache]]\npath = \"/kept/*\"\nmax_age = \"1h\"\n";
    let mut instance = Instance::with(&config(edge, &[&one], rule));
    for alone in [false, true] {
        instance.start_edge(alone);
        answered(edge, "127.0.0.1", 200);
        let ask = |path: &str| Client::connect("127.0.0.1", edge).unwrap().ask("GET", path, &[]).unwrap();
        let status = |path: &str| ask(path).header("cache-status").unwrap_or_default().to_owned();
        for path in ["/kept/a", "/kept/a?x", "/kept/b"] {
            assert!(status(path).contains("stored"), "{path}");
        }
        assert!(status("/kept/a").contains("hit"));
        let purged = instance.json(&["cache", "purge", "shop", "/kept/a", "--by", "ana"]);
        assert_eq!((&purged["dropped"], &purged["path"]), (&2.into(), &"/kept/a".into()), "{purged}");
        assert!(status("/kept/b").contains("hit") && status("/kept/a").contains("uri-miss"));
        let output = instance.command(&["cache", "purge", "shop"]);
        assert_eq!(text(&output), "shop: 2 stored responses dropped\n");
        let output = instance.command(&["cache", "purge", "other"]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(instance.terminate(), Some(0));
    }
}

#[test]
fn instance_that_cannot_start_suggests_edge_only() {
    let (one, edge) = (Backend::start("one"), free());
    let mut instance = Instance::with(&config(edge, &[&one], ""));
    std::fs::create_dir_all(instance.folder.path().join("data/journal.db")).unwrap();
    let output = instance.command(&["run"]);
    assert_eq!(output.status.code(), Some(1));
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(why.contains("journal") && why.contains("mainstay run --only edge"), "{why}");
    instance.start_edge_only();
    answered(edge, "127.0.0.1", 200);
}

#[test]
fn edge_that_cannot_listen_reports_why_and_nothing_starts() {
    let one = Backend::start("one");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let instance = Instance::with(&config(taken.local_addr().unwrap(), &[&one], ""));
    for args in [vec!["run"], vec!["run", "--only", "edge"]] {
        let began = Instant::now();
        let output = instance.command(&args);
        assert_eq!(output.status.code(), Some(2));
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(why.contains(&taken.local_addr().unwrap().to_string()), "{why}");
        assert!(began.elapsed() < PATIENCE);
    }
}
