//! A telephone provider behind a webhook, and the person who answers its calls.

use crate::tasks::{Tasks, lock};
use crate::web::{self, Answer, Server};
use bytes::Bytes;
use drill::{Act, Observations};
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

/// Calls and answers remembered; older ones are forgotten first.
const RECORDS_MAX: usize = 10_000;
/// Time for which a hanging provider keeps a connection open.
const HANG: Duration = Duration::from_secs(120);
/// Interval and number of retries of an acknowledgement.
const TAP_AGAIN: Duration = Duration::from_secs(1);
const TAPS_MAX: usize = 120;
/// Timeout of an acknowledgement.
const TAP: Duration = Duration::from_secs(5);

/// Behavior of a person when the phone rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behavior {
    /// Follows the acknowledgement's link after a while; taps again when that fails.
    Answers {
        /// Delay after the call.
        after: Duration,
    },
    /// Sleeps on.
    Silent,
}

/// Behavior of the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provider {
    /// Accepts calls.
    #[default]
    Works,
    /// Answers 500, and nothing rings.
    Fails,
    /// Accepts the connection and says nothing; nothing rings.
    Hangs,
}

/// One request of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Time of the call.
    pub at: Timestamp,
    /// Its idempotency key.
    pub key: String,
    /// The page that it belongs to, if any.
    pub page: Option<String>,
    /// The incident that it is about, if any.
    pub incident: Option<String>,
    /// The person, if the call names one.
    pub person: Option<String>,
    /// `page` or `notice`.
    pub urgency: String,
    /// First line.
    pub title: String,
    /// The rest.
    pub body: String,
    /// The link that means: I have it.
    pub acknowledge_url: Option<String>,
    /// Whether the phone rang: whether the provider accepted it.
    pub rang: bool,
}

impl Call {
    /// Whether it was a page, and the phone rang.
    #[must_use]
    pub fn woke(&self) -> bool {
        self.rang && self.urgency == "page"
    }
}

/// One answer that went through, or was given up.
#[derive(Clone, Debug)]
pub struct Answered {
    /// When the person first tapped.
    pub tapped: Timestamp,
    /// When that went through, or was given up.
    pub at: Timestamp,
    /// The key of the call that it answers.
    pub key: String,
    /// Who.
    pub person: Option<String>,
    /// The status of the last try, or why there was none.
    pub result: Result<u16, TapError>,
}

/// Why a tap got no response.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TapError {
    /// The message has no link to tap on.
    #[error("the message has no acknowledge_url")]
    NoUrl,
    /// The request failed.
    #[error("{0}")]
    Request(Arc<std::io::Error>),
}

impl Answered {
    /// Whether it went through.
    #[must_use]
    pub fn ok(&self) -> bool {
        matches!(self.result, Ok(200..400))
    }
}

/// The telephone company and the people at its other end. Stops when dropped.
#[derive(Debug)]
pub struct Phone {
    address: SocketAddrV4,
    line: Arc<Line>,
    _server: Server,
}

#[derive(Debug, Default)]
struct Line {
    people: Mutex<BTreeMap<String, Behavior>>,
    provider: Mutex<Provider>,
    calls: Mutex<Vec<Call>>,
    answers: Mutex<Vec<Answered>>,
    /// Answers under way.
    tasks: Mutex<Tasks>,
}

impl Phone {
    /// Starts the provider, without people who answer.
    ///
    /// # Errors
    /// When the socket is closed.
    pub fn start(listener: TcpListener) -> io::Result<Self> {
        let address = crate::address_block::address_of(&listener)?;
        let line = Arc::new(Line::default());
        let ringing = Arc::clone(&line);
        let answer = web::handler(move |parts, body| {
            let line = Arc::clone(&ringing);
            async move { ring(&line, &parts.method, &body).await }
        });
        Ok(Self { address, line, _server: Server::start(listener, None, answer) })
    }

    /// Where calls are to be POSTed.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/call", self.address)
    }

    /// Tells a person how to behave from the next call on.
    pub fn person(&self, name: &str, manner: Behavior) {
        lock(&self.line.people).insert(name.to_owned(), manner);
    }

    /// Tells the provider how to behave from the next call on.
    pub fn provider(&self, provider: Provider) {
        *lock(&self.line.provider) = provider;
    }

    /// Performs an act of a script if it is one of people or their phone; returns whether it is.
    pub(crate) fn act(&self, act: &Act) -> bool {
        match act {
            Act::PersonAnswers { person, after } => {
                self.person(&person.0, Behavior::Answers { after: *after });
            }
            Act::PersonSilent { person } => self.person(&person.0, Behavior::Silent),
            Act::PhoneWorks => self.provider(Provider::Works),
            Act::PhoneFails => self.provider(Provider::Fails),
            Act::PhoneHangs => self.provider(Provider::Hangs),
            _ => return false,
        }
        true
    }

    /// Pages since the fault that rang, and the first answer to one.
    pub(crate) fn observations(&self, fault_at: Timestamp) -> Observations {
        let calls: Vec<_> =
            self.calls().into_iter().filter(|call| call.woke() && call.at >= fault_at).collect();
        let answers = self.answers();
        Observations {
            asked: calls.iter().map(|call| call.at).min(),
            answered: answers.iter().filter(|a| a.ok() && a.at >= fault_at).map(|a| a.at).min(),
            keys: calls.into_iter().map(|call| call.key).collect(),
            ..Observations::default()
        }
    }

    /// Every call so far, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.line.calls).clone()
    }

    /// Every answer so far, oldest first.
    #[must_use]
    pub fn answers(&self) -> Vec<Answered> {
        lock(&self.line.answers).clone()
    }
}

async fn ring(line: &Arc<Line>, method: &Method, body: &Bytes) -> Answer {
    let say = |status, text: Value| web::answer(status, "application/json", text.to_string());
    if method != Method::POST {
        return say(StatusCode::METHOD_NOT_ALLOWED, json!({ "error": "POST" }));
    }
    let Ok(Value::Object(message)) = serde_json::from_slice::<Value>(body) else {
        return say(StatusCode::BAD_REQUEST, json!({ "error": "not a JSON object" }));
    };
    let text = |field: &str| match message.get(field) {
        Some(Value::String(text)) => Some(text.clone()),
        None | Some(Value::Null) => None,
        Some(other) => Some(other.to_string()),
    };
    let provider = *lock(&line.provider);
    let call = Call {
        at: Timestamp::now(),
        key: text("key").unwrap_or_default(),
        page: text("page"),
        incident: text("incident"),
        person: text("person"),
        urgency: text("urgency").unwrap_or_default(),
        title: text("title").unwrap_or_default(),
        body: text("body").unwrap_or_default(),
        acknowledge_url: text("acknowledge_url"),
        rang: provider == Provider::Works,
    };
    let count = record(&line.calls, call.clone());
    match provider {
        Provider::Fails => say(StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": "out of order" })),
        Provider::Hangs => {
            tokio::time::sleep(HANG).await;
            say(StatusCode::SERVICE_UNAVAILABLE, json!({ "error": "out of order" }))
        }
        Provider::Works => {
            let manner = call.person.as_ref().and_then(|person| lock(&line.people).get(person).copied());
            if let (Some(Behavior::Answers { after }), true) = (manner, call.woke()) {
                let answering = answer(Arc::downgrade(line), call, after);
                lock(&line.tasks).spawn(answering);
            }
            say(StatusCode::OK, json!({ "receipt": format!("call-{count}") }))
        }
    }
}

/// Follows the link, again and again until it goes through: the one who is asked may be starting up just now.
async fn answer(line: std::sync::Weak<Line>, call: Call, after: Duration) {
    tokio::time::sleep(after).await;
    let tapped = Timestamp::now();
    let mut result = Err(TapError::NoUrl);
    if let Some(url) = &call.acknowledge_url {
        for _ in 0..TAPS_MAX {
            result = match web::post(url, TAP).await {
                Ok((status, _)) => Ok(status.as_u16()),
                Err(error) => Err(TapError::Request(Arc::new(error))),
            };
            // A client error is permanent; a server error or a missing server is not.
            if matches!(result, Ok(0..500)) {
                break;
            }
            tokio::time::sleep(TAP_AGAIN).await;
        }
    }
    if let Some(line) = line.upgrade() {
        let answered = Answered { tapped, at: Timestamp::now(), key: call.key, person: call.person, result };
        record(&line.answers, answered);
    }
}

fn record<T>(list: &Mutex<Vec<T>>, entry: T) -> usize {
    let mut list = lock(list);
    if list.len() >= RECORDS_MAX {
        list.remove(0);
    }
    list.push(entry);
    list.len()
}
