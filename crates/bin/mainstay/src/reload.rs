//! A changed configuration is taken over while everything runs; one that is not sound is not, and says so.

use crate::certificates;
use crate::files::Files;
use crate::gate::{self, Gate};
use notify::Notifier;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokens::Key;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use types::Config;
use types::config::SecretRef;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The configuration's file and those that it names, as they change; also because SIGHUP asks to look.
pub(crate) struct Changes {
    path: PathBuf,
    hangup: Signal,
    config: Files,
    named: Files,
    stop: watch::Receiver<bool>,
}

/// What changed.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The configuration's file.
    pub path: PathBuf,
    /// Whether what the configuration names is to be read again though the configuration may be the same: a secret, a root of trust.
    pub named: bool,
}

impl Changes {
    /// Changes from now on, until `stop` is true.
    ///
    /// # Errors
    /// When the system gives no signals.
    pub(crate) fn of(path: PathBuf, config: &Config, stop: watch::Receiver<bool>) -> std::io::Result<Self> {
        let mut changes = Self {
            hangup: signal(SignalKind::hangup())?,
            config: Files::default(),
            named: Files::default(),
            path,
            stop,
        };
        changes.config.follow([changes.path.clone()]);
        changes.follow(config);
        Ok(changes)
    }

    /// Follows the files that this configuration names.
    pub(crate) fn follow(&mut self, config: &Config) {
        self.named.follow(named(config));
    }

    /// Waits for the next change; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Change> {
        loop {
            let asked = tokio::select! {
                _ = self.stop.wait_for(|stop| *stop) => return None,
                _ = self.hangup.recv() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let (config, named) = (self.config.changed(), self.named.changed());
            if asked || config || named {
                return Some(Change { path: self.path.clone(), named: asked || named });
            }
        }
    }
}

/// The files that a configuration names and that are read once: secrets, roots of trust, the list of registries. Certificates of
/// the edge and its lists of networks are followed by the edge itself.
fn named(config: &Config) -> impl Iterator<Item = PathBuf> {
    let channels = config.channels.values().filter_map(|channel| channel.secret.as_ref());
    let callers = config.callers.values().filter_map(|caller| caller.token.as_ref());
    let secrets = channels.chain(callers).filter_map(|secret| match secret {
        SecretRef::File(path) => Some(path),
        SecretRef::Env(_) => None,
    });
    secrets.chain(&config.site.extra_ca_files).chain(&config.registry.bootstrap).cloned()
}

/// Who wants to know of a new configuration.
pub(crate) struct Takers {
    /// The mind.
    pub configs: mpsc::Sender<Arc<Config>>,
    /// Whoever carries messages.
    pub couriers: watch::Sender<Arc<Notifier>>,
    /// A sentence when the configuration on disk is not in force.
    pub trouble: watch::Sender<Option<String>>,
    /// The edge gets configurations from the mind; from here, only the word that secrets may have been exchanged.
    pub gate: Arc<Gate>,
}

/// Follows the configuration's file, and hands each sound configuration on to everybody.
pub(crate) async fn follow(mut changes: Changes, mut current: Arc<Config>, key: Key, to: Takers) {
    while let Some(Change { path, named }) = changes.next().await {
        let read = sound(&path, &current, &key);
        let (taken, trouble) = match read {
            Ok(Some((config, notifier))) => {
                tracing::info!(digest = %config.digest, "a new configuration is in force");
                changes.follow(&config);
                (Some((config, notifier)), None)
            }
            Ok(None) => (None, None),
            Err(why) => (None, Some(unsound(&why))),
        };
        // What the configuration in force names may have been exchanged though the configuration itself was not.
        let again = if taken.is_none() && named { Some(read_again(&current, &key)) } else { None };
        let (taken, trouble) = match again {
            Some(Ok(again)) => (Some(again), trouble),
            Some(Err(why)) => (None, Some(why)),
            None => (taken, trouble),
        };
        to.trouble.send_replace(trouble);
        if let Some((config, notifier)) = taken {
            current = config.clone();
            to.couriers.send_replace(Arc::new(notifier));
            if to.configs.send(config).await.is_err() {
                return;
            }
        }
        if named {
            let gate = to.gate.clone();
            let _ = tokio::task::spawn_blocking(move || gate.look_again()).await;
        }
    }
}

/// The configuration in force once more, with its secrets and roots of trust as they are now.
fn read_again(current: &Config, key: &Key) -> Result<(Arc<Config>, Notifier), String> {
    let unusable = |why: String| {
        tracing::error!("what the configuration names is not usable, the old stays in force:\n{why}");
        format!("what the configuration names is not usable, the old stays in force: {why}")
    };
    prober::Prober::new(current).map_err(|why| unusable(why.to_string()))?;
    let notifier = Notifier::new(current, key.clone()).map_err(|why| unusable(why.to_string()))?;
    tracing::info!("secrets and roots of trust were read again");
    // Another one by its address, so that everybody who follows configurations takes it over.
    Ok((Arc::new(current.clone()), notifier))
}

/// Says that the configuration on disk is not sound, whole into the log; returns the sentence for people.
pub(crate) fn unsound(why: &str) -> String {
    tracing::error!("the configuration on disk is not sound, the old one stays in force:\n{why}");
    let first = why.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    format!("the configuration on disk is not sound, the old one stays in force: {first}")
}

/// The configuration on disk when it is another one than that in force, and asks for nothing that only a restart can change.
pub(crate) fn another(path: &Path, current: &Config) -> Result<Option<Config>, String> {
    let text = std::fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))?;
    let folder = crate::cli::config_folder(path);
    let read =
        config::read(&text, &path.display().to_string(), &folder).map_err(|problems| problems.to_string())?;
    for warning in &read.warnings {
        tracing::warn!("{warning}");
    }
    if read.config.digest == current.digest {
        return Ok(None);
    }
    // One that was in force already goes on as it is, whatever became of its files: it must not hold up another change.
    let known = current.edge.as_ref().map(|edge| edge.certificates.as_slice()).unwrap_or_default();
    let unusable = certificates::unusable(&read, |files| !known.contains(files));
    if !unusable.is_empty() {
        return Err(unusable.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
    let config = read.config;
    for (what, same) in [
        ("site.listen", config.site.listen == current.site.listen),
        ("site.data", config.site.data == current.site.data),
        ("site.url", config.site.url == current.site.url),
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
            return Err(format!("{what} changed: that needs a restart"));
        }
    }
    Ok(Some(config))
}

/// The new configuration with its courier; nothing when it is the configuration in force.
fn sound(path: &Path, current: &Config, key: &Key) -> Result<Option<(Arc<Config>, Notifier)>, String> {
    let Some(config) = another(path, current)? else { return Ok(None) };
    // Everything that a new configuration needs to work is tried before the old one is given up.
    prober::Prober::new(&config).map_err(|why| why.to_string())?;
    gate::tokens(&config)?;
    let notifier =
        Notifier::new(&config, key.clone()).map_err(|why| why.to_string())?.with_clock(crate::clock::now);
    Ok(Some((Arc::new(config), notifier)))
}
