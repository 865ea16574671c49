//! The dead man's switch: a request to a service elsewhere, which notifies people when requests stay away.
//!
//! healthchecks.io, Dead Man's Snitch, Uptime Kuma's push monitors and a heartbeat of another mainstay all take a plain GET. The
//! address is a secret: whoever knows it can keep the switch quiet.

use crate::http::HttpClient;
use crate::secret::{self, SecretError};
use reqwest::Url;
use secrecy::ExposeSecret as _;
use std::fmt;
use thiserror::Error;
use types::config::SecretRef;
use types::notification::Undelivered;

/// A switch that cannot be requested. The text has no part of its address.
#[derive(Debug, Error)]
pub(crate) enum SwitchError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("its address must begin with http:// or https://")]
    Address,
}

pub(crate) struct DeadMansSwitch(Url);

impl fmt::Debug for DeadMansSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeadMansSwitch")
    }
}

impl DeadMansSwitch {
    /// Reads its address; the error has none of it.
    pub(crate) fn new(source: &SecretRef) -> Result<Self, SwitchError> {
        match Url::parse(secret::read(source)?.expose_secret()) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Self(url)),
            _ => Err(SwitchError::Address),
        }
    }

    pub(crate) async fn request(&self, http: &HttpClient) -> Result<(), Undelivered> {
        let response = HttpClient::send(http.get(self.0.clone())).await?;
        match response.status {
            200..300 => Ok(()),
            status => Err(Undelivered {
                why: format!("the response has status {status}"),
                retriable: true,
                retry_after: None,
            }),
        }
    }
}
