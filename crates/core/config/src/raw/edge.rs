//! `[edge]` as written: where it listens, what it believes, what it allows.

use crate::diagnostics::Diagnostics;
use crate::parse::address::{collide, listen, network};
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

/// More sockets or networks before the edge than this are a mistake, and each is compared with others.
const MOST_SOCKETS: usize = 64;
const MOST_HOPS: usize = 256;

/// The edge as written.
#[derive(Debug)]
pub(crate) struct RawEdge {
    /// Whether the files of countries and of autonomous systems stand there, right or wrong.
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
            "the edge listens nowhere",
            "give it listen = [\"127.0.0.1:8000\"], or listen_tls and a certificate",
        );
    }
    apart(&plain, &tls, status_page, diagnostics);
    let redirect_to_https = table.boolean(diagnostics, "redirect_to_https").unwrap_or(false);
    if redirect_to_https && !table.is_filled("listen_tls") {
        diagnostics.missing(
            table.key_place("redirect_to_https"),
            "`redirect_to_https` sends visitors where nobody listens",
            "say where HTTPS is: listen_tls = [\"127.0.0.1:8443\"]",
        );
    }
    let certificates = table.subtables(diagnostics, "certificate", |table, diagnostics| {
        let chain = table.string(diagnostics, "chain", |text| scalar::path(text, folder));
        let key = table.string(diagnostics, "key", |text| key_file(text, folder));
        diagnostics.remember(table.key_place("chain"));
        Some(CertificateFiles { chain: chain?.value, key: key?.value })
    });
    if table.is_filled("listen_tls") && !table.has("certificate") {
        diagnostics.missing(
            table.key_place("listen_tls"),
            "`listen_tls` has no certificate to show",
            "name its files: [[edge.certificate]] chain = \"auth.pem\", key = \"auth.key\"",
        );
    }
    if table.has("certificate") && !table.has("listen_tls") {
        diagnostics.warn(
            table.key_place("certificate"),
            "the certificate is shown to nobody: the edge does not listen for HTTPS",
            "say where: listen_tls = [\"127.0.0.1:8443\"]",
        );
    }
    let hops = table.strings(diagnostics, "trusted_proxies", network);
    if let Some(beyond) = hops.get(MOST_HOPS) {
        let message = format!("{} networks of hops; {MOST_HOPS} is the most", hops.len());
        diagnostics.error(beyond.place.clone(), message, "name the networks that hold them");
    }
    if let Some(all) = hops.iter().find(|at| at.value.prefix_len() == 0) {
        let message = format!("{} is everybody: any visitor could claim to be another", all.value);
        diagnostics.warn(
            all.place.clone(),
            message,
            "name the load balancers alone: trusted_proxies = [\"10.0.0.0/8\"]",
        );
    }
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
            certificates: certificates.into_iter().flatten().collect(),
            trusted_proxies: values(hops.into_iter().take(MOST_HOPS).collect()),
            proxy_protocol: values(table.strings(diagnostics, "proxy_protocol", network)),
            threads: table.integer(diagnostics, "threads"),
            limits: table.subtable(diagnostics, "limits", limits).unwrap_or_default(),
            geoip_country: geoip.country,
            geoip_asn: geoip.asn,
            access_log: table.boolean(diagnostics, "access_log").unwrap_or(false),
            otlp: table.string(diagnostics, "otlp", collector).map(|at| at.value),
        },
    }
}

/// Every socket can be had only once: not twice by the edge, and not where the status page is.
fn apart(
    plain: &[At<SocketAddr>],
    tls: &[At<SocketAddr>],
    status_page: SocketAddr,
    diagnostics: &mut Diagnostics,
) {
    let mut taken: Vec<SocketAddr> = Vec::new();
    // The status page's socket takes both kinds of addresses where it takes any.
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
        if taken.len() == MOST_SOCKETS {
            let message = format!("the edge listens on more than {MOST_SOCKETS} sockets");
            diagnostics.error(at.place.clone(), message, "one that takes every address: \"0.0.0.0:80\"");
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

/// Files that tell where an address is.
#[derive(Default)]
struct Geoip {
    /// Whether `country` stands there, right or wrong.
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

/// The path of a key; a key itself is refused, and never repeated.
fn key_file(text: &str, folder: &Path) -> Result<std::path::PathBuf, ValueError> {
    if text.contains("-----BEGIN") {
        return Err(ValueError::new("a key must not stand in the configuration")
            .hint("write the path of its file; this one should be replaced, since files are copied around")
            .secret());
    }
    scalar::path(text, folder)
}

/// Where spans go: the whole address, since collectors differ in their paths.
fn collector(text: &str) -> Result<String, ValueError> {
    let url = Url::read(text)?;
    if matches!(url.rest.as_str(), "" | "/") {
        return Err(ValueError::new(format!("`{}` lacks its path", shown(text))).hint(format!(
            "collectors usually have it at \"{}/v1/traces\"",
            shown(url.text().trim_end_matches('/'))
        )));
    }
    Ok(url.text())
}
