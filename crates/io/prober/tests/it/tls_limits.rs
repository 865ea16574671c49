//! TLS servers that our library cannot talk to: their limit is named, and their certificate is judged.

use crate::certs::{self, Authority, Leaf};
use crate::{config, server};
use prober::Prober;
use rcgen::{Certificate, date_time_ymd};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use types::config::{Config, ProbeKind};
use types::fault::{Fault, TlsFault};
use types::probe_result::Answer;

/// What a server of another time speaks.
#[derive(Clone, Copy)]
struct Old {
    version: u16,
    suite: u16,
    /// Hangs up without a word where it finds nothing in common, as some do.
    rude: bool,
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind][..], &length[1..], body].concat()
}

/// Shows its certificate to whoever offers its suite, and stops there.
async fn serve(old: Old, certificate: &Certificate) -> SocketAddr {
    let der = certificate.der().to_vec();
    server::listen(move |mut stream| {
        let der = der.clone();
        async move {
            let mut bytes = vec![0; 4096];
            let Ok(read) = stream.read(&mut bytes).await else { return };
            if !bytes[..read].windows(2).any(|pair| pair == old.suite.to_be_bytes()) {
                if !old.rude {
                    let _ = stream.write_all(&[21, 3, 3, 0, 2, 2, 40]).await;
                }
                return;
            }
            let mut hello = old.version.to_be_bytes().to_vec();
            hello.extend([7; 32]);
            hello.push(0);
            hello.extend(old.suite.to_be_bytes());
            hello.push(0);
            let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_be_bytes()[1..].to_vec();
            let one = [length(&der), der.clone()].concat();
            let flight =
                [message(2, &hello), message(11, &[length(&one), one].concat()), message(14, &[])].concat();
            let size = u16::try_from(flight.len()).unwrap().to_be_bytes();
            let _ = stream.write_all(&[&[22, 3, 3][..], &size, &flight].concat()).await;
            let _ = stream.read(&mut bytes).await;
        }
    })
    .await
}

async fn both(config: &Config, address: SocketAddr) -> [Answer; 2] {
    let prober = Prober::new(config).unwrap();
    let tls = config::probe("tls", ProbeKind::Tls { host: "127.0.0.1".to_owned(), port: address.port() });
    let web = config::probe("web", config::get(format!("https://{address}/")));
    [prober.run(&tls).await.answer, prober.run(&web).await.answer]
}

fn trusting(root: &Authority) -> (Config, tempfile::NamedTempFile) {
    let file = certs::trust(&[&root.certificate]);
    let mut config = config::bare();
    config.site.extra_ca_files = vec![file.path().to_owned()];
    (config, file)
}

#[tokio::test]
async fn a_limit_of_ours_is_named_and_the_certificate_is_judged() {
    let root = Authority::root("Acme Root");
    let (config, _file) = trusting(&root);
    let good = root.leaf(&["127.0.0.1"], |_| {});
    let expired = root.leaf(&["127.0.0.1"], |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    for (version, suite, rude, outdated, what) in [
        (0x0303, 0xc014, false, None, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA (CBC mode)"),
        (0x0303, 0xc024, true, None, "CBC mode"),
        (0x0303, 0x009c, false, None, "RSA key exchange"),
        (0x0302, 0x0035, false, Some("TLS 1.1"), "nothing newer than TLS 1.1"),
        (0x0301, 0x000a, true, Some("TLS 1.0"), "nothing newer than TLS 1.0"),
    ] {
        let old = Old { version, suite, rude };
        let [tls, web] = both(&config, serve(old, &good.certificate).await).await;
        let Answer::Tls(seen) = tls else { panic!("{what}: {tls:?}") };
        assert_eq!(
            (seen.faults.len(), seen.chain.len(), seen.outdated.as_deref()),
            (0, 1, outdated),
            "{what}"
        );
        let Answer::Failed(Fault::TlsUnsupported { what: reason }) = web else { panic!("{what}: {web:?}") };
        assert!(reason.contains(what), "{reason}");

        let since = "2020-01-01T00:00:00Z".parse().unwrap();
        let [tls, web] = both(&config, serve(old, &expired.certificate).await).await;
        let Answer::Tls(seen) = tls else { panic!("{what}: {tls:?}") };
        assert_eq!(seen.faults, [TlsFault::Expired { since }], "{what}");
        assert_eq!(web, Answer::Failed(Fault::Tls { tls: TlsFault::Expired { since } }), "{what}");
    }
}

#[tokio::test]
async fn a_server_that_we_could_talk_to_has_no_such_excuse() {
    let root = Authority::root("Acme Root");
    let (config, _file) = trusting(&root);
    let leaf = root.leaf(&["127.0.0.1"], |_| {});
    // Refuses every handshake, whatever is offered.
    let refuses = server::listen(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(&[21, 3, 3, 0, 2, 2, 40]).await;
    })
    .await;
    // Does TLS 1.2 as we do, and breaks off behind its certificate.
    let ours = serve(Old { version: 0x0303, suite: 0xc02f, rude: false }, &leaf.certificate).await;
    for address in [refuses, ours] {
        let [_, web] = both(&config, address).await;
        let Answer::Failed(fault) = web else { panic!("{web:?}") };
        assert_ne!(fault.as_str(), "tls-unsupported", "{fault:?}");
    }
}

#[tokio::test]
async fn certificates_that_no_client_needs_are_spare() {
    let root = Authority::root("Acme Root");
    let old = Authority::root("Old Root");
    let (config, _file) = trusting(&root);
    let over = |params: &mut rcgen::CertificateParams| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    };
    let soon = |params: &mut rcgen::CertificateParams| params.not_after = date_time_ymd(2027, 1, 1);
    let mid = root.beneath("Acme Issuing", |_| {});
    let stranger = old.beneath("Stranger", over);
    let cross_over = old.crossing(&root, over);
    let cross_soon = old.crossing(&root, soon);
    let mid_over = old.crossing(&mid, over);
    let mid_soon = root.crossing(&mid, soon);
    let Leaf { certificate: leaf, key } = root.leaf(&["127.0.0.1"], |_| {});
    let deep = mid.certify(&["127.0.0.1"], &key, |_| {});
    for (what, chain, spare) in [
        ("cross-signature that is over", vec![&leaf, &cross_over], vec![1]),
        ("cross-signature that ends soon", vec![&leaf, &cross_soon], vec![1]),
        ("stranger", vec![&leaf, &stranger.certificate], vec![1]),
        ("root", vec![&leaf, &root.certificate], vec![1]),
        ("alternative that is over, first", vec![&deep, &mid_over, &mid.certificate], vec![1]),
        ("alternative that is over, last", vec![&deep, &mid.certificate, &mid_over], vec![2]),
        ("alternative that ends sooner, first", vec![&deep, &mid_soon, &mid.certificate], vec![1]),
        ("alternative that ends sooner, last", vec![&deep, &mid.certificate, &mid_soon], vec![2]),
        ("leaf twice, wrong order", vec![&deep, &root.certificate, &deep, &mid.certificate], vec![1, 2]),
        ("needed", vec![&deep, &mid.certificate], vec![]),
    ] {
        let address = server::https(certs::config(&chain, &key, None), |_| server::ok("well")).await;
        let [tls, web] = both(&config, address).await;
        let Answer::Tls(seen) = tls else { panic!("{what}: {tls:?}") };
        assert_eq!((seen.faults, seen.spare), (vec![], spare), "{what}");
        assert!(matches!(web, Answer::Http(_)), "{what}: {web:?}");
    }
    // What no path can do without is a fault.
    let address = server::https(certs::config(&[&deep, &mid_over], &key, None), |_| server::ok("")).await;
    let [tls, _] = both(&config, address).await;
    let Answer::Tls(seen) = tls else { panic!("{tls:?}") };
    assert!(!seen.faults.is_empty() && seen.spare.is_empty(), "{seen:?}");
}
