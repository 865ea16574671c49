//! The mainstay.toml that monitors the fixture.

use super::management::CONFIGURATION;
use super::{API, AUTH, DOMAIN, ExpiredName, MANAGEMENT, WELL};
use crate::team::{self, quoted};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

pub(super) fn toml(fixture: &ExpiredName, data: &Path, listen: SocketAddr) -> String {
    let (https, dns) = (fixture.https_port, fixture.dns_port);
    let every = format!("{}ms", fixture.settings.probe_every.as_millis());
    let samples: Vec<String> =
        fixture.settings.tenants.iter().map(|tenant| quoted(&format!("{tenant}.{DOMAIN}:{https}"))).collect();
    let edge = fixture.management.edge;
    let mut text = String::new();
    let _ = write!(
        text,
        r#"# Configuration of the drill expired-name: a company whose domain is about to expire.
{site}{edge}
[dns]
resolvers = ["{resolver}"]
roots = ["{root}"]
port = {dns}

[registry]
rdap = {{ app = "{rdap}", io = "{rdap}" }}

[probe_defaults]
http = "{every}"
tls = "5s"
dns = "{every}"
domain = "1d"
failure_threshold = 2

[service.auth]
title = "Sign-in"
group = "Product"
hosts = ["{AUTH}:{https}"]
depends_on = ["service.management"]

[service.tenants]
title = "Workspaces"
group = "Product"
hosts = ["*.{DOMAIN}:{https}"]
wildcard_samples = [{samples}]
depends_on = ["service.auth"]

[service.well]
title = "Marketing site"
hosts = ["{WELL}:{https}"]
"#,
        site = team::site(data, listen, &fixture.ca, &["127.0.0.0/8"]),
        edge = team::edge(&fixture.settings.folder, edge.http.into(), edge.https.into()),
        resolver = fixture.resolver.address(),
        root = fixture.root,
        rdap = fixture.registry.base(),
        samples = samples.join(", "),
    );
    text + &management(fixture)
        + &team::config(fixture.settings.step_wait.as_secs().max(1), &fixture.phone.url())
}

/// The management proxies behind the edge, and what they call.
fn management(fixture: &ExpiredName) -> String {
    let proxies: Vec<String> =
        fixture.management.proxies.iter().map(|proxy| quoted(&proxy.to_string())).collect();
    format!(
        r#"
[service.cloud]
title = "Cloud API"
hosts = ["{API}:{https}"]
public = false

# The management proxies call the cloud API. The sign-in configuration that sign-in fetches from them is kept for outages.
[service.management]
title = "Management"
hosts = ["{MANAGEMENT}:{https}"]
http = {{ path = "{CONFIGURATION}" }}
depends_on = ["service.cloud"]
public = false

[service.management.traffic]
pool = "management"

[[service.management.traffic.cache]]
path = "{CONFIGURATION}"
max_age = "1s"
stale_if_error = "24h"

[pool.management]
servers = [{proxies}]
health = {{ path = "/health", interval = "500ms", timeout = "1s" }}
"#,
        https = fixture.https_port,
        proxies = proxies.join(", "),
    )
}
