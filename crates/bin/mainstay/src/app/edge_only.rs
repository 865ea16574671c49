//! The edge alone (`mainstay run --only edge`): no event loop, no status page, no journal; the same configuration and
//! the same keys. The address of the status page serves traces and metrics.

use crate::app::composition::site_settings;
use crate::app::control::{self, Control};
use crate::app::edge_controller::{EdgeController, OpenError, tokens};
use crate::app::keys::Keys;
use crate::app::reload::{self, Change, Changes};
use crate::app::{address_file, saved_policy};
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
use web::WebState;

/// Longest time that requests in progress may take at the end.
const DRAIN: Duration = Duration::from_secs(10);

/// A running edge without the rest of mainstay.
pub(crate) struct EdgeOnly {
    edge: Arc<EdgeController>,
    /// Address of traces and metrics.
    api: Option<SocketAddr>,
    control: Option<Control>,
    data: PathBuf,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl EdgeOnly {
    /// Starts the edge with the configuration, and follows its file.
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
        let (data, settings) = (config.site.data.clone(), site_settings(&config, &keys));
        let policy = saved(&config);
        let edge = Arc::new(EdgeController::open(&policy, keys.key, None, sharing)?);
        let (stop, stopped) = watch::channel(false);
        let changes = Changes::of(config_path, &config, stopped.clone()).map_err(other)?;
        let (policies_in, policies) = watch::channel(Arc::new(policy));
        // Nothing receives the roll-ups, but reading them resets the counters of the edge.
        let (rollups, _) = mpsc::channel(1);
        let mut tasks = vec![tokio::spawn(edge.clone().run(policies, rollups, stopped.clone()))];
        let listener = listen(&config);
        let api = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let site = Arc::new(WebState::only_edge(settings, edge.clone()).with_read_token(keys.read_token));
        let control = match control::is_alive(&data).await {
            // A complete mainstay with the same data folder answers more commands than this process can.
            true => None,
            false => control::serve(&data, &site, &stopped, &mut tasks),
        };
        if let Some(listener) = listener {
            tasks.push(tokio::spawn(async move {
                if let Err(why) = web::serve(listener, site, stopped).await {
                    tracing::error!("traces and metrics are no longer served: {why}");
                }
            }));
        }
        tasks.push(tokio::spawn(follow(changes, config, policies_in, edge.clone())));
        if let Some(address) = api
            && let Err(why) = address_file::write(&data, address)
        {
            tracing::warn!("the address file cannot be written: {}: {why}", data.display());
        }
        Ok(Self { edge, api, control, data, stop, tasks })
    }

    /// Address of traces and metrics, when it was free.
    pub(crate) fn api(&self) -> Option<SocketAddr> {
        self.api
    }

    /// Addresses of the edge; whether each is for TLS.
    pub(crate) fn listening(&self) -> Vec<(SocketAddr, bool)> {
        self.edge.listening()
    }

    /// Drains and ends.
    pub(crate) async fn stop(self) {
        drop(self.control);
        if self.api.is_some() {
            address_file::remove(&self.data);
        }
        self.stop.send_replace(true);
        let edge = self.edge;
        let _ = tokio::task::spawn_blocking(move || edge.close(DRAIN)).await;
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// The policy with the denials and valves that were saved last: the journal is not opened here. A ramp stays where it was,
/// because nothing judges the health of a service.
fn saved(config: &Arc<Config>) -> Policy {
    let data = &config.site.data;
    let denials = saved_policy::denials(data).unwrap_or_else(|why| {
        tracing::error!(
            "saved denials cannot be read, so only those of the configuration are in force: {why}; \
             the file is replaced when the whole of mainstay runs"
        );
        Default::default()
    });
    let mut valves = saved_policy::valves(data).unwrap_or_else(|why| {
        tracing::error!(
            "saved valves cannot be read, so all are open: {why}; the file is replaced when the whole of mainstay runs"
        );
        Default::default()
    });
    valves.values_mut().for_each(|valve| valve.ramp_from = None);
    // Load tests are in the journal, which the edge alone does not read.
    Policy { config: config.clone(), denials, valves, initial_concurrency: BTreeMap::new() }
}

/// Applies each valid configuration, with the denials and valves that were saved.
async fn follow(
    mut changes: Changes,
    mut current: Arc<Config>,
    policies: watch::Sender<Arc<Policy>>,
    edge: Arc<EdgeController>,
) {
    while let Some(Change { path, named }) = changes.next().await {
        let read = reload::another(&path, &current);
        let read = read.and_then(|config| {
            if let Some(config) = &config {
                tokens(config)?;
            }
            Ok(config)
        });
        match read {
            Ok(None) if named => {
                let edge = edge.clone();
                let _ = tokio::task::spawn_blocking(move || edge.reload_tokens()).await;
            }
            Ok(None) => {}
            Ok(Some(config)) => {
                tracing::info!(digest = %config.digest, "a new configuration is in force");
                changes.follow(&config);
                current = Arc::new(config);
                let before = policies.borrow().clone();
                policies.send_replace(Arc::new(Policy { config: current.clone(), ..(*before).clone() }));
            }
            Err(why) => _ = reload::invalid(&why.to_string()),
        }
    }
}

fn other(why: impl std::fmt::Display) -> OpenError {
    OpenError::Other(why.to_string())
}

/// Listens on the address of the status page. When it is taken, the edge serves without traces and metrics.
fn listen(config: &Config) -> Option<TcpListener> {
    let at = config.site.listen;
    let bound = std::net::TcpListener::bind(at).and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    bound.inspect_err(|why| tracing::warn!("no traces and no metrics: listening on {at}: {why}")).ok()
}
