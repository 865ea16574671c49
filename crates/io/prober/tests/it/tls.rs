//! Every fault of a certificate has its name, and all faults are told.

use crate::certs::{self, Authority, Leaf, Rsa1024};
use crate::{config, server, staple};
use prober::{Prober, SetupError};
use rcgen::{Certificate, CertificateParams, IsCa, date_time_ymd};
use std::net::SocketAddr;
use types::config::ProbeKind;
use types::fault::{Fault, TlsFault};
use types::probe_result::{Answer, ProbeResult, TlsSeen};

/// Asks for the certificate of `shop.acme.localhost`, trusting `roots`.
async fn ask(address: SocketAddr, roots: &[&Certificate]) -> ProbeResult {
    ask_host("shop.acme.localhost", address, roots).await
}

async fn ask_host(host: &str, address: SocketAddr, roots: &[&Certificate]) -> ProbeResult {
    let files: Vec<_> = roots.iter().map(|root| certs::trust(&[root])).collect();
    let mut config = config::bare();
    config.site.allow_private.push("::1/128".parse().unwrap());
    config.site.extra_ca_files = files.iter().map(|file| file.path().to_owned()).collect();
    let probe = config::probe("tls", ProbeKind::Tls { host: host.to_owned(), port: address.port() });
    Prober::new(&config).unwrap().run(&probe).await
}

fn seen(sample: ProbeResult) -> TlsSeen {
    match sample.answer {
        Answer::Tls(seen) => seen,
        other => panic!("{other:?}"),
    }
}

fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2019, 1, 1);
    params.not_after = date_time_ymd(2020, 1, 1);
}

const NAME: &[&str] = &["shop.acme.localhost"];

/// One chain, and what is wrong with it.
struct Case {
    what: &'static str,
    chain: Vec<Certificate>,
    key: rcgen::KeyPair,
    staple: Option<Vec<u8>>,
    faults: Vec<TlsFault>,
}

impl Case {
    fn new(what: &'static str, leaf: Leaf, above: &[&Authority], faults: Vec<TlsFault>) -> Self {
        let mut chain = vec![leaf.certificate];
        chain.extend(above.iter().map(|authority| authority.certificate.clone()));
        Self { what, chain, key: leaf.key, staple: None, faults }
    }
}

fn other(why: &str) -> TlsFault {
    TlsFault::Other { why: why.to_owned() }
}

/// The authorities that sign the certificates of the cases.
struct Authorities {
    root: Authority,
    mid: Authority,
    late: Authority,
    foreign: Authority,
    foreign_mid: Authority,
}

impl Authorities {
    fn new() -> Self {
        let root = Authority::root("Acme Root");
        let foreign = Authority::root("Strange Root");
        Self {
            mid: root.beneath("Acme Issuing", |_| {}),
            late: root.beneath("Acme Late", expired),
            foreign_mid: foreign.beneath("Strange Issuing", |_| {}),
            root,
            foreign,
        }
    }
}

fn since() -> types::Time {
    "2020-01-01T00:00:00Z".parse().unwrap()
}

fn wrong_name() -> TlsFault {
    TlsFault::WrongName { presented: vec!["parked.example".to_owned()] }
}

fn without_fault(authorities: &Authorities) -> Vec<Case> {
    let Authorities { root, mid, foreign, .. } = authorities;
    vec![
        Case::new("good", mid.leaf(NAME, |_| {}), &[mid], vec![]),
        Case::new("good, root sent along", mid.leaf(NAME, |_| {}), &[mid, root], vec![]),
        Case::new("good, wrong order, stranger in it", mid.leaf(NAME, |_| {}), &[foreign, mid], vec![]),
        Case::new("good wildcard", mid.leaf(&["*.acme.localhost"], |_| {}), &[mid], vec![]),
    ]
}

/// One fault of the certificate itself.
fn with_one_fault(authorities: &Authorities) -> Vec<Case> {
    let Authorities { mid, late, .. } = authorities;
    let (since, wrong) = (since(), wrong_name());
    let from: types::Time = "2100-01-01T00:00:00Z".parse().unwrap();
    let future = |params: &mut CertificateParams| params.not_before = date_time_ymd(2100, 1, 1);
    vec![
        Case::new("expired", mid.leaf(NAME, expired), &[mid], vec![TlsFault::Expired { since }]),
        Case::new("not yet valid", mid.leaf(NAME, future), &[mid], vec![TlsFault::NotYetValid { from }]),
        Case::new("issuer expired", late.leaf(NAME, |_| {}), &[late], vec![TlsFault::Expired { since }]),
        Case::new("wrong name", mid.leaf(&["parked.example"], |_| {}), &[mid], vec![wrong]),
        Case::new("self-signed", certs::self_signed(NAME, |_| {}), &[], vec![TlsFault::SelfSigned]),
        Case::new(
            "self-signed, marked as an authority",
            certs::self_signed(NAME, |params| {
                params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained)
            }),
            &[],
            vec![TlsFault::SelfSigned],
        ),
        Case::new(
            "not for servers",
            mid.leaf(NAME, |params| {
                params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
            }),
            &[mid],
            vec![other("it is not meant for servers (no serverAuth among its usages)")],
        ),
    ]
}

/// Issuers that are missing or not trusted, alone and with other faults.
fn with_faulty_chain(authorities: &Authorities) -> Vec<Case> {
    let Authorities { mid, foreign, foreign_mid, .. } = authorities;
    let (since, wrong) = (since(), wrong_name());
    vec![
        Case::new(
            "untrusted root",
            foreign_mid.leaf(NAME, |_| {}),
            &[foreign_mid, foreign],
            vec![TlsFault::UntrustedRoot { root: "CN=Strange Root".to_owned() }],
        ),
        Case::new(
            "intermediate missing",
            mid.leaf(NAME, |_| {}),
            &[],
            vec![TlsFault::IncompleteChain { missing: "CN=Acme Issuing".to_owned() }],
        ),
        Case::new(
            "expired, for another name, and of nobody",
            certs::self_signed(&["parked.example"], expired),
            &[],
            vec![TlsFault::Expired { since }, wrong, TlsFault::SelfSigned],
        ),
        Case::new(
            "expired, and its root unknown",
            foreign_mid.leaf(NAME, expired),
            &[foreign_mid, foreign],
            vec![TlsFault::Expired { since }, TlsFault::UntrustedRoot { root: "CN=Strange Root".to_owned() }],
        ),
    ]
}

fn with_staple(mid: &Authority) -> Vec<Case> {
    let mut cases = Vec::new();
    let revoked = mid.leaf(NAME, |params| params.serial_number = Some(vec![0x5a, 1, 2].into()));
    let mut case = Case::new("revoked", revoked, &[mid], vec![TlsFault::Revoked]);
    case.staple = Some(staple::response(&[0x5a, 1, 2], staple::REVOKED));
    cases.push(case);
    let good = mid.leaf(NAME, |params| params.serial_number = Some(vec![0x5a, 1, 2].into()));
    let mut case = Case::new("stapled as good", good, &[mid], vec![]);
    case.staple = Some(staple::response(&[0x5a, 1, 2], staple::GOOD));
    cases.push(case);
    cases
}

fn with_faulty_key(mid: &Authority) -> Vec<Case> {
    let mut cases = Vec::new();
    let stolen =
        Leaf { certificate: mid.leaf(NAME, |_| {}).certificate, key: rcgen::KeyPair::generate().unwrap() };
    cases.push(Case::new("another's", stolen, &[mid], vec![other("the server does not hold its key")]));
    let weak = Leaf {
        certificate: mid.certify(NAME, &Rsa1024::new(), |_| {}),
        key: rcgen::KeyPair::generate().unwrap(),
    };
    cases.push(Case::new("weak", weak, &[mid], vec![TlsFault::WeakKey { key: "RSA 1024".to_owned() }]));
    cases
}

#[tokio::test]
async fn all_faults_are_told_worst_first() {
    let authorities = Authorities::new();
    let Authorities { root, mid, .. } = &authorities;
    let cases = [
        without_fault(&authorities),
        with_one_fault(&authorities),
        with_faulty_chain(&authorities),
        with_staple(mid),
        with_faulty_key(mid),
    ];
    for case in cases.into_iter().flatten() {
        let shown: Vec<&Certificate> = case.chain.iter().collect();
        let address = server::https(certs::config(&shown, &case.key, case.staple), |_| server::ok("")).await;
        let seen = seen(ask(address, &[&root.certificate]).await);
        assert_eq!(seen.faults, case.faults, "{}", case.what);
        assert_eq!(seen.chain.len(), case.chain.len(), "{}: the chain is reported, good or not", case.what);
        assert_eq!((seen.address, seen.name.as_str()), (address, "shop.acme.localhost"), "{}", case.what);
    }
}

#[tokio::test]
async fn facts_and_phases_are_told() {
    let root = Authority::root("Acme Root");
    let leaf = root.leaf(&["shop.acme.localhost", "127.0.0.1"], |params| {
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2096, 1, 1);
    });
    let address =
        server::https(certs::config(&[&leaf.certificate], &leaf.key, None), |_| server::ok("")).await;
    let sample = ask(address, &[&root.certificate]).await;
    let phases = sample.phases;
    assert!(phases.dns.is_some() && phases.connect.is_some() && phases.tls.is_some(), "{phases:?}");
    assert!(phases.first_byte.is_none() && phases.total >= phases.tls.unwrap(), "{phases:?}");
    insta::assert_debug_snapshot!(seen(sample).chain, @r#"
    [
        Certificate {
            subject: "CN=shop.acme.localhost",
            issuer: "CN=Acme Root",
            names: [
                "shop.acme.localhost",
                "127.0.0.1",
            ],
            not_before: 2026-01-01T00:00:00Z,
            not_after: 2096-01-01T00:00:00Z,
            key: "EC P-256",
        },
    ]
    "#);

    // By address, a certificate is judged by the addresses in it.
    let by_address = seen(ask_host("127.0.0.1", address, &[&root.certificate]).await);
    assert_eq!(by_address.faults, []);
}

#[tokio::test]
async fn every_address_is_asked_and_the_worst_is_told() {
    let root = Authority::root("Acme Root");
    let good = root.leaf(NAME, |_| {});
    let bad = root.leaf(NAME, expired);
    let config = |leaf: &Leaf| certs::config(&[&leaf.certificate], &leaf.key, None);
    for bad_one in [0, 1] {
        let Some((four, six)) = server::both() else { return };
        let leaves = if bad_one == 0 { [&bad, &good] } else { [&good, &bad] };
        let addresses = [
            server::shake_on(four.listen(16).unwrap(), config(leaves[0])),
            server::shake_on(six.listen(16).unwrap(), config(leaves[1])),
        ];
        let seen = seen(ask(addresses[0], &[&root.certificate]).await);
        assert_eq!((seen.address, seen.faults.len()), (addresses[bad_one], 1));
    }
    // An address that nobody answers at is the host's trouble, not the certificate's.
    let Some((_refuses, six)) = server::both() else { return };
    let address = server::shake_on(six.listen(16).unwrap(), config(&good));
    let seen = seen(ask(address, &[&root.certificate]).await);
    assert_eq!((seen.address, seen.faults.len()), (address, 0));
}

#[tokio::test]
async fn a_self_signed_certificate_can_be_trusted_by_the_config() {
    for authority in [false, true] {
        let leaf = certs::self_signed(NAME, |params| {
            if authority {
                params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            }
        });
        let config = certs::config(&[&leaf.certificate], &leaf.key, None);
        let address = server::https(config, |_| server::ok("")).await;
        assert_eq!(seen(ask(address, &[&leaf.certificate]).await).faults, [], "authority: {authority}");
    }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_from_us_still_shows_its_own() {
    let root = Authority::root("Acme Root");
    let leaf = root.leaf(NAME, |_| {});
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(root.certificate.der().clone()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let wants = rustls::server::WebPkiClientVerifier::builder_with_provider(
            std::sync::Arc::new(roots),
            std::sync::Arc::clone(&provider),
        );
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_client_cert_verifier(wants.build().unwrap())
            .with_single_cert(
                vec![leaf.certificate.der().clone()],
                rustls::pki_types::PrivateKeyDer::Pkcs8(leaf.key.serialize_der().into()),
            )
            .unwrap();
        let address = server::https(config, |_| server::ok("")).await;
        assert_eq!(seen(ask(address, &[&root.certificate]).await).faults, []);
    }
}

#[tokio::test]
async fn who_speaks_no_tls_or_nobody_is_told_apart() {
    let shouting = server::listen(|mut stream| async move {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        server::head(&mut stream).await;
    })
    .await;
    let hanging_up = server::listen(|stream| async move { drop(stream) }).await;
    let (_refuses, nobody) = server::nobody();
    for (address, words) in [
        (shouting, &["garbage"][..]),
        (hanging_up, &["unreachable", "tls-handshake"][..]),
        (nobody, &["refused"][..]),
    ] {
        let sample = ask(address, &[]).await;
        let Answer::Failed(fault) = sample.answer else { panic!("{sample:?}") };
        assert!(words.contains(&fault.as_str()), "{fault:?}");
    }
}

#[tokio::test]
async fn a_chain_of_ten_megabytes_is_refused() {
    let root = Authority::root("Acme Root");
    let leaf = root.leaf(NAME, |_| {});
    let one = root.certificate.der().len();
    let chain: Vec<&Certificate> = std::iter::once(&leaf.certificate)
        .chain(std::iter::repeat_n(&root.certificate, 10_000_000 / one))
        .collect();
    let address = server::https(certs::config(&chain, &leaf.key, None), |_| server::ok("")).await;
    let sample = ask(address, &[&root.certificate]).await;
    assert_eq!(sample.answer, Answer::Failed(Fault::TooLarge { what: "TLS handshake".to_owned() }));
}

#[test]
fn trust_that_cannot_be_used_says_what_to_do() {
    let mut config = config::bare();
    let empty = tempfile::NamedTempFile::new().unwrap();
    let missing = empty.path().with_extension("missing");
    let broken = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(broken.path(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for (path, hint) in [
        (missing.as_path(), "check the path"),
        (empty.path(), "it must be PEM"),
        (broken.path(), "export it again as PEM"),
    ] {
        config.site.extra_ca_files = vec![path.to_owned()];
        let error: SetupError = Prober::new(&config).unwrap_err();
        assert!(error.to_string().contains(hint), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}
