//! `[edge]` as written.

use crate::diagnostics::Diagnostics;
use crate::formats::{BRIEF, CIDR, FILE, HOUR, LISTEN, PORT, SIZE};
use crate::keys::keys;
use crate::kind::list::list;
use crate::kind::scalar::{Boolean, Integer, Span, duration, integer};
use crate::kind::string::{Format, format};
use crate::kind::table::{Tables, made, table};
use crate::kind::value::At;
use crate::parse::address::collide;
use crate::parse::url::Url;
use crate::parse::{path, scalar};
use crate::suggest::shown;
use crate::value_error::ValueError;
use ipnet::IpNet;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use types::config::{CACHE_SIZE, CertificateFiles, Edge, EdgeLimits};

/// More listen addresses or trusted ranges than this are a mistake, and each is compared with all others.
const MAX_LISTENERS: usize = 64;
const MAX_TRUSTED_PROXIES: usize = 256;

const HEALTH_PATH: Format<String> =
    format("a path: \"/edge-health\"", Some("^/"), |text, _| path::path(text));
const OTLP: Format<String> = format("a URL (http or https)", Some("^https?://"), |text, _| collector(text));
const KEY_FILE: Format<PathBuf> = format("a file path", None, |text, context| key_file(text, context.folder));
/// Timeout of a client's connection.
const CLIENT_TIMEOUT: Span = duration(BRIEF, HOUR);
const CONNECTIONS: Integer<u32> = integer(1, 10_000_000);
const DRAIN: Span = duration(Duration::ZERO, HOUR);

keys! {
    /// The edge: mainstay's reverse proxy in front of your servers. It runs only when this section is there.
    [edge]
    struct RawEdge {
        /// Listen addresses for HTTP.
        listen: Vec<At<SocketAddr>> = list(LISTEN), otherwise "none", example r#"["127.0.0.1:8000"]"#;
        /// Listen addresses for HTTPS (HTTP/1.1 and HTTP/2). Requires `certificate`.
        listen_tls: Vec<At<SocketAddr>> = list(LISTEN), otherwise "none", example r#"["127.0.0.1:8443"]"#;
        /// Redirects HTTP requests to HTTPS (308).
        redirect_to_https: bool = Boolean, default false, example "true";
        /// HTTPS port as clients see it, for redirects. The default is the port of `listen_tls` when the client's Host header
        /// names the port of `listen`, which means that no port mapping is in between; otherwise 443.
        https_port: Option<u16> = PORT, otherwise "443, or the port of `listen_tls`", example "8443";
        /// Health check path of the edge itself, for load balancers in front of it. Answered for any host: 200, or 503 while
        /// shutting down. Not counted as traffic.
        health_path: Option<String> = HEALTH_PATH, otherwise "none", example r#""/edge-health""#;
        /// Certificate files, each in a `[[edge.certificate]]`. Selected by SNI; reloaded when they change.
        certificate: Vec<CertificateFiles> = Tables(made(|files: CertificateFiles, written, context| {
            context.diagnostics.remember(written.key_place("chain"));
            Some(files)
        })), otherwise "none", example r#"[{ chain = "auth.pem", key = "auth.key" }]"#;
        /// CIDR ranges of load balancers in front of the edge. `Forwarded` and `X-Forwarded-For` are accepted from these
        /// only.
        trusted_proxies: Vec<At<IpNet>> = list(CIDR), otherwise "none", example r#"["10.0.0.0/8"]"#;
        /// CIDR ranges whose connections begin with the PROXY protocol, v1 or v2. A connection from these without it is
        /// closed.
        proxy_protocol: Vec<IpNet> = list(CIDR), otherwise "none", example r#"["10.1.0.0/16"]"#;
        /// Worker threads.
        threads: Option<u32> = integer::<u32>(1, 256), otherwise "number of cores", example "2";
        /// MMDB files (MaxMind format) with the country and the autonomous system of an address.
        geoip: Option<RawGeoip> = table::<RawGeoip>(), otherwise "none",
            example r#"{ country = "GeoLite2-Country.mmdb", asn = "GeoLite2-ASN.mmdb" }"#;
        /// Writes each request to standard output as one line of JSON.
        access_log: bool = Boolean, default false, example "true";
        /// OTLP/HTTP endpoint for traces, with its path.
        otlp: Option<String> = OTLP, otherwise "none", example r#""http://127.0.0.1:4318/v1/traces""#;
        /// Maximum size of the response cache with its keys: see `cache` of a service's traffic.
        cache_size: u64 = SIZE, default CACHE_SIZE => "64MB", example r#""64MB""#;
        /// Limits of one request and one connection.
        limits: Option<EdgeLimits> = table::<EdgeLimits>(), otherwise "see below",
            example r#"{ body_bytes = 10485760, keepalive_timeout = "30s" }"#;
    }
}

keys! {
    for CertificateFiles {
        /// PEM file with the certificate, followed by its intermediates.
        chain: PathBuf = FILE, required, example r#""auth.pem""#;
        /// PEM file with the private key.
        key: PathBuf = KEY_FILE, required, example r#""auth.key""#;
    }
}

keys! {
    /// MMDB files.
    struct RawGeoip {
        /// MMDB file with countries; required to deny by country.
        country: Option<PathBuf> = FILE, otherwise "none", example r#""GeoLite2-Country.mmdb""#;
        /// MMDB file with autonomous systems; required to deny or limit by them.
        asn: Option<PathBuf> = FILE, otherwise "none", example r#""GeoLite2-ASN.mmdb""#;
    }
}

keys! {
    for EdgeLimits {
        /// Maximum size of request line and headers, in bytes.
        head_bytes: u32 = integer::<u32>(1_024, 1 << 20), default Self::default().head_bytes, example "16384";
        /// Maximum number of request headers.
        headers: u32 = integer::<u32>(8, 1_000), default Self::default().headers, example "100";
        /// Maximum size of a request body, in bytes. Bodies are streamed, not buffered.
        body_bytes: u64 = integer::<u64>(0, 1 << 40), default Self::default().body_bytes, example "67108864";
        /// Timeout for receiving all headers of a request.
        header_timeout: Duration = CLIENT_TIMEOUT, default Self::default().header_timeout, example r#""10s""#;
        /// Timeout between two reads or writes of a body.
        body_timeout: Duration = CLIENT_TIMEOUT, default Self::default().body_timeout, example r#""30s""#;
        /// Idle timeout of a connection between requests.
        keepalive_timeout: Duration = CLIENT_TIMEOUT, default Self::default().keepalive_timeout, example r#""75s""#;
        /// Maximum concurrent connections.
        max_connections: u32 = CONNECTIONS, default Self::default().max_connections, example "20000";
        /// Maximum concurrent connections from one IPv4 address or one IPv6 /64. `trusted_proxies` are exempt.
        max_connections_per_ip: u32 = CONNECTIONS, default Self::default().max_connections_per_ip, example "2000";
        /// Longest time over which WebSockets, event streams and idle connections are closed when their server drains, or
        /// when the edge stops. Few are closed sooner: 20 a second.
        drain_timeout: Duration = DRAIN, default Self::default().drain_timeout, example r#""20s""#;
    }
}

impl RawEdge {
    /// Whether the file with countries is there, valid or not.
    pub(crate) fn has_geoip_country(&self) -> bool {
        self.geoip.as_ref().is_some_and(|geoip| geoip.written.has("country"))
    }

    /// Whether the file with autonomous systems is there, valid or not.
    pub(crate) fn has_geoip_asn(&self) -> bool {
        self.geoip.as_ref().is_some_and(|geoip| geoip.written.has("asn"))
    }

    /// All listen addresses.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = SocketAddr> {
        self.listen.iter().chain(&self.listen_tls).map(|at| at.value)
    }

    /// Checks what belongs together: listeners, certificates, redirects, trusted ranges.
    pub(crate) fn check(&self, status_page: SocketAddr, diagnostics: &mut Diagnostics) {
        let written = &self.written;
        if written.is_table && !written.is_filled("listen") && !written.is_filled("listen_tls") {
            diagnostics.missing(
                written.place.clone(),
                "the edge has no listen address",
                "add listen = [\"127.0.0.1:8000\"], or listen_tls and a certificate",
            );
        }
        check_listeners(&self.listen, &self.listen_tls, status_page, diagnostics);
        if self.redirect_to_https && !written.is_filled("listen_tls") {
            diagnostics.missing(
                written.key_place("redirect_to_https"),
                "`redirect_to_https` redirects to HTTPS, but nothing listens for it",
                "add listen_tls = [\"127.0.0.1:8443\"]",
            );
        }
        if written.is_filled("listen_tls") && !written.has("certificate") {
            diagnostics.missing(
                written.key_place("listen_tls"),
                "`listen_tls` has no certificate",
                "add its files: [[edge.certificate]] chain = \"auth.pem\", key = \"auth.key\"",
            );
        }
        if written.has("certificate") && !written.has("listen_tls") {
            diagnostics.warn(
                written.key_place("certificate"),
                "the certificate is not used: the edge does not listen for HTTPS",
                "add listen_tls = [\"127.0.0.1:8443\"]",
            );
        }
        check_trusted_proxies(&self.trusted_proxies, diagnostics);
    }

    /// The edge; complete when no problem is reported.
    pub(crate) fn resolve(self) -> Edge {
        let values = |list: Vec<At<SocketAddr>>| list.into_iter().map(|at| at.value).collect();
        let geoip = self.geoip.map_or((None, None), |geoip| (geoip.country, geoip.asn));
        Edge {
            listen: values(self.listen),
            listen_tls: values(self.listen_tls),
            redirect_to_https: self.redirect_to_https,
            https_port: self.https_port,
            health_path: self.health_path,
            certificates: self.certificate,
            trusted_proxies: self.trusted_proxies.into_iter().map(|at| at.value).collect(),
            proxy_protocol: self.proxy_protocol,
            threads: self.threads,
            limits: self.limits.unwrap_or_default(),
            geoip_country: geoip.0,
            geoip_asn: geoip.1,
            access_log: self.access_log,
            otlp: self.otlp,
            cache_size: self.cache_size,
        }
    }
}

fn check_trusted_proxies(proxies: &[At<IpNet>], diagnostics: &mut Diagnostics) {
    if let Some(beyond) = proxies.get(MAX_TRUSTED_PROXIES) {
        let message =
            format!("`trusted_proxies` has {} ranges; the maximum is {MAX_TRUSTED_PROXIES}", proxies.len());
        diagnostics.error(beyond.place.clone(), message, "use larger ranges");
    }
    if let Some(all) = proxies.iter().find(|at| at.value.prefix_len() == 0) {
        let message = format!("{} trusts every client: any of them can forge its address", all.value);
        diagnostics.warn(
            all.place.clone(),
            message,
            "trust the load balancers only: trusted_proxies = [\"10.0.0.0/8\"]",
        );
    }
}

/// Checks that listen addresses do not collide with each other or with the status page.
fn check_listeners(
    plain: &[At<SocketAddr>],
    tls: &[At<SocketAddr>],
    status_page: SocketAddr,
    diagnostics: &mut Diagnostics,
) {
    let mut taken: Vec<SocketAddr> = Vec::new();
    // On `[::]` the status page accepts IPv4 too.
    let status_page_takes = |at: SocketAddr| {
        collide(at, status_page)
            || (status_page.ip() == Ipv6Addr::UNSPECIFIED && at.port() == status_page.port() && at.port() > 0)
    };
    for at in plain.iter().chain(tls) {
        if status_page_takes(at.value) {
            let message = format!(
                "the status page listens on {status_page}: the edge cannot listen on {} too",
                at.value
            );
            diagnostics.conflict(at.place.clone(), message, "another port here, or another [site] listen");
        }
        if taken.len() == MAX_LISTENERS {
            let message = format!("the edge listens on more than {MAX_LISTENERS} sockets");
            diagnostics.error(at.place.clone(), message, "use one for all addresses: \"0.0.0.0:80\"");
            return;
        }
        match taken.iter().find(|other| collide(**other, at.value)) {
            Some(other) => {
                let message = format!("the edge listens on {other} already");
                diagnostics.error(at.place.clone(), message, "keep one of them");
            }
            None => taken.push(at.value),
        }
    }
}

/// Parses the path of a private key. A literal key is rejected, and never repeated.
fn key_file(text: &str, folder: &Path) -> Result<PathBuf, ValueError> {
    if text.contains("-----BEGIN") {
        return Err(ValueError::new("a private key must not be written in the configuration")
            .hint("use the path of its file; replace this one, it may have been copied with the file")
            .secret());
    }
    scalar::path(text, folder)
}

/// Parses the OTLP endpoint: the whole URL, because collectors differ in their paths.
fn collector(text: &str) -> Result<String, ValueError> {
    let url = Url::read(text)?;
    if matches!(url.rest.as_str(), "" | "/") {
        return Err(ValueError::new(format!("`{}` lacks its path", shown(text))).hint(format!(
            "the usual endpoint is \"{}/v1/traces\"",
            shown(url.text().trim_end_matches('/'))
        )));
    }
    Ok(url.text())
}
