//! Honest servers, over http and https, with redirects.

use crate::certs::{self, Authority};
use crate::{config, server};
use prober::Prober;
use std::sync::Arc;
use types::config::{Config, Expect};
use types::fault::{Fault, TlsFault};
use types::probe_result::{Answer, HttpSeen, ProbeResult};

async fn ask(config: &Config, url: &str, expect: Expect) -> ProbeResult {
    let probe = config::probe("http", testkit::config::get_expecting(url, expect));
    Prober::new(config).unwrap().run(&probe).await
}

async fn get(url: &str) -> ProbeResult {
    let mut config = config::bare();
    config.site.allow_private.push("::1/128".parse().unwrap());
    ask(&config, url, Expect::default()).await
}

fn seen(sample: ProbeResult) -> HttpSeen {
    match sample.answer {
        Answer::Http(seen) => seen,
        other => panic!("{other:?}"),
    }
}

fn fault(sample: ProbeResult) -> Fault {
    match sample.answer {
        Answer::Failed(fault) => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn response_and_its_phases_are_reported() {
    let address = server::http(|_| server::ok("all is well")).await;
    let sample = get(&format!("http://shop.localhost:{}/health?deep=1", address.port())).await;
    let phases = sample.phases;
    assert!(phases.dns.is_some() && phases.connect.is_some() && phases.first_byte.is_some(), "{phases:?}");
    assert!(phases.tls.is_none(), "{phases:?}");
    let parts = phases.dns.unwrap() + phases.connect.unwrap() + phases.first_byte.unwrap();
    assert!(parts <= phases.total, "{phases:?}");
    let seen = seen(sample);
    assert_eq!((seen.status, seen.address, seen.body_bytes, seen.body_found), (200, address, 11, None));
    assert_eq!(seen.hops.len(), 1);
    assert_eq!(seen.hops[0].url, format!("http://shop.localhost:{}/health?deep=1", address.port()));
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_refuses() {
    let Some((_refuses, six)) = server::both() else { return };
    let address = server::listen_on(six.listen(16).unwrap(), None, |mut stream| async move {
        server::head(&mut stream).await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &server::ok("well")).await;
    });
    let seen = seen(get(&format!("http://shop.localhost:{}/", address.port())).await);
    assert_eq!((seen.status, seen.address), (200, address));
}

#[tokio::test]
async fn the_request_says_who_asks() {
    let heard = Arc::new(std::sync::Mutex::new(String::new()));
    let keep = Arc::clone(&heard);
    let address = server::listen(move |mut stream| {
        let keep = Arc::clone(&keep);
        async move {
            let head = server::head(&mut stream).await.unwrap();
            *keep.lock().unwrap() = head;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &server::ok("")).await;
        }
    })
    .await;
    seen(get(&format!("http://user:secret@127.0.0.1:{}/a?b=c#d", address.port())).await);
    let head = heard.lock().unwrap().to_lowercase();
    assert!(head.starts_with("get /a?b=c http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: 127.0.0.1:{}\r\n", address.port())), "{head}");
    assert!(head.contains("user-agent: mainstay/"), "{head}");
    assert!(!head.contains("secret"), "{head}");
}

#[tokio::test]
async fn every_framing_of_a_body_is_read() {
    for (what, response, bytes) in [
        ("length", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell", 4),
        ("chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwe\r\n2\r\nll\r\n0\r\n\r\n", 4),
        ("to the end", "HTTP/1.1 200 OK\r\n\r\nwell", 4),
        ("HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nwell", 4),
        ("none", "HTTP/1.1 204 No Content\r\n\r\n", 0),
        (
            "hint before it",
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell",
            4,
        ),
        ("more than said", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell, and more", 4),
    ] {
        let address = server::http(|_| response.as_bytes().to_vec()).await;
        let seen = seen(get(&format!("http://{address}/")).await);
        assert_eq!(seen.body_bytes, bytes, "{what}");
    }
}

#[tokio::test]
async fn text_is_looked_for_in_the_body() {
    let address = server::http(|_| {
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nall i\r\n6\r\ns well\r\n0\r\n\r\n"
            .to_vec()
    })
    .await;
    for (text, found) in [("is well", true), ("all is well", true), ("is lost", false)] {
        let expect = Expect { body_contains: Some(text.to_owned()), ..Expect::default() };
        let sample = ask(&config::bare(), &format!("http://{address}/"), expect).await;
        assert_eq!(seen(sample).body_found, Some(found), "{text}");
    }
}

#[tokio::test]
async fn redirects_are_followed_and_each_hop_is_reported() {
    let address = server::http(|path| match path {
        "/a" => server::to("/b"),
        "/b" => server::to("c?x=1"),
        _ => server::ok("here"),
    })
    .await;
    let sample = get(&format!("http://{address}/a")).await;
    let seen = seen(sample);
    assert_eq!(seen.status, 200);
    let hops: Vec<_> = seen.hops.iter().map(|hop| (hop.url.as_str(), hop.status)).collect();
    let url = |path: &str| format!("http://{address}{path}");
    assert_eq!(hops, [(&*url("/a"), 302), (&*url("/b"), 302), (&*url("/c?x=1"), 200)]);
}

#[tokio::test]
async fn a_redirect_that_is_none_or_is_expected_is_an_answer() {
    let address = server::http(|path| match path {
        "/nowhere" => b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
        "/unchanged" => b"HTTP/1.1 304 Not Modified\r\nLocation: /\r\n\r\n".to_vec(),
        _ => server::to("https://elsewhere.invalid/"),
    })
    .await;
    for (path, expected, status) in
        [("/nowhere", vec![], 302), ("/unchanged", vec![], 304), ("/x", vec![302], 302)]
    {
        let expect = Expect { status: expected, ..Expect::default() };
        let seen = seen(ask(&config::bare(), &format!("http://{address}{path}"), expect).await);
        assert_eq!((seen.status, seen.hops.len()), (status, 1), "{path}");
    }
}

#[tokio::test]
async fn an_address_in_the_config_opens_its_own_port_only() {
    let other = server::http(|_| server::ok("secrets")).await;
    let address = server::http(move |path| match path {
        "/other" => server::to(&format!("http://{other}/")),
        "/scheme" => server::to(&format!("https://127.0.0.1:{}/", other.port())),
        "/default" => server::to("http://127.0.0.1/"),
        "/self" => server::to("/here"),
        _ => server::ok("here"),
    })
    .await;
    let mut config = config::bare();
    config.site.allow_private.clear();
    for path in ["/other", "/scheme", "/default"] {
        let sample = ask(&config, &format!("http://{address}{path}"), Expect::default()).await;
        let Answer::Failed(fault) = &sample.answer else { panic!("{path}: {sample:?}") };
        assert_eq!(fault.as_str(), "private-address", "{path}");
    }
    assert_eq!(seen(ask(&config, &format!("http://{address}/self"), Expect::default()).await).hops.len(), 2);
}

#[tokio::test]
async fn redirects_that_lead_nowhere_have_their_words() {
    let address = server::http(|path| match path.rsplit_once('/').unwrap() {
        ("/loop", "a") => server::to("/loop/b"),
        ("/loop", _) => server::to("/loop/a"),
        ("/self", _) => server::to(path),
        ("/many", number) => server::to(&format!("/many/{}", number.parse::<u32>().unwrap() + 1)),
        ("/mail", _) => server::to("mailto:ana@acme.com"),
        ("/long", _) => server::to(&format!("/{}", "x".repeat(10_000))),
        ("/inner", _) => server::to("http://10.1.2.3/"),
        ("/metadata", _) => server::to("http://169.254.169.254/latest"),
        ("/disguised", _) => server::to("http://[::ffff:10.1.2.3]/"),
        ("/name", _) => server::to("http://evil.localhost/"),
        _ => b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\r\nContent-Length: 0\r\n\r\n".to_vec(),
    })
    .await;
    let mut config = config::bare();
    config.site.allow_private.clear();
    for (path, word) in [
        ("/loop/a", "redirect-loop"),
        ("/self/x", "redirect-loop"),
        ("/many/0", "too-many-redirects"),
        ("/mail/x", "bad-redirect"),
        ("/long/x", "bad-redirect"),
        ("/bytes/x", "redirect-loop"),
        ("/inner/x", "private-address"),
        ("/metadata/x", "private-address"),
        ("/disguised/x", "private-address"),
        ("/name/x", "private-address"),
    ] {
        // The configuration's own address was written knowingly, though no inner network is allowed.
        let sample = ask(&config, &format!("http://{address}{path}"), Expect::default()).await;
        assert_eq!(fault(sample).as_str(), word, "{path}");
    }
}

#[tokio::test]
async fn https_is_asked_and_every_hop_is_judged() {
    let root = Authority::root("Acme Root");
    let good = root.leaf(&["shop.localhost"], |_| {});
    let parked = root.leaf(&["parked.example"], |_| {});
    let shop =
        server::https(certs::config(&[&good.certificate], &good.key, None), |_| server::ok("well")).await;
    let parking =
        server::https(certs::config(&[&parked.certificate], &parked.key, None), |_| server::ok("for sale"))
            .await;
    let (to_shop, to_parking) = (
        format!("https://shop.localhost:{}/x", shop.port()),
        format!("https://shop.localhost:{}/", parking.port()),
    );
    let (shop_location, parking_location) = (to_shop.clone(), to_parking.clone());
    let entrance = server::http(move |path| match path {
        "/shop" => server::to(&shop_location),
        _ => server::to(&parking_location),
    })
    .await;

    let file = certs::trust(&[&root.certificate]);
    let mut config = config::bare();
    config.site.allow_private.push("::1/128".parse().unwrap());
    config.site.extra_ca_files = vec![file.path().to_owned()];

    let direct = ask(&config, &to_shop, Expect::default()).await;
    assert!(direct.phases.tls.is_some(), "{:?}", direct.phases);
    let direct = seen(direct);
    let tls = direct.hops[0].tls.as_ref().unwrap();
    assert_eq!((tls.faults.len(), tls.chain.len(), tls.name.as_str()), (0, 1, "shop.localhost"));

    let hopped = seen(ask(&config, &format!("http://{entrance}/shop"), Expect::default()).await);
    assert_eq!((hopped.status, hopped.body_bytes, hopped.hops.len()), (200, 4, 2));
    assert!(hopped.hops[0].tls.is_none() && hopped.hops[1].tls.is_some());

    let wrong = Fault::Tls { tls: TlsFault::WrongName { presented: vec!["parked.example".to_owned()] } };
    for url in [to_parking, format!("http://{entrance}/parking")] {
        assert_eq!(fault(ask(&config, &url, Expect::default()).await), wrong, "{url}");
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_that_is_not_who_it_should_be() {
    let asked = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let noted = Arc::clone(&asked);
    let leaf = certs::self_signed(&["shop.localhost"], |_| {});
    let address = server::https(certs::config(&[&leaf.certificate], &leaf.key, None), move |_| {
        noted.store(true, std::sync::atomic::Ordering::Relaxed);
        server::ok("")
    })
    .await;
    let sample = get(&format!("https://shop.localhost:{}/?token=1", address.port())).await;
    assert_eq!(fault(sample), Fault::Tls { tls: TlsFault::SelfSigned });
    assert!(!asked.load(std::sync::atomic::Ordering::Relaxed));
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_needs_no_goodbye_of_tls() {
    let root = Authority::root("Acme Root");
    let leaf = root.leaf(&["shop.localhost"], |_| {});
    let acceptor =
        tokio_rustls::TlsAcceptor::from(Arc::new(certs::config(&[&leaf.certificate], &leaf.key, None)));
    let address = server::listen(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            server::head(&mut stream).await;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 200 OK\r\n\r\nwell").await;
            let _ = tokio::io::AsyncWriteExt::flush(&mut stream).await;
            // Hangs up without close_notify, as many servers do.
            let (mut bare, _) = stream.into_inner();
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut bare).await;
        }
    })
    .await;
    let file = certs::trust(&[&root.certificate]);
    let mut config = config::bare();
    config.site.allow_private.push("::1/128".parse().unwrap());
    config.site.extra_ca_files = vec![file.path().to_owned()];
    let url = format!("https://shop.localhost:{}/", address.port());
    assert_eq!(seen(ask(&config, &url, Expect::default()).await).body_bytes, 4);
}
