//! The running mainstay, as the command line reaches it: over the control socket in its data folder, whatever has become of
//! its configuration and of its port.

use crate::cli::{Common, Failure, config};
use crate::control::{self, ControlError};
use hyper::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a start may take, and how often is looked.
const STARTS: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(50);

/// A line to the running process.
pub(crate) struct Running {
    data: PathBuf,
    runtime: tokio::runtime::Runtime,
}

impl Running {
    /// Finds the process that runs with this configuration: its data folder is enough, so that a configuration which is being edited holds up
    /// nobody.
    ///
    /// # Errors
    /// When mainstay does not run with it; the configuration's own mistakes when it has any.
    pub(crate) fn find(common: &Common) -> Result<Self, Failure> {
        let config::Place { data, unsound } = config::place(&common.config);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::no)?;
        let found = Self { data, runtime };
        match (found.wait(), unsound) {
            (Ok(()), None) => Ok(found),
            (Ok(()), Some(_)) => {
                super::table::warn(&format!(
                    "warning: {} is not sound (`mainstay check` says why); this is what runs",
                    common.config.display()
                ));
                Ok(found)
            }
            (Err(ControlError::Absent(_)), Some(unsound)) => Err(unsound),
            (Err(ControlError::Absent(_)), None) => {
                Err(Failure::no("mainstay is not running with this configuration")
                    .hint(format!("start it: mainstay run --config {}", common.config.display())))
            }
            (Err(why), _) => Err(refused(why)),
        }
    }

    /// Waits for a process that starts right now: where there is a token there was a start.
    fn wait(&self) -> Result<(), ControlError> {
        let until = Instant::now() + STARTS;
        loop {
            if self.runtime.block_on(control::is_alive(&self.data)) {
                return Ok(());
            }
            if Instant::now() >= until || !self.data.join("api-token").exists() {
                // Asked once more for the reason.
                return self.runtime.block_on(control::reach(&self.data));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Asks for a document.
    ///
    /// # Errors
    /// When nobody answers, or the answer is no.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        let (status, value) = self.ask(Method::GET, path, None)?;
        answered(status, value)
    }

    /// Asks for a document that need not exist.
    ///
    /// # Errors
    /// When nobody answers, or the answer is no for another reason.
    pub(crate) fn get_if_any(&self, path: &str) -> Result<Option<Value>, Failure> {
        let (status, value) = self.ask(Method::GET, path, None)?;
        if status == StatusCode::NOT_FOUND { Ok(None) } else { answered(status, value).map(Some) }
    }

    /// Asks for something to be done; returns once it is on disk.
    ///
    /// # Errors
    /// When nobody answers, or the answer is no.
    pub(crate) fn post<T: Serialize>(&self, path: &str, body: &T) -> Result<Value, Failure> {
        let body = serde_json::to_value(body).map_err(Failure::no)?;
        let (status, value) = self.ask(Method::POST, path, Some(&body))?;
        answered(status, value)
    }

    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(StatusCode, Value), Failure> {
        self.runtime.block_on(control::ask(&self.data, method, path, body)).map_err(refused)
    }
}

fn refused(why: ControlError) -> Failure {
    let hint = match &why {
        ControlError::NotOurs(_) => "run the command as the user that mainstay runs as, or as root",
        ControlError::Absent(_) => "it ended in between; its log says why",
        ControlError::Failed(_) => "try again; the log of `mainstay run` may say more",
    };
    Failure::no(why).hint(hint)
}

/// What was answered, or why not.
fn answered(status: StatusCode, value: Value) -> Result<Value, Failure> {
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
