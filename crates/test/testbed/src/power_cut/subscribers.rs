//! Webhooks that subscribe to the status page, and keep each update that they get.

use crate::TestbedError;
use crate::tasks::lock;
use crate::web::{Server, answer, handler};
use drill::score::power::Received;
use hyper::StatusCode;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// Most updates that are kept.
const UPDATES_MAX: usize = 10_000;

/// A subscriber. Stops when dropped.
pub(super) struct Subscriber {
    address: SocketAddr,
    /// Its component; `None` for all.
    component: Option<&'static str>,
    updates: Arc<Mutex<Vec<String>>>,
    _server: Server,
}

impl Subscriber {
    /// Starts one of a component, or of all.
    ///
    /// # Errors
    /// When no port can be bound.
    pub(super) async fn start(component: Option<&'static str>) -> Result<Self, TestbedError> {
        let no_address = |last| TestbedError::NoAddressBlock { tries: 1, last };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(no_address)?;
        let address = listener.local_addr().map_err(no_address)?;
        let updates: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&updates);
        let take = handler(move |_, body| {
            let message: Value = serde_json::from_slice(&body).unwrap_or_default();
            let key = message["key"].as_str().map(str::to_owned);
            let mut kept = lock(&kept);
            if kept.len() < UPDATES_MAX {
                kept.extend(key);
            }
            async { answer(StatusCode::OK, "text/plain", "") }
        });
        Ok(Self { address, component, updates, _server: Server::start(listener, None, take) })
    }

    /// Its URL and its component.
    pub(super) fn subscription(&self) -> (String, Option<&'static str>) {
        (format!("http://{}/updates", self.address), self.component)
    }

    /// What it got until now.
    pub(super) fn received(&self) -> Received {
        Received {
            subscriber: self.component.unwrap_or("all").to_owned(),
            component: self.component.map(Into::into),
            updates: lock(&self.updates).clone(),
        }
    }
}
