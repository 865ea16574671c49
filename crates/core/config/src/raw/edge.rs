//! `[edge]` as written.

use crate::diagnostics::Diagnostics;
use crate::parse::address::{cidr, collide, listen};
use crate::parse::scalar;
use crate::parse::url::Url;
use crate::raw::traffic;
use crate::reader::table::TableReader;
use crate::reader::value::At;
use crate::suggest::shown;
use crate::value_error::ValueError;
use ipnet::IpNet;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use types::config::{CertificateFiles, Edge, EdgeLimits};

/// More listen addresses or trusted ranges than this are a mistake, and each is compared with all others.
const MAX_LISTENERS: usize = 64;
const MAX_TRUSTED_PROXIES: usize = 256;

/// The edge as written.
#[derive(Debug)]
pub(crate) struct RawEdge {
    /// Whether the files with countries and autonomous systems are there, valid or not.
    pub(crate) has_geoip_country: bool,
    pub(crate) has_geoip_asn: bool,
    pub(crate) edge: Edge,
}

pub(crate) fn read(
    table: &mut TableReader<'_>,
    folder: &Path,
    status_page: SocketAddr,
    diagnostics: &mut Diagnostics,
) -> RawEdge {
    let plain = table.strings(diagnostics, "listen", listen);
    let tls = table.strings(diagnostics, "listen_tls", listen);
    if table.is_open() && !table.is_filled("listen") && !table.is_filled("listen_tls") {
        diagnostics.missing(
            table.place.clone(),
            "the edge has no listen address",
            "add listen = [\"127.0.0.1:8000\"], or listen_tls and a certificate",
        );
    }
    check_listeners(&plain, &tls, status_page, diagnostics);
    let redirect_to_https = table.boolean(diagnostics, "redirect_to_https").unwrap_or(false);
    if redirect_to_https && !table.is_filled("listen_tls") {
        diagnostics.missing(
            table.key_place("redirect_to_https"),
            "`redirect_to_https` redirects to HTTPS, but nothing listens for it",
            "add listen_tls = [\"127.0.0.1:8443\"]",
        );
    }
    let certificates = certificates(table, folder, diagnostics);
    let proxies = trusted_proxies(table, diagnostics);
    let geoip = table
        .subtable(diagnostics, "geoip", |table, diagnostics| geoip(table, folder, diagnostics))
        .unwrap_or_default();
    let values = |list: Vec<At<IpNet>>| list.into_iter().map(|at| at.value).collect();
    RawEdge {
        has_geoip_country: geoip.has_country,
        has_geoip_asn: geoip.has_asn,
        edge: Edge {
            listen: plain.into_iter().map(|at| at.value).collect(),
            listen_tls: tls.into_iter().map(|at| at.value).collect(),
            redirect_to_https,
            https_port: table.integer(diagnostics, "https_port"),
            health_path: table.string(diagnostics, "health_path", traffic::path).map(|at| at.value),
            certificates,
            trusted_proxies: values(proxies.into_iter().take(MAX_TRUSTED_PROXIES).collect()),
            proxy_protocol: values(table.strings(diagnostics, "proxy_protocol", cidr)),
            threads: table.integer(diagnostics, "threads"),
            limits: table.subtable(diagnostics, "limits", limits).unwrap_or_default(),
            geoip_country: geoip.country,
            geoip_asn: geoip.asn,
            access_log: table.boolean(diagnostics, "access_log").unwrap_or(false),
            otlp: table.string(diagnostics, "otlp", collector).map(|at| at.value),
        },
    }
}

/// Reads the certificates, and checks that they and `listen_tls` come together.
fn certificates(
    table: &mut TableReader<'_>,
    folder: &Path,
    diagnostics: &mut Diagnostics,
) -> Vec<CertificateFiles> {
    let certificates = table.subtables(diagnostics, "certificate", |table, diagnostics| {
        let chain = table.string(diagnostics, "chain", |text| scalar::path(text, folder));
        let key = table.string(diagnostics, "key", |text| key_file(text, folder));
        diagnostics.remember(table.key_place("chain"));
        Some(CertificateFiles { chain: chain?.value, key: key?.value })
    });
    if table.is_filled("listen_tls") && !table.has("certificate") {
        diagnostics.missing(
            table.key_place("listen_tls"),
            "`listen_tls` has no certificate",
            "add its files: [[edge.certificate]] chain = \"auth.pem\", key = \"auth.key\"",
        );
    }
    if table.has("certificate") && !table.has("listen_tls") {
        diagnostics.warn(
            table.key_place("certificate"),
            "the certificate is not used: the edge does not listen for HTTPS",
            "add listen_tls = [\"127.0.0.1:8443\"]",
        );
    }
    certificates.into_iter().flatten().collect()
}

fn trusted_proxies(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> Vec<At<IpNet>> {
    let proxies = table.strings(diagnostics, "trusted_proxies", cidr);
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
    proxies
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

/// `geoip` as written.
#[derive(Default)]
struct Geoip {
    /// Whether `country` is there, valid or not.
    has_country: bool,
    has_asn: bool,
    country: Option<PathBuf>,
    asn: Option<PathBuf>,
}

fn geoip(table: &mut TableReader<'_>, folder: &Path, diagnostics: &mut Diagnostics) -> Geoip {
    let mut file = |key| table.string(diagnostics, key, |text| scalar::path(text, folder)).map(|at| at.value);
    let (country, asn) = (file("country"), file("asn"));
    Geoip { has_country: table.has("country"), has_asn: table.has("asn"), country, asn }
}

fn limits(table: &mut TableReader<'_>, diagnostics: &mut Diagnostics) -> EdgeLimits {
    let usual = EdgeLimits::default();
    EdgeLimits {
        head_bytes: table.integer(diagnostics, "head_bytes").unwrap_or(usual.head_bytes),
        headers: table.integer(diagnostics, "headers").unwrap_or(usual.headers),
        body_bytes: table.integer(diagnostics, "body_bytes").unwrap_or(usual.body_bytes),
        header_timeout: table.duration(diagnostics, "header_timeout").unwrap_or(usual.header_timeout),
        body_timeout: table.duration(diagnostics, "body_timeout").unwrap_or(usual.body_timeout),
        keepalive_timeout: table
            .duration(diagnostics, "keepalive_timeout")
            .unwrap_or(usual.keepalive_timeout),
        max_connections: table.integer(diagnostics, "max_connections").unwrap_or(usual.max_connections),
        max_connections_per_ip: table
            .integer(diagnostics, "max_connections_per_ip")
            .unwrap_or(usual.max_connections_per_ip),
    }
}

/// Parses the path of a private key. A literal key is rejected, and never repeated.
fn key_file(text: &str, folder: &Path) -> Result<std::path::PathBuf, ValueError> {
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
