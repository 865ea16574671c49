//! Registrations looked up at registries that are honest, busy, broken or hostile.

use crate::config;
use crate::dns_world::{self as world, Zone, a, listen, ns, soa};
use crate::domain_world::{Says, Server, fixture, registry, response, web, whois};
use prober::Prober;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use types::config::{Config, Domain, ProbeKind};
use types::fault::DomainFault;
use types::probe_result::DomainSeen;
use types::{Answer, Fault, Resource};

/// A configuration that asks these RDAP bases, by the end of the domain, and no other. Inner networks stay closed: what the
/// configuration names itself is reached all the same.
fn config(rdap: &[(&str, String)]) -> Config {
    let mut config = config::bare();
    config.site.allow_private.clear();
    config.registry.rdap = rdap.iter().map(|(end, base)| ((*end).to_owned(), base.clone())).collect();
    config
}

async fn ask_for(prober: &Prober, domain: &str, secs: u64) -> Answer {
    let mut probe = config::probe("domain", ProbeKind::Domain { name: domain.to_owned() });
    probe.about = Resource::domain(domain);
    probe.timeout = Duration::from_secs(secs);
    prober.run(&probe).await.answer
}

async fn ask(prober: &Prober, domain: &str) -> Answer {
    ask_for(prober, domain, 20).await
}

async fn seen(prober: &Prober, domain: &str) -> DomainSeen {
    match ask(prober, domain).await {
        Answer::Domain(seen) => seen,
        other => panic!("{other:?}"),
    }
}

async fn why(prober: &Prober, domain: &str) -> (String, Option<Duration>) {
    match ask(prober, domain).await {
        Answer::Failed(Fault::Lookup { why, retry_after }) => (why, retry_after),
        other => panic!("{other:?}"),
    }
}

fn at(server: &Server) -> String {
    format!("http://{}/", server.at)
}

#[tokio::test]
async fn registry_and_registrar_are_asked_and_their_dates_kept_apart() {
    let server = registry().await;
    let prober = Prober::new(&config(&[("test", format!("{}registry", at(&server)))])).unwrap();
    let mut parked = seen(&prober, "expired-parked.test").await;
    assert_eq!(parked.source, format!("{}registry/domain/expired-parked.test", at(&server)));
    parked.source.clear();
    insta::assert_debug_snapshot!(parked, @r#"
    DomainSeen {
        domain: "expired-parked.test",
        source: "",
        registry_expires: Some(
            2027-11-12T00:00:00Z,
        ),
        registrar_expires: Some(
            2026-11-12T00:00:00Z,
        ),
        statuses: {
            "auto renew period",
            "client transfer prohibited",
        },
        name_servers: {
            "ns1.expired-parking.example",
            "ns2.expired-parking.example",
        },
        registrar: Some(
            "Example Registrar, Inc.",
        ),
        database_updated: Some(
            2026-11-22T00:00:00Z,
        ),
    }
    "#);
    assert_eq!(
        server.asked(),
        ["/registry/domain/expired-parked.test", "/registrar/domain/expired-parked.test"]
    );
    let hidden = seen(&prober, "noexpiry.test").await;
    assert_eq!((hidden.registry_expires, hidden.registrar_expires), (None, None));
    // Linked, but the registrar does not know it: the registry's answer counts.
    let soon = seen(&prober, "soon.test").await;
    assert!(soon.registry_expires.is_some() && soon.registrar_expires.is_none());
}

#[tokio::test]
async fn only_the_registrys_own_404_and_the_parents_word_mean_that_it_is_not_registered() {
    let server = web(Arc::new(|path| match path {
        "/domain/free.test" | "/domain/kept.test" | "/domain/glue.test" => {
            response("404 Not Found", "", &fixture("error404.json", ""))
        }
        "/domain/lost.test" => response("404 Not Found", "", b"<h1>Not Found</h1>"),
        "/domain/empty.test" => response("404 Not Found", "", b""),
        "/domain/html.test" => response("200 OK", "", &fixture("html200.html", "")),
        "/domain/other.test" => response("200 OK", "", &fixture("registry/active.test.json", "")),
        _ => response("500 Oops", "", b""),
    }))
    .await;
    let root = Zone::new(".", vec![soa(".", 1), ns("test", "a.nic.test"), a("a.nic.test", "127.0.61.2")]);
    let parent = vec![soa("test", 1), ns("kept.test", "ns1.host.example"), a("glue.test", "192.0.2.1")];
    let net = listen(vec![
        ("127.0.61.1", root.server()),
        ("127.0.61.2", Zone::new("test", parent).server()),
        ("127.0.61.53", world::resolver(Vec::new())),
    ])
    .await;
    let with_root = |root: &str| {
        let mut config = config(&[("test", at(&server))]);
        config.site.allow_private = vec!["127.0.0.0/8".parse().unwrap()];
        config.dns.port = net.port;
        config.dns.roots = vec![root.parse().unwrap()];
        config.dns.resolvers = vec![net.at("127.0.61.53")];
        Prober::new(&config).unwrap()
    };
    // Many questions of one budget: each in a prober of its own.
    let fresh = || with_root("127.0.61.1");
    assert_eq!(
        ask(&fresh(), "free.test").await,
        Answer::Failed(Fault::Domain { domain: DomainFault::NotRegistered })
    );
    let unsure = Fault::Lookup {
        why: "it says that the name is not registered, and the parent zone does not answer".to_owned(),
        retry_after: None,
    };
    assert_eq!(ask_for(&with_root("127.0.61.9"), "free.test", 3).await, Answer::Failed(unsure));
    for (domain, said) in [
        ("kept.test", "it says that the name is not registered, yet the parent zone has it"),
        ("glue.test", "it says that the name is not registered, yet the parent zone has it"),
        ("lost.test", "it answers with status 404, but not as an RDAP server does"),
        ("empty.test", "it answers with status 404, but not as an RDAP server does"),
        ("html.test", "it answers with a web page instead of RDAP"),
        ("other.test", "it answers about `active.test` instead"),
        ("broken.test", "it answers with status 500"),
    ] {
        assert_eq!(why(&fresh(), domain).await, (said.to_owned(), None), "{domain}");
    }
}

#[tokio::test]
async fn a_registry_that_asks_us_to_wait_is_not_asked_again_until_then() {
    let server = web(Arc::new(|_| {
        response("429 Too Many Requests", "Retry-After: 120\r\n", &fixture("error429.json", ""))
    }))
    .await;
    let prober = Prober::new(&config(&[("test", at(&server))])).unwrap();
    let (said, span) = why(&prober, "active.test").await;
    assert_eq!(said, format!("{} asks us to wait (status 429)", server.at));
    assert_eq!(span, Some(Duration::from_secs(120)));
    let (said, span) = why(&prober, "another.test").await;
    assert_eq!(said, format!("{} asked us to wait before", server.at));
    assert!(span.is_some_and(|span| span <= Duration::from_secs(120) && span > Duration::from_secs(30)));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn questions_that_cannot_have_their_turn_in_time_say_so() {
    let server = registry().await;
    let prober = Arc::new(Prober::new(&config(&[("test", format!("{}registry", at(&server)))])).unwrap());
    let all = (0..40).map(|_| ask_for(&prober, "noexpiry.test", 3));
    let answers = futures_util::future::join_all(all).await;
    let waiting = answers.iter().filter(|answer| {
        matches!(answer, Answer::Failed(Fault::Lookup { why, retry_after: Some(_) }) if why.contains("waiting for"))
    });
    assert!(waiting.count() >= 30);
    assert!(server.asked().len() <= 4, "at most one a second");
}

#[tokio::test]
async fn hostile_answers_cost_little_and_are_failed_lookups() {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n{";
    let server = web(Arc::new(|path| match path {
        "/domain/flood.test" => Says::Flood(HEAD.to_vec(), 1 << 30),
        "/domain/chunks.test" => {
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40000000\r\n{";
            Says::Flood(head.to_vec(), 1 << 30)
        }
        "/domain/headers.test" => Says::Flood(b"HTTP/1.1 200 OK\r\nX-Long: ".to_vec(), 1 << 30),
        "/domain/drip.test" => Says::Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{".to_vec()),
        "/domain/silent.test" => Says::Nothing,
        "/domain/short.test" => Says::Whole(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{".to_vec()),
        "/domain/deep.test" => response("200 OK", "", &[b'['; 200_000]),
        "/domain/nonsense.test" => Says::Whole(b"\x00\x01\x02\x03 hello".to_vec()),
        path => response("302 Found", &format!("Location: {path}x\r\n"), b""),
    }))
    .await;
    for (domain, said) in [
        ("flood.test", "sends more than the 256 KiB that we read"),
        ("chunks.test", "sends more than the 256 KiB that we read"),
        ("headers.test", ": "),
        ("drip.test", "does not answer in time"),
        ("silent.test", "does not answer in time"),
        ("short.test", "breaks off: "),
        ("deep.test", "it answers with something that is not JSON"),
        ("nonsense.test", ": "),
        ("circle.test", "it redirects more than 5 times"),
    ] {
        let prober = Prober::new(&config(&[("test", at(&server))])).unwrap();
        let secs = if domain == "drip.test" || domain == "silent.test" { 3 } else { 30 };
        match ask_for(&prober, domain, secs).await {
            Answer::Failed(Fault::Lookup { why, retry_after: None }) => {
                assert!(why.contains(said), "{domain}: {why}");
            }
            other => panic!("{domain}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn only_what_the_config_names_may_be_inner() {
    let inner = registry().await;
    let place = inner.at.clone();
    let server = web(Arc::new(move |path| match path {
        "/domain/active.test" => response("200 OK", "", &fixture("registry/active.test.json", &place)),
        _ => response("302 Found", &format!("Location: http://{place}/registry/domain/soon.test\r\n"), b""),
    }))
    .await;
    let closed = config(&[("test", at(&server))]);
    let prober = Prober::new(&closed).unwrap();
    let active = seen(&prober, "active.test").await;
    assert!(active.registry_expires.is_some() && active.registrar_expires.is_none());
    let (said, _) = why(&prober, "soon.test").await;
    assert_eq!(
        said,
        "resolves to the private address 127.0.0.1, which `site.allow_private` does not include"
    );
    assert!(inner.asked().is_empty());

    let mut open = closed;
    open.site.allow_private = vec!["127.0.0.0/8".parse().unwrap()];
    let prober = Prober::new(&open).unwrap();
    assert!(seen(&prober, "active.test").await.registrar_expires.is_some());
    assert_eq!(inner.asked(), ["/registrar/domain/active.test"]);
}

#[tokio::test]
async fn a_registrar_that_fails_does_not_take_its_date_back() {
    let fails = Arc::new(AtomicBool::new(false));
    let failing = Arc::clone(&fails);
    let registrar = web(Arc::new(move |_| {
        if failing.load(Ordering::SeqCst) {
            response("500 Oops", "", b"")
        } else {
            response("200 OK", "", &fixture("registrar/expired-autorenew.test.json", ""))
        }
    }))
    .await;
    let place = registrar.at.clone();
    let server = web(Arc::new(move |_| {
        response("200 OK", "", &fixture("registry/expired-autorenew.test.json", &place))
    }))
    .await;
    let mut config = config(&[("test", at(&server))]);
    config.site.allow_private = vec!["127.0.0.0/8".parse().unwrap()];
    let prober = Prober::new(&config).unwrap();
    let before = seen(&prober, "expired-autorenew.test").await;
    assert_eq!(before.registrar_expires.unwrap().to_string(), "2026-11-19T00:00:00Z");
    fails.store(true, Ordering::SeqCst);
    assert_eq!(seen(&prober, "expired-autorenew.test").await, before);
    assert_eq!(registrar.asked().len(), 2);
}

#[tokio::test]
async fn whois_is_asked_where_rdap_fails_or_is_missing() {
    let text = "Domain Name: ACME.TEST\r\nRegistry Expiry Date: 2027-06-10T12:00:00Z\r\n\
                Domain Status: clientHold https://icann.org/epp#clientHold\r\nName Server: NS1.DNSHOST.EXAMPLE\r\n";
    let port43 = whois(Arc::new(move |line| match line {
        "acme.test\r\n" | "acme.zz\r\n" => Says::Whole(text.replace("ACME.TEST", line.trim()).into_bytes()),
        "flood.zz\r\n" => Says::Flood(b"Domain Name: flood.zz\r\nStatus: active\r\n".to_vec(), 1 << 30),
        "drip.zz\r\n" => Says::Drip(b"Domain Name: drip.zz\r\n".to_vec()),
        _ => Says::Whole(b"No match for domain.\r\n".to_vec()),
    }))
    .await;
    let rdap = web(Arc::new(|_| response("200 OK", "", &fixture("html200.html", "")))).await;
    let mut config = config(&[("test", at(&rdap))]);
    config.registry.whois =
        BTreeMap::from([("test".to_owned(), port43.at.clone()), ("zz".to_owned(), port43.at.clone())]);
    let fresh = || Prober::new(&config).unwrap();
    for domain in ["acme.test", "acme.zz"] {
        let seen = seen(&fresh(), domain).await;
        assert_eq!(seen.source, format!("whois:{}", port43.at));
        assert_eq!(seen.registry_expires.unwrap().to_string(), "2027-06-10T12:00:00Z");
        assert_eq!(seen.statuses.into_iter().collect::<Vec<_>>(), ["client hold"]);
        assert_eq!(seen.name_servers.into_iter().collect::<Vec<_>>(), ["ns1.dnshost.example"]);
    }
    let (said, _) = why(&fresh(), "free.zz").await;
    assert_eq!(said, format!("whois:{}: it has no entry for the domain", port43.at));
    assert_eq!(
        seen(&fresh(), "flood.zz").await.statuses.len(),
        1,
        "what was read counts, the rest is not read"
    );
    match ask_for(&fresh(), "drip.zz", 3).await {
        Answer::Failed(Fault::Lookup { why, .. }) => {
            assert!(why.ends_with("does not answer in time"), "{why}")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn domain_without_a_source_has_the_date_of_the_config_or_none() {
    let mut config = config(&[]);
    let declared = Domain { expires: Some("2027-03-01T00:00:00Z".parse().unwrap()), auto_renew: false };
    config.domains.insert("acme.invalid".to_owned(), declared);
    let prober = Prober::new(&config).unwrap();
    let seen = seen(&prober, "acme.invalid").await;
    assert_eq!(
        (seen.source.as_str(), seen.registry_expires),
        ("config", Some("2027-03-01T00:00:00Z".parse().unwrap()))
    );
    let (said, _) = why(&prober, "other.invalid").await;
    assert!(
        said.starts_with("no RDAP or WHOIS server is known for .invalid; name one under registry.rdap"),
        "{said}"
    );
}

#[tokio::test]
async fn the_config_may_bring_a_newer_list_of_registries() {
    let server = registry().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dns.json");
    let list = format!(r#"{{"version":"1.0","services":[[["test"],["{}registry/"]]]}}"#, at(&server));
    std::fs::write(&path, list).unwrap();
    let mut config = config(&[]);
    config.site.allow_private = vec!["127.0.0.0/8".parse().unwrap()];
    config.registry.bootstrap = Some(path.clone());
    let prober = Prober::new(&config).unwrap();
    assert!(seen(&prober, "active.test").await.registry_expires.is_some());

    std::fs::write(&path, "{}").unwrap();
    let said = Prober::new(&config).unwrap_err().to_string();
    assert!(said.contains("dns.json: has no `services`, RFC 9224"), "{said}");
    config.registry.bootstrap = Some(folder.path().join("missing.json"));
    assert!(Prober::new(&config).unwrap_err().to_string().contains("missing.json"));
}

#[tokio::test]
async fn a_date_that_rdap_does_not_tell_is_asked_of_whois_and_kept_while_that_is_mute() {
    let rdap = web(Arc::new(|path| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let body = format!(r#"{{"objectClassName":"domain","ldhName":"{name}","status":["active"]}}"#);
        response("200 OK", "", body.as_bytes())
    }))
    .await;
    let mute = Arc::new(AtomicBool::new(false));
    let is_mute = Arc::clone(&mute);
    let registry = whois(Arc::new(move |line| {
        if is_mute.load(Ordering::SeqCst) {
            return Says::Whole(Vec::new());
        }
        let name = line.trim();
        Says::Whole(format!("Domain Name: {name}\nRegistry Expiry Date: 2027-06-10T12:00:00Z\n").into_bytes())
    }))
    .await;
    let at_whois = registry.at.clone();
    let iana = whois(Arc::new(move |_| Says::Whole(format!("refer:  {at_whois}\n").into_bytes()))).await;
    let mut config = config(&[("test", at(&rdap)), ("example", at(&rdap)), ("dark", at(&rdap))]);
    config.registry.whois = BTreeMap::from([
        ("test".to_owned(), registry.at.clone()),
        ("dark".to_owned(), "127.0.0.1:9".to_owned()),
        // Who refers to the others.
        (String::new(), iana.at.clone()),
    ]);
    config.site.allow_private = vec!["127.0.0.0/8".parse().unwrap()];
    let prober = Prober::new(&config).unwrap();
    let date = |seen: &DomainSeen| seen.registry_expires.map(|at| at.to_string());
    let first = seen(&prober, "acme.test").await;
    assert_eq!(date(&first).as_deref(), Some("2027-06-10T12:00:00Z"));
    assert_eq!(first.source, format!("{}domain/acme.test, whois:{}", at(&rdap), registry.at));
    let referred = seen(&prober, "acme.example").await;
    assert_eq!(date(&referred).as_deref(), Some("2027-06-10T12:00:00Z"));
    assert_eq!(iana.asked(), ["example\r\n"]);
    mute.store(true, Ordering::SeqCst);
    assert_eq!(date(&seen(&prober, "acme.test").await).as_deref(), Some("2027-06-10T12:00:00Z"));
    assert_eq!(date(&seen(&prober, "acme.dark").await), None);
}
