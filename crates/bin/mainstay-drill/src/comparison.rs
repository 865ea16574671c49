//! Comparison of an outage with mainstay and with a plain proxy: same servers, same clients, same acts at the same times.

use crate::run::{Acts, Seen};
use crate::stage::{Fixture, Folder};
use drill::Milestone;
use drill::score::pool::{PoolObservations, WithoutPool};
use drill::score::{Clients, Served};
use mainstay::{Failure, table};
use std::path::Path;
use std::time::Duration;
use testbed::TestbedError;
use testbed::surge::Part;
use tokio::time::{Instant, sleep, sleep_until};

/// Time of usual traffic before the fault, as with mainstay.
const WARM_UP: Duration = Duration::from_secs(20);
/// Longest time until all clients are connected before the fault.
const CONNECTED: Duration = Duration::from_secs(120);

/// Requests served in one run.
pub(crate) struct Outcome {
    /// Name of the proxy.
    proxy: String,
    parts: Vec<Part>,
    /// Since the fault.
    pub(crate) clients: Clients,
    pool: Option<PoolObservations>,
}

impl Outcome {
    /// Reads the counters of a fixture.
    pub(crate) fn of<S: Fixture>(proxy: &str, fixture: &S) -> Self {
        Self::new(proxy, (fixture.parts(), fixture.observations()))
    }

    /// What clients saw behind a proxy.
    pub(crate) fn new(proxy: &str, (parts, seen): Seen) -> Self {
        Self { proxy: proxy.to_owned(), parts, clients: seen.clients, pool: seen.pool }
    }

    /// Its figures of a shrinking pool.
    pub(crate) fn pool(&self) -> Option<WithoutPool> {
        self.pool.as_ref().map(WithoutPool::of)
    }
}

/// Performs the same acts on a fixture with a plain round-robin proxy.
///
/// # Errors
/// When the fixture or the proxy cannot start.
pub(crate) async fn run_without<S: Fixture>(
    start: impl AsyncFnOnce(&Path) -> Result<S, TestbedError>,
    acts: &Acts,
    quiet: bool,
) -> Result<Outcome, Failure> {
    let folder = Folder::create()?;
    let fixture = start(folder.path()).await.map_err(Failure::no)?;
    sleep(WARM_UP).await;
    fixture.observed(Milestone::ClientsBack, CONNECTED).await.map_err(Failure::no)?;
    let began = Instant::now();
    for (at, act) in &acts.done {
        sleep_until(began + *at).await;
        if !quiet && let Some(present) = fixture.present() {
            table::say(&format!("{act}: before it {present}"));
        }
        fixture.act(act).await.map_err(Failure::no)?;
    }
    sleep_until(began + acts.end).await;
    Ok(Outcome::of(fixture.proxy_name().unwrap_or("a plain proxy"), &fixture))
}

/// Served visits of recognized and first-time clients, part by part.
pub(crate) fn table(outcomes: &[Outcome]) -> Vec<String> {
    let mut lines = Vec::new();
    for outcome in outcomes {
        lines.push(format!("visits served behind {}:", outcome.proxy));
        for part in &outcome.parts {
            let flood = match part.flood_per_sec {
                none if none < 1.0 => String::new(),
                rate => format!("   flood: {rate:.0} requests/s"),
            };
            lines.push(row(&part.name, part.clients) + &flood);
        }
        lines.push(row("since the fault", outcome.clients));
    }
    lines
}

fn row(name: &str, clients: Clients) -> String {
    let served = |served: Served| format!("{} of {}", served.served.unwrap_or(0), served.asked.unwrap_or(0));
    format!(
        "  {name:<29} recognized {:>12}   first-time {:>12}",
        served(clients.recognized),
        served(clients.first)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_has_one_line_per_part_of_each_run() {
        let served = |asked, served| Served { asked: Some(asked), served: Some(served) };
        let part = |name: &str, flood_per_sec| Part {
            name: name.to_owned(),
            clients: Clients { recognized: served(80, 71), first: served(80, 9) },
            flood_per_sec,
        };
        let outcome = |proxy: &str| Outcome {
            proxy: proxy.to_owned(),
            parts: vec![part("flood", 2_391.4), part("recovered", 0.0)],
            clients: Clients { recognized: served(160, 142), first: Served::default() },
            pool: None,
        };
        let lines = table(&[outcome("mainstay"), outcome("haproxy 3.0")]);
        assert_eq!(lines.len(), 8);
        assert_eq!(lines[0], "visits served behind mainstay:");
        assert_eq!(
            lines[1],
            "  flood                         recognized     71 of 80   first-time      9 of 80   flood: 2391 requests/s"
        );
        assert_eq!(
            lines[3],
            "  since the fault               recognized   142 of 160   first-time       0 of 0"
        );
    }
}
