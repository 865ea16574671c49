//! One question, one answer.

use crate::addresses;
use crate::addresses::Measurement;
use crate::kinds::tls::Tls;
use crate::kinds::{dns, domain, http, tcp, tls};
use crate::names::Names;
use crate::setup::{Clock, SetupError};
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tls_roots::Roots;
use tokio::time::{Instant, timeout};
use types::config::{Ask, Probe};
use types::fault::Phase;
use types::probe_result::Phases;
use types::{Answer, Config, Fault, ProbeResult, Time};
use url::Url;

/// What a question may take beyond its timeout before it is cut off from outside. Every wait inside ends by the timeout;
/// this is for the one that was forgotten.
const GRACE: Duration = Duration::from_secs(1);
/// Of each file that the configuration names so much is compared.
const FILE_MAX: u64 = 16 << 20;
/// No question takes longer than this, whatever the configuration says.
const TIMEOUT_MAX: Duration = Duration::from_mins(10);

/// Asks one question at a time, any number of them side by side.
pub struct Prober {
    config: Settings,
    names: Arc<Names>,
    tls: Arc<Tls>,
    dns: Arc<dns::Dns>,
    domain: Arc<domain::Domain>,
    clock: Clock,
}

/// What of a configuration shapes the prober, rather than a probe.
#[derive(Clone, PartialEq, Eq)]
struct Settings {
    dns: types::config::Dns,
    ca_files: Vec<PathBuf>,
    /// What stands in the files of trust and of registries, as a number.
    files: Vec<Option<u64>>,
    allow_private: Vec<ipnet::IpNet>,
    registry: types::config::Registry,
    domains: std::collections::BTreeMap<String, types::config::Domain>,
}

impl Settings {
    fn of(config: &Config) -> Self {
        Self {
            dns: config.dns.clone(),
            ca_files: config.site.extra_ca_files.clone(),
            files: config.site.extra_ca_files.iter().chain(&config.registry.bootstrap).map(content).collect(),
            allow_private: config.site.allow_private.clone(),
            registry: config.registry.clone(),
            domains: config.domains.clone(),
        }
    }
}

/// The content of a file as a number; `None` when it cannot be read.
fn content(path: &PathBuf) -> Option<u64> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(FILE_MAX).read_to_end(&mut bytes).ok()?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    Some(hasher.finish())
}

impl Prober {
    /// Sets a prober up by the configuration: whom it trusts, whom it asks for names, which inner networks it may enter. Reads
    /// files, asks nobody.
    ///
    /// # Errors
    /// What the configuration names cannot be used.
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        Self::with_clock(config, Arc::new(Time::now))
    }

    /// The same, by another clock than the system's.
    ///
    /// # Errors
    /// What the configuration names cannot be used.
    pub fn with_clock(config: &Config, clock: Clock) -> Result<Self, SetupError> {
        let roots = Roots::load(&config.site.extra_ca_files)?;
        let names = Arc::new(Names::new(config));
        let dns = Arc::new(dns::Dns::new(config, Arc::clone(&names)));
        Ok(Self {
            config: Settings::of(config),
            domain: Arc::new(domain::Domain::new(config, &roots, Arc::clone(&names), Arc::clone(&dns))?),
            tls: Arc::new(Tls::new(roots, Arc::clone(&clock))?),
            dns,
            names,
            clock,
        })
    }

    /// A prober by a changed configuration. What is remembered of registries and name servers is kept where the change does not
    /// touch it, so that reloading a configuration does not spend their patience anew.
    ///
    /// # Errors
    /// What the configuration names cannot be used; this prober is still good.
    pub fn adopt(&self, config: &Config) -> Result<Self, SetupError> {
        if self.config != Settings::of(config) {
            return Self::with_clock(config, Arc::clone(&self.clock));
        }
        Ok(Self {
            config: self.config.clone(),
            tls: Arc::clone(&self.tls),
            dns: Arc::clone(&self.dns),
            domain: Arc::clone(&self.domain),
            names: Arc::clone(&self.names),
            clock: Arc::clone(&self.clock),
        })
    }

    /// Looks names up as the probes do.
    #[must_use]
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// Asks, and answers within the probe's timeout (a second more when something inside forgets it).
    pub async fn run(&self, probe: &Probe) -> ProbeResult {
        let began = Instant::now();
        let limit = probe.timeout.min(TIMEOUT_MAX);
        let late =
            || Measurement::of(Answer::Failed(Fault::TimedOut { phase: Phase::Body }), Phases::default());
        let asked = timeout(limit + GRACE, self.answer(&probe.ask, began, limit)).await;
        let Measurement { answer, mut phases, addresses, alias } = asked.unwrap_or_else(|_| late());
        if phases.total.is_zero() {
            phases.total = began.elapsed();
        }
        // Whatever outsiders wrote is made safe here, before anybody can be shown it.
        ProbeResult { addresses, alias, ..ProbeResult::new(probe.id.clone(), phases, answer) }.shown()
    }

    async fn answer(&self, ask: &Ask, began: Instant, limit: Duration) -> Measurement {
        let deadline = began + limit;
        let (names, tls) = (&self.names, &self.tls);
        let alone = |(answer, phases)| Measurement::of(answer, phases);
        match ask {
            Ask::Http { url, expect } => {
                let question = |at: SocketAddr| http::run(tls, names, url, at.ip(), expect, deadline);
                let parsed = Url::parse(url).ok();
                let place =
                    parsed.as_ref().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
                match place {
                    Some(place) => addresses::run(names, place, Some(expect), deadline, question).await,
                    None => alone((Answer::Failed(Fault::BadRedirect), Phases::default())),
                }
            }
            Ask::Tcp { host, port } => {
                let question = |at| tcp::run(at, deadline);
                addresses::run(names, (host, *port), None, deadline, question).await
            }
            Ask::Tls { host, port } => {
                let question = |at| tls::run(tls, host, at, deadline);
                addresses::run(names, (host, *port), None, deadline, question).await
            }
            Ask::Dns { zone, names } => alone(self.dns.run(zone, names, limit).await),
            Ask::Domain { name } => alone(self.domain.run(name, limit).await),
        }
    }
}

impl std::fmt::Debug for Prober {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prober").finish_non_exhaustive()
    }
}
