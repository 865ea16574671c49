//! `mainstay run --only guard`: the edge and nothing else. No mind, no status page, no journal; the same configuration and the same keys.
//! Where the status page would listen it tells of traces and metrics.

use crate::control::{self, Control};
use crate::gate::{Gate, OpenError, tokens};
use crate::keys::Keys;
use crate::last_denials;
use crate::organs::{self, ADDRESS_FILE};
use crate::reload::{self, Change, Changes};
use edge::{Sharing, StartError};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use types::{Config, Policy};
use web::{WebSettings, WebState};

/// How long requests under way may take at the end.
const DRAIN: Duration = Duration::from_secs(10);

/// A running edge with nothing behind it.
pub(crate) struct OnlyGuard {
    gate: Arc<Gate>,
    /// Where it is asked for traces and metrics.
    api: Option<SocketAddr>,
    control: Option<Control>,
    data: PathBuf,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl OnlyGuard {
    /// Serves by the configuration, and follows its file.
    ///
    /// # Errors
    /// When the configuration has no edge, an address is taken, or a secret is missing.
    pub(crate) async fn start(
        config: Config,
        config_path: PathBuf,
        sharing: Sharing,
    ) -> Result<Self, OpenError> {
        if config.edge.is_none() {
            return Err(StartError::NotDeclared.into());
        }
        let keys = Keys::open(&config.site.data).map_err(other)?;
        let config = Arc::new(config);
        // The journal is not opened here; what was denied when it was last written is still refused, until its time.
        let denials = last_denials::read(&config.site.data).unwrap_or_else(|why| {
            tracing::error!(
                "what the team denied is not known, so only what the configuration denies is refused: {why}; \
                 the file is written anew when the whole of mainstay runs"
            );
            BTreeMap::new()
        });
        let (data, site) = (config.site.data.clone(), settings(&config, &keys));
        let policy = move |config: &Arc<Config>| Policy { config: config.clone(), denials: denials.clone() };
        let gate = Arc::new(Gate::open(&policy(&config), keys.key, None, sharing)?);
        let (stop, stopped) = watch::channel(false);
        let mut changes = Changes::of(config_path, &config, stopped.clone()).map_err(other)?;
        let (policies_in, policies) = watch::channel(Arc::new(policy(&config)));
        // Nobody judges the roll-ups; the sums on the way to them are still to be made.
        let (rollups, _) = mpsc::channel(1);
        let mut tasks = vec![tokio::spawn(gate.clone().keep(policies, rollups, stopped.clone()))];
        let listener = listen(&config);
        let api = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let site = Arc::new(WebState::only_edge(site, gate.clone()).with_read_token(keys.read_token));
        let control = match control::is_alive(&data).await {
            // A whole mainstay beside us answers more than we can.
            true => None,
            false => organs::listen_for_commands(&data, &site, &stopped, &mut tasks),
        };
        if let Some(listener) = listener {
            tasks.push(tokio::spawn(async move {
                if let Err(why) = web::serve(listener, site, stopped).await {
                    tracing::error!("traces and metrics are no longer served: {why}");
                }
            }));
        }
        let looking = gate.clone();
        tasks.push(tokio::spawn(async move {
            let mut current = config;
            while let Some(Change { path, named }) = changes.next().await {
                let read = reload::another(&path, &current);
                let read =
                    read.and_then(|config| config.map(|config| tokens(&config).map(|_| config)).transpose());
                match read {
                    Ok(None) if named => {
                        let gate = looking.clone();
                        let _ = tokio::task::spawn_blocking(move || gate.look_again()).await;
                    }
                    Ok(None) => {}
                    Ok(Some(config)) => {
                        tracing::info!(digest = %config.digest, "a new configuration is in force");
                        changes.follow(&config);
                        current = Arc::new(config);
                        policies_in.send_replace(Arc::new(policy(&current)));
                    }
                    Err(why) => _ = reload::unsound(&why),
                }
            }
        }));
        if let Some(address) = api
            && let Err(why) = std::fs::write(data.join(ADDRESS_FILE), address.to_string())
        {
            tracing::warn!("`mainstay trace` will not find this process: {}: {why}", data.display());
        }
        Ok(Self { gate, api, control, data, stop, tasks })
    }

    /// Where it is asked for traces and metrics, when that address was free.
    pub(crate) fn api(&self) -> Option<SocketAddr> {
        self.api
    }

    /// Where it listens; whether for TLS.
    pub(crate) fn listening(&self) -> Vec<(SocketAddr, bool)> {
        self.gate.listening()
    }

    /// Finishes what was begun and ends.
    pub(crate) async fn stop(self) {
        drop(self.control);
        if self.api.is_some() {
            let _ = std::fs::remove_file(self.data.join(ADDRESS_FILE));
        }
        self.stop.send_replace(true);
        let gate = self.gate;
        let _ = tokio::task::spawn_blocking(move || gate.close(DRAIN)).await;
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

fn other(why: impl std::fmt::Display) -> OpenError {
    OpenError::Other(why.to_string())
}

/// Where the status page would listen. Visitors are served all the same when that is taken.
fn listen(config: &Config) -> Option<TcpListener> {
    let at = config.site.listen;
    let bound = std::net::TcpListener::bind(at).and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    bound.inspect_err(|why| tracing::warn!("no traces and no metrics: listening on {at}: {why}")).ok()
}

fn settings(config: &Config, keys: &Keys) -> WebSettings {
    WebSettings {
        name: config.site.name.clone(),
        url: config.site.url.clone(),
        key: keys.key.clone(),
        api_token: keys.api_token.clone(),
        data: config.site.data.clone(),
    }
}
