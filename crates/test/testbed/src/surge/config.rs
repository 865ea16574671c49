//! The mainstay.toml that watches and serves the world.

use super::{CALLS_FROM, Surge, TOP};
use crate::team::{self, quoted};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

pub(super) fn toml(world: &Surge, data: &Path, listen: SocketAddr) -> String {
    let file = |name: &str| quoted(&world.folder.join(name).display().to_string());
    let tls = world.doors.tls.port();
    let mut text = String::new();
    let _ = write!(
        text,
        r#"# The world of the drill: a sign-in that nobody has protected yet.

[site]
name = "Acme"
timezone = "UTC"
data = {data}
listen = "{listen}"
url = "http://{listen}"
extra_ca_files = [{ca}]
allow_private = ["127.0.0.0/8", "::1"]

[edge]
listen = ["{visitors}"]
listen_tls = ["{probes}"]
threads = 1

[[edge.certificate]]
chain = {chain}
key = {key}

# As in life: who asks twice a minute meets a flood later than who counts every request.
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
        data = quoted(&data.display().to_string()),
        ca = file("lab-ca.pem"),
        visitors = world.doors.visitors,
        probes = world.doors.tls,
        chain = file("edge.pem"),
        key = file("edge.key"),
        front = world.front.address(),
        api = world.api.address(),
        shop = world.shop,
    );
    text + &team::config(60, &world.phone.url())
}
