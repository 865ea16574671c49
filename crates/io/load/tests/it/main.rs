//! Load tests of real servers with a known capacity.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use load::{Asked, Production, Protected, Rates, Search};
use load_generator::{LoadError, Setting, TargetError, run};
use std::collections::BTreeMap;
use std::future::pending;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use testbed::origin::Origin;
use testbed::pace::Pace;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use types::Time;
use types::config::{LoadBounds, LoadTarget, TextOrSecret};
use types::load_test::{LoadEnd, LoadTest};

fn target(address: SocketAddr, path: &str, bound: u32) -> LoadTarget {
    LoadTarget {
        name: "staging".to_owned(),
        url: format!("http://{address}{path}"),
        service: None,
        servers: 1,
        allow: LoadBounds { rate: bound, lasting: Duration::from_secs(120), connections: 500 },
        method: "GET".to_owned(),
        headers: BTreeMap::new(),
        body: None,
        status: Vec::new(),
        max_latency: Duration::from_millis(500),
        error_budget: 0.05,
    }
}

fn setting(target: LoadTarget) -> Setting {
    Setting { target, production: Production::default(), ca_files: Vec::new(), at: Time::UNIX_EPOCH }
}

async fn test(setting: Setting, asked: &Asked) -> Result<LoadTest, LoadError> {
    let search = Search::new(&setting.target, asked).unwrap();
    run(setting, search, pending(), |_| {}).await
}

/// A server of this many requests per second.
async fn origin(places: usize, capacity: u64) -> Origin {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let each = Duration::from_micros(places as u64 * 1_000_000 / capacity);
    Origin::start(listener, Pace::new(places, each, Duration::from_secs(60), Instant::now())).unwrap()
}

/// The most requests that came within one second, and within two.
async fn most_in_a_second(origin: &Origin, done: tokio::sync::oneshot::Receiver<()>) -> u64 {
    let mut done = done;
    let mut counts: Vec<(Instant, u64)> = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    while done.try_recv().is_err() {
        ticks.tick().await;
        counts.push((Instant::now(), origin.counts().asked));
    }
    let within = |(at, count): &(Instant, u64)| {
        let later = counts
            .iter()
            .filter(|(other, _)| *other >= *at && other.duration_since(*at) <= Duration::from_millis(1_000));
        later.map(|(_, other)| other - count).max().unwrap_or(0)
    };
    counts.iter().map(within).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn knee_of_a_server_with_a_known_capacity_is_found_and_the_bound_is_kept() {
    let (capacity, bound) = (150, 240);
    let origin = origin(3, capacity).await;
    let (finished, done) = tokio::sync::oneshot::channel();
    let setting = setting(target(origin.address(), "/work", bound));
    let tested = async {
        let test = test(setting, &Asked::default()).await.unwrap();
        let _ = finished.send(());
        test
    };
    let (test, most) = tokio::join!(tested, most_in_a_second(&origin, done));
    let knee = test.knee.unwrap();
    assert!((135_000..=165_000).contains(&knee.rate_milli) && knee.is_found(), "{test:#?}");
    assert!(most <= u64::from(bound), "{most} in a second");
    let failed: u64 = test.steps.iter().map(|step| step.failed).sum();
    assert_eq!(failed, 0, "{test:#?}");
    assert!(test.steps.iter().all(|step| step.asked_milli <= u64::from(bound) * 1_000));
    // Every request that was due was sent, except those that were given up with a step.
    let due: u64 = test.steps.iter().map(|step| step.due).sum();
    assert!(origin.counts().asked >= due * 8 / 10, "{} of {due}", origin.counts().asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rate_is_sent_as_asked_although_the_server_stands_still() {
    // One place of 400 ms: a client that waited for each answer would ask 2.5 times a second, and never see the queue.
    let origin = origin(1, 10).await;
    let asked = Asked { rates: Rates::Given(vec![8, 40]), step: Some(Duration::from_secs(3)) };
    let test = test(setting(target(origin.address(), "/work", 50)), &asked).await.unwrap();
    let [kept, beyond] = test.steps.as_slice() else { panic!("{test:#?}") };
    assert!(kept.kept_up && kept.due == 24 && kept.good == 24, "{kept:?}");
    assert!((99_000..150_000).contains(&kept.p50_us), "{kept:?}");
    assert!(!beyond.kept_up && beyond.max_us > 400_000, "{beyond:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_without_a_free_connection_wait_and_the_wait_counts() {
    let origin = origin(100, 1_000).await;
    let mut target = target(origin.address(), "/work", 50);
    // Each answer takes 100 ms: two connections carry 20 a second.
    target.allow.connections = 2;
    let asked = Asked { rates: Rates::Given(vec![15, 40]), step: Some(Duration::from_secs(3)) };
    let test = test(setting(target), &asked).await.unwrap();
    assert!(test.steps[0].kept_up && !test.steps[1].kept_up && test.steps[1].max_us > 300_000, "{test:#?}");
}

#[tokio::test]
async fn production_is_refused_by_its_address() {
    let origin = origin(1, 1_000).await;
    let address = origin.address();
    let by_name =
        LoadTarget { url: format!("http://localhost:{}/", address.port()), ..target(address, "/", 50) };
    let servers = Production {
        hosts: vec![Protected { host: address.to_string(), whose: "a server of pool auth".to_owned() }],
        listeners: Vec::new(),
    };
    let listener = Production {
        hosts: Vec::new(),
        listeners: vec![SocketAddr::new("0.0.0.0".parse().unwrap(), address.port())],
    };
    for production in [servers, listener] {
        let setting = Setting { production, ..setting(by_name.clone()) };
        let refused = test(setting, &Asked::default()).await.unwrap_err();
        assert!(matches!(refused, LoadError::Target(TargetError::Production { .. })), "{refused}");
    }
    assert_eq!(origin.counts().asked, 0);
}

#[tokio::test]
async fn target_without_a_good_answer_gets_one_request() {
    let nothing = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nothing.local_addr().unwrap();
    drop(nothing);
    let refused = test(setting(target(address, "/", 50)), &Asked::default()).await.unwrap_err();
    assert!(refused.to_string().contains("Connection refused"), "{refused}");
    let origin = origin(1, 1_000).await;
    let strict = LoadTarget { status: vec![204], ..target(origin.address(), "/", 50) };
    let refused = test(setting(strict), &Asked::default()).await.unwrap_err();
    assert!(refused.to_string().ends_with("does not answer well: status 200"), "{refused}");
    assert_eq!(origin.counts().asked, 1);
}

#[tokio::test]
async fn person_stops_a_test_and_keeps_its_result() {
    let origin = origin(10, 1_000).await;
    let setting = setting(target(origin.address(), "/", 100));
    let asked = Asked { rates: Rates::Given(vec![20; 20]), step: Some(Duration::from_secs(1)) };
    let search = Search::new(&setting.target, &asked).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut stop = Some(stop);
    let test = run(
        setting,
        search,
        async {
            let _ = stopped.await;
        },
        |_| {
            let _ = stop.take().map(|stop| stop.send(()));
        },
    );
    let test = test.await.unwrap();
    assert_eq!((test.ended, test.steps.len()), (LoadEnd::Stopped, 1));
    assert_eq!(test.knee.unwrap().rate_milli, 20_000);
}

#[tokio::test]
async fn request_is_sent_as_declared_and_names_the_tool() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let headers = BTreeMap::from([("x-team".to_owned(), TextOrSecret::Text("auth".to_owned()))]);
    let target = LoadTarget {
        method: "POST".to_owned(),
        body: Some("a=b".to_owned()),
        headers,
        ..target(address, "/login?x=1", 10)
    };
    let asked = Asked { rates: Rates::Given(vec![5]), step: Some(Duration::from_secs(1)) };
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"a=b") {
            stream.read_buf(&mut text).await.unwrap();
        }
        // A redirect is an answer, and is not followed. Then the server closes the connection.
        stream.write_all(b"HTTP/1.1 303 x\r\nlocation: /next\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(text).unwrap()
    };
    let (tested, text) = tokio::join!(test(setting(target), &asked), server);
    drop(listener);
    assert!(text.starts_with("POST /login?x=1 HTTP/1.1\r\n"), "{text}");
    for line in [format!("host: {address}"), "x-team: auth".to_owned(), "content-length: 3".to_owned()] {
        assert!(text.contains(&format!("{line}\r\n")), "{line}: {text}");
    }
    assert!(text.contains("user-agent: mainstay-load/") && text.contains("(load test staging)"), "{text}");
    assert_eq!(tested.unwrap().ended, LoadEnd::NoAnswer, "the server is gone");
}
