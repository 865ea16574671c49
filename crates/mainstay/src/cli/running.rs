//! The running mainstay, as the command line reaches it: over its own address, with the token of its data folder.

use crate::cli::{Common, Failure, plan};
use crate::keys::Keys;
use crate::organs::ADDRESS_FILE;
use serde::Serialize;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a start may take, and how often is looked.
const STARTS: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(50);

/// A line to the running process.
pub(crate) struct Running {
    base: String,
    token: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Running {
    /// Finds the process that runs with this plan.
    ///
    /// # Errors
    /// When the plan is not sound, or mainstay was never started with it.
    pub(crate) fn find(common: &Common) -> Result<Self, Failure> {
        let plan = plan::read(&common.plan, true)?;
        let absent = || {
            Failure::no("mainstay is not running with this plan")
                .hint(format!("start it: mainstay run --plan {}", common.plan.display()))
        };
        let token = Keys::api_token(&plan.site.data).map_err(|_| absent())?;
        let address = address(&plan.site.data).ok_or_else(absent)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::no)?;
        let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().map_err(Failure::no)?;
        Ok(Self { base: format!("http://{}", address.trim()), token, client, runtime })
    }

    /// Asks for a document.
    ///
    /// # Errors
    /// When nobody answers, or the answer is no.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(self.client.get(format!("{}{path}", self.base)))
    }

    /// Asks for a document that need not exist.
    ///
    /// # Errors
    /// When nobody answers, or the answer is no for another reason.
    pub(crate) fn get_if_any(&self, path: &str) -> Result<Option<Value>, Failure> {
        let request = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        self.runtime.block_on(async {
            let (status, value) = self.sent(request).await?;
            if status == reqwest::StatusCode::NOT_FOUND {
                Ok(None)
            } else {
                answered(status, value).map(Some)
            }
        })
    }

    /// Asks for something to be done; returns once it is on disk.
    ///
    /// # Errors
    /// When nobody answers, or the answer is no.
    pub(crate) fn post<T: Serialize>(&self, path: &str, body: &T) -> Result<Value, Failure> {
        self.ask(self.client.post(format!("{}{path}", self.base)).json(body))
    }

    fn ask(&self, request: reqwest::RequestBuilder) -> Result<Value, Failure> {
        let request = request.bearer_auth(&self.token);
        self.runtime.block_on(async {
            let (status, value) = self.sent(request).await?;
            answered(status, value)
        })
    }

    async fn sent(&self, request: reqwest::RequestBuilder) -> Result<(reqwest::StatusCode, Value), Failure> {
        let response = request.send().await.map_err(|why| {
            let hint = "is it running? `mainstay run` says where it listens";
            Failure::no(format!("no answer from {}: {}", self.base, why.without_url())).hint(hint)
        })?;
        let status = response.status();
        let text = response.text().await.map_err(Failure::no)?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }
}

/// Where the running process answers. One that starts right now has a token already and will have an address soon.
fn address(data: &Path) -> Option<String> {
    let until = Instant::now() + STARTS;
    loop {
        match fs::read_to_string(data.join(ADDRESS_FILE)) {
            Ok(address) => return Some(address),
            Err(_) if Instant::now() >= until => return None,
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}

/// What was answered, or why not.
fn answered(status: reqwest::StatusCode, value: Value) -> Result<Value, Failure> {
    if status.is_success() {
        return Ok(value);
    }
    let detail = value["detail"].as_str().or_else(|| value["title"].as_str()).unwrap_or("the answer was no");
    let failure = Failure::no(format!("{detail} ({status})"));
    Err(match value["hint"].as_str() {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}
