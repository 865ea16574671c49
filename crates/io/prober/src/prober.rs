//! One run of a probe.

use crate::addresses;
use crate::addresses::Measurement;
use crate::databases::WatchedDatabase;
use crate::kinds::balancer::WatchedPool;
use crate::kinds::http::{Question, QuestionError};
use crate::kinds::tls::Tls;
use crate::kinds::{dns, domain, http, nut, tcp, tls};
use crate::names::Names;
use crate::setup::{Clock, ProbeToken, SetupError, secret};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tls_roots::Roots;
use tokio::time::{Instant, timeout};
use types::config::{Probe, ProbeKind, SecretRef};
use types::fault::Phase;
use types::probe_result::Phases;
use types::{Answer, Config, Fault, PoolId, ProbeId, ProbeResult, Time};
use url::Url;

/// Time over the timeout after which a run is cancelled from outside. Every wait inside ends at the timeout;
/// this is for the one that was forgotten.
const GRACE: Duration = Duration::from_secs(1);
/// Bytes compared of each file that the configuration names.
const FILE_MAX: u64 = 16 << 20;
/// Upper limit of a probe's timeout.
const TIMEOUT_MAX: Duration = Duration::from_mins(10);

/// Runs probes, any number of them concurrently.
pub struct Prober {
    config: Settings,
    names: Arc<Names>,
    tls: Arc<Tls>,
    dns: Arc<dns::Dns>,
    domain: Arc<domain::Domain>,
    databases: BTreeMap<String, Arc<WatchedDatabase>>,
    pools: BTreeMap<PoolId, Arc<WatchedPool>>,
    /// `USER:PASSWORD` of `nut` probes.
    logins: BTreeMap<SecretRef, SecretString>,
    /// Questions of `http` probes that are not made for each run.
    questions: BTreeMap<ProbeId, Arc<Question>>,
    clock: Clock,
    token: Option<ProbeToken>,
}

/// The part of a configuration that shapes the prober rather than a single probe.
#[derive(Clone, PartialEq, Eq)]
struct Settings {
    dns: types::config::Dns,
    ca_files: Vec<PathBuf>,
    /// Hashes of the contents of CA and bootstrap files.
    files: Vec<Option<u64>>,
    allow_private: Vec<ipnet::IpNet>,
    registry: types::config::Registry,
    domains: BTreeMap<String, types::config::Domain>,
}

impl Settings {
    fn of(config: &Config) -> Self {
        Self {
            dns: config.dns.clone(),
            ca_files: config.site.extra_ca_files.clone(),
            files: (config.site.extra_ca_files.iter().chain(&config.registry.bootstrap))
                .chain(config.external_pools.values().filter_map(|pool| pool.balancer.ca_file.as_ref()))
                .map(content)
                .collect(),
            allow_private: config.site.allow_private.clone(),
            registry: config.registry.clone(),
            domains: config.domains.clone(),
        }
    }
}

/// The hash of a file's content; `None` when it cannot be read.
fn content(path: &PathBuf) -> Option<u64> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(FILE_MAX).read_to_end(&mut bytes).ok()?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    Some(hasher.finish())
}

impl Prober {
    /// Sets up a prober for a configuration: trusted roots, resolvers, allowed private networks, URLs of databases. Reads
    /// files and secrets, sends nothing.
    ///
    /// # Errors
    /// A file or secret that the configuration names cannot be used.
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        Self::with_clock(config, Arc::new(Time::now))
    }

    /// Sets up a prober with a clock other than the system's.
    ///
    /// # Errors
    /// A file that the configuration names cannot be used.
    pub fn with_clock(config: &Config, clock: Clock) -> Result<Self, SetupError> {
        let roots = Roots::load(&config.site.extra_ca_files)?;
        let names = Arc::new(Names::new(config));
        let dns = Arc::new(dns::Dns::new(config, Arc::clone(&names)));
        let domain = Arc::new(domain::Domain::new(config, &roots, Arc::clone(&names), Arc::clone(&dns))?);
        let tls = Arc::new(Tls::new(roots, Arc::clone(&clock))?);
        Ok(Self {
            config: Settings::of(config),
            databases: WatchedDatabase::all(config, &BTreeMap::new(), (&names, &tls, &clock))?,
            pools: watched_pools(config, &BTreeMap::new(), &names, &clock)?,
            logins: logins(config)?,
            questions: questions(config)?,
            domain,
            tls,
            dns,
            names,
            clock,
            token: None,
        })
    }

    /// The same prober with a source of tokens for mainstay's own edge.
    #[must_use]
    pub fn with_token(self, token: Option<ProbeToken>) -> Self {
        Self { token, ..self }
    }

    /// A prober for a changed configuration. Cached data of registries and name servers is kept where the change does not
    /// affect it, so that reloading a configuration does not count against their rate limits again; and so are the
    /// connections to databases.
    ///
    /// # Errors
    /// A file or secret that the configuration names cannot be used; this prober stays usable.
    pub fn adopt(&self, config: &Config) -> Result<Self, SetupError> {
        if self.config != Settings::of(config) {
            let changed = Self::with_clock(config, Arc::clone(&self.clock))?;
            return Ok(changed.with_token(self.token.clone()));
        }
        Ok(Self {
            config: self.config.clone(),
            databases: WatchedDatabase::all(config, &self.databases, (&self.names, &self.tls, &self.clock))?,
            pools: watched_pools(config, &self.pools, &self.names, &self.clock)?,
            logins: logins(config)?,
            questions: questions(config)?,
            tls: Arc::clone(&self.tls),
            dns: Arc::clone(&self.dns),
            domain: Arc::clone(&self.domain),
            names: Arc::clone(&self.names),
            clock: Arc::clone(&self.clock),
            token: self.token.clone(),
        })
    }

    /// Name resolution as the probes use it.
    #[must_use]
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// Runs a probe. Returns within its timeout, or a second later if a wait inside misses it.
    pub async fn run(&self, probe: &Probe) -> ProbeResult {
        let began = Instant::now();
        let limit = probe.timeout.min(TIMEOUT_MAX);
        let late =
            || Measurement::of(Answer::Failed(Fault::TimedOut { phase: Phase::Body }), Phases::default());
        let asked = timeout(limit + GRACE, self.answer(probe, began, limit)).await;
        let Measurement { answer, mut phases, addresses, alias } = asked.unwrap_or_else(|_| late());
        if phases.total.is_zero() {
            phases.total = began.elapsed();
        }
        // Text from outside is escaped here, before it can be shown anywhere.
        ProbeResult { addresses, alias, ..ProbeResult::new(probe.id.clone(), phases, answer) }.shown()
    }

    async fn answer(&self, probe: &Probe, began: Instant, limit: Duration) -> Measurement {
        let deadline = began + limit;
        let (names, tls) = (&self.names, &self.tls);
        let alone = |(answer, phases)| Measurement::of(answer, phases);
        match &probe.kind {
            ProbeKind::Http { url, request, expect } => {
                let token = self.token.as_ref();
                let made = match self.questions.get(&probe.id) {
                    Some(made) => Ok(Arc::clone(made)),
                    None => Question::new(request, expect).map(Arc::new),
                };
                let asked = match made {
                    Ok(asked) => asked,
                    Err(error) => {
                        let why = error.to_string();
                        return alone((Answer::Failed(Fault::Isolated { why }), Phases::default()));
                    }
                };
                let question =
                    |at: SocketAddr| http::run((tls, names, token), url, at.ip(), &asked, deadline);
                let parsed = Url::parse(url).ok();
                let place =
                    parsed.as_ref().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
                match place {
                    Some(place) => addresses::run(names, place, Some(expect), deadline, question).await,
                    None => alone((Answer::Failed(Fault::BadRedirect), Phases::default())),
                }
            }
            ProbeKind::Tcp { host, port } => {
                let question = |at| tcp::run(at, deadline);
                addresses::run(names, (host, *port), None, deadline, question).await
            }
            ProbeKind::Tls { host, port } => {
                let question = |at| tls::run(tls, host, at, deadline);
                addresses::run(names, (host, *port), None, deadline, question).await
            }
            ProbeKind::Dns { zone, names } => alone(self.dns.run(zone, names, limit).await),
            ProbeKind::Domain { name } => alone(self.domain.run(name, limit).await),
            ProbeKind::Database { name } => {
                let answer = match self.databases.get(name) {
                    Some(database) => Answer::Database(Box::new(database.round(limit).await)),
                    // Only until the prober adopts the configuration that declares it.
                    None => Answer::Failed(Fault::TimedOut { phase: Phase::Connect }),
                };
                alone((answer, Phases::default()))
            }
            ProbeKind::Pool { name } => {
                let answer = match self.pools.get(name) {
                    Some(pool) => pool
                        .look(deadline)
                        .await
                        .map_or_else(Answer::Failed, |seen| Answer::Pool(Box::new(seen))),
                    // Only until the prober adopts the configuration that declares it.
                    None => Answer::Failed(Fault::TimedOut { phase: Phase::Connect }),
                };
                alone((answer, Phases::default()))
            }
            ProbeKind::Nut { ups, host, port, login } => {
                let login = login.as_ref().and_then(|login| self.logins.get(login));
                let target = nut::Target { ups, host, port: *port, login };
                alone(nut::run(names, target, deadline).await)
            }
        }
    }
}

/// The logins of `nut` probes, read once, so that a missing one is reported at the start.
fn logins(config: &Config) -> Result<BTreeMap<SecretRef, SecretString>, SetupError> {
    let mut logins = BTreeMap::new();
    for probe in config.probes.values() {
        let ProbeKind::Nut { login: Some(source), .. } = &probe.kind else { continue };
        let refused = |why: String| SetupError::Login { probe: probe.id.0.clone(), why };
        let login = secret(source).map_err(|why| refused(why.to_string()))?;
        if !login.expose_secret().contains(':') {
            return Err(refused("it is not USER:PASSWORD".to_owned()));
        }
        logins.insert(source.clone(), login);
    }
    Ok(logins)
}

/// The questions of `http` probes with secrets, files or compiled expectations, made once, so that what is missing is
/// reported at the start.
fn questions(config: &Config) -> Result<BTreeMap<ProbeId, Arc<Question>>, SetupError> {
    let mut questions = BTreeMap::new();
    for probe in config.probes.values() {
        let ProbeKind::Http { request, expect, .. } = &probe.kind else { continue };
        if Question::is_costly(request, expect) {
            let refused = |error: QuestionError| SetupError::Request {
                probe: probe.id.0.clone(),
                why: error.to_string(),
            };
            questions.insert(probe.id.clone(), Arc::new(Question::new(request, expect).map_err(refused)?));
        }
    }
    Ok(questions)
}

/// Every pool behind another load balancer. Those of `before` that did not change keep their clients.
fn watched_pools(
    config: &Config,
    before: &BTreeMap<PoolId, Arc<WatchedPool>>,
    names: &Arc<Names>,
    clock: &Clock,
) -> Result<BTreeMap<PoolId, Arc<WatchedPool>>, SetupError> {
    let watch = |(id, pool): (&PoolId, &types::config::ExternalPool)| {
        if let Some(same) = before.get(id).filter(|before| before.pool() == pool) {
            return Ok((id.clone(), Arc::clone(same)));
        }
        let watched = WatchedPool::new(pool, &config.site.extra_ca_files, names, clock)?;
        Ok((id.clone(), Arc::new(watched)))
    };
    config.external_pools.iter().map(watch).collect()
}

impl std::fmt::Debug for Prober {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prober").finish_non_exhaustive()
    }
}
