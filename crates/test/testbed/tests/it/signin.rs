//! The second phase of the surge: traffic is normal again, and sign-in still fails.

use super::flood::{range, settings};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testbed::flood::{Flood, Group, Step};
use testbed::signin::{Api, ApiSettings, FrontEnd, FrontSettings};
use testbed::web;
use tokio::net::TcpListener;
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_flood_the_limits_keep_each_other_dead_until_something_is_fixed() {
    let bind = || async { TcpListener::bind("127.0.0.1:0").await.unwrap() };
    let api = Api::start(bind().await, ApiSettings::default()).unwrap();
    let from = Ipv4Addr::new(127, 84, 0, 1);
    let front = FrontEnd::start(bind().await, FrontSettings::new(api.address(), "api.test", from)).unwrap();

    let steps = || vec![Step::get("/login"), Step::post("/login", "user=ana&password=x")];
    let people =
        |name: &str, recognized, second| Group::new(name, recognized, range(second, 20, 200), steps());
    let bots =
        Group::new("flood", false, range(87, 3, 700), vec![Step::post("/login", "user=bot&password=x")]);
    let groups = vec![people("recognized", true, 85), people("first", false, 86), bots];
    let flood = Flood::start(settings(front.address(), groups)).unwrap();

    let normal = [10.0, 10.0];
    flood.phase("before", &[normal[0], normal[1], 0.0]);
    sleep(Duration::from_secs(4)).await;
    flood.phase("flood", &[normal[0], normal[1], 2_000.0]);
    sleep(Duration::from_secs(4)).await;
    flood.phase("after", &[normal[0], normal[1], 0.0]);
    // What waited in line when the flood ended is gone after six seconds; what follows is the fight alone.
    sleep(Duration::from_secs(6)).await;
    let (served, held_back) = (api.counts(), front.counts().held_back);
    flood.phase("normal, and dead", &[normal[0], normal[1], 0.0]);
    sleep(Duration::from_secs(20)).await;
    let fighting = flood.report();
    let limited = api.counts().limited - served.limited;
    assert!(limited > 200, "the API goes on refusing its own front end: {limited}");
    assert!(front.counts().held_back > held_back, "and the front end refuses people by itself");

    // The fix: the header that names the client is copied, or, without an edge that writes it, the limit is removed.
    api.lift_limit();
    flood.phase("fixed", &[normal[0], normal[1], 0.0]);
    sleep(Duration::from_secs(12)).await;
    let report = flood.end();

    let share = |report: &testbed::flood::Report, phase: &str| {
        let phase = report.phase(phase).unwrap();
        let of = |name| phase.group(name).unwrap().share();
        of("recognized").min(of("first"))
    };
    assert!(share(&report, "before") > 0.95, "{:?}", report.phase("before"));
    let dead = fighting.phase("normal, and dead").unwrap();
    assert!(dead.visits() >= 390 && dead.good() == 0, "{dead:?}");
    assert!(report.back_to(0.9, "fixed").is_some_and(|secs| secs < 10.0), "{:?}", report.phase("fixed"));
}

#[tokio::test]
async fn front_end_copies_the_client_header_only_when_configured() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let of = Arc::clone(&seen);
    let handler = web::handler(move |parts, _| {
        let text = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        of.lock().unwrap().push([
            text("traceparent"),
            text("mainstay-client"),
            text("mainstay-caller"),
            text("host"),
        ]);
        async { web::answer(hyper::StatusCode::OK, "application/json", "{}") }
    });
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings =
        FrontSettings::new(socket.local_addr().unwrap(), "api.test", Ipv4Addr::new(127, 84, 0, 2));
    settings.token = Some("secret".to_owned());
    let _api = web::Server::start(socket, None, handler);
    let front = FrontEnd::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), settings).unwrap();
    for passes in [false, true] {
        front.forward_client(passes);
        let request = hyper::Request::post("/login")
            .header("host", "signin.test")
            .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            .header("mainstay-client", "signed")
            .body(web::empty())
            .unwrap();
        let (status, _) = web::send(front.address(), None, request, Duration::from_secs(10)).await.unwrap();
        assert_eq!(status, hyper::StatusCode::OK);
    }
    let trace = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    let words = |client: Option<&str>| {
        [trace.clone(), client.map(str::to_owned), Some("secret".to_owned()), Some("api.test".to_owned())]
    };
    assert_eq!(*seen.lock().unwrap(), [words(None), words(Some("signed"))]);
}
