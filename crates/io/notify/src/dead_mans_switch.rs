//! The dead man's switch: a request to a service elsewhere, which notifies people when requests stay away.
//!
//! healthchecks.io, Dead Man's Snitch, Uptime Kuma's push monitors and a heartbeat of another mainstay all take a plain GET. The
//! address is a secret: whoever knows it can keep the switch quiet.

use crate::http::HttpClient;
use crate::secret;
use reqwest::Url;
use secrecy::ExposeSecret as _;
use std::fmt;
use types::config::SecretRef;
use types::notification::Undelivered;

pub(crate) struct DeadMansSwitch(Url);

impl fmt::Debug for DeadMansSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeadMansSwitch")
    }
}

impl DeadMansSwitch {
    /// Reads its address; the error has none of it.
    pub(crate) fn new(source: &SecretRef) -> Result<Self, String> {
        let text = secret::read(source).map_err(|error| error.to_string())?;
        match Url::parse(text.expose_secret()) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Self(url)),
            _ => Err("its address must begin with http:// or https://".to_owned()),
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
