//! The PROXY protocol and TLS towards clients.

use crate::fixture::{
    ConfigParts, GET, OK, PATIENCE, Server, all, answer, connect, door, edge, status, terms, wait,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

#[test]
fn the_proxy_protocol_is_read_where_declared_and_nowhere_else() {
    let server = Server::saying(OK);
    let header = "PROXY TCP4 192.0.2.44 192.0.2.1 4711 80\r\n";
    let edge_proxied = edge(
        &[server.at],
        &ConfigParts { edge: "proxy_protocol = [\"127.0.0.0/8\"]", ..ConfigParts::default() },
    );
    let at = door(&edge_proxied, false);
    assert_eq!(status(&all(at, format!("{header}{GET}").as_bytes())), 200);
    let seen = String::from_utf8(server.seen.lock().unwrap()[0].clone()).unwrap();
    assert!(seen.contains("\r\nx-forwarded-for: 192.0.2.44\r\n"), "{seen}");
    // In pieces.
    let mut socket = connect(at);
    for byte in header.as_bytes() {
        socket.write_all(&[*byte]).unwrap();
    }
    socket.write_all(GET.as_bytes()).unwrap();
    assert_eq!(status(&answer(&mut socket)), 200);
    assert_eq!(all(at, GET.as_bytes()), "", "without it nothing is answered");
    let edge_plain = edge(&[server.at], &ConfigParts::default());
    assert_eq!(status(&all(door(&edge_plain, false), format!("{header}{GET}").as_bytes())), 400);
}

/// Makes a certificate and writes it; the files by this name.
pub(crate) fn certificate(folder: &Path, names: &[&str]) {
    let made =
        rcgen::generate_simple_self_signed(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
            .unwrap();
    std::fs::write(folder.join("c.key"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("c.pem"), made.cert.pem()).unwrap();
}

pub(crate) fn client(folder: &Path, alpn: &[&[u8]]) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("c.pem")).unwrap()).unwrap();
    let mut config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

/// One request over TLS; the response, and whether the session was resumed.
fn secure(
    at: SocketAddr,
    config: &Arc<rustls::ClientConfig>,
    name: &'static str,
) -> Result<(String, bool), String> {
    let mut socket = connect(at);
    let mut session =
        rustls::ClientConnection::new(Arc::clone(config), ServerName::try_from(name).unwrap()).unwrap();
    let text = {
        let mut stream = rustls::Stream::new(&mut session, &mut socket);
        stream.write_all(GET.as_bytes()).map_err(|why| why.to_string())?;
        answer(&mut stream)
    };
    Ok((text, session.handshake_kind() == Some(rustls::HandshakeKind::Resumed)))
}

#[test]
fn tls_serves_by_name_resumes_and_follows_its_files() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path(), &["a.test"]);
    let server = Server::saying(OK);
    let parts = format!(
        "listen_tls = [\"127.0.0.1:0\"]\n[[edge.certificate]]\nchain = \"{0}/c.pem\"\nkey = \"{0}/c.key\"",
        folder.path().display()
    );
    let parts = ConfigParts { edge: &parts, ..ConfigParts::default() };
    let edge = edge(&[server.at], &parts);
    let at = door(&edge, true);
    let config = client(folder.path(), &[b"http/1.1"]);
    let (first, resumed) = secure(at, &config, "a.test").unwrap();
    assert!(status(&first) == 200 && !resumed, "{first}");
    for _ in 0..5 {
        let (again, resumed) = secure(at, &config, "a.test").unwrap();
        assert!(status(&again) == 200 && resumed);
    }
    assert!(
        String::from_utf8_lossy(&server.seen.lock().unwrap()[0]).contains("x-forwarded-proto: https\r\n")
    );
    assert!(secure(at, &config, "b.test").is_err(), "no certificate is served for another name");
    // A new certificate, for one name more, without a restart.
    certificate(folder.path(), &["a.test", "b.test"]);
    let config = client(folder.path(), &[b"http/1.1"]);
    let from = std::time::Instant::now();
    wait("the new certificate", || secure(at, &config, "b.test").is_ok());
    assert!(from.elapsed() < PATIENCE);
    edge.reload(&terms(&[server.at], &parts)).unwrap();
    assert!(secure(at, &config, "b.test").is_ok());
}
