//! The mainstay.toml that monitors and serves the fixture.

use super::{CALLS_FROM, Listeners, Surge, TOP};
use crate::team;
use std::net::SocketAddr;
use std::path::Path;

pub(super) fn toml(fixture: &Surge, data: &Path, listen: SocketAddr) -> String {
    let Listeners { clients, tls, .. } = fixture.listeners;
    let site_and_edge = team::site_and_edge(data, listen, &fixture.folder, clients, tls);
    format!("# Configuration of the drill surge: a sign-in service without protection.\n{site_and_edge}")
        + &services(fixture)
        + &team::config(60, &fixture.phone.url())
}

fn services(fixture: &Surge) -> String {
    format!(
        r#"
# As usual in production: probes twice a minute detect a flood later than the edge, which counts every request.
[probe_defaults]
http = "30s"

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
