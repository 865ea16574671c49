//! The mainstay.toml that watches the world.

use super::{AUTH, DOMAIN, WELL, World};
use crate::team::{self, quoted};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

pub(super) fn toml(world: &World, data: &Path, listen: SocketAddr) -> String {
    let (https, dns) = (world.https_port, world.dns_port);
    let every = format!("{}ms", world.settings.probe_every.as_millis());
    let samples: Vec<String> =
        world.settings.tenants.iter().map(|tenant| quoted(&format!("{tenant}.{DOMAIN}:{https}"))).collect();
    let mut text = String::new();
    let _ = write!(
        text,
        r#"# The world of the drill: a company whose domain is about to expire.

[site]
name = "Acme"
timezone = "UTC"
data = {data}
listen = "{listen}"
url = "http://{listen}"
extra_ca_files = [{ca}]
allow_private = ["127.0.0.0/8"]

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
        data = quoted(&data.display().to_string()),
        ca = quoted(&world.ca.display().to_string()),
        resolver = world.resolver.address(),
        root = world.root,
        rdap = world.registry.base(),
        samples = samples.join(", "),
    );
    text + &team::config(world.settings.step_wait.as_secs().max(1), &world.phone.url())
}
