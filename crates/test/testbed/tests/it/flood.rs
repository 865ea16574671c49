//! Floods against servers with a known rate: the report matches.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use testbed::flood::{ClientRange, Flood, Group, Settings, Step};
use testbed::origin::Origin;
use testbed::pace::Pace;
use testbed::web::{self, Server};
use tokio::net::TcpListener;

pub(crate) fn range(second: u8, subnets: u32, count: u32) -> Vec<ClientRange> {
    vec![ClientRange { first: Ipv4Addr::new(127, second, 0, 0), subnets, count }]
}

pub(crate) fn settings(target: SocketAddr, groups: Vec<Group>) -> Settings {
    Settings { target, host: "signin.test".to_owned(), deadline: Duration::from_secs(1), groups, seed: 7 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn origin_at_a_fixed_rate_serves_its_capacity_and_the_rest_is_late() {
    let pace = Pace::new(10, Duration::from_millis(50), Duration::from_secs(10), Instant::now());
    let origin = Origin::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), pace).unwrap();
    let steps = vec![Step::get("/work")];
    let group = Group::new("first", false, range(81, 4, 800), steps);
    let flood = Flood::start(settings(origin.address(), vec![group])).unwrap();
    for (name, rate, secs) in [("usual", 100.0, 2), ("flood", 600.0, 3)] {
        flood.phase(name, &[rate]);
        tokio::time::sleep(Duration::from_secs(secs)).await;
    }
    let report = flood.end();
    let (usual, flood) = (report.phase("usual").unwrap(), report.phase("flood").unwrap());
    assert!((150..=250).contains(&usual.visits()), "{usual:?}");
    assert!(usual.groups[0].share() > 0.9, "{usual:?}");
    assert!(usual.groups[0].p50_ms.unwrap() >= 50.0);
    // 600 a second at a pace of 200: after the first second every wait is longer than the deadline.
    assert!(flood.groups[0].late > 300 && flood.groups[0].share() < 0.5, "{flood:?}");
    assert!(report.back_to(0.9, "usual").is_some_and(|secs| secs < 0.5));
    let group = &flood.groups[0];
    assert_eq!(
        group.visits,
        group.unsent + group.good + group.late + group.refused + group.failed,
        "{group:?}"
    );
}

/// Rejects clients without a cookie, and sets one at the second sign-in attempt.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn recognized_clients_keep_their_cookies_and_first_time_ones_do_not() {
    let turn = AtomicU64::new(0);
    let peers = Arc::new(std::sync::Mutex::new(std::collections::BTreeSet::new()));
    let seen = Arc::clone(&peers);
    let handler = web::handler(move |parts, body| {
        let first = parts.uri.path() == "/login" && turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        let cookie = parts.headers.get("cookie").map(|value| value.to_str().unwrap().to_owned());
        let peer = parts.extensions.get::<web::Peer>().unwrap().0.ip();
        seen.lock().unwrap().insert(peer);
        async move {
            let status = match (parts.uri.path(), cookie.as_deref()) {
                ("/login", _) if first => hyper::StatusCode::TOO_MANY_REQUESTS,
                ("/login", _) if body == "user=ana" => hyper::StatusCode::OK,
                ("/inside", Some("sid=1; other=2")) => hyper::StatusCode::OK,
                _ => hyper::StatusCode::FORBIDDEN,
            };
            let mut answer = web::answer(status, "text/plain", "");
            let headers = answer.headers_mut();
            if status == hyper::StatusCode::OK {
                headers.append("set-cookie", "sid=1; Path=/".parse().unwrap());
                headers.append("set-cookie", "other=2".parse().unwrap());
            }
            if status == hyper::StatusCode::TOO_MANY_REQUESTS {
                headers.insert("retry-after", "1".parse().unwrap());
            }
            answer
        }
    });
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = socket.local_addr().unwrap();
    let _server = Server::start(socket, None, handler);
    let steps = || vec![Step::post("/login", "user=ana"), Step::get("/inside")];
    let mut recognized = Group::new("recognized", true, range(82, 2, 20), steps());
    recognized.retries = 4;
    let mut first = Group::new("first", false, range(83, 2, 20), steps());
    first.retries = 1;
    let flood = Flood::start(settings(target, vec![recognized, first])).unwrap();
    flood.phase("all", &[50.0, 50.0]);
    super::until("every client recognized", async || (flood.report().introduced[0] == 20).then_some(()))
        .await;
    let report = flood.end();
    let phase = report.phase("all").unwrap();
    let (recognized, first) = (phase.group("recognized").unwrap(), phase.group("first").unwrap());
    assert!(recognized.good > 0 && recognized.good_again > 0, "{recognized:?}");
    assert_eq!(first.good, 0, "{first:?}");
    assert_eq!(report.introduced, [20, 0]);
    let limited = recognized.answers[&429];
    assert_eq!(limited.count, limited.with_retry_after);
    assert!(peers.lock().unwrap().contains(&"127.82.1.10".parse().unwrap()), "addresses are the range's");
}
