//! Messages to subscribers of the status page: one attempt each.

use crate::http::HttpClient;
use crate::notifier::SetupError;
use crate::providers::signature;
use crate::response;
use crate::smtp::{Smtp, letter};
use netaddr::Allowed;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use secrecy::SecretString;
use std::net::IpAddr;
use subscribers::{Answer, Mail};
use tls_roots::Roots;
use types::config::ChannelKind;
use types::{Config, Time};

/// A URL cannot be a subscriber.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is not a URL.
    #[error("this is not a URL: {0}")]
    Invalid(String),
    /// It is not https, or carries a password.
    #[error("the URL of a subscriber begins with https:// and has no user name or password")]
    NotHttps,
    /// It names a private address.
    #[error(
        "the URL names the private address {0}; if this is intended, add its CIDR range to site.allow_private"
    )]
    Private(IpAddr),
}

/// Sends messages to subscribers, by the configuration of one moment.
#[derive(Debug)]
pub struct Outlet {
    smtp: Option<Smtp>,
    http: HttpClient,
    private: Allowed,
    /// Host name of the status page.
    list: String,
}

/// A POST to a subscriber.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// URL of the subscriber.
    pub url: &'a str,
    /// Its body: JSON.
    pub body: &'a [u8],
    /// The same for every attempt.
    pub key: &'a str,
    /// Key of the signature; none for chats, whose URL is the secret.
    pub secret: Option<&'a SecretString>,
}

impl Outlet {
    /// Prepares the channel of mails and the HTTP client. Connects only when there is something to send.
    ///
    /// # Errors
    /// When a secret or a file of trusted roots cannot be read.
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        let error = |why: String| SetupError::one(format!("subscribers: {why}"));
        let mail = config.status_page.subscribers.as_ref().and_then(|subscribers| subscribers.mail.as_ref());
        let smtp = match mail.and_then(|mail| config.channels.get(mail)) {
            Some(channel) => match &channel.kind {
                ChannelKind::Mail { server, from } => {
                    let roots =
                        Roots::load(&config.site.extra_ca_files).map_err(|why| error(why.to_string()))?;
                    let smtp = Smtp::new(server, from, channel.secret.as_ref(), &roots);
                    Some(smtp.map_err(|why| error(why.to_string()))?)
                }
                _ => None,
            },
            None => None,
        };
        let host = config.site.url.parse::<Url>().ok().and_then(|url| url.host_str().map(str::to_owned));
        Ok(Self {
            smtp,
            http: HttpClient::new(config).map_err(|why| error(why.to_string()))?,
            private: Allowed::new(config.site.allow_private.iter().copied()),
            list: host.unwrap_or_default(),
        })
    }

    /// Whether mails can be sent.
    #[must_use]
    pub fn has_mail(&self) -> bool {
        self.smtp.is_some()
    }

    /// Makes one attempt to send a mail. `ready` is awaited immediately before the message leaves; `false` withdraws it.
    /// Returns `None` for a withdrawn message.
    pub async fn mail(
        &self,
        to: &str,
        mail: &Mail,
        now: Time,
        ready: impl Future<Output = bool> + Send,
    ) -> Option<Answer> {
        let Some(smtp) = &self.smtp else {
            return Some(Answer::Unavailable("no channel of mails is configured".to_owned()));
        };
        match letter::to_subscriber(&smtp.from, to, mail, &self.list, now) {
            Ok((to, message)) => smtp.send(&to, &message, ready).await,
            Err(why) => Some(Answer::Refused(why.to_string())),
        }
    }

    /// Makes one attempt to POST, with `ready` as for a mail.
    pub async fn post(
        &self,
        post: Post<'_>,
        now: Time,
        ready: impl Future<Output = bool> + Send,
    ) -> Option<Answer> {
        let url = match self.check_url(post.url) {
            Ok(url) => url,
            Err(why) => return Some(Answer::Refused(why.to_string())),
        };
        let mut request = self.http.post(url).header(CONTENT_TYPE, "application/json");
        request = request.header("Idempotency-Key", post.key);
        if let Some(signature) = post.secret.and_then(|secret| signature::sign(secret, now, post.body)) {
            request = request.header(signature::HEADER, signature);
        }
        if !ready.await {
            return None;
        }
        let result = match HttpClient::attempt(request.body(post.body.to_vec())).await {
            // The URL of a chat is a secret: an answer that repeats it is not passed on.
            Ok(answer) => response::result(&answer, &[post.url], now, None).map(drop),
            // A webhook drops the second one by its key; a chat would show it.
            Err(none) if none.may_have_arrived && post.secret.is_none() => {
                return Some(Answer::InDoubt(none.undelivered.why));
            }
            Err(none) => Err(none.undelivered),
        };
        Some(match result {
            Ok(()) => Answer::Accepted,
            Err(undelivered) if undelivered.retriable => Answer::Later(undelivered.why),
            Err(undelivered) => Answer::Refused(undelivered.why),
        })
    }

    /// Checks the URL of a subscriber: https, and no private address. A name is checked again at every attempt, by the
    /// addresses that it resolves to then. In private ranges that the configuration allows, http is allowed too.
    ///
    /// # Errors
    /// See [`UrlError`].
    pub fn check_url(&self, text: &str) -> Result<Url, UrlError> {
        let url: Url = text.parse().map_err(|why| UrlError::Invalid(format!("{why}")))?;
        let host = url.host_str().unwrap_or_default();
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        let is_private = ip.is_some_and(netaddr::is_private);
        if let Some(ip) = ip.filter(|ip| !self.private.permits(*ip)) {
            return Err(UrlError::Private(ip));
        }
        let has_password = !url.username().is_empty() || url.password().is_some();
        let is_safe = url.scheme() == "https" || url.scheme() == "http" && is_private;
        if has_password || !is_safe || host.is_empty() {
            return Err(UrlError::NotHttps);
        }
        Ok(url)
    }
}
