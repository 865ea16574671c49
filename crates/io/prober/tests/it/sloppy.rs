//! Careless servers that browsers and curl show are well; what they do not show stays down.

use crate::certs::{self, Authority};
use crate::{config, server};
use prober::Prober;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;
use types::config::{Config, Expect};
use types::probe_result::{Answer, HttpSeen, ProbeResult};

async fn ask(config: &Config, url: &str, text: Option<&str>) -> ProbeResult {
    let expect = Expect { body_contains: text.map(str::to_owned), ..Expect::default() };
    let probe = config::probe("http", testkit::config::get_expecting(url, expect));
    Prober::new(config).unwrap().run(&probe).await
}

async fn get(address: SocketAddr, text: Option<&str>) -> ProbeResult {
    ask(&config::bare(), &format!("http://{address}/"), text).await
}

/// The answer of a server that is up.
fn up(what: &str, sample: ProbeResult) -> HttpSeen {
    match sample.answer {
        Answer::Http(seen) if seen.status < 300 => seen,
        other => panic!("{what}: {other:?}"),
    }
}

/// The word of a server that is down.
fn down(what: &str, sample: &ProbeResult) -> String {
    match &sample.answer {
        Answer::Failed(fault) => fault.as_str().to_owned(),
        Answer::Http(seen) if seen.status >= 300 => seen.status.to_string(),
        other => panic!("{what}: {other:?}"),
    }
}

#[tokio::test]
async fn careless_answers_are_up() {
    let many = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 2\r\n\r\nok", "Set-Cookie: c=1\r\n".repeat(500));
    let large = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 2\r\n\r\nok", "x".repeat(100_000));
    for (what, answer) in [
        ("a warning in the head", &b"HTTP/1.1 200 OK\r\nPHP Warning:  x in /a.php on line 0\r\nContent-Length: 2\r\n\r\nok"[..]),
        ("no colon", b"HTTP/1.1 200 OK\r\nthis is no header\r\nContent-Length: 2\r\n\r\nok"),
        ("a space in a name", b"HTTP/1.1 200 OK\r\nX A: 1\r\nContent-Length: 2\r\n\r\nok"),
        ("a space before the colon", b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"),
        ("no name", b"HTTP/1.1 200 OK\r\n: 1\r\nContent-Length: 2\r\n\r\nok"),
        ("a folded line", b"HTTP/1.1 200 OK\r\nX: 1,\r\n 2\r\nContent-Length: 2\r\n\r\nok"),
        ("a control byte", b"HTTP/1.1 200 OK\r\nSet-Cookie: a=\x01b\r\nContent-Length: 2\r\n\r\nok"),
        ("latin-1", b"HTTP/1.1 200 C'est \xe9t\xe9\r\nX: K\xf6ln\r\nContent-Length: 2\r\n\r\nok"),
        ("no reason", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"),
        ("two spaces", b"HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("LF alone", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
        ("an empty line first", b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("HTTP/1.0 with chunks", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        ("HTTP/1.0 with chunks that are none", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nok"),
        ("identity", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok"),
        ("chunked twice", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        ("chunks and a length", b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        ("chunks without the last line", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"),
        ("a length twice", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
        ("a list of lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok"),
        ("a length that is none", b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nok"),
        ("hints and go-aheads", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\nLink: </a>\n\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("many fields", many.as_bytes()),
        ("a long field", large.as_bytes()),
    ] {
        let answer = answer.to_vec();
        let address = server::http(move |_| answer.clone()).await;
        let seen = up(what, get(address, Some("ok")).await);
        assert_eq!(seen.body_found, Some(true), "{what}");
    }
    let address = server::http(|_| b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n".to_vec()).await;
    assert_eq!(up("204 with a length", get(address, None).await).body_bytes, 0);
}

#[tokio::test]
async fn what_no_browser_shows_is_down() {
    for (what, answer, word) in [
        (
            "two lengths",
            &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\nwell"[..],
            "garbage",
        ),
        ("another protocol", b"SSH-2.0-x\r\n", "garbage"),
        ("a number that is none", b"HTTP/1.1 OK\r\n\r\n", "garbage"),
        ("a zero byte", b"HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 2\r\n\r\nok", "garbage"),
        ("too little", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", "truncated"),
        ("no last chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "truncated"),
        ("503", b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n", "503"),
        ("nowhere", b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "302"),
        (
            "another place that is none",
            b"HTTP/1.1 302 Found\r\nLocation: \r\nContent-Length: 0\r\n\r\n",
            "302",
        ),
    ] {
        let address = server::http(|_| answer.to_vec()).await;
        assert_eq!(down(what, &get(address, None).await), word, "{what}");
    }
}

/// Answers by path and cookies.
async fn cookies(answer: impl Fn(&str, &str) -> Vec<u8> + Send + Sync + 'static) -> SocketAddr {
    let answer = Arc::new(answer);
    server::listen(move |mut stream| {
        let answer = Arc::clone(&answer);
        async move {
            let Some(head) = server::head(&mut stream).await else { return };
            let path = head.split_whitespace().nth(1).unwrap_or("/").to_owned();
            let cookies =
                head.lines().find_map(|line| line.strip_prefix("Cookie: ")).unwrap_or("").to_owned();
            let _ = stream.write_all(&answer(&path, &cookies)).await;
        }
    })
    .await
}

fn away(location: &str, cookie: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nSet-Cookie: {cookie}\r\nContent-Length: 0\r\n\r\n")
        .into_bytes()
}

#[tokio::test]
async fn cookies_are_kept_within_one_question() {
    let wall = cookies(|_, cookies| match cookies {
        "seen=1" => server::ok("welcome"),
        _ => away("/", "seen=1; Path=/"),
    })
    .await;
    let consent = cookies(|path, cookies| match (path, cookies) {
        ("/", "ok=1") => server::ok("welcome"),
        ("/", _) => away("/hello?next=/", "other=1; Path=/elsewhere"),
        _ => away("/", "ok=1; Path=/; HttpOnly"),
    })
    .await;
    let counts = cookies(|_, cookies| {
        let number: u32 = cookies.strip_prefix("n=").and_then(|number| number.parse().ok()).unwrap_or(0);
        if number == 5 { server::ok("welcome") } else { away("/", &format!("n={}", number + 1)) }
    })
    .await;
    for (what, address) in [("wall", wall), ("consent", consent), ("counts", counts)] {
        // Each question begins without any.
        for _ in 0..2 {
            assert_eq!(up(what, get(address, Some("welcome")).await).body_found, Some(true), "{what}");
        }
    }
    let circle = cookies(|_, _| away("/", "n=1; Path=/")).await;
    assert_eq!(down("circle", &get(circle, None).await), "redirect-loop");
    let number = AtomicUsize::new(0);
    let endless =
        cookies(move |_, _| away("/", &format!("n={}", number.fetch_add(1, Ordering::Relaxed)))).await;
    assert_eq!(down("endless", &get(endless, None).await), "too-many-redirects");
}

#[tokio::test]
async fn locations_lead_where_browsers_go() {
    for (location, path) in
        [(&b"/caf\xe9"[..], "/caf%E9"), (b"/caf\xc3\xa9", "/caf%C3%A9"), (b"/a b", "/a%20b"), (b"\\x", "/x")]
    {
        let address = server::http(move |asked| match asked {
            "/" => [b"HTTP/1.1 302 Found\r\nLocation: ", location, b"\r\nContent-Length: 0\r\n\r\n"].concat(),
            asked if asked == path => server::ok("well"),
            _ => b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n".to_vec(),
        })
        .await;
        up(path, get(address, None).await);
    }
}

#[tokio::test]
async fn who_answers_and_cuts_is_up_when_the_answer_is_whole() {
    let reset = server::listen(|mut stream| async move {
        server::head(&mut stream).await;
        let _ = stream.write_all(&server::ok("well")).await;
        let _ = stream.set_zero_linger();
    })
    .await;
    let stays = server::listen(|mut stream| async move {
        server::head(&mut stream).await;
        let _ = stream.write_all(&server::ok("well")).await;
        std::future::pending::<()>().await;
    })
    .await;
    let stream = server::listen(|mut stream| async move {
        server::head(&mut stream).await;
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: well\n\n";
        let _ = stream.write_all(head).await;
        std::future::pending::<()>().await;
    })
    .await;
    for (what, address) in [("reset", reset), ("stays", stays), ("stream", stream)] {
        up(what, get(address, None).await);
        assert_eq!(up(what, get(address, Some("well")).await).body_found, Some(true), "{what}");
    }
}

#[tokio::test]
async fn text_is_found_as_a_reader_sees_it() {
    let gbk = encoding_rs::GBK.encode("<p>服务正常</p>").0.into_owned();
    for (what, fields, body, text) in [
        ("latin-1", "Content-Type: text/html; charset=iso-8859-1\r\n", b"\xdcbersicht".to_vec(), "Übersicht"),
        ("gbk", "Content-Type: text/html; charset=gbk\r\n", gbk, "服务正常"),
        ("meta", "", b"<meta charset=windows-1252>caf\xe9".to_vec(), "café"),
        ("gzip", "Content-Encoding: gzip\r\n", gzip(b"all is well"), "all is well"),
        ("far behind", "", [&[b'x'; 1_200_000][..], b"all is well"].concat(), "all is well"),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
        let address = server::http(move |_| [head.as_bytes(), &body].concat()).await;
        assert_eq!(up(what, get(address, Some(text)).await).body_found, Some(true), "{what}");
        assert_eq!(up(what, get(address, Some("sorry")).await).body_found, Some(false), "{what}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut encoder = flate2::read::GzEncoder::new(bytes, flate2::Compression::best());
    std::io::Read::read_to_end(&mut encoder, &mut packed).unwrap();
    packed
}

/// A root, the configuration that trusts it, and a server's certificate of its own for 127.0.0.1 that offers these protocols.
fn trusted(alpn: &[&str]) -> (Config, tempfile::NamedTempFile, TlsAcceptor) {
    let root = Authority::root("Acme Root");
    let leaf = root.leaf(&["127.0.0.1"], |_| {});
    let mut tls = certs::config(&[&leaf.certificate], &leaf.key, None);
    tls.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let file = certs::trust(&[&root.certificate]);
    let mut config = config::bare();
    config.site.extra_ca_files = vec![file.path().to_owned()];
    (config, file, TlsAcceptor::from(Arc::new(tls)))
}

#[tokio::test]
async fn http_2_is_spoken_where_the_server_chooses_it() {
    let (config, _file, acceptor) = trusted(&["h2"]);
    let address = server::listen(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let path = request.uri().path().to_owned();
                let cookie = request.headers().contains_key("cookie");
                let answer = http::Response::builder();
                let (answer, body) = match path.as_str() {
                    "/" => (answer.status(302).header("location", "/in").header("set-cookie", "a=1"), ""),
                    "/in" if cookie => (answer.status(200), "all is well"),
                    "/large" => (answer.status(200), "large"),
                    _ => (answer.status(503), ""),
                };
                let Ok(mut send) = respond.send_response(answer.body(()).unwrap(), false) else { return };
                if body == "large" {
                    // More than the windows hold before we give room.
                    let _ = send.send_data(bytes::Bytes::from(vec![b'x'; 3_000_000]), false);
                }
                let _ = send.send_data(bytes::Bytes::from_static(body.as_bytes()), true);
            }
        }
    })
    .await;
    let seen = up("h2", ask(&config, &format!("https://{address}/"), Some("is well")).await);
    assert_eq!((seen.body_found, seen.body_bytes, seen.hops.len()), (Some(true), 11, 2));
    let seen = up("large", ask(&config, &format!("https://{address}/large"), Some("large")).await);
    assert_eq!((seen.body_found, seen.body_bytes), (Some(true), 3_000_005));
    assert_eq!(down("503", &ask(&config, &format!("https://{address}/x"), None).await), "503");
}

#[tokio::test]
async fn who_wants_http_1_1_after_all_gets_it() {
    let (config, _file, acceptor) = trusted(&["h2", "http/1.1"]);
    let address = server::listen(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                server::head(&mut stream).await;
                let _ = stream.write_all(&server::ok("well")).await;
                let _ = stream.shutdown().await;
                return;
            }
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                respond.send_reset(h2::Reason::HTTP_1_1_REQUIRED);
            }
        }
    })
    .await;
    let seen = up("1.1", ask(&config, &format!("https://{address}/"), Some("well")).await);
    assert_eq!(seen.body_found, Some(true));
}

#[tokio::test]
async fn http_2_that_breaks_has_its_word() {
    for (what, says, word) in [
        ("no HTTP/2", &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "garbage"),
        ("nothing", b"", "unreachable"),
        ("GOAWAY", b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01", "unreachable"),
    ] {
        let (config, _file, acceptor) = trusted(&["h2"]);
        let address = server::listen(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let _ = stream.write_all(says).await;
                let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 1024]).await;
                let _ = stream.shutdown().await;
            }
        })
        .await;
        assert_eq!(down(what, &ask(&config, &format!("https://{address}/"), None).await), word, "{what}");
    }
}
