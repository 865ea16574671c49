//! The edge controller: applies policies to the edge, and reads roll-ups and traces from it.
//!
//! The edge serves on threads of its own. When the event loop stalls or has ended, the last policy stays in force, and
//! roll-ups that are not received are dropped.

use crate::app::saved_policy;
use edge::telemetry::TraceId;
use edge::{Edge, Sharing, StartError, Terms};
use notify::secret::{self, SecretError};
use prometheus_client::encoding::DescriptorEncoder;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use tokens::Key;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use types::traffic::Rollup;
use types::{CallerId, Config, Policy, ServiceId, Trace, config};

/// Interval of roll-ups.
const ROLL_UP_EVERY: Duration = Duration::from_secs(1);

/// Tokens of callers, by their names.
type Tokens = BTreeMap<CallerId, SecretString>;

/// The edge, where the configuration declares one, and what it serves by.
pub(crate) struct EdgeController {
    key: Key,
    sharing: Sharing,
    edge: RwLock<Option<Edge>>,
    applied: Mutex<Applied>,
    /// Why the last attempt to save denials and valves failed. Locked while they are saved: one attempt at a time, each
    /// with those in force by then, so that the last attempt leaves the newest.
    unsaved: Mutex<Option<String>>,
    /// Data folder in which denials and valves are saved for an edge that runs alone; `None`: they are not saved.
    data: Option<PathBuf>,
    /// Which part of the newest policy is not in force, and why.
    not_in_force: Mutex<Option<String>>,
    problem: watch::Sender<Option<String>>,
}

/// The token of a declared caller cannot be read. It is read again when its file changes and at SIGHUP.
#[derive(Debug, thiserror::Error)]
#[error("token of caller `{caller}`: {why}; set it, or correct `token` of this caller in the configuration")]
pub(crate) struct TokenError {
    caller: CallerId,
    why: SecretError,
}

/// Why the edge cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The token of a caller is missing.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Something that every part of mainstay needs.
    #[error("{0}")]
    Other(String),
    /// The edge itself.
    #[error(transparent)]
    Edge(#[from] StartError),
}

impl OpenError {
    /// Whether another process listens on an address of the edge.
    pub(crate) fn is_taken(&self) -> bool {
        matches!(self, Self::Edge(StartError::Taken { .. }))
    }
}

/// The policy and tokens applied last. Locked while others are applied: one after the other.
struct Applied {
    policy: Policy,
    /// Read again with every configuration, not with every denial: a missing file must not delay a denial.
    tokens: Tokens,
}

impl EdgeController {
    /// Starts the edge with this policy; starts none when the configuration declares none.
    ///
    /// # Errors
    /// When an address is taken or the secret of a caller is missing.
    pub(crate) fn open(
        policy: &Policy,
        key: Key,
        data: Option<PathBuf>,
        sharing: Sharing,
    ) -> Result<Self, OpenError> {
        let tokens = tokens(&policy.config)?;
        let terms = Terms { policy: policy.clone(), tokens: tokens.clone() };
        let edge = match policy.config.edge {
            Some(_) => Some(Edge::start_sharing(&terms, key.clone(), sharing)?),
            None => None,
        };
        let controller = Self {
            key,
            sharing,
            edge: RwLock::new(edge),
            applied: Mutex::new(Applied { policy: policy.clone(), tokens }),
            unsaved: Mutex::default(),
            data,
            not_in_force: Mutex::default(),
            problem: watch::Sender::new(None),
        };
        controller.publish_problem();
        controller.save_policy();
        Ok(controller)
    }

    /// Addresses of the edge; whether each is for TLS.
    pub(crate) fn listening(&self) -> Vec<(SocketAddr, bool)> {
        self.read().as_ref().map(Edge::listening).unwrap_or_default()
    }

    /// Which part of the newest policy is not in force, and which certificates clients would not trust.
    pub(crate) fn problem(&self) -> watch::Receiver<Option<String>> {
        self.problem.subscribe()
    }

    /// Applies policies and sends roll-ups until `stop` is true, also after the sender of policies has ended.
    pub(crate) async fn run(
        self: Arc<Self>,
        mut policies: watch::Receiver<Arc<Policy>>,
        rollups: mpsc::Sender<Rollup>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut seconds = tokio::time::interval(ROLL_UP_EVERY);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut has_sender = true;
        let mut is_due = self.unsaved.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        let mut saving: Option<JoinHandle<bool>> = None;
        loop {
            if let Some(saved) = saving.take_if(|saving| saving.is_finished()) {
                is_due |= !saved.await.unwrap_or_default();
            }
            if is_due && saving.is_none() {
                // Not awaited: a slow or full disk must not delay a denial or a roll-up.
                let controller = self.clone();
                saving = Some(tokio::task::spawn_blocking(move || controller.save_policy()));
                is_due = false;
            }
            tokio::select! {
                biased;
                () = ended(&mut stop) => break,
                changed = policies.changed(), if has_sender => match changed {
                    Ok(()) => {
                        let (controller, policy) = (self.clone(), policies.borrow_and_update().clone());
                        let applied = tokio::task::spawn_blocking(move || controller.apply(&policy)).await;
                        is_due |= matches!(applied, Ok(true));
                    }
                    Err(_) => {
                        has_sender = false;
                        tracing::error!("the event loop has ended; the edge goes on with its last policy");
                    }
                },
                _ = seconds.tick() => {
                    self.publish_problem();
                    let rollup = self.read().as_ref().map(Edge::roll_up);
                    // A busy event loop receives the next one.
                    if let Some(rollup) = rollup {
                        let _ = rollups.try_send(rollup);
                    }
                }
            }
        }
        if let Some(saving) = saving {
            let _ = saving.await;
        }
    }

    /// Drains the edge: accepts no new request, finishes those in progress for at most `grace`. Blocks.
    pub(crate) fn close(&self, grace: Duration) {
        let edge = self.write().take();
        if let Some(edge) = edge {
            edge.stop(grace);
        }
    }

    /// Reads the tokens of callers again, because a secret may have been replaced. Blocks.
    pub(crate) fn reload_tokens(&self) {
        let mut applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = applied.policy.clone();
        self.replace(&mut applied, policy, true);
    }

    /// Applies a policy. Blocks. Returns whether its denials or valves differ from those before.
    fn apply(&self, policy: &Policy) -> bool {
        let mut applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        let before = &applied.policy;
        let is_new = before.denials != policy.denials || before.valves != policy.valves;
        let new_config = !Arc::ptr_eq(&applied.policy.config, &policy.config);
        self.replace(&mut applied, policy.clone(), new_config);
        is_new
    }

    fn replace(&self, applied: &mut Applied, policy: Policy, read_tokens: bool) {
        let mut problem = None;
        if read_tokens {
            match tokens(&policy.config) {
                Ok(found) => applied.tokens = found,
                Err(why) => problem = Some(format!("callers keep their old tokens: {why}")),
            }
        }
        let terms = Terms { policy: policy.clone(), tokens: applied.tokens.clone() };
        let before = std::mem::replace(&mut applied.policy, policy).config;
        let reloaded = match (&terms.policy.config.edge, self.read().as_ref()) {
            (Some(new), Some(edge)) => {
                if let Some(old) = &before.edge {
                    redirect_telemetry(edge, old, new);
                }
                Some(edge.reload(&terms))
            }
            _ => None,
        };
        if let Err(why) = reloaded.unwrap_or_else(|| self.open_or_close(&terms)) {
            problem = Some(format!("the edge follows the configuration except for: {why}"));
        }
        if let Some(problem) = &problem {
            tracing::error!("{problem}");
        }
        *self.not_in_force.lock().unwrap_or_else(PoisonError::into_inner) = problem;
        self.publish_problem();
    }

    /// Publishes the current problem when it has changed.
    fn publish_problem(&self) {
        let edge = self.read();
        let certificates = edge.as_ref().map(Edge::certificate_trouble).unwrap_or_default();
        let not_in_force = self.not_in_force.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let all: Vec<String> = not_in_force.into_iter().chain(certificates).collect();
        let problem = (!all.is_empty()).then(|| all.join("; "));
        self.problem.send_if_modified(|known| std::mem::replace(known, problem.clone()) != problem);
    }

    /// Saves denials and valves. Blocks until they are on disk. Returns false when it has to be tried again.
    fn save_policy(&self) -> bool {
        let Some(data) = &self.data else { return true };
        let mut before = self.unsaved.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = self.applied.lock().unwrap_or_else(PoisonError::into_inner).policy.clone();
        let failed =
            saved_policy::write(data, (&policy.denials, &policy.valves)).err().map(|why| why.to_string());
        match &failed {
            Some(why) if *before != failed => {
                tracing::warn!(
                    "denials and valves cannot be saved, so an edge that runs alone will not know them: {why}"
                );
            }
            None if before.is_some() => tracing::info!("denials and valves are saved again"),
            _ => {}
        }
        *before = failed;
        before.is_none()
    }

    fn open_or_close(&self, terms: &Terms) -> Result<(), StartError> {
        if terms.policy.config.edge.is_none() {
            self.close(Duration::from_secs(10));
            return Ok(());
        }
        let edge = Edge::start_sharing(terms, self.key.clone(), self.sharing)?;
        *self.write() = Some(edge);
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Edge>> {
        self.edge.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Edge>> {
        self.edge.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends access log and spans to the new destinations, where those changed.
fn redirect_telemetry(edge: &Edge, old: &config::Edge, new: &config::Edge) {
    if old.access_log != new.access_log {
        let lines = new.access_log.then(|| Box::new(std::io::stdout()) as Box<dyn Write + Send>);
        if let Err(why) = edge.telemetry().set_access_log(lines) {
            tracing::error!("the access log keeps its old destination: {why}");
        }
    }
    if old.otlp != new.otlp {
        edge.telemetry().set_otlp(new.otlp.clone());
        if let Some(exporter) = edge.telemetry().exporter() {
            tokio::spawn(exporter.run());
        }
    }
}

async fn ended(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Reads the tokens of callers from the sources that the configuration names.
///
/// # Errors
/// Which caller has none, and which source was read.
pub(crate) fn tokens(config: &Config) -> Result<Tokens, TokenError> {
    let places = config.callers.values().filter_map(|caller| Some((caller, caller.token.as_ref()?)));
    let found = places.map(|(caller, place)| {
        let token = secret::read(place).map_err(|why| TokenError { caller: caller.id.clone(), why })?;
        Ok((caller.id.clone(), token))
    });
    found.collect()
}

impl web::Edge for EdgeController {
    fn trace(&self, id: &str) -> Option<Trace> {
        let id = u128::from_str_radix(id, 16).ok()?;
        self.read().as_ref()?.telemetry().trace(TraceId(id))
    }

    fn recent(&self, max: usize) -> Vec<Trace> {
        self.read().as_ref().map(|edge| edge.telemetry().recent(max)).unwrap_or_default()
    }

    fn purge(&self, service: &ServiceId, path: Option<&str>) -> Option<u64> {
        self.read().as_ref()?.purge(service, path)
    }

    fn metrics(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        self.read().as_ref().map_or(Ok(()), |edge| edge.metrics(encoder))
    }
}

impl fmt::Debug for EdgeController {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeController").field("listening", &self.listening()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
