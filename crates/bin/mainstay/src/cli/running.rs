//! Client of the running mainstay: over the control socket in its data folder, independent of its configuration and
//! port.

use crate::app::control::{self, ControlError};
use crate::cli::{Common, Failure, config, table};
use hyper::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Longest wait for a process that is starting.
const START_TIMEOUT: Duration = Duration::from_secs(3);
/// Interval of attempts meanwhile.
const RETRY_EVERY: Duration = Duration::from_millis(50);

/// A connection to the running process.
pub(crate) struct Running {
    data: PathBuf,
    runtime: tokio::runtime::Runtime,
}

impl Running {
    /// Finds the process that runs with this configuration. Its data folder is enough, so commands work while the
    /// configuration is being edited.
    ///
    /// # Errors
    /// When mainstay does not run with it; the problems of the configuration when it has any.
    pub(crate) fn find(common: &Common) -> Result<Self, Failure> {
        match Self::find_if_any(common)? {
            Some(found) => Ok(found),
            None => {
                config::installation(&common.config).problem.map_or(Ok(()), Err)?;
                Err(Failure::no("mainstay is not running with this configuration")
                    .hint(format!("start it: mainstay run --config {}", common.config.display())))
            }
        }
    }

    /// As [`Running::find`]; `None` when mainstay does not run.
    ///
    /// # Errors
    /// When it runs and cannot be reached.
    pub(crate) fn find_if_any(common: &Common) -> Result<Option<Self>, Failure> {
        let config::Installation { data, problem } = config::installation(&common.config);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::no)?;
        let found = Self { data, runtime };
        match found.wait() {
            Ok(()) => {
                if problem.is_some() {
                    table::warn(&format!(
                        "warning: {} has problems (see `mainstay check`); the running configuration is used",
                        common.config.display()
                    ));
                }
                Ok(Some(found))
            }
            Err(ControlError::Absent(_)) => Ok(None),
            Err(why) => Err(refused(why)),
        }
    }

    /// Waits for a process that is starting: the token file is created at a start.
    fn wait(&self) -> Result<(), ControlError> {
        let until = Instant::now() + START_TIMEOUT;
        loop {
            if self.runtime.block_on(control::is_alive(&self.data)) {
                return Ok(());
            }
            if Instant::now() >= until || !self.data.join("api-token").exists() {
                // Once more, for the reason.
                return self.runtime.block_on(control::reach(&self.data));
            }
            std::thread::sleep(RETRY_EVERY);
        }
    }

    /// Sends a GET request.
    ///
    /// # Errors
    /// When the process does not respond, or responds with an error.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        let (status, value) = self.request(Method::GET, path, None)?;
        success(status, value)
    }

    /// Sends a GET request for a document that need not exist.
    ///
    /// # Errors
    /// When the process does not respond, or responds with an error other than 404.
    pub(crate) fn get_if_any(&self, path: &str) -> Result<Option<Value>, Failure> {
        let (status, value) = self.request(Method::GET, path, None)?;
        if status == StatusCode::NOT_FOUND { Ok(None) } else { success(status, value).map(Some) }
    }

    /// Sends a command; returns once it is on disk.
    ///
    /// # Errors
    /// When the process does not respond, or responds with an error.
    pub(crate) fn post<T: Serialize>(&self, path: &str, body: &T) -> Result<Value, Failure> {
        let body = serde_json::to_value(body).map_err(Failure::no)?;
        let (status, value) = self.request(Method::POST, path, Some(&body))?;
        success(status, value)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), Failure> {
        self.runtime.block_on(control::request(&self.data, method, path, body)).map_err(refused)
    }
}

fn refused(why: ControlError) -> Failure {
    let hint = match &why {
        ControlError::NotOurs(_) => "run the command as the user that mainstay runs as, or as root",
        ControlError::Absent(_) => "it has ended meanwhile; see its log",
        ControlError::Failed(_) => "try again; see also the log of `mainstay run`",
    };
    Failure::no(why).hint(hint)
}

/// The body of a successful response, else the error that it carries.
fn success(status: StatusCode, value: Value) -> Result<Value, Failure> {
    if status.is_success() {
        return Ok(value);
    }
    let detail =
        value["detail"].as_str().or_else(|| value["title"].as_str()).unwrap_or("the command was refused");
    let failure = Failure::no(format!("{detail} ({status})"));
    Err(match value["hint"].as_str() {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}
