//! The sections of the configuration that fixtures share: site, edge, on-call, the phone channel, the status page.

use std::net::SocketAddr;
use std::path::Path;

/// The site. It trusts the certificate authority `ca`; `private` lists the private addresses that are monitored.
pub(crate) fn site(data: &Path, listen: SocketAddr, ca: &Path, private: &[&str]) -> String {
    let private: Vec<String> = private.iter().map(|cidr| quoted(cidr)).collect();
    format!(
        r#"
[site]
name = "Acme"
timezone = "UTC"
data = {data}
listen = "{listen}"
url = "http://{listen}"
extra_ca_files = [{ca}]
allow_private = [{private}]
"#,
        data = quoted_path(data),
        ca = quoted_path(ca),
        private = private.join(", "),
    )
}

/// The site and the edge before the names of `.localhost`, with the keys that the fixture wrote to its folder. Probes use
/// TLS.
pub(crate) fn site_and_edge(
    data: &Path,
    listen: SocketAddr,
    folder: &Path,
    clients: SocketAddr,
    probes: SocketAddr,
) -> String {
    site(data, listen, &folder.join("testbed-ca.pem"), &["127.0.0.0/8", "::1"])
        + &edge(folder, clients, probes)
}

/// The edge with the keys that the fixture wrote to its folder.
pub(crate) fn edge(folder: &Path, clients: SocketAddr, probes: SocketAddr) -> String {
    format!(
        r#"
[edge]
listen = ["{clients}"]
listen_tls = ["{probes}"]
threads = 1

[[edge.certificate]]
chain = {chain}
key = {key}
"#,
        chain = quoted_path(&folder.join("edge.pem")),
        key = quoted_path(&folder.join("edge.key")),
    )
}

/// One person, paged again after `wait_secs` over the webhook at `phone`.
pub(crate) fn config(wait_secs: u64, phone: &str) -> String {
    format!(
        r#"
[person.ana]
name = "Ana"
timezone = "Europe/Tallinn"
contacts = ["phone:ana"]

[schedule.platform]
timezone = "Europe/Tallinn"

[[schedule.platform.layer]]
people = ["ana"]
start = 2026-01-05T09:00:00
rotation = "1 week"

[escalation.default]
steps = [{{ schedules = ["platform"], escalate_after = "{wait_secs}s" }}]
repeat = 3
fallback = ["phone:reception"]

[channel.phone]
webhook = "{phone}"

[status_page]
title = "Acme status"
"#
    )
}

fn quoted_path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// A TOML basic string. All escapes of JSON are valid in TOML.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
