//! mainstay as a child process. It runs the product's library within this executable, so it is always what was built
//! with the drill.

use crate::stage::Stage;
use mainstay::{Failure, address_file};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::process::Command;
use tokio::time::Instant;

/// The hidden first argument with which this executable is the product.
pub(crate) const PRODUCT: &str = "product";

/// Longest time of a start.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time of a drain, after which the process is killed.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(45);

/// Longest time of a command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);

/// A running mainstay.
pub(crate) struct Child {
    process: tokio::process::Child,
    /// Its standard output after the start: the addresses of status page and console.
    pub output: String,
}

impl Child {
    /// Starts it and waits until it accepts requests.
    ///
    /// # Errors
    /// When it ends instead, with the end of its log.
    pub(crate) async fn start<S>(stage: &Stage<S>) -> Result<Self, Failure> {
        let address = stage.data().join(address_file::NAME);
        let _ = fs::remove_file(&address);
        let output = stage.folder().join("output");
        let log = File::options().create(true).append(true).open(stage.log()).map_err(Failure::no)?;
        let out = File::create(&output).map_err(Failure::no)?;
        let mut process = product("run", stage)?
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(Failure::no)?;
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let output = fs::read_to_string(&output).unwrap_or_default();
            if address.exists() && output.ends_with('\n') {
                return Ok(Self { process, output });
            }
            if let Ok(Some(status)) = process.try_wait() {
                return Err(
                    Failure::no(format!("mainstay ended at its start ({status})")).hint(stage.log_tail())
                );
            }
            if Instant::now() > deadline {
                return Err(Failure::no("mainstay did not start within 30 s").hint(stage.log_tail()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends SIGKILL.
    ///
    /// # Errors
    /// When it has ended by itself.
    pub(crate) async fn kill(&mut self) -> Result<(), Failure> {
        if let Ok(Some(status)) = self.process.try_wait() {
            return Err(Failure::no(format!("mainstay had ended by itself ({status})")));
        }
        self.process.kill().await.map_err(Failure::no)
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Errors
    /// When its exit code is not 0.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        let Some(id) = self.process.id() else { return Ok(()) };
        let asked = Command::new("kill").arg("-TERM").arg(id.to_string()).status().await;
        asked.map_err(Failure::no)?;
        match tokio::time::timeout(DRAIN_TIMEOUT, self.process.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Failure::no(format!("mainstay ended with an error ({status})"))),
            Ok(Err(why)) => Err(Failure::no(why)),
            Err(_) => Err(Failure::no("mainstay did not end within 45 s of SIGTERM")),
        }
    }
}

/// A command of the product with the configuration of the stage.
fn product<S>(command: impl AsRef<OsStr>, stage: &Stage<S>) -> Result<Command, Failure> {
    let mut product = Command::new(std::env::current_exe().map_err(Failure::no)?);
    product.arg(PRODUCT).arg(command).arg("--config").arg(stage.config());
    Ok(product)
}

/// Executes a command of the product; returns its output.
///
/// # Errors
/// When it fails, with what it said.
pub(crate) async fn command<S>(stage: &Stage<S>, args: &[&str]) -> Result<String, Failure> {
    let output = executed(stage, args).await?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Failure::no(format!("`{}` failed ({})", args.join(" "), output.status)).hint(said))
}

/// Executes a command of the product whose exit code is a part of its report; returns its output.
///
/// # Errors
/// When it cannot be executed.
pub(crate) async fn report<S>(stage: &Stage<S>, args: &[&str]) -> Result<String, Failure> {
    let output = executed(stage, args).await?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

async fn executed<S>(stage: &Stage<S>, args: &[&str]) -> Result<Output, Failure> {
    let [first, rest @ ..] = args else { return Err(Failure::wrong("no command")) };
    let running = product(first, stage)?.args(rest).kill_on_drop(true).output();
    let output = tokio::time::timeout(COMMAND_TIMEOUT, running).await;
    let output = output.map_err(|_| Failure::no(format!("`{}` did not end within 20 s", args.join(" "))))?;
    output.map_err(Failure::no)
}

/// A link that signs one person in, from `mainstay login`.
///
/// # Errors
/// When mainstay does not respond.
pub(crate) async fn login_link<S>(stage: &Stage<S>) -> Result<String, Failure> {
    command(stage, &["login"]).await.map(|link| link.trim().to_owned())
}
