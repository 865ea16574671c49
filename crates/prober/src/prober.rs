//! One question, one answer.

use crate::names::Names;
use crate::tls::Tls;
use crate::{asked, dns, domain, http, tcp, tls};
use model::fault::Phase;
use model::plan::{Ask, Probe};
use model::sample::Phases;
use model::{Answer, Fault, Plan, Sample, Time};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Tells the time of day, by which certificates are judged.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// What a question may take beyond its timeout before it is cut off from outside. Every wait inside ends by the timeout;
/// this is for the one that was forgotten.
const GRACE: Duration = Duration::from_secs(1);
/// No question takes longer than this, whatever the plan says.
const TIMEOUT_MAX: Duration = Duration::from_mins(10);

/// A prober that cannot be set up, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A file of trusted roots cannot be read.
    #[error(
        "the trusted roots in {} cannot be read: {why} (check the path under site.trust, and that this user may read it)",
        path.display()
    )]
    TrustUnreadable {
        /// The file.
        path: PathBuf,
        /// The system's word.
        why: String,
    },
    /// A file of trusted roots holds none.
    #[error(
        "{} holds no certificate (site.trust wants PEM: lines between BEGIN CERTIFICATE and END CERTIFICATE)",
        path.display()
    )]
    TrustEmpty {
        /// The file.
        path: PathBuf,
    },
    /// A certificate in a file of trusted roots is broken.
    #[error("{} holds a certificate that cannot be used as a root: {why} (export it again as PEM)", path.display())]
    TrustBroken {
        /// The file.
        path: PathBuf,
        /// Where it breaks.
        why: String,
    },
    /// What the plan says about registries cannot be used.
    #[error("registrations cannot be looked up: {why} (check registry.bootstrap and site.trust)")]
    Registry {
        /// Which file, and why.
        why: String,
    },
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up: {why}")]
    Tls {
        /// Its word.
        why: String,
    },
}

/// Asks one question at a time, any number of them side by side.
pub struct Prober {
    plan: Settings,
    names: Arc<Names>,
    tls: Arc<Tls>,
    dns: Arc<dns::Dns>,
    domain: Arc<domain::Domain>,
    clock: Clock,
}

/// What of a plan shapes the prober, rather than a probe.
#[derive(Clone, PartialEq, Eq)]
struct Settings {
    dns: model::plan::Dns,
    trust: Vec<PathBuf>,
    inner: Vec<ipnet::IpNet>,
    registry: model::plan::Registry,
    domains: std::collections::BTreeMap<String, model::plan::Domain>,
}

impl Settings {
    fn of(plan: &Plan) -> Self {
        Self {
            dns: plan.dns.clone(),
            trust: plan.site.trust.clone(),
            inner: plan.site.inner.clone(),
            registry: plan.registry.clone(),
            domains: plan.domains.clone(),
        }
    }
}

impl Prober {
    /// Sets a prober up by the plan: whom it trusts, whom it asks for names, which inner networks it may enter. Reads
    /// files, asks nobody.
    ///
    /// # Errors
    /// What the plan names cannot be used.
    pub fn new(plan: &Plan) -> Result<Self, SetupError> {
        Self::with_clock(plan, Arc::new(Time::now))
    }

    /// The same, by another clock than the system's.
    ///
    /// # Errors
    /// What the plan names cannot be used.
    pub fn with_clock(plan: &Plan, clock: Clock) -> Result<Self, SetupError> {
        let names = Arc::new(Names::new(plan));
        Ok(Self {
            plan: Settings::of(plan),
            tls: Arc::new(Tls::new(&plan.site.trust, Arc::clone(&clock))?),
            dns: Arc::new(dns::Dns::new(plan, Arc::clone(&names))),
            domain: Arc::new(domain::Domain::new(plan, Arc::clone(&names))?),
            names,
            clock,
        })
    }

    /// A prober by a changed plan. What is remembered of registries and name servers is kept where the change does not
    /// touch it, so that reloading a plan does not spend their patience anew.
    ///
    /// # Errors
    /// What the plan names cannot be used; this prober is still good.
    pub fn adopt(&self, plan: &Plan) -> Result<Self, SetupError> {
        if self.plan != Settings::of(plan) {
            return Self::with_clock(plan, Arc::clone(&self.clock));
        }
        Ok(Self {
            plan: self.plan.clone(),
            // Read again: the files may have changed though their names did not.
            tls: Arc::new(Tls::new(&plan.site.trust, Arc::clone(&self.clock))?),
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
    pub async fn ask(&self, probe: &Probe) -> Sample {
        let began = Instant::now();
        let limit = probe.timeout.min(TIMEOUT_MAX);
        let asking = timeout(limit + GRACE, self.answer(&probe.ask, began, limit));
        let (answered, mut asked) = asked::noting(asking).await;
        let (answer, phases) = answered
            .unwrap_or_else(|_| (Answer::Failed(Fault::TimedOut { phase: Phase::Body }), Phases::default()));
        asked.blame(&answer);
        let phases = Phases { total: began.elapsed(), ..phases };
        Sample {
            addresses: asked.addresses,
            alias: asked.alias,
            ..Sample::new(probe.id.clone(), phases, answer)
        }
    }

    async fn answer(&self, ask: &Ask, began: Instant, limit: Duration) -> (Answer, Phases) {
        let deadline = began + limit;
        match ask {
            Ask::Http { url, expect } => http::ask(&self.tls, &self.names, url, expect, deadline).await,
            Ask::Tcp { host, port } => tcp::ask(&self.names, host, *port, deadline).await,
            Ask::Tls { host, port } => tls::ask(&self.tls, &self.names, host, *port, deadline).await,
            Ask::Dns { zone, names } => self.dns.ask(zone, names, limit).await,
            Ask::Domain { name } => self.domain.ask(name, limit).await,
        }
    }
}

impl std::fmt::Debug for Prober {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prober").finish_non_exhaustive()
    }
}
