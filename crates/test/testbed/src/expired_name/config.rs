//! The mainstay.toml that monitors the fixture.

use super::{AUTH, DOMAIN, ExpiredName, WELL};
use crate::team::{self, quoted};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

pub(super) fn toml(fixture: &ExpiredName, data: &Path, listen: SocketAddr) -> String {
    let (https, dns) = (fixture.https_port, fixture.dns_port);
    let every = format!("{}ms", fixture.settings.probe_every.as_millis());
    let samples: Vec<String> =
        fixture.settings.tenants.iter().map(|tenant| quoted(&format!("{tenant}.{DOMAIN}:{https}"))).collect();
    let mut text = String::new();
    let _ = write!(
        text,
        r#"# Configuration of the drill expired-name: a company whose domain is about to expire.
{site}
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
        site = team::site(data, listen, &fixture.ca, &["127.0.0.0/8"]),
        resolver = fixture.resolver.address(),
        root = fixture.root,
        rdap = fixture.registry.base(),
        samples = samples.join(", "),
    );
    text + &team::config(fixture.settings.step_wait.as_secs().max(1), &fixture.phone.url())
}
