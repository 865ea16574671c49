//! An imitation of Twilio and of the people behind its numbers: its checks and error codes, signed callbacks, repeated ones.

mod request;

use crate::tasks::{Tasks, lock};
use crate::web::{self, Answer, Server};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use request::{Form, Resource};
use sha1::Sha1;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::net::TcpListener;

/// Time until a phone rings, and until a key is pressed.
const MOMENT: Duration = Duration::from_millis(50);
/// Timeout of a callback, as of Twilio.
const CALLBACK_TIMEOUT: Duration = Duration::from_secs(15);
/// Time for which a hanging service keeps a connection open.
const HANG: Duration = Duration::from_secs(120);

/// Behavior of the person behind a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behavior {
    /// Takes the call and presses these keys, one after the other.
    Presses(&'static str),
    /// Takes the call and presses nothing.
    Listens,
    /// A mailbox takes the call.
    Mailbox,
    /// The phone is busy.
    Busy,
    /// Nobody takes the call.
    Away,
    /// The phone is off.
    Off,
    /// Replies to an SMS with this text.
    Replies(&'static str),
}

/// Behavior of the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Service {
    /// Works.
    #[default]
    Works,
    /// Refuses every request, because there were too many.
    Limits,
    /// Has an internal error.
    Fails,
    /// Accepts every request, and nothing rings.
    Loses,
    /// Takes the request and does not respond.
    Hangs,
}

/// A request to call or to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// `Calls` or `Messages`.
    pub resource: &'static str,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// The response: 201, or the error code.
    pub result: Result<String, u32>,
}

/// A callback and its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// The URL.
    pub url: String,
    /// Its parameters.
    pub parameters: Vec<(String, String)>,
    /// Status of the response; 0 without one.
    pub status: u16,
    /// Body of the response.
    pub body: String,
}

/// What an account is set to.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id.
    pub sid: String,
    /// Its auth token.
    pub token: String,
    /// Its number.
    pub number: String,
    /// Public URL that gets incoming SMS.
    pub incoming: String,
}

/// The service. Stops when dropped.
#[derive(Debug)]
pub struct Twilio {
    address: SocketAddrV4,
    exchange: Arc<Exchange>,
    _server: Server,
}

#[derive(Debug)]
struct Exchange {
    account: Account,
    people: Mutex<BTreeMap<String, Behavior>>,
    stopped: Mutex<BTreeSet<String>>,
    service: Mutex<Service>,
    repeats: Mutex<bool>,
    /// The server behind the public URLs.
    site: Mutex<Option<SocketAddr>>,
    sent: Mutex<Vec<Sent>>,
    callbacks: Mutex<Vec<Callback>>,
    tasks: Mutex<Tasks>,
}

impl Twilio {
    /// Starts the service for one account.
    ///
    /// # Errors
    /// When the socket is closed.
    pub fn start(listener: TcpListener, account: Account) -> io::Result<Self> {
        let address = crate::address_block::address_of(&listener)?;
        let exchange = Arc::new(Exchange {
            account,
            people: Mutex::default(),
            stopped: Mutex::default(),
            service: Mutex::default(),
            repeats: Mutex::default(),
            site: Mutex::default(),
            sent: Mutex::default(),
            callbacks: Mutex::default(),
            tasks: Mutex::default(),
        });
        let own = Arc::clone(&exchange);
        let answer = web::handler(move |parts, body| {
            let exchange = Arc::clone(&own);
            async move { take(&exchange, &parts, &body).await }
        });
        Ok(Self { address, exchange, _server: Server::start(listener, None, answer) })
    }

    /// Base URL of the API.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets the behavior of the person behind a number.
    pub fn person(&self, number: &str, behavior: Behavior) {
        lock(&self.exchange.people).insert(number.to_owned(), behavior);
    }

    /// Sets the behavior of the service.
    pub fn service(&self, service: Service) {
        *lock(&self.exchange.service) = service;
    }

    /// Sends every callback twice.
    pub fn repeats_callbacks(&self) {
        *lock(&self.exchange.repeats) = true;
    }

    /// Sets the server behind the public URLs of callbacks.
    pub fn reaches(&self, site: SocketAddr) {
        *lock(&self.exchange.site) = Some(site);
    }

    /// Every request so far, oldest first.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        lock(&self.exchange.sent).clone()
    }

    /// Every callback so far, oldest first.
    #[must_use]
    pub fn callbacks(&self) -> Vec<Callback> {
        lock(&self.exchange.callbacks).clone()
    }
}

/// Takes a request of the API.
async fn take(exchange: &Arc<Exchange>, parts: &hyper::http::request::Parts, body: &Bytes) -> Answer {
    let service = *lock(&exchange.service);
    if service == Service::Hangs {
        tokio::time::sleep(HANG).await;
    }
    let stopped = lock(&exchange.stopped).clone();
    let checked = match service {
        Service::Limits => Err((StatusCode::TOO_MANY_REQUESTS, 20429, "Too Many Requests")),
        Service::Fails | Service::Hangs => Err((StatusCode::INTERNAL_SERVER_ERROR, 20500, "Internal Error")),
        Service::Works | Service::Loses => request::check(&exchange.account, parts, body, &stopped),
    };
    let (resource, form) = match checked {
        Ok(checked) => checked,
        Err((status, code, message)) => {
            let form = request::form(body);
            let resource = if parts.uri.path().ends_with("Calls.json") { "Calls" } else { "Messages" };
            lock(&exchange.sent).push(Sent { resource, parameters: form, result: Err(code) });
            return request::error(status, code, message);
        }
    };
    let count = lock(&exchange.sent).len() + 1;
    let sid = format!("{}{count:032x}", resource.prefix());
    let parameters = form.clone();
    lock(&exchange.sent).push(Sent { resource: resource.name(), parameters, result: Ok(sid.clone()) });
    if service == Service::Works {
        let ringing = ring(Arc::downgrade(exchange), resource, form, sid.clone());
        lock(&exchange.tasks).spawn(ringing);
    }
    request::created(&sid)
}

/// What a phone and its owner do about a call or an SMS.
async fn ring(exchange: Weak<Exchange>, resource: Resource, form: Form, sid: String) {
    tokio::time::sleep(MOMENT).await;
    let Some(exchange) = exchange.upgrade() else { return };
    let number = form.get("To").cloned().unwrap_or_default();
    let behavior = lock(&exchange.people).get(&number).cloned();
    let line = Line { exchange: &exchange, form: &form, sid: &sid, number: &number };
    match (resource, behavior) {
        (Resource::Message, Some(Behavior::Replies(text))) => {
            line.report("MessageStatus", "delivered").await;
            line.reply(text).await;
        }
        (Resource::Message, Some(Behavior::Off)) => line.report("MessageStatus", "undelivered").await,
        (Resource::Message, _) => line.report("MessageStatus", "delivered").await,
        (Resource::Call, Some(Behavior::Presses(keys))) => {
            line.report_machine("human").await;
            line.press(keys).await;
            line.report("CallStatus", "completed").await;
        }
        (Resource::Call, Some(Behavior::Mailbox)) => {
            line.report_machine("machine_start").await;
            line.press("").await;
            line.report("CallStatus", "completed").await;
        }
        (Resource::Call, Some(Behavior::Listens)) => {
            line.report_machine("human").await;
            line.press("").await;
            line.report("CallStatus", "completed").await;
        }
        (Resource::Call, Some(Behavior::Busy)) => line.report("CallStatus", "busy").await,
        (Resource::Call, Some(Behavior::Off)) => line.report("CallStatus", "failed").await,
        (Resource::Call, _) => line.report("CallStatus", "no-answer").await,
    }
}

/// One call or SMS.
struct Line<'a> {
    exchange: &'a Exchange,
    form: &'a Form,
    sid: &'a str,
    number: &'a str,
}

impl Line<'_> {
    /// Reports a status, if a callback is wanted.
    async fn report(&self, name: &str, value: &str) {
        if let Some(url) = self.form.get("StatusCallback") {
            self.call_back(url, &[(name, value), ("SequenceNumber", "3")]).await;
        }
    }

    /// Reports who took the call, if that is wanted.
    async fn report_machine(&self, answered_by: &str) {
        if let Some(url) = self.form.get("AsyncAmdStatusCallback") {
            self.call_back(url, &[("AnsweredBy", answered_by), ("MachineDetectionDuration", "3000")]).await;
        }
    }

    /// Presses keys as far as the responses ask for one; none when there are no more.
    async fn press(&self, keys: &str) {
        let mut keys = keys.chars();
        let mut twiml = self.form.get("Twiml").cloned().unwrap_or_default();
        while let Some(action) = request::action(&twiml) {
            tokio::time::sleep(MOMENT).await;
            let key = keys.next();
            let digits = key.map(String::from).unwrap_or_default();
            twiml = self.call_back(&action, &[("Digits", &digits), ("CallStatus", "in-progress")]).await;
            if key.is_none() {
                return;
            }
        }
    }

    /// Sends an SMS to the number of the account.
    async fn reply(&self, text: &str) {
        let word = text.to_lowercase();
        if word == "stop" {
            lock(&self.exchange.stopped).insert(self.number.to_owned());
        }
        let url = self.exchange.account.incoming.clone();
        self.call_back(&url, &[("From", self.number), ("Body", text)]).await;
    }

    /// Sends a signed callback, twice where callbacks are repeated. Returns the body of the first response.
    async fn call_back(&self, url: &str, parameters: &[(&str, &str)]) -> String {
        let sid = if self.sid.starts_with("CA") { "CallSid" } else { "MessageSid" };
        let mut all: Vec<(String, String)> =
            [("AccountSid", self.exchange.account.sid.as_str()), (sid, self.sid)]
                .iter()
                .chain(parameters)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
        all.sort();
        let first = self.send(url, &all).await;
        if *lock(&self.exchange.repeats) {
            self.send(url, &all).await;
        }
        first
    }

    async fn send(&self, url: &str, parameters: &[(String, String)]) -> String {
        let site = *lock(&self.exchange.site);
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        let request = Request::post(format!("/{path}"))
            .header(HOST, "site")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("X-Twilio-Signature", signature(&self.exchange.account.token, url, parameters))
            .body(http_body_util::Full::from(request::encoded(parameters)));
        let (status, body) = match (site, request) {
            (Some(site), Ok(request)) => match web::send(site, None, request, CALLBACK_TIMEOUT).await {
                Ok((status, body)) => (status.as_u16(), String::from_utf8_lossy(&body).into_owned()),
                Err(error) => (0, error.to_string()),
            },
            _ => (0, "there is no site".to_owned()),
        };
        let (url, parameters) = (url.to_owned(), parameters.to_vec());
        lock(&self.exchange.callbacks).push(Callback { url, parameters, status, body: body.clone() });
        body
    }
}

/// The signature of a request with sorted parameters.
#[must_use]
pub fn signature(token: &str, url: &str, parameters: &[(String, String)]) -> String {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(token.as_bytes()) else { return String::new() };
    mac.update(url.as_bytes());
    for (name, value) in parameters {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}
