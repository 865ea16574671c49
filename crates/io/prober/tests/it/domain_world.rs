//! Registries on loopback: a plain web server and a plain WHOIS server that say what a test wants.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What a server does with a request for a path, or with a line.
pub(crate) type Behave = Arc<dyn Fn(&str) -> Says + Send + Sync>;

/// What a server says.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    /// These bytes, then the end.
    Whole(Vec<u8>),
    /// These bytes, then this number of others, as fast as they are taken.
    Flood(Vec<u8>, u64),
    /// These bytes, then one more every now and then, for ever.
    Drip(Vec<u8>),
    /// Nothing at all.
    Nothing,
}

/// A server at work until it is dropped.
pub(crate) struct Server {
    /// Host and port.
    pub(crate) at: String,
    asked: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl Server {
    /// Everything asked so far, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A web server: paths in, whole HTTP responses out.
pub(crate) async fn web(behave: Behave) -> Server {
    serve("127.0.0.1:0", behave, true).await
}

/// A WHOIS server: lines in, texts out.
pub(crate) async fn whois(behave: Behave) -> Server {
    serve("127.0.0.1:0", behave, false).await
}

async fn serve(place: &str, behave: Behave, http: bool) -> Server {
    let listener = TcpListener::bind(place).await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let mut task = JoinSet::new();
    let requests = Arc::clone(&asked);
    task.spawn(async move {
        let mut open = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.spawn(answer(stream, Arc::clone(&behave), Arc::clone(&requests), http));
        }
    });
    Server { at, asked, _task: task }
}

async fn answer(stream: TcpStream, behave: Behave, requests: Arc<Mutex<Vec<String>>>, http: bool) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    if stream.read_line(&mut line).await.is_err() {
        return;
    }
    let asked = if http { line.split(' ').nth(1).unwrap_or_default().to_owned() } else { line.clone() };
    if http {
        let mut header = String::new();
        while stream.read_line(&mut header).await.is_ok_and(|read| read > 2) {
            header.clear();
        }
    }
    requests.lock().unwrap().push(asked.clone());
    match behave(&asked) {
        Says::Whole(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Says::Flood(bytes, mut more) => {
            let chunk = vec![b' '; 64 * 1024];
            let _ = stream.write_all(&bytes).await;
            while more > 0 && stream.write_all(&chunk).await.is_ok() {
                more = more.saturating_sub(chunk.len() as u64);
            }
        }
        Says::Drip(bytes) => {
            let _ = stream.write_all(&bytes).await;
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        }
        Says::Nothing => std::future::pending::<()>().await,
    }
}

/// A whole HTTP response.
pub(crate) fn response(status: &str, headers: &str, body: &[u8]) -> Says {
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}Connection: close\r\n\r\n", body.len());
    Says::Whole([head.as_bytes(), body].concat())
}

/// A fixture, with the lab's address in it replaced by `at`.
pub(crate) fn fixture(name: &str, at: &str) -> Vec<u8> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rdap/responses");
    let text = std::fs::read_to_string(root.join(name)).unwrap();
    text.replace("127.0.0.1:18600", at).into_bytes()
}

/// A registry and registrar in one, as the fixtures have them: `/registry/domain/NAME`, `/registrar/domain/NAME`.
pub(crate) async fn registry() -> Server {
    let at: Arc<Mutex<String>> = Arc::default();
    let known = Arc::clone(&at);
    let server = web(Arc::new(move |path| {
        let file = path.trim_start_matches('/').replace("/domain/", "/") + ".json";
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rdap/responses");
        let at = known.lock().unwrap().clone();
        if root.join(&file).is_file() {
            response("200 OK", "Content-Type: application/rdap+json\r\n", &fixture(&file, &at))
        } else {
            response(
                "404 Not Found",
                "Content-Type: application/rdap+json\r\n",
                &fixture("error404.json", &at),
            )
        }
    }))
    .await;
    at.lock().unwrap().clone_from(&server.at);
    server
}
