//! Reload: a changed configuration comes into force while everything runs; one with problems does not, and is reported.

use crate::app::edge_controller::{self, EdgeController, TokenError};
use crate::app::sources::{Reporters, SourceError};
use crate::app::subscribers::{Setting, SettingError};
use crate::app::watched_files::WatchedFiles;
use crate::app::{certificates, clock, config_path};
use notify::Notifier;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokens::Key;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use types::Config;
use types::config::{ProbeKind, SecretRef, Source, TextOrSecret};
use web::WebState;

/// Interval of checks of the files.
const CHECK_EVERY: Duration = Duration::from_secs(2);

/// Changes of the configuration file and of the files that it names. SIGHUP counts as a change.
pub(crate) struct Changes {
    path: PathBuf,
    hangup: Signal,
    config: WatchedFiles,
    named: WatchedFiles,
    stop: watch::Receiver<bool>,
}

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The configuration file.
    pub path: PathBuf,
    /// Whether the files that the configuration names are to be read again, even if the configuration is the same:
    /// secrets, CA files.
    pub named: bool,
}

impl Changes {
    /// Watches from now on, until `stop` is true.
    ///
    /// # Errors
    /// When the signal handler cannot be installed.
    pub(crate) fn of(path: PathBuf, config: &Config, stop: watch::Receiver<bool>) -> std::io::Result<Self> {
        let mut changes = Self {
            hangup: signal(SignalKind::hangup())?,
            config: WatchedFiles::default(),
            named: WatchedFiles::default(),
            path,
            stop,
        };
        changes.config.follow([changes.path.clone()]);
        changes.follow(config);
        Ok(changes)
    }

    /// Watches the files that this configuration names.
    pub(crate) fn follow(&mut self, config: &Config) {
        self.named.follow(named(config));
    }

    /// Waits for the next change; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Change> {
        loop {
            let hangup = tokio::select! {
                _ = self.stop.wait_for(|stop| *stop) => return None,
                _ = self.hangup.recv() => true,
                () = tokio::time::sleep(CHECK_EVERY) => false,
            };
            let (config, named) = (self.config.changed(), self.named.changed());
            if hangup || config || named {
                return Some(Change { path: self.path.clone(), named: hangup || named });
            }
        }
    }
}

/// The files that a configuration names and that are read once: secrets, CA files, the list of registries. The edge
/// watches its certificates and GeoIP files itself.
fn named(config: &Config) -> impl Iterator<Item = PathBuf> {
    let channels = config.channels.values().flat_map(|channel| channel.secrets());
    let callers = config.callers.values().filter_map(|caller| caller.token.as_ref());
    let sources = config.sources.values().flat_map(Source::secrets);
    let heartbeats = config.heartbeats.values().filter_map(|heartbeat| heartbeat.key.as_ref());
    let databases = config.databases.values();
    let urls = databases.flat_map(|database| std::iter::once(&database.url).chain(&database.replicas));
    let probes = config.probes.values().flat_map(|probe| secrets_of(&probe.kind));
    let secrets = channels.chain(callers).chain(sources).chain(heartbeats).chain(urls).chain(probes);
    let secrets = secrets.filter_map(|secret| match secret {
        SecretRef::File(path) => Some(path),
        SecretRef::Env(_) => None,
    });
    let identities = config.probes.values().filter_map(|probe| match &probe.kind {
        ProbeKind::Http { request, .. } => request.client_certificate.as_ref(),
        _ => None,
    });
    let identities = identities.flat_map(|files| [&files.chain, &files.key]);
    let others = config.site.extra_ca_files.iter().chain(&config.registry.bootstrap);
    secrets.chain(others).chain(identities).cloned()
}

/// The secrets that a probe sends.
fn secrets_of(kind: &ProbeKind) -> Vec<&SecretRef> {
    match kind {
        ProbeKind::Http { request, .. } => {
            let texts = request.headers.values().chain(&request.body).filter_map(|value| match value {
                TextOrSecret::Secret(secret) => Some(secret),
                TextOrSecret::Text(_) => None,
            });
            texts.chain(&request.login).chain(&request.bearer).collect()
        }
        ProbeKind::Nut { login, .. } => login.iter().collect(),
        _ => Vec::new(),
    }
}

/// Subscribers to a new configuration.
pub(crate) struct Subscribers {
    /// The event loop.
    pub configs: mpsc::Sender<Arc<Config>>,
    /// Notifications and watchdog.
    pub notifiers: watch::Sender<Arc<Notifier>>,
    /// Why the configuration on disk is not in force.
    pub problem: watch::Sender<Option<String>>,
    /// The edge receives configurations from the event loop; from here, only that its tokens are to be read again.
    pub edge: Arc<EdgeController>,
    /// The web server, for the secrets of sources.
    pub site: Arc<WebState>,
    /// Subscribers of the status page, if there may be any.
    pub setting: Option<watch::Sender<Arc<Setting>>>,
}

/// Why the configuration on disk is not in force. It is read again when one of its files changes and at SIGHUP.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    /// The file cannot be read.
    #[error("{}: {why}; mainstay must be able to read it", path.display())]
    Unreadable {
        /// The configuration file.
        path: PathBuf,
        /// The error of the operating system.
        why: std::io::Error,
    },
    /// The text has problems, each with its position and a hint.
    #[error("{0}")]
    Invalid(config::Problems),
    /// Certificates of the edge cannot be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Certificates(Vec<config::Problem>),
    /// A key changed that is read only at the start.
    #[error("{0} changed: that needs a restart")]
    NeedsRestart(&'static str),
    /// CA files, the list of registries, or URLs of databases.
    #[error(transparent)]
    Prober(#[from] prober::SetupError),
    /// The token of a caller.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The secret of a source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The channel and the texts of subscribers.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// Channels and their secrets.
    #[error(transparent)]
    Notifier(#[from] notify::SetupError),
}

/// Follows the configuration file, and sends each valid configuration to all subscribers.
pub(crate) async fn follow(mut changes: Changes, mut current: Arc<Config>, key: Key, to: Subscribers) {
    while let Some(Change { path, named }) = changes.next().await {
        let read = changed(&path, &current, &key);
        let (new, problem) = match read {
            Ok(Some(new)) => {
                tracing::info!(digest = %new.config.digest, "a new configuration is in force");
                changes.follow(&new.config);
                (Some(new), None)
            }
            Ok(None) => (None, None),
            Err(why) => (None, Some(invalid(&why.to_string()))),
        };
        // Files that the configuration names may have changed although the configuration itself has not.
        let again = if new.is_none() && named { Some(read_again(&current, &key)) } else { None };
        let (new, problem) = match again {
            Some(Ok(again)) => (Some(again), problem),
            Some(Err(why)) => (None, Some(unusable(&why))),
            None => (new, problem),
        };
        to.problem.send_replace(problem);
        if let Some(Ready { config, notifier, reporters, setting }) = new {
            current = config.clone();
            reporters.admit(&to.site);
            if let (Some(to), Some(setting)) = (&to.setting, setting) {
                to.send_replace(Arc::new(setting));
            }
            to.notifiers.send_replace(Arc::new(notifier));
            if to.configs.send(config).await.is_err() {
                return;
            }
        }
        if named {
            let edge = to.edge.clone();
            let _ = tokio::task::spawn_blocking(move || edge.reload_tokens()).await;
        }
    }
}

/// A configuration with everything that is built of it before it replaces the one in force.
struct Ready {
    config: Arc<Config>,
    notifier: Notifier,
    reporters: Reporters,
    setting: Option<Setting>,
}

impl Ready {
    /// Reads secrets and CA files. The configuration gets an allocation of its own: subscribers compare by address.
    fn new(config: Config, key: &Key) -> Result<Self, ReloadError> {
        prober::Prober::new(&config)?;
        let reporters = Reporters::read(&config)?;
        let setting = Setting::read(&config)?;
        let notifier = Notifier::new(&config, key.clone())?.with_clock(clock::now);
        Ok(Self { config: Arc::new(config), notifier, reporters, setting })
    }
}

/// The configuration in force with its secrets and CA files as they are now.
fn read_again(current: &Config, key: &Key) -> Result<Ready, ReloadError> {
    let again = Ready::new(current.clone(), key)?;
    tracing::info!("secrets and CA files were read again");
    Ok(again)
}

/// Logs why files that the configuration names are not read again; returns it as a message for the status.
fn unusable(why: &ReloadError) -> String {
    tracing::error!("files named by the configuration are not usable, the old ones stay in force:\n{why}");
    format!("files named by the configuration are not usable, the old ones stay in force: {why}")
}

/// Logs the problems of the configuration on disk; returns the first as a message for the status.
pub(crate) fn invalid(why: &str) -> String {
    tracing::error!("the configuration on disk has problems, the old one stays in force:\n{why}");
    let first = why.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    format!("the configuration on disk has problems, the old one stays in force: {first}")
}

/// Reads the configuration on disk; `None` when it equals the one in force.
///
/// # Errors
/// When it has problems, or changes something that needs a restart.
pub(crate) fn another(path: &Path, current: &Config) -> Result<Option<Config>, ReloadError> {
    let text = std::fs::read_to_string(path)
        .map_err(|why| ReloadError::Unreadable { path: path.to_owned(), why })?;
    let folder = config_path::folder(path);
    let read = config::read(&text, &path.display().to_string(), &folder).map_err(ReloadError::Invalid)?;
    for warning in &read.warnings {
        tracing::warn!("{warning}");
    }
    if read.config.digest == current.digest {
        return Ok(None);
    }
    // A certificate that is in force already is not checked: a change of its files must not block other changes.
    let known = current.edge.as_ref().map(|edge| edge.certificates.as_slice()).unwrap_or_default();
    let unusable = certificates::unusable(&read, |files| !known.contains(files));
    if !unusable.is_empty() {
        return Err(ReloadError::Certificates(unusable));
    }
    let config = read.config;
    for (what, same) in [
        ("site.listen", config.site.listen == current.site.listen),
        ("site.data", config.site.data == current.site.data),
        ("site.url", config.site.url == current.site.url),
        (
            "status_page.subscribers",
            config.status_page.subscribers.is_some() == current.status_page.subscribers.is_some(),
        ),
        (
            "edge.threads",
            config
                .edge
                .as_ref()
                .zip(current.edge.as_ref())
                .is_none_or(|(new, old)| new.threads == old.threads),
        ),
    ] {
        if !same {
            return Err(ReloadError::NeedsRestart(what));
        }
    }
    Ok(Some(config))
}

/// The configuration on disk; `None` when it equals the one in force.
fn changed(path: &Path, current: &Config, key: &Key) -> Result<Option<Ready>, ReloadError> {
    let Some(config) = another(path, current)? else { return Ok(None) };
    // Those of the configuration in force are read again by the edge itself, which may keep the old ones.
    edge_controller::tokens(&config)?;
    Ready::new(config, key).map(Some)
}
