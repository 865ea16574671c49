//! Headroom end to end: a real edge before origins of a fixed rate, clients that do not wait, a recorded load test, and an HTTP
//! client that reads the scaling signal as an autoscaler does.

use crate::instance::{Instance, PATIENCE, SITE, until};
use edge::{Edge, Sharing, Terms};
use engine::Engine;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use testbed::flood::{ClientRange, Flood, Group, Settings, Step};
use testbed::origin::Origin;
use testbed::pace::Pace;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use types::load_test::{Knee, LoadEnd, LoadTest};
use types::{Actor, Event, EventKind, Input, Observation, Time};
use web::{WebSettings, WebState};

/// Each origin answers four requests at a time, each in 40 ms: 100 a second.
const KNEE: u64 = 100;
const TOKEN: &str = "a token of forty characters, more or less";

/// A load test that found the knee of one origin, as a person would have recorded it.
fn tested() -> Event {
    let test = LoadTest {
        target: "shop".to_owned(),
        service: Some("shop".into()),
        at: Time::now(),
        secs: 60,
        servers: 1,
        steps: Vec::new(),
        ended: LoadEnd::Complete,
        knee: Some(Knee {
            rate_milli: KNEE * 1_000,
            beyond_milli: Some(KNEE * 1_050),
            p99_doubles_milli: None,
            p50_us: 40_000,
        }),
    };
    Event { seq: 1, at: Time::now(), kind: EventKind::LoadTested { test, by: Actor::mainstay() } }
}

/// Clients that ask at this rate, whether or not they are answered.
fn clients(target: SocketAddr, rate: f64) -> Flood {
    let from = ClientRange { first: Ipv4Addr::new(127, 44, 0, 0), subnets: 50, count: 2_000 };
    let group = Group::new("clients", false, vec![from], vec![Step::get("/work")]);
    let settings = Settings {
        target,
        host: "shop.test".to_owned(),
        deadline: Duration::from_secs(4),
        groups: vec![group],
        seed: 7,
    };
    let flood = Flood::start(settings).unwrap();
    flood.phase("load", &[rate]);
    flood
}

/// Origins, an edge before them, the engine that gets its roll-ups, and the web server.
struct Setup {
    origins: Vec<Origin>,
    edge: Edge,
    engine: Engine,
    site: Arc<WebState>,
    base: String,
    client: reqwest::Client,
    _stop: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl Setup {
    async fn start() -> Self {
        let mut origins = Vec::new();
        for _ in 0..2 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let pace = Pace::new(4, Duration::from_millis(40), Duration::from_secs(5), Instant::now());
            origins.push(Origin::start(listener, pace).unwrap());
        }
        let servers: Vec<String> = origins.iter().map(|origin| format!("\"{}\"", origin.address())).collect();
        let text = format!(
            "[site]\nname = \"Acme\"\n[edge]\nlisten = [\"127.0.0.1:0\"]\nthreads = 1\n[service.shop]\nhosts = [\"shop.test\"]\n\
             traffic = {{ pool = \"shop\" }}\n[pool.shop]\nservers = [{}]\nmin_healthy = 2\n",
            servers.join(", ")
        );
        let config = config::read(&text, "mainstay.toml", std::path::Path::new(".")).unwrap().config;
        let mut engine = Engine::new(Arc::new(config));
        engine.apply(&tested());
        let key = tokens::Key::new([7; 32]);
        let terms = Terms { policy: engine.policy(), tokens: BTreeMap::new() };
        let edge = Edge::start_sharing(&terms, key.clone(), Sharing::Refused).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let settings = WebSettings {
            name: "Acme".to_owned(),
            url: base.clone(),
            key,
            api_token: "another token of forty characters or so".into(),
            data: folder.path().to_owned(),
        };
        let site = Arc::new(WebState::new(settings, mpsc::channel(1).0).with_read_token(TOKEN.into()));
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(web::serve(listener, Arc::clone(&site), stopped));
        // Only HTTP is used, but the client needs a provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { origins, edge, engine, site, base, client, _stop: stop, _folder: folder }
    }

    /// What the event loop does in a second, `count` times.
    async fn seconds(&mut self, count: u64) {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.tick().await;
        for _ in 0..count {
            ticks.tick().await;
            let input = Input::Observation(Observation::Rollup(self.edge.roll_up()));
            self.engine.observe(Time::now(), &input).unwrap();
            self.site.show_traffic(self.engine.traffic().map(Arc::new));
        }
        self.site.publish(Arc::new(self.engine.views()));
    }

    fn clients(&self, rate: f64) -> Flood {
        let (address, _) = self.edge.listening().into_iter().next().unwrap();
        clients(address, rate)
    }

    /// Requests that the origins have worked off.
    fn worked(&self) -> u64 {
        self.origins.iter().map(|origin| origin.counts().worked).sum()
    }

    /// Status and body, with the read-only token.
    async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.client.get(format!("{}{path}", self.base)).bearer_auth(TOKEN).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn signal(&self) -> Value {
        let (status, signal) = self.get("/api/v1/scaling/shop").await;
        assert_eq!(status, 200, "{signal}");
        signal
    }

    async fn pool(&self) -> Value {
        self.get("/api/v1/headroom").await.1["resources"][0].clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headroom_of_a_known_knee_is_within_a_tenth_and_an_autoscaler_reads_the_signal() {
    let mut setup = Setup::start().await;
    assert_eq!(setup.get("/api/v1/scaling/shop").await.0, 503, "nothing was reported yet");

    // A quiet pool: nothing is low, and no server is taken away.
    setup.seconds(12).await;
    let (signal, pool) = (setup.signal().await, setup.pool().await);
    assert_eq!(
        (&signal["desired_servers"], &signal["is_restricted"]),
        (&2.into(), &false.into()),
        "{signal}"
    );
    assert_eq!((&pool["is_low"], &pool["unknown"]), (&false.into(), &Value::Null), "{pool}");

    // 124 of 200 requests a second: 62 %.
    let flood = setup.clients(124.0);
    setup.seconds(2).await;
    let (before, since) = (setup.worked(), Instant::now());
    setup.seconds(30).await;
    let truth = (setup.worked() - before) as f64 / since.elapsed().as_secs_f64() / (2.0 * KNEE as f64);
    let (signal, pool) = (setup.signal().await, setup.pool().await);
    let within = |value: &Value| {
        let value = value.as_f64().unwrap();
        assert!((value / truth - 1.0).abs() <= 0.1, "{value} instead of {truth}: {signal} {pool}");
    };
    assert!((truth / 0.62 - 1.0).abs() < 0.1, "{truth}");
    within(&signal["utilization_ratio"]);
    within(&pool["utilization"]["day"]);
    assert_eq!(signal["desired_servers"], 2, "124 of 70 each");
    assert_eq!(pool["is_low"], false, "{pool}");
    let metric = "/apis/external.metrics.k8s.io/v1beta1/namespaces/x/mainstay_pool_desired_servers?labelSelector=pool%3Dshop";
    assert_eq!(setup.get(metric).await.1["items"][0]["value"], "2");
    drop(flood.end());

    // Half as much again as the origins can do: what is asked counts, at most twice the servers are wanted.
    let flood = setup.clients(300.0);
    setup.seconds(30).await;
    let (signal, pool) = (setup.signal().await, setup.pool().await);
    assert_eq!((&signal["desired_servers"], &signal["is_restricted"]), (&4.into(), &true.into()), "{signal}");
    let demand = signal["demand_per_second"].as_f64().unwrap();
    assert!((250.0..=330.0).contains(&demand), "{signal}");
    assert_eq!(pool["is_low"], true, "{pool}");
    drop(flood);
}

/// The running program stores what servers get, and knows the peak again after a restart. Without a load test the knee stays
/// unknown, which is said.
#[test]
fn stored_peak_is_known_after_a_restart() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let origin = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pace = Pace::new(50, Duration::from_millis(10), Duration::from_secs(5), Instant::now());
        Origin::start(listener, pace).unwrap()
    });
    let edge = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!(
        "{SITE}[edge]\nlisten = [\"{edge}\"]\nthreads = 1\n[service.shop]\nhosts = [\"shop.test\"]\ntraffic = {{ pool = \"shop\" }}\n\
         [pool.shop]\nservers = [\"{}\"]\n[person.ana]\ncontacts = [\"hook:ana\"]\n[channel.hook]\nwebhook = \"http://127.0.0.1:9/\"\n",
        origin.address()
    );
    let mut instance = Instance::with(&text);
    instance.start();
    let peak = |instance: &Instance| {
        let found = instance.json(&["headroom"]);
        found["resources"][0]["peaks"]["day"].as_f64().filter(|peak| *peak > 1.0)
    };
    let flood = clients(edge, 40.0);
    // Half a minute that is aligned to the minute is full after a minute at the latest.
    let since = Instant::now();
    let live = until("a peak", || peak(&instance));
    until("a stored half minute", || (since.elapsed() > Duration::from_secs(65)).then_some(()));
    drop(flood.end());
    assert_eq!(instance.terminate(), Some(0));
    instance.start();
    let stored = until("the stored peak", || peak(&instance));
    assert!((30.0..=45.0).contains(&stored) && live > 1.0, "{stored} {live}");
    let output = instance.command(&["headroom"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("pool.shop") && said.contains("there is no load test"), "{said}");
    assert_eq!(output.status.code(), Some(0), "unknown is not low");
}
