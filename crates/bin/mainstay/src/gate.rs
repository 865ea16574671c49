//! The edge as an organ: fed with policies, asked for roll-ups and traces, and otherwise left alone.
//!
//! It serves on threads of its own. When the mind stalls or is gone it goes on with the last policy; a roll-up that nobody
//! takes is dropped.

use crate::last_denials;
use edge::seeing::TraceId;
use edge::{Edge, Sharing, StartError, Terms};
use notify::secret::Secret;
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
use types::{CallerId, Config, Policy, Trace, config};

/// How often it is asked what went through it.
const ROLL_UP_EVERY: Duration = Duration::from_secs(1);

/// What callers show, by their names.
type Tokens = BTreeMap<CallerId, Vec<u8>>;

/// The edge of this house, where the configuration declares one.
pub(crate) struct Gate {
    key: Key,
    sharing: Sharing,
    edge: RwLock<Option<Edge>>,
    serves_by: Mutex<ServesBy>,
    /// Why the denials in force could not be written down the last time. Held while they are written: one writing at a time,
    /// each of what is in force by then, so that the last one leaves the newest.
    unwritten: Mutex<Option<String>>,
    /// Where the denials in force are written down for an edge that serves alone; nowhere when `None`.
    data: Option<PathBuf>,
    /// What of the newest policy is not in force, and why.
    not_in_force: Mutex<Option<String>>,
    trouble: watch::Sender<Option<String>>,
}

/// Why the edge does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The token of a caller is missing, or what every part of mainstay needs.
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

/// What was last taken over. Held while something is taken over: one after the other.
struct ServesBy {
    policy: Policy,
    /// Read anew with every configuration, not with every denial: a file that is gone must not hold a denial up.
    tokens: Tokens,
}

impl Gate {
    /// Serves by this policy, or by none when the configuration has no edge.
    ///
    /// # Errors
    /// When an address is taken or the secret of a caller is missing.
    pub(crate) fn open(
        policy: &Policy,
        key: Key,
        data: Option<PathBuf>,
        sharing: Sharing,
    ) -> Result<Self, OpenError> {
        let tokens = tokens(&policy.config).map_err(OpenError::Other)?;
        let terms = Terms { policy: policy.clone(), tokens: tokens.clone() };
        let edge = match policy.config.edge {
            Some(_) => Some(Edge::start_sharing(&terms, key.clone(), sharing)?),
            None => None,
        };
        let gate = Self {
            key,
            sharing,
            edge: RwLock::new(edge),
            serves_by: Mutex::new(ServesBy { policy: policy.clone(), tokens }),
            unwritten: Mutex::default(),
            data,
            not_in_force: Mutex::default(),
            trouble: watch::Sender::new(None),
        };
        gate.tell_trouble();
        gate.write_down();
        Ok(gate)
    }

    /// Where it listens; whether for TLS.
    pub(crate) fn listening(&self) -> Vec<(SocketAddr, bool)> {
        self.read().as_ref().map(Edge::listening).unwrap_or_default()
    }

    /// What of the newest policy is not in force, and which certificates visitors would not trust; a sentence.
    pub(crate) fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.subscribe()
    }

    /// Follows policies and tells roll-ups until `stop` is true. Policies that come no more are no reason to end.
    pub(crate) async fn keep(
        self: Arc<Self>,
        mut policies: watch::Receiver<Arc<Policy>>,
        rollups: mpsc::Sender<Rollup>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut seconds = tokio::time::interval(ROLL_UP_EVERY);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut told = true;
        let mut owes = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        let mut writing: Option<JoinHandle<bool>> = None;
        loop {
            if let Some(written) = writing.take_if(|writing| writing.is_finished()) {
                owes |= !written.await.unwrap_or_default();
            }
            if owes && writing.is_none() {
                // Not waited for: a disk that is slow, or full for hours, holds up no denial and no roll-up.
                let gate = self.clone();
                writing = Some(tokio::task::spawn_blocking(move || gate.write_down()));
                owes = false;
            }
            tokio::select! {
                biased;
                () = ended(&mut stop) => break,
                changed = policies.changed(), if told => match changed {
                    Ok(()) => {
                        let (gate, policy) = (self.clone(), policies.borrow_and_update().clone());
                        let applied = tokio::task::spawn_blocking(move || gate.apply(&policy)).await;
                        owes |= matches!(applied, Ok(true));
                    }
                    Err(_) => {
                        told = false;
                        tracing::error!("the mind is gone; the edge goes on with its last policy");
                    }
                },
                _ = seconds.tick() => {
                    self.tell_trouble();
                    let rollup = self.read().as_ref().map(Edge::roll_up);
                    // A mind that is busy gets the next one.
                    let _ = rollup.map(|rollup| rollups.try_send(rollup));
                }
            }
        }
        if let Some(writing) = writing {
            let _ = writing.await;
        }
    }

    /// Takes nothing new, finishes what is under way, and ends. Blocks for `grace` at most.
    pub(crate) fn close(&self, grace: Duration) {
        let edge = self.write().take();
        if let Some(edge) = edge {
            edge.stop(grace);
        }
    }

    /// Looks for what callers show again, where the configuration says: somebody may have exchanged a secret. Blocks.
    pub(crate) fn look_again(&self) {
        let mut serves_by = self.serves_by.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = serves_by.policy.clone();
        self.take_over(&mut serves_by, policy, true);
    }

    /// Serves by this policy from now on. Blocks. Says whether something else is denied than before.
    fn apply(&self, policy: &Policy) -> bool {
        let mut serves_by = self.serves_by.lock().unwrap_or_else(PoisonError::into_inner);
        let new_denials = serves_by.policy.denials != policy.denials;
        let new_config = !Arc::ptr_eq(&serves_by.policy.config, &policy.config);
        self.take_over(&mut serves_by, policy.clone(), new_config);
        new_denials
    }

    fn take_over(&self, serves_by: &mut ServesBy, policy: Policy, look_for_tokens: bool) {
        let mut trouble = None;
        if look_for_tokens {
            match tokens(&policy.config) {
                Ok(found) => serves_by.tokens = found,
                Err(why) => trouble = Some(format!("callers are known by their old tokens: {why}")),
            }
        }
        let terms = Terms { policy: policy.clone(), tokens: serves_by.tokens.clone() };
        let before = std::mem::replace(&mut serves_by.policy, policy).config;
        let reloaded = match (&terms.policy.config.edge, self.read().as_ref()) {
            (Some(new), Some(edge)) => {
                if let Some(old) = &before.edge {
                    tell_to(edge, old, new);
                }
                Some(edge.reload(&terms))
            }
            _ => None,
        };
        if let Err(why) = reloaded.unwrap_or_else(|| self.open_or_close(&terms)) {
            trouble = Some(format!("the edge follows the configuration but for this: {why}"));
        }
        if let Some(trouble) = &trouble {
            tracing::error!("{trouble}");
        }
        *self.not_in_force.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        self.tell_trouble();
    }

    /// Says what is wrong now, where that is something else than before.
    fn tell_trouble(&self) {
        let edge = self.read();
        let certificates = edge.as_ref().map(Edge::certificate_trouble).unwrap_or_default();
        let not_in_force = self.not_in_force.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let all: Vec<String> = not_in_force.into_iter().chain(certificates).collect();
        let trouble = (!all.is_empty()).then(|| all.join("; "));
        self.trouble.send_if_modified(|told| std::mem::replace(told, trouble.clone()) != trouble);
    }

    /// Writes down what is denied now. Blocks until it is on disk. False when it has to be tried again.
    fn write_down(&self) -> bool {
        let Some(data) = &self.data else { return true };
        let mut before = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        let denials = self.serves_by.lock().unwrap_or_else(PoisonError::into_inner).policy.denials.clone();
        let failed = last_denials::write(data, &denials).err().map(|why| why.to_string());
        match &failed {
            Some(why) if *before != failed => {
                tracing::warn!("an edge that serves alone will not know what is denied: {why}");
            }
            None if before.is_some() => tracing::info!("what is denied is written down again"),
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

/// Where access lines and spans go from now on, where that is elsewhere than before.
fn tell_to(edge: &Edge, old: &config::Edge, new: &config::Edge) {
    if old.access_log != new.access_log {
        let lines = new.access_log.then(|| Box::new(std::io::stdout()) as Box<dyn Write + Send>);
        if let Err(why) = edge.seeing().tell_lines(lines) {
            tracing::error!("access lines go where they went before: {why}");
        }
    }
    if old.otlp != new.otlp {
        edge.seeing().tell_spans(new.otlp.clone());
        if let Some(exporter) = edge.seeing().exporter() {
            tokio::spawn(exporter.run());
        }
    }
}

async fn ended(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Reads what callers show from where the configuration says.
///
/// # Errors
/// Whose is missing, and where it was looked for.
pub(crate) fn tokens(config: &Config) -> Result<Tokens, String> {
    let places = config.callers.values().filter_map(|caller| Some((caller, caller.token.as_ref()?)));
    let found = places.map(|(caller, place)| {
        let secret = Secret::find(place).map_err(|why| format!("token of caller `{}`: {why}", caller.id))?;
        Ok((caller.id.clone(), secret.reveal().as_bytes().to_vec()))
    });
    found.collect()
}

impl web::Edge for Gate {
    fn trace(&self, id: &str) -> Option<Trace> {
        let id = u128::from_str_radix(id, 16).ok()?;
        self.read().as_ref()?.seeing().trace(TraceId(id))
    }

    fn recent(&self, max: usize) -> Vec<Trace> {
        self.read().as_ref().map(|edge| edge.seeing().lately(max)).unwrap_or_default()
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        if let Some(edge) = self.read().as_ref() {
            edge.metrics(&mut text);
        }
        text
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("listening", &self.listening()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream};
    use std::path::Path;

    fn config(more: &str) -> Arc<Config> {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in server.incoming().flatten() {
                let _ = stream.read(&mut [0; 4_096]);
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
            }
        });
        let text = format!(
            r#"
            [edge]
            listen = ["127.0.0.1:0"]
            threads = 1
            [service.shop]
            hosts = ["shop.test"]
            [service.shop.traffic]
            pool = "shop"
            [pool.shop]
            servers = ["{address}"]
            {more}
            "#
        );
        Arc::new(::config::read(&text, "test", Path::new(".")).unwrap().config)
    }

    fn policy(config: &Arc<Config>) -> Policy {
        Policy { config: config.clone(), denials: BTreeMap::new() }
    }

    fn ask(gate: &Gate) -> String {
        let mut stream = TcpStream::connect(gate.listening()[0].0).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_edge_goes_on_when_the_mind_is_gone_or_takes_nothing() {
        let policy = policy(&config(""));
        let gate = Arc::new(Gate::open(&policy, Key::new([7; 32]), None, Sharing::Refused).unwrap());
        let (policies_in, policies) = watch::channel(Arc::new(policy));
        let (rollups_in, mut rollups) = mpsc::channel(1);
        let (stop, stopped) = watch::channel(false);
        let keeping = tokio::spawn(gate.clone().keep(policies, rollups_in, stopped));
        // A mind that panics lets go of everything at once, as this thread does.
        let mind = std::thread::spawn(move || {
            let _policies = policies_in;
            let _first = rollups.blocking_recv();
            panic!("on purpose");
        });
        assert!(mind.join().is_err());
        let asked = gate.clone();
        let answer = tokio::task::spawn_blocking(move || ask(&asked)).await.unwrap();
        assert_eq!(answer, "HTTP/1.1 200 OK");
        assert!(!keeping.is_finished(), "seconds are still counted");
        stop.send_replace(true);
        keeping.await.unwrap();
        tokio::task::spawn_blocking(move || gate.close(Duration::ZERO)).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_denial_is_in_force_without_a_disk_and_is_written_once_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("unplugged");
        let first = policy(&config(""));
        let gate =
            Arc::new(Gate::open(&first, Key::new([7; 32]), Some(data.clone()), Sharing::Refused).unwrap());
        let (policies_in, policies) = watch::channel(Arc::new(first.clone()));
        let (rollups_in, _rollups) = mpsc::channel(1);
        let (stop, stopped) = watch::channel(false);
        let keeping = tokio::spawn(gate.clone().keep(policies, rollups_in, stopped));
        let denial = types::Denial {
            id: types::DenialId(1),
            what: "127.0.0.1".parse().unwrap(),
            service: None,
            from: "2026-11-22T04:16:09Z".parse().unwrap(),
            until: "2999-11-22T04:16:09Z".parse().unwrap(),
            by: "ana".to_owned(),
        };
        let denials = BTreeMap::from([(denial.id, denial)]);
        policies_in.send_replace(Arc::new(Policy { denials: denials.clone(), ..first }));
        let by = tokio::time::Instant::now() + Duration::from_secs(20);
        let late = || assert!(tokio::time::Instant::now() < by, "in vain");
        while !ask(&gate).starts_with("HTTP/1.1 403 ") {
            late();
            tokio::task::yield_now().await;
        }
        std::fs::create_dir(&data).unwrap();
        while last_denials::read(&data).unwrap() != denials {
            late();
            tokio::task::yield_now().await;
        }
        stop.send_replace(true);
        keeping.await.unwrap();
        tokio::task::spawn_blocking(move || gate.close(Duration::ZERO)).await.unwrap();
    }

    #[tokio::test]
    async fn a_config_may_take_the_edge_away_and_bring_it_back() {
        let with = policy(&config(""));
        let without =
            Policy { config: Arc::new(Config { edge: None, ..(*with.config).clone() }), ..with.clone() };
        let gate = Gate::open(&without, Key::new([7; 32]), None, Sharing::Refused).unwrap();
        assert_eq!(gate.listening(), []);
        assert_eq!(web::Edge::metrics(&gate), "");
        gate.apply(&with);
        assert_eq!(gate.listening().len(), 1);
        assert!(web::Edge::metrics(&gate).contains("mainstay_edge_connections"));
        gate.apply(&without);
        assert_eq!(gate.listening(), []);
        assert_eq!(*gate.trouble().borrow(), None);
    }

    #[tokio::test]
    async fn what_cannot_be_listened_on_or_found_is_told_and_the_rest_is_in_force() {
        let first = policy(&config(""));
        let gate = Gate::open(&first, Key::new([7; 32]), None, Sharing::Refused).unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let _holds = TcpListener::bind(taken).unwrap();
        let mut edge = first.config.edge.clone().unwrap();
        edge.listen.push(taken);
        let config = Config { edge: Some(edge), ..(*first.config).clone() };
        gate.apply(&policy(&Arc::new(config)));
        let told = gate.trouble().borrow().clone().unwrap();
        assert!(told.contains(&taken.to_string()), "{told}");
        gate.apply(&first);
        assert_eq!(*gate.trouble().borrow(), None);

        let caller = "[caller.web]\ntoken = \"env:NO_SUCH_VARIABLE_OF_OURS\"";
        let missing = policy(&self::config(caller));
        gate.apply(&missing);
        let told = gate.trouble().borrow().clone().unwrap();
        assert!(told.contains("caller `web`") && told.contains("NO_SUCH_VARIABLE_OF_OURS"), "{told}");
        assert_eq!(gate.listening().len(), 1);
        // Whoever exchanged a secret asks to look again.
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "first").unwrap();
        let caller = format!("[caller.web]\ntoken = \"file:{}\"", file.path().display());
        gate.apply(&policy(&self::config(&caller)));
        let known = || gate.serves_by.lock().unwrap().tokens.values().next().cloned();
        assert_eq!(known().as_deref(), Some(b"first".as_slice()));
        std::fs::write(file.path(), "second").unwrap();
        gate.look_again();
        assert_eq!((known().as_deref(), gate.trouble().borrow().clone()), (Some(b"second".as_slice()), None));

        let refused =
            Gate::open(&missing, Key::new([7; 32]), None, Sharing::Refused).unwrap_err().to_string();
        assert!(refused.contains("NO_SUCH_VARIABLE_OF_OURS"), "{refused}");
    }
}
