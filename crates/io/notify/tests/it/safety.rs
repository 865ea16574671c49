//! Secrets, private addresses and trusted roots.

use crate::fake_provider::FakeProvider;
use crate::{config, key, page, secret};
use axum::response::IntoResponse as _;
use notify::Notifier;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

#[tokio::test]
async fn repeated_secrets_are_not_passed_on() {
    let provider = FakeProvider::answering(|received| {
        let sent = String::from_utf8_lossy(&received.body).into_owned();
        let token = received.header("authorization").unwrap_or_default().to_owned();
        let all = serde_json::json!({ "error": format!("{token} {sent}"), "id": token });
        (axum::http::StatusCode::BAD_REQUEST, all.to_string()).into_response()
    })
    .await;
    let notifier = provider.notifier(Some(secret()));
    for channel in ["ntfy", "hook"] {
        let no = notifier.send(&page(channel)).await.result.unwrap_err();
        assert_eq!(no.why, "the provider rejected the message (400)");
    }
    let shown = format!("{notifier:?}");
    assert!(!shown.contains("s3cr3t") && !shown.contains("mainstay-notify"), "{shown}");
}

#[tokio::test]
async fn name_with_private_address_is_refused_unless_allowed() {
    let provider = FakeProvider::with_status(200).await;
    let by_name = provider.url.replace("127.0.0.1", "localhost");
    let mut config = config(&by_name, &provider.url, None);
    let notifier = Notifier::new(&config, key()).unwrap();
    let no = notifier.send(&page("ntfy")).await.result.unwrap_err();
    assert!(
        !no.retriable
            && no.why.contains("private address")
            && no.why.contains("add its CIDR range to site.allow_private"),
        "{no:?}"
    );
    assert!(
        notifier.send(&page("hook")).await.result.is_ok(),
        "an IP address in the configuration is allowed"
    );

    config.site.allow_private = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    let notifier = Notifier::new(&config, key()).unwrap();
    assert!(notifier.send(&page("ntfy")).await.result.is_ok());
}

#[tokio::test]
async fn extra_ca_file_is_trusted() {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(vec![]).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = ca.self_signed(&ca_key).unwrap();
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&leaf_key, &Issuer::new(ca, ca_key))
        .unwrap();
    let url = https(vec![leaf.der().clone()], leaf_key.serialize_der().try_into().unwrap()).await;

    let mut config = config(&url, &url, None);
    let no = Notifier::new(&config, key()).unwrap().send(&page("ntfy")).await.result.unwrap_err();
    assert!(no.retriable && no.why.contains("no trusted TLS connection"), "{no:?}");

    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("root.pem");
    std::fs::write(&pem, root.pem()).unwrap();
    config.site.extra_ca_files.push(pem);
    let notifier = Notifier::new(&config, key()).unwrap();
    assert_eq!(notifier.send(&page("ntfy")).await.result.unwrap().receipt.as_deref(), Some("safe"));
}

/// A server that accepts everything, over TLS.
async fn https(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> String {
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4096]).await;
            let answer =
                b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\n{\"id\":\"safe\"}";
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    });
    url
}
