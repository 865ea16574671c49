//! The mainstay.toml that monitors and serves the fixture.

use super::{CALLS_FROM, Surge, TOP};
use crate::team::{self, quoted};
use std::net::SocketAddr;
use std::path::Path;

pub(super) fn toml(fixture: &Surge, data: &Path, listen: SocketAddr) -> String {
    site_and_edge(fixture, data, listen) + &services(fixture) + &team::config(60, &fixture.phone.url())
}

fn site_and_edge(fixture: &Surge, data: &Path, listen: SocketAddr) -> String {
    let file = |name: &str| quoted(&fixture.folder.join(name).display().to_string());
    format!(
        r#"# Configuration of the drill surge: a sign-in service without protection.

[site]
name = "Acme"
timezone = "UTC"
data = {data}
listen = "{listen}"
url = "http://{listen}"
extra_ca_files = [{ca}]
allow_private = ["127.0.0.0/8", "::1"]

[edge]
listen = ["{clients}"]
listen_tls = ["{probes}"]
threads = 1

[[edge.certificate]]
chain = {chain}
key = {key}

# As usual in production: probes twice a minute detect a flood later than the edge, which counts every request.
[probe_defaults]
http = "30s"
"#,
        data = quoted(&data.display().to_string()),
        ca = file("testbed-ca.pem"),
        clients = fixture.listeners.clients,
        probes = fixture.listeners.tls,
        chain = file("edge.pem"),
        key = file("edge.key"),
    )
}

fn services(fixture: &Surge) -> String {
    format!(
        r#"
[service.auth]
title = "Sign-in"
hosts = ["auth.{TOP}:{tls}"]
depends_on = ["service.api"]

[service.auth.traffic]
pool = "auth"
recognize = {{ method = "POST", path = "/login", status = [200], for = "30d" }}
priority_paths = ["/health"]

[service.api]
title = "API"
hosts = ["api.{TOP}:{tls}"]
public = false

[service.api.traffic]
pool = "api"

[service.shop]
title = "Shop"
hosts = ["shop.{TOP}:{tls}"]

[service.shop.traffic]
pool = "shop"

[pool.auth]
servers = ["{front}"]
health = {{ path = "/health", interval = "1s", timeout = "2s" }}

[pool.api]
servers = ["{api}"]
health = {{ path = "/health", interval = "1s", timeout = "2s" }}

[pool.shop]
servers = ["{shop}"]

[caller.auth-web]
service = "auth"
cidrs = ["{CALLS_FROM}"]
"#,
        tls = fixture.listeners.tls.port(),
        front = fixture.front.address(),
        api = fixture.api.address(),
        shop = fixture.shop,
    )
}
