//! The mainstay.toml that monitors and serves the fixture.

use super::{MIN_HEALTHY, ShrinkingPool, TOP};
use crate::TestbedError;
use crate::team::{self, quoted};
use std::net::SocketAddr;
use std::path::Path;

/// Writes the secrets that the configuration refers to: the URL of each database.
pub(super) fn write_secrets(fixture: &ShrinkingPool) -> Result<(), TestbedError> {
    for (place, url) in fixture.databases.urls().iter().enumerate() {
        let path = fixture.folder.join(format!("database-{place}"));
        std::fs::write(&path, url).map_err(|why| TestbedError::Folder { path, why })?;
    }
    Ok(())
}

pub(super) fn toml(fixture: &ShrinkingPool, data: &Path, listen: SocketAddr) -> String {
    let site_and_edge =
        team::site_and_edge(data, listen, &fixture.folder, fixture.clients_at, fixture.probes_at);
    format!("# Configuration of the drill shrinking-pool: API servers before one database.\n{site_and_edge}")
        + &services(fixture)
        + &team::config(60, &fixture.phone.url())
}

fn services(fixture: &ShrinkingPool) -> String {
    let servers: Vec<String> =
        fixture.addresses().iter().map(|address| quoted(&address.to_string())).collect();
    let database = |place: usize| {
        quoted(&format!("file:{}", fixture.folder.join(format!("database-{place}")).display()))
    };
    let replicas: Vec<String> = (1..fixture.databases.urls().len()).map(database).collect();
    format!(
        r#"
[probe_defaults]
http = "2s"

[service.api]
title = "API"
hosts = ["api.{TOP}:{tls}"]
http = {{ path = "/entries" }}
depends_on = ["database.main"]

[service.api.traffic]
pool = "api"
recognize = {{ method = "POST", path = "/login", status = [200], for = "30d" }}

[service.site]
title = "Web site"
hosts = ["site.{TOP}:{tls}"]

[service.site.traffic]
pool = "site"

[pool.api]
servers = [{servers}]
min_healthy = {MIN_HEALTHY}
health = {{ path = "/health", interval = "1s", timeout = "1s" }}

[pool.site]
servers = ["{site}"]

[database.main]
url = {primary}
replicas = [{replicas}]
interval = "2s"
"#,
        tls = fixture.probes_at.port(),
        servers = servers.join(", "),
        site = fixture.site,
        primary = database(0),
        replicas = replicas.join(", "),
    )
}
