//! `[edge]` as written: where it listens, what it believes, what it allows.

use crate::address::{collide, listen, network};
use crate::form::{At, Form};
use crate::marks::Marks;
use crate::near::shown;
use crate::traffic;
use crate::url::Url;
use crate::word;
use crate::wrong::Wrong;
use ipnet::IpNet;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use types::config::{CertificateFiles, Edge, EdgeLimits};

/// More sockets or networks before the edge than this are a mistake, and each is compared with others.
const MOST_SOCKETS: usize = 64;
const MOST_HOPS: usize = 256;

/// The edge as written.
#[derive(Debug)]
pub(crate) struct EdgeDraft {
    /// Whether the files of countries and of autonomous systems stand there, right or wrong.
    pub(crate) has_countries: bool,
    pub(crate) has_networks: bool,
    pub(crate) edge: Edge,
}

pub(crate) fn read(
    form: &mut Form<'_>,
    folder: &Path,
    status_page: SocketAddr,
    marks: &mut Marks,
) -> EdgeDraft {
    let plain = form.words(marks, "listen", listen);
    let tls = form.words(marks, "listen_tls", listen);
    if form.is_open() && !form.is_filled("listen") && !form.is_filled("listen_tls") {
        marks.lacking(
            form.place.clone(),
            "the edge listens nowhere",
            "give it listen = [\"127.0.0.1:8000\"], or listen_tls and a certificate",
        );
    }
    apart(&plain, &tls, status_page, marks);
    let redirect_to_https = form.flag(marks, "redirect_to_https").unwrap_or(false);
    if redirect_to_https && !form.is_filled("listen_tls") {
        marks.lacking(
            form.key_place("redirect_to_https"),
            "`redirect_to_https` sends visitors where nobody listens",
            "say where HTTPS is: listen_tls = [\"127.0.0.1:8443\"]",
        );
    }
    let certificates = form.tables(marks, "certificate", |form, marks| {
        let chain = form.word(marks, "chain", |text| word::path(text, folder));
        let key = form.word(marks, "key", |text| key_file(text, folder));
        marks.keep(form.key_place("chain"));
        Some(CertificateFiles { chain: chain?.value, key: key?.value })
    });
    if form.is_filled("listen_tls") && !form.has("certificate") {
        marks.lacking(
            form.key_place("listen_tls"),
            "`listen_tls` has no certificate to show",
            "name its files: [[edge.certificate]] chain = \"auth.pem\", key = \"auth.key\"",
        );
    }
    if form.has("certificate") && !form.has("listen_tls") {
        marks.warn(
            form.key_place("certificate"),
            "the certificate is shown to nobody: the edge does not listen for HTTPS",
            "say where: listen_tls = [\"127.0.0.1:8443\"]",
        );
    }
    let hops = form.words(marks, "trusted_proxies", network);
    if let Some(beyond) = hops.get(MOST_HOPS) {
        let message = format!("{} networks of hops; {MOST_HOPS} is the most", hops.len());
        marks.wrong(beyond.place.clone(), message, "name the networks that hold them");
    }
    if let Some(all) = hops.iter().find(|at| at.value.prefix_len() == 0) {
        let message = format!("{} is everybody: any visitor could claim to be another", all.value);
        marks.warn(
            all.place.clone(),
            message,
            "name the load balancers alone: trusted_proxies = [\"10.0.0.0/8\"]",
        );
    }
    let geoip = form.table(marks, "geoip", |form, marks| geoip(form, folder, marks)).unwrap_or_default();
    let values = |list: Vec<At<IpNet>>| list.into_iter().map(|at| at.value).collect();
    EdgeDraft {
        has_countries: geoip.has_country,
        has_networks: geoip.has_asn,
        edge: Edge {
            listen: plain.into_iter().map(|at| at.value).collect(),
            listen_tls: tls.into_iter().map(|at| at.value).collect(),
            redirect_to_https,
            https_port: form.count(marks, "https_port"),
            health_path: form.word(marks, "health_path", traffic::path).map(|at| at.value),
            certificates: certificates.into_iter().flatten().collect(),
            trusted_proxies: values(hops.into_iter().take(MOST_HOPS).collect()),
            proxy_protocol: values(form.words(marks, "proxy_protocol", network)),
            threads: form.count(marks, "threads"),
            limits: form.table(marks, "limits", limits).unwrap_or_default(),
            countries: geoip.country,
            networks: geoip.asn,
            access_log: form.flag(marks, "access_log").unwrap_or(false),
            otlp: form.word(marks, "otlp", collector).map(|at| at.value),
        },
    }
}

/// Every socket can be had only once: not twice by the edge, and not where the status page is.
fn apart(plain: &[At<SocketAddr>], tls: &[At<SocketAddr>], status_page: SocketAddr, marks: &mut Marks) {
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
            marks.between(at.place.clone(), message, "another port here, or another [site] listen");
        }
        if taken.len() == MOST_SOCKETS {
            let message = format!("the edge listens on more than {MOST_SOCKETS} sockets");
            marks.wrong(at.place.clone(), message, "one that takes every address: \"0.0.0.0:80\"");
            return;
        }
        match taken.iter().find(|other| collide(**other, at.value)) {
            Some(other) => {
                let message = format!("the edge listens on {other} already");
                marks.wrong(at.place.clone(), message, "keep one of them");
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

fn geoip(form: &mut Form<'_>, folder: &Path, marks: &mut Marks) -> Geoip {
    let mut file = |key| form.word(marks, key, |text| word::path(text, folder)).map(|at| at.value);
    let (country, asn) = (file("country"), file("asn"));
    Geoip { has_country: form.has("country"), has_asn: form.has("asn"), country, asn }
}

fn limits(form: &mut Form<'_>, marks: &mut Marks) -> EdgeLimits {
    let usual = EdgeLimits::default();
    EdgeLimits {
        head_bytes: form.count(marks, "head_bytes").unwrap_or(usual.head_bytes),
        headers: form.count(marks, "headers").unwrap_or(usual.headers),
        body_bytes: form.count(marks, "body_bytes").unwrap_or(usual.body_bytes),
        header_timeout: form.span(marks, "header_timeout").unwrap_or(usual.header_timeout),
        body_timeout: form.span(marks, "body_timeout").unwrap_or(usual.body_timeout),
        keepalive_timeout: form.span(marks, "keepalive_timeout").unwrap_or(usual.keepalive_timeout),
        max_connections: form.count(marks, "max_connections").unwrap_or(usual.max_connections),
        max_connections_per_ip: form
            .count(marks, "max_connections_per_ip")
            .unwrap_or(usual.max_connections_per_ip),
    }
}

/// The path of a key; a key itself is refused, and never repeated.
fn key_file(text: &str, folder: &Path) -> Result<std::path::PathBuf, Wrong> {
    if text.contains("-----BEGIN") {
        return Err(Wrong::new("a key must not stand in the configuration")
            .hint("write the path of its file; this one should be replaced, since files are copied around")
            .secret());
    }
    word::path(text, folder)
}

/// Where spans go: the whole address, since collectors differ in their paths.
fn collector(text: &str) -> Result<String, Wrong> {
    let url = Url::read(text)?;
    if matches!(url.rest.as_str(), "" | "/") {
        return Err(Wrong::new(format!("`{}` lacks its path", shown(text))).hint(format!(
            "collectors usually have it at \"{}/v1/traces\"",
            shown(url.text().trim_end_matches('/'))
        )));
    }
    Ok(url.text())
}
