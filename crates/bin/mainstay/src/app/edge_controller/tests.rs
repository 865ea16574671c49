//! Tests of the edge controller with a real edge and a real server on loopback.

use super::*;
use prometheus_client::collector::Collector;
use prometheus_client::registry::Registry;
use secrecy::ExposeSecret as _;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;

fn config(more: &str) -> Arc<Config> {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in server.incoming().flatten() {
            let _ = stream.read(&mut [0; 4_096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        }
    });
    let text = format!(
        r#"
        [edge]
        listen = ["127.0.0.1:0"]
        threads = 1
        [service.shop]
        hosts = ["shop.test"]
        [service.shop.traffic]
        pool = "shop"
        [pool.shop]
        servers = ["{address}"]
        {more}
        "#
    );
    Arc::new(::config::read(&text, "test", Path::new(".")).unwrap().config)
}

fn policy(config: &Arc<Config>) -> Policy {
    Policy {
        config: config.clone(),
        denials: BTreeMap::new(),
        valves: BTreeMap::new(),
        initial_concurrency: BTreeMap::new(),
    }
}

fn request(controller: &EdgeController) -> String {
    let mut stream = TcpStream::connect(controller.listening()[0].0).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_serves_on_when_event_loop_ended_or_is_stalled() {
    let policy = policy(&config(""));
    let controller =
        Arc::new(EdgeController::open(&policy, Key::new([7; 32]), None, Sharing::Refused).unwrap());
    let (policies_in, policies) = watch::channel(Arc::new(policy));
    let (rollups_in, mut rollups) = mpsc::channel(1);
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(controller.clone().run(policies, rollups_in, stopped));
    // An event loop that panics drops all its channels together, as this thread does.
    let event_loop = std::thread::spawn(move || {
        let _policies = policies_in;
        let _first = rollups.blocking_recv();
        panic!("on purpose");
    });
    assert!(event_loop.join().is_err());
    let asked = controller.clone();
    let status = tokio::task::spawn_blocking(move || request(&asked)).await.unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(!running.is_finished(), "roll-ups go on");
    stop.send_replace(true);
    running.await.unwrap();
    tokio::task::spawn_blocking(move || controller.close(Duration::ZERO)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn denial_without_disk_is_in_force_and_saved_later() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("unplugged");
    let first = policy(&config(""));
    let controller = Arc::new(
        EdgeController::open(&first, Key::new([7; 32]), Some(data.clone()), Sharing::Refused).unwrap(),
    );
    let (policies_in, policies) = watch::channel(Arc::new(first.clone()));
    let (rollups_in, _rollups) = mpsc::channel(1);
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(controller.clone().run(policies, rollups_in, stopped));
    let denial = types::Denial {
        id: types::DenialId(1),
        what: "127.0.0.1".parse().unwrap(),
        service: None,
        from: "2026-11-22T04:16:09Z".parse().unwrap(),
        until: "2999-11-22T04:16:09Z".parse().unwrap(),
        by: "ana".to_owned(),
    };
    let denials = BTreeMap::from([(denial.id, denial)]);
    policies_in.send_replace(Arc::new(Policy { denials: denials.clone(), ..first }));
    let by = tokio::time::Instant::now() + Duration::from_secs(20);
    let late = || assert!(tokio::time::Instant::now() < by, "the denial has no effect within 20 s");
    while !request(&controller).starts_with("HTTP/1.1 403 ") {
        late();
        tokio::task::yield_now().await;
    }
    std::fs::create_dir(&data).unwrap();
    while saved_policy::denials(&data).unwrap() != denials {
        late();
        tokio::task::yield_now().await;
    }
    stop.send_replace(true);
    running.await.unwrap();
    tokio::task::spawn_blocking(move || controller.close(Duration::ZERO)).await.unwrap();
}

#[derive(Debug)]
struct Metrics(Arc<EdgeController>);

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        web::Edge::metrics(&*self.0, &mut encoder)
    }
}

fn metrics(controller: &Arc<EdgeController>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics(Arc::clone(controller))));
    let mut text = String::new();
    prometheus_client::encoding::text::encode_registry(&mut text, &registry).unwrap();
    text
}

#[tokio::test]
async fn config_without_edge_closes_it_and_config_with_edge_opens_it() {
    let with = policy(&config(""));
    let without =
        Policy { config: Arc::new(Config { edge: None, ..(*with.config).clone() }), ..with.clone() };
    let controller = EdgeController::open(&without, Key::new([7; 32]), None, Sharing::Refused).unwrap();
    let controller = Arc::new(controller);
    assert_eq!(controller.listening(), []);
    assert_eq!(metrics(&controller), "");
    controller.apply(&with);
    assert_eq!(controller.listening().len(), 1);
    assert!(metrics(&controller).contains("mainstay_edge_connections"));
    controller.apply(&without);
    assert_eq!(controller.listening(), []);
    assert_eq!(*controller.problem().borrow(), None);
}

#[tokio::test]
async fn address_or_token_that_fails_is_reported_and_the_rest_applies() {
    let first = policy(&config(""));
    let controller = EdgeController::open(&first, Key::new([7; 32]), None, Sharing::Refused).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _holds = TcpListener::bind(taken).unwrap();
    let mut edge = first.config.edge.clone().unwrap();
    edge.listen.push(taken);
    let config = Config { edge: Some(edge), ..(*first.config).clone() };
    controller.apply(&policy(&Arc::new(config)));
    let problem = controller.problem().borrow().clone().unwrap();
    assert!(problem.contains(&taken.to_string()), "{problem}");
    controller.apply(&first);
    assert_eq!(*controller.problem().borrow(), None);

    let caller = "[caller.web]\ntoken = \"env:NO_SUCH_VARIABLE_OF_OURS\"";
    let missing = policy(&self::config(caller));
    controller.apply(&missing);
    let problem = controller.problem().borrow().clone().unwrap();
    assert!(problem.contains("caller `web`") && problem.contains("NO_SUCH_VARIABLE_OF_OURS"), "{problem}");
    assert_eq!(controller.listening().len(), 1);
    // A replaced secret is read after `reload_tokens`.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "first").unwrap();
    let caller = format!("[caller.web]\ntoken = \"file:{}\"", file.path().display());
    controller.apply(&policy(&self::config(&caller)));
    let known = || {
        let applied = controller.applied.lock().unwrap();
        applied.tokens.values().next().map(|token| token.expose_secret().to_owned())
    };
    assert_eq!(known().as_deref(), Some("first"));
    std::fs::write(file.path(), "second").unwrap();
    controller.reload_tokens();
    assert_eq!((known().as_deref(), controller.problem().borrow().clone()), (Some("second"), None));

    let refused =
        EdgeController::open(&missing, Key::new([7; 32]), None, Sharing::Refused).unwrap_err().to_string();
    assert!(refused.contains("NO_SUCH_VARIABLE_OF_OURS"), "{refused}");
}
