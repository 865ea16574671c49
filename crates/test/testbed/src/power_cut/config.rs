//! The mainstay.toml that monitors and serves the fixture.

use super::{HOST, PowerCut, SITE};
use crate::TestbedError;
use crate::team::{self, quoted};
use std::net::SocketAddr;
use std::path::Path;

/// Writes the secrets that the configuration refers to: the URL of each database.
pub(super) fn write_secrets(fixture: &PowerCut) -> Result<(), TestbedError> {
    for (place, url) in fixture.databases.urls().iter().enumerate() {
        let path = fixture.folder.join(format!("database-{place}"));
        std::fs::write(&path, url).map_err(|why| TestbedError::Folder { path, why })?;
    }
    Ok(())
}

pub(super) fn toml(fixture: &PowerCut, data: &Path, listen: SocketAddr) -> String {
    let site_and_edge =
        team::site_and_edge(data, listen, &fixture.folder, fixture.clients_at, fixture.probes_at);
    format!("# Configuration of the drill power-cut: a time tracker with one database.\n{site_and_edge}")
        + &services(fixture)
        + &team::config(60, &fixture.phone.url())
        // The last section is the status page.
        + "subscribers = { per_minute = 600 }\n"
}

fn services(fixture: &PowerCut) -> String {
    let servers: Vec<String> =
        fixture.servers.iter().map(|server| quoted(&server.address.to_string())).collect();
    let file = |name: &str| quoted(&format!("file:{}", fixture.folder.join(name).display()));
    let replicas = if fixture.databases.urls().len() > 1 { file("database-1") } else { String::new() };
    format!(
        r#"
[probe_defaults]
http = "2s"
failing_for = "1s"

[service.time]
title = "Time tracker"
hosts = ["{HOST}:{tls}"]
depends_on = ["database.main"]

[service.time.traffic]
pool = "time"

[service.time.offline]
pages = ["/", "/timer"]
get = ["/api/entries", "/static/*"]
writes = ["POST /api/entries"]

[service.site]
title = "Web site"
hosts = ["{SITE}:{tls}"]

[service.site.traffic]
pool = "site"

[pool.time]
servers = [{servers}]
health = {{ path = "/health", interval = "1s", timeout = "2s" }}

[pool.site]
servers = ["{site}"]

# Its steps are two seconds long, so that hours of creeping slowness are minutes.
[probe.time]
http = "http://{HOST}:{clients}/"
interval = "100ms"
expect = {{ max_latency = "1s" }}
service = "time"

[database.main]
url = {primary}
replicas = [{replicas}]
interval = "1s"
backup = {{ from = {backups}, max_age = "12h" }}
"#,
        tls = fixture.probes_at.port(),
        clients = fixture.clients_at.port(),
        servers = servers.join(", "),
        site = fixture.site,
        primary = file("database-0"),
        backups = file("backups/*.dump"),
    )
}
