//! Pools behind other load balancers: a real HAProxy by its page, its runtime socket and its metrics, and hostile answers.

use crate::config::bare;
use prober::Prober;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use testkit::config::probe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinHandle;
use types::config::{
    Balancer, BalancerAddress, BalancerKind, Config, ExternalPool, Probe, ProbeKind, SecretRef, Series,
};
use types::pool::{MemberState, PoolSeen};
use types::{Answer, Fault, PoolId, Resource};

/// A server that answers everything with the same bytes, until it is dropped.
struct Origin {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn origin(answer: &'static [u8], endless: bool) -> Origin {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 2_048];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer).await;
                while endless && stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
            });
        }
    });
    Origin { address, task }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/// HAProxy before three servers and a backup, with a page of statistics, one behind a login, metrics, and a socket.
struct Haproxy {
    process: Child,
    folder: TempDir,
    client: u16,
    stats: u16,
    locked: u16,
    servers: Vec<Option<Origin>>,
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Haproxy {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut servers = Vec::new();
        for _ in 0..4 {
            servers.push(Some(origin(OK, false).await));
        }
        let (client, stats, locked) = (free_port(), free_port(), free_port());
        let lines: String = servers
            .iter()
            .flatten()
            .zip(["api-01", "api-02", "api-03", "spare"])
            .map(|(server, name)| {
                let backup = if name == "spare" { " backup" } else { "" };
                format!("  server {name} {} check{backup}\n", server.address)
            })
            .collect();
        let socket = folder.path().join("haproxy.sock");
        let text = format!(
            "global\n  stats socket {} mode 600 level admin\n\
             defaults\n  mode http\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\n\
             frontend front\n  bind 127.0.0.1:{client}\n  default_backend api\n\
             backend api\n  option httpchk GET /\n  default-server inter 100ms fall 2 rise 2 maxconn 50\n{lines}\
             backend other\n  server only 127.0.0.1:1\n\
             listen stats\n  bind 127.0.0.1:{stats}\n  http-request use-service prometheus-exporter if {{ path /metrics }}\n  \
             stats enable\n  stats uri /stats\n\
             listen locked\n  bind 127.0.0.1:{locked}\n  stats enable\n  stats uri /stats\n  stats auth mainstay:p@ss\n",
            socket.display()
        );
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, text).unwrap();
        let process = Command::new("haproxy")
            .arg("-f")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("haproxy is not installed (cargo xtask ci)");
        let haproxy = Self { process, folder, client, stats, locked, servers };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", stats)).await.is_err() {
            assert!(Instant::now() < deadline, "haproxy does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        haproxy
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("haproxy.sock")
    }

    async fn command(&self, command: &str) {
        let mut stream = UnixStream::connect(self.socket()).await.unwrap();
        stream.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.trim(), "", "{command}");
    }

    async fn request(&self) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.client)).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
}

fn url(port: u16, path: &str) -> BalancerAddress {
    BalancerAddress::Url(format!("http://127.0.0.1:{port}{path}"))
}

fn pool(kind: BalancerKind, at: BalancerAddress) -> ExternalPool {
    ExternalPool {
        id: PoolId::from("api"),
        balancer: Balancer { kind, at, token: None, login: None, ca_file: None, series: None },
        backend: None,
        members: Default::default(),
        min_healthy: None,
    }
}

fn config(pool: ExternalPool) -> (Config, Probe) {
    let mut config = bare();
    config.external_pools.insert(pool.id.clone(), pool);
    (config, probe(Resource::pool("api"), ProbeKind::Pool { name: "api".into() }))
}

/// One look.
async fn look(pool: &ExternalPool) -> Answer {
    let (config, probe) = config(pool.clone());
    Prober::new(&config).unwrap().run(&probe).await.answer
}

async fn seen(pool: &ExternalPool) -> PoolSeen {
    match look(pool).await {
        Answer::Pool(seen) => *seen,
        other => panic!("{other:?}"),
    }
}

/// Why a pool cannot be seen.
async fn unseen(pool: &ExternalPool) -> String {
    match look(pool).await {
        Answer::Failed(Fault::PoolUnseen { why }) => why,
        other => panic!("{other:?}"),
    }
}

fn states(seen: &PoolSeen) -> BTreeMap<&str, MemberState> {
    seen.members.iter().map(|member| (member.name.as_str(), member.state)).collect()
}

/// Looks until the states are these.
async fn until(pool: &ExternalPool, wanted: &[(&str, MemberState)]) -> PoolSeen {
    let deadline = Instant::now() + Duration::from_secs(30);
    let wanted: BTreeMap<&str, MemberState> = wanted.iter().copied().collect();
    loop {
        let seen = seen(pool).await;
        if states(&seen) == wanted {
            return seen;
        }
        assert!(Instant::now() < deadline, "{seen:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_says_who_serves_by_page_and_by_socket() {
    use MemberState::{Down, Draining, Maintenance, Serving};
    let mut haproxy = Haproxy::start().await;
    let page = pool(BalancerKind::Haproxy, url(haproxy.stats, "/stats;csv"));
    let socket = pool(BalancerKind::Haproxy, BalancerAddress::Socket(haproxy.socket()));
    let all = [("api-01", Serving), ("api-02", Serving), ("api-03", Serving), ("spare", Serving)];
    let first = until(&page, &all).await;
    assert_eq!(first.members.iter().filter(|member| member.backup).count(), 1);
    assert_eq!(first.members[0].limit, Some(50));
    for _ in 0..6 {
        haproxy.request().await;
    }
    let worked = seen(&socket).await;
    let work: Vec<u64> = worked.members.iter().map(|member| member.work.unwrap_or_default()).collect();
    assert_eq!(work, [2, 2, 2, 0]);

    haproxy.command("set server api/api-01 state maint").await;
    haproxy.command("set server api/api-02 state drain").await;
    drop(haproxy.servers[2].take());
    let wanted = [("api-01", Maintenance), ("api-02", Draining), ("api-03", Down), ("spare", Serving)];
    for way in [&page, &socket] {
        let left = until(way, &wanted).await;
        let dead = &left.members[2];
        let why = dead.why.as_deref().unwrap();
        assert!(why.starts_with("Layer4 connection problem: Connection refused"), "{why}");
        let age = types::time::between(dead.since.unwrap(), left.at);
        assert!(age < Duration::from_secs(20), "{age:?}");
    }
    haproxy.request().await;
    assert_eq!(seen(&socket).await.members[3].work, Some(1), "the backup answers");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_of_haproxy_are_members_as_well() {
    let haproxy = Haproxy::start().await;
    let mut metrics = pool(BalancerKind::Prometheus, url(haproxy.stats, "/metrics"));
    metrics.balancer.series = Some(Series {
        metric: "haproxy_server_status".into(),
        labels: BTreeMap::from(
            [("proxy", "api"), ("state", "UP")].map(|(a, b)| (a.to_owned(), b.to_owned())),
        ),
        member_label: None,
    });
    metrics.members = ["api-01", "api-02", "api-09"].map(str::to_owned).into();
    haproxy.command("set server api/api-02 state maint").await;
    let wanted =
        [("api-01", MemberState::Serving), ("api-02", MemberState::Down), ("api-09", MemberState::Absent)];
    until(&metrics, &wanted).await;
}

#[test]
fn missing_ca_file_names_its_pool() {
    let mut pool = pool(BalancerKind::Envoy, url(1, ""));
    pool.balancer.ca_file = Some("/nonexistent/ca.pem".into());
    let error = Prober::new(&config(pool).0).unwrap_err().to_string();
    assert!(error.starts_with("the load balancer of pool.api cannot be asked: the CA file"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_answered_with_the_next_step() {
    let haproxy = Haproxy::start().await;
    let haproxy_at = |port, path| pool(BalancerKind::Haproxy, url(port, path));
    for (asked, words) in [
        (haproxy_at(haproxy.stats, "/stats"), "web page instead of CSV: add `;csv`"),
        (haproxy_at(haproxy.stats, "/other;csv"), "answers with status 503"),
        (haproxy_at(haproxy.locked, "/stats;csv"), "status 401: it wants a login: add login"),
        (
            ExternalPool { backend: Some("web".into()), ..haproxy_at(haproxy.stats, "/stats;csv") },
            "has no pool `web`; it has api, locked, other, stats: set `backend`",
        ),
        (
            pool(BalancerKind::Haproxy, BalancerAddress::Socket(haproxy.folder.path().join("none.sock"))),
            "does not exist; add it to the global section",
        ),
        (pool(BalancerKind::Envoy, url(haproxy.stats, "/stats;csv")), "something else than JSON"),
    ] {
        let why = unseen(&asked).await;
        assert!(why.contains(words), "{why}");
    }
    let file = haproxy.folder.path().join("login");
    std::fs::write(&file, "mainstay:p@ss\n").unwrap();
    let mut locked = haproxy_at(haproxy.locked, "/stats;csv");
    locked.balancer.login = Some(SecretRef::File(file.clone()));
    assert_eq!(seen(&locked).await.members.len(), 4);
    std::fs::write(&file, "mainstay:wrong\n").unwrap();
    assert!(unseen(&locked).await.contains("it refuses the login: check the secret"));
    std::fs::remove_file(&file).unwrap();
    let (config, _) = config(locked);
    let error = Prober::new(&config).unwrap_err().to_string();
    assert!(error.starts_with("the load balancer of pool.api cannot be asked:"), "{error}");
    // While it restarts nothing is known, which is not the same as an empty pool.
    let stats = haproxy.stats;
    drop(haproxy);
    assert_eq!(
        look(&pool(BalancerKind::Haproxy, url(stats, "/stats;csv"))).await,
        Answer::Failed(Fault::Refused)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_answers_end_within_bounds() {
    const ENDLESS: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n# pxname,svname,status\n";
    const MOVED: &[u8] = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    const FORBIDDEN: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    const GARBAGE: &[u8] = b"\x00\xff\x13\x37\r\n\r\n";
    const ESCAPES: &[u8] =
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n# pxname,svname,status\napi,a\x1b[2J,UP\n";
    for (answer, endless, words) in [
        (ENDLESS, true, "sends more than the 8 MiB"),
        (MOVED, false, "status 302: it redirects"),
        (FORBIDDEN, false, "status 403: it denies this page"),
    ] {
        let origin = origin(answer, endless).await;
        let why = unseen(&pool(BalancerKind::Haproxy, url(origin.address.port(), "/stats;csv"))).await;
        assert!(why.contains(words), "{why}");
    }
    let garbage = origin(GARBAGE, false).await;
    let answer = look(&pool(BalancerKind::Envoy, url(garbage.address.port(), ""))).await;
    assert!(matches!(answer, Answer::Failed(_)), "{answer:?}");
    let escapes = origin(ESCAPES, false).await;
    let name =
        seen(&pool(BalancerKind::Haproxy, url(escapes.address.port(), "/"))).await.members[0].name.clone();
    assert!(!name.contains('\x1b'), "{name:?}");

    // It accepts and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let asked = pool(BalancerKind::Traefik, url(silent.local_addr().unwrap().port(), ""));
    let (config, probe) = config(asked);
    let probe = Probe { timeout: Duration::from_millis(300), ..probe };
    let began = Instant::now();
    let answer = Prober::new(&config).unwrap().run(&probe).await.answer;
    assert!(matches!(answer, Answer::Failed(Fault::TimedOut { .. })), "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(2));
}
