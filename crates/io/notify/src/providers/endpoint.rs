//! HTTP endpoint of a channel: its address, its secret, and how its responses are read.

use super::Outgoing;
use crate::http::{HttpClient, Response};
use crate::response;
use crate::secret::{self, SecretError};
use crate::smtp::SmtpError;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{RequestBuilder, Url};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt;
use thiserror::Error;
use types::NotificationKey;
use types::config::{AcceptedWhen, Channel};
use types::notification::{Delivered, Undelivered};

/// A channel of the configuration cannot be used.
#[derive(Debug, Error)]
pub(crate) enum ChannelError {
    /// The address cannot be parsed.
    #[error("its address is not a URL: {0}")]
    NotAUrl(String),
    /// The address has another scheme, or no host.
    #[error("its address must begin with http:// or https:// and name a host")]
    NotHttp,
    /// The secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The secret cannot be sent as a bearer token.
    #[error("its secret contains characters that are not allowed in a token")]
    NotAToken,
    /// The SMTP server cannot be used as it is configured.
    #[error(transparent)]
    Smtp(#[from] SmtpError),
}

/// The address of a channel, with its secret.
pub(super) struct Endpoint {
    url: Url,
    pub(super) secret: Option<SecretString>,
    accepted_when: Option<AcceptedWhen>,
}

impl fmt::Debug for Endpoint {
    /// Shows the host only: the path of a webhook is often its secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl Endpoint {
    pub(super) fn new(url: &str, channel: &Channel) -> Result<Self, ChannelError> {
        let url: Url = url.parse().map_err(|error| ChannelError::NotAUrl(format!("{error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(ChannelError::NotHttp);
        }
        let secret = channel.secret.as_ref().map(secret::read).transpose()?;
        Ok(Self { url, secret, accepted_when: channel.accepted_when.clone() })
    }

    /// A plain POST request.
    pub(super) fn post(&self, http: &HttpClient) -> RequestBuilder {
        http.post(self.url.clone())
    }

    /// A POST request with a JSON body and the key of the notification.
    pub(super) fn request(&self, http: &HttpClient, outgoing: &Outgoing<'_>) -> RequestBuilder {
        http.post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", header_text(&outgoing.notification.key))
    }

    /// Sends a request and reads the delivery result from the response.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        outgoing: &Outgoing<'_>,
    ) -> Result<(Delivered, Response), Undelivered> {
        let response = HttpClient::send(request).await?;
        Ok((self.judge(&response, outgoing)?, response))
    }

    /// Reads the delivery result from a response.
    pub(super) fn judge(
        &self,
        response: &Response,
        outgoing: &Outgoing<'_>,
    ) -> Result<Delivered, Undelivered> {
        let secret = self.secret.as_ref().map(SecretString::expose_secret);
        // The URL of a chat is its secret.
        let secrets: Vec<&str> =
            secret.into_iter().chain(outgoing.token).chain([self.url.as_str()]).collect();
        response::result(response, &secrets, outgoing.now, self.accepted_when.as_ref())
    }

    /// The secret as an `Authorization` header.
    pub(super) fn bearer(&self) -> Result<Option<HeaderValue>, ChannelError> {
        let Some(secret) = &self.secret else { return Ok(None) };
        let value = Zeroizing::new(format!("Bearer {}", secret.expose_secret()));
        let mut value = HeaderValue::from_str(&value).map_err(|_| ChannelError::NotAToken)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// Adds an `Authorization` header, if there is one.
pub(super) fn authorized(request: RequestBuilder, bearer: Option<&HeaderValue>) -> RequestBuilder {
    match bearer {
        Some(bearer) => request.header(AUTHORIZATION, bearer),
        None => request,
    }
}

/// A key in the characters that a header may contain.
fn header_text(key: &NotificationKey) -> String {
    key.0.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'%' | 0..=b' ' | 127.. => text.push_str(&format!("%{byte:02X}")),
            _ => text.push(char::from(byte)),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_escaped_for_header() {
        for (key, expected) in [
            ("page-3/0/1/ana/ntfy:ana/2", "page-3/0/1/ana/ntfy:ana/2"),
            ("jürgen\r\nX: y", "j%C3%BCrgen%0D%0AX:%20y"),
            ("100%", "100%25"),
        ] {
            assert_eq!(header_text(&NotificationKey(key.to_owned())), expected);
        }
    }
}
