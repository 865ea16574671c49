//! What an `http` probe sends: method, headers, body, authentication, a client's certificate; and what it expects.

use crate::certs::{self, Authority};
use crate::{config, server};
use prober::Prober;
use rustls::server::WebPkiClientVerifier;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use types::config::{
    CertificateFiles, Config, Expect, HttpRequest, ProbeKind, Scalar, SecretRef, TextOrSecret,
};
use types::probe_result::{Answer, HttpSeen, ProbeResult};

/// Requests as servers got them, each with its head and body.
type Log = Arc<Mutex<Vec<String>>>;

async fn ask(config: &Config, url: &str, request: HttpRequest, expect: Expect) -> ProbeResult {
    let kind = ProbeKind::Http { url: url.to_owned(), request: Box::new(request), expect };
    let probe = config::probe("http", kind);
    let config = Config { probes: [(probe.id.clone(), probe.clone())].into(), ..config.clone() };
    Prober::new(&config).unwrap().run(&probe).await
}

fn seen(sample: ProbeResult) -> HttpSeen {
    match sample.answer {
        Answer::Http(seen) => seen,
        other => panic!("{other:?}"),
    }
}

fn text(text: &str) -> TextOrSecret {
    TextOrSecret::Text(text.to_owned())
}

/// A file that holds a secret.
fn secret(folder: &tempfile::TempDir, name: &str, value: &str) -> SecretRef {
    let path = folder.path().join(name);
    std::fs::write(&path, value).unwrap();
    SecretRef::File(path)
}

async fn whole_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut request = Vec::new();
    let mut bytes = [0; 1024];
    loop {
        let head = String::from_utf8_lossy(&request).into_owned();
        if let Some((fields, body)) = head.split_once("\r\n\r\n") {
            let length = fields.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(head);
            }
        }
        match stream.read(&mut bytes).await {
            Ok(read) if read > 0 => request.extend_from_slice(&bytes[..read]),
            _ => return None,
        }
    }
}

/// Notes each request and answers by its path.
async fn noting(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> (SocketAddr, Log) {
    let (log, answer) = (Log::default(), Arc::new(answer));
    let noted = Arc::clone(&log);
    let address = server::listen(move |mut stream| {
        let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
        async move {
            let Some(request) = whole_request(&mut stream).await else { return };
            let path = request.split_whitespace().nth(1).unwrap_or("/").to_owned();
            noted.lock().unwrap().push(request);
            let _ = stream.write_all(&answer(&path)).await;
        }
    })
    .await;
    (address, log)
}

fn noted(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap())
}

#[tokio::test]
async fn method_headers_and_body_are_sent_as_declared() {
    let folder = tempfile::tempdir().unwrap();
    let (address, log) = noting(|_| server::ok("well")).await;
    let request = HttpRequest {
        method: "POST".to_owned(),
        headers: [
            ("x-api-key".to_owned(), TextOrSecret::Secret(secret(&folder, "key", "s3cret\n"))),
            ("user-agent".to_owned(), text("checker/1")),
            ("host".to_owned(), text("shop.acme.com")),
        ]
        .into(),
        body: Some(text("{\"ping\":1}")),
        bearer: Some(secret(&folder, "token", "t0ken")),
        ..HttpRequest::default()
    };
    let url = format!("http://{address}/health?deep=1");
    let result = ask(&config::bare(), &url, request, Expect::default()).await;
    assert!(!format!("{result:?}").contains("s3cret"));
    assert_eq!(seen(result).status, 200);
    let version = env!("CARGO_PKG_VERSION");
    assert!(!noted_contains(&log, version));
    assert_eq!(
        noted(&log),
        [concat!(
            "POST /health?deep=1 HTTP/1.1\r\nHost: shop.acme.com\r\nAccept: */*\r\nAccept-Encoding: identity\r\n",
            "User-Agent: checker/1\r\nX-Api-Key: s3cret\r\nAuthorization: Bearer t0ken\r\n",
            "Content-Type: application/json\r\nContent-Length: 10\r\nConnection: close\r\n\r\n{\"ping\":1}",
        )]
    );
}

fn noted_contains(log: &Log, part: &str) -> bool {
    log.lock().unwrap().iter().any(|request| request.contains(&format!("mainstay/{part}")))
}

#[tokio::test]
async fn login_is_basic_authentication_and_a_missing_secret_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (address, log) = noting(|_| server::ok("well")).await;
    let login = Some(secret(&folder, "login", "ana:p@ss"));
    let request = HttpRequest { login, ..HttpRequest::default() };
    seen(ask(&config::bare(), &format!("http://{address}/"), request.clone(), Expect::default()).await);
    assert!(noted(&log)[0].contains("\r\nAuthorization: Basic YW5hOnBAc3M=\r\n"));
    let missing = SecretRef::File(PathBuf::from("/nonexistent/login"));
    let kind = ProbeKind::Http {
        url: format!("http://{address}/"),
        request: Box::new(HttpRequest { login: Some(missing), ..request }),
        expect: Expect::default(),
    };
    let error = Prober::new(&config::with([config::probe("shop", kind)])).unwrap_err().to_string();
    assert!(error.starts_with("the request of probe.shop cannot be sent: `login`: "), "{error}");
}

#[tokio::test]
async fn secrets_stay_with_their_server_and_methods_change_as_in_browsers() {
    let folder = tempfile::tempdir().unwrap();
    let (other, elsewhere) = noting(|_| server::ok("other")).await;
    let (address, log) = noting(move |path| match path {
        "/see" => b"HTTP/1.1 303 See Other\r\nLocation: /see\r\nContent-Length: 0\r\n\r\n".to_vec(),
        "/away" => {
            format!("HTTP/1.1 307 X\r\nLocation: http://{other}/\r\nContent-Length: 0\r\n\r\n").into_bytes()
        }
        _ => server::ok("here"),
    })
    .await;
    let request = HttpRequest {
        method: "POST".to_owned(),
        headers: [
            ("x-api-key".to_owned(), TextOrSecret::Secret(secret(&folder, "key", "s3cret"))),
            ("cookie".to_owned(), text("session=1")),
            ("x-team".to_owned(), text("shop")),
        ]
        .into(),
        body: Some(text("a=1")),
        bearer: Some(secret(&folder, "token", "t0ken")),
        ..HttpRequest::default()
    };
    let at = |path: &str| format!("http://{address}{path}");
    assert_eq!(
        seen(ask(&config::bare(), &at("/away"), request.clone(), Expect::default()).await).hops.len(),
        2
    );
    let (first, second) = (noted(&log).remove(0), noted(&elsewhere).remove(0));
    assert!(first.contains("Cookie: session=1\r\n") && first.contains("t0ken") && first.contains("s3cret"));
    assert!(second.starts_with("POST / HTTP/1.1\r\n") && second.ends_with("\r\n\r\na=1"), "{second}");
    assert!(second.contains("X-Team: shop\r\n"), "{second}");
    for private in ["session", "t0ken", "s3cret"] {
        assert!(!second.contains(private), "{second}");
    }
    // A form whose result is at the same URL redirects once; then the GET redirects to itself, and that is a circle.
    let result = ask(&config::bare(), &at("/see"), request, Expect::default()).await;
    assert!(
        matches!(&result.answer, Answer::Failed(fault) if fault.as_str() == "redirect-loop"),
        "{result:?}"
    );
    let methods: Vec<String> =
        noted(&log).iter().map(|request| request.lines().next().unwrap().to_owned()).collect();
    assert_eq!(methods, ["POST /see HTTP/1.1", "GET /see HTTP/1.1"]);
}

#[tokio::test]
async fn response_to_head_has_no_body() {
    let (address, log) =
        noting(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\nX-Cache: HIT\r\n\r\n".to_vec()).await;
    let request = HttpRequest { method: "HEAD".to_owned(), ..HttpRequest::default() };
    let expect = |value: &str| Expect {
        headers: [("x-cache".to_owned(), value.to_owned())].into(),
        ..Expect::default()
    };
    let url = format!("http://{address}/");
    let good = seen(ask(&config::bare(), &url, request.clone(), expect("hit")).await);
    assert_eq!((good.status, good.body_bytes, good.unmet.len()), (200, 0, 0));
    let bad = seen(ask(&config::bare(), &url, request, expect("miss")).await);
    assert_eq!(bad.unmet[0].as_str(), "header-differs");
    assert!(noted(&log)[0].starts_with("HEAD / HTTP/1.1\r\n"));
}

#[tokio::test]
async fn expectations_of_the_content_are_judged_at_the_end_of_the_chain() {
    let (address, _log) = noting(|path| match path {
        "/to" => server::to("/json"),
        "/json" => server::ok("{\"db\":\"down\",\"queue\":0}"),
        "/page" => server::ok("<h1>Your files are encrypted</h1>"),
        _ => server::ok(""),
    })
    .await;
    let json = |path: &str, expected: Scalar| Expect {
        json: [(path.to_owned(), expected)].into(),
        ..Expect::default()
    };
    let lacks = |text: &str| Expect { body_lacks: vec![text.to_owned()], ..Expect::default() };
    let matches = |text: &str| Expect { body_matches: Some(text.to_owned()), ..Expect::default() };
    for (path, expect, code) in [
        ("/to", json("$.queue", Scalar::Number(0)), None),
        ("/to", json("$.db", Scalar::Text("up".to_owned())), Some("json-differs")),
        ("/to", json("$.cache", Scalar::Flag(true)), Some("json-missing")),
        ("/page", json("$.db", Scalar::Flag(true)), Some("not-json")),
        ("/page", lacks("encrypted"), Some("body-has")),
        ("/page", lacks("HACKED"), None),
        ("/page", matches("(?i)YOUR +files"), None),
        ("/page", matches("welcome"), Some("body-mismatch")),
        ("/", Expect { min_size: Some(1), ..Expect::default() }, Some("body-too-short")),
        ("/page", Expect { max_size: Some(4), ..Expect::default() }, Some("body-too-long")),
    ] {
        let url = format!("http://{address}{path}");
        let seen = seen(ask(&config::bare(), &url, HttpRequest::default(), expect.clone()).await);
        assert_eq!(seen.unmet.first().map(types::fault::HttpFault::as_str), code, "{path} {expect:?}");
        assert_eq!(seen.unsearchable, None, "{path}");
    }
}

#[tokio::test]
async fn client_shows_its_certificate_to_its_own_server() {
    let root = Authority::root("Acme Root");
    let (leaf, client) = (root.leaf(&["shop.localhost"], |_| {}), root.leaf(&["probe.acme.com"], |_| {}));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let plain = certs::config(&[&leaf.certificate], &leaf.key, None);
    let server_config = rustls::ServerConfig::builder_with_provider(Arc::clone(plain.crypto_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::clone(&plain.cert_resolver));
    let address = server::https(server_config, |_| server::ok("well")).await;
    let (file, folder) = (certs::trust(&[&root.certificate]), tempfile::tempdir().unwrap());
    let mut config = config::bare();
    config.site.allow_private.push("::1/128".parse().unwrap());
    config.site.extra_ca_files = vec![file.path().to_owned()];
    let files = CertificateFiles { chain: folder.path().join("c.pem"), key: folder.path().join("c.key") };
    std::fs::write(&files.chain, client.certificate.pem()).unwrap();
    std::fs::write(&files.key, client.key.serialize_pem()).unwrap();
    let url = format!("https://shop.localhost:{}/", address.port());
    let with = HttpRequest { client_certificate: Some(files), ..HttpRequest::default() };
    assert_eq!(seen(ask(&config, &url, with, Expect::default()).await).status, 200);
    let without = ask(&config, &url, HttpRequest::default(), Expect::default()).await;
    let Answer::Failed(fault) = without.answer else { panic!("{without:?}") };
    assert_eq!(fault.to_string(), "fails the TLS handshake: the server requires a client certificate");
}

#[tokio::test]
async fn http_2_carries_method_headers_and_a_body_in_pieces() {
    let root = Authority::root("Acme Root");
    let leaf = root.leaf(&["127.0.0.1"], |_| {});
    let mut server_config = certs::config(&[&leaf.certificate], &leaf.key, None);
    server_config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(server_config));
    let address = server::listen(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            // Windows smaller than the body.
            let shaken = h2::server::Builder::new().initial_window_size(1_000).handshake(stream).await;
            let Ok(mut connection): Result<h2::server::Connection<_, bytes::Bytes>, _> = shaken else {
                return;
            };
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                tokio::spawn(async move {
                    let said = format!("{} {:?}", request.method(), request.headers().get("x-team"));
                    let mut body = request.into_body();
                    let mut bytes = 0;
                    while let Some(Ok(piece)) = body.data().await {
                        bytes += piece.len();
                        let _ = body.flow_control().release_capacity(piece.len());
                    }
                    let answer = http::Response::builder().header("x-said", format!("{said} {bytes}"));
                    let _ = respond.send_response(answer.body(()).unwrap(), true);
                });
            }
        }
    })
    .await;
    let file = certs::trust(&[&root.certificate]);
    let mut config = config::bare();
    config.site.extra_ca_files = vec![file.path().to_owned()];
    let request = HttpRequest {
        method: "PUT".to_owned(),
        headers: [("x-team".to_owned(), text("shop"))].into(),
        body: Some(text(&"x".repeat(50_000))),
        ..HttpRequest::default()
    };
    let headers = [("x-said".to_owned(), "PUT Some(\"shop\") 50000".to_owned())].into();
    let expect = Expect { headers, ..Expect::default() };
    let seen = seen(ask(&config, &format!("https://{address}/"), request, expect).await);
    assert_eq!((seen.status, seen.unmet), (200, vec![]));
}
