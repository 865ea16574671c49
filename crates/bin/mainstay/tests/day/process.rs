//! Processes of the day: each is ended by its id, however the day ends.

use crate::Failure;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Begins; what it writes goes to `NAME.log` in the folder.
    pub(crate) fn begin(name: &str, folder: &Path, command: &mut Command) -> Result<Self, Failure> {
        let log = File::options().create(true).append(true).open(folder.join(format!("{name}.log")));
        let log = log.map_err(|why| format!("{name}.log: {why}"))?;
        let errors = log.try_clone().map_err(|why| format!("{name}.log: {why}"))?;
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
        let child = child.map_err(|why| format!("{name} cannot be started: {why}"))?;
        Ok(Self { child, name: name.to_owned() })
    }

    pub(crate) fn signal(&self, signal: &str) -> Result<(), Failure> {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        match sent {
            Ok(status) if status.success() => Ok(()),
            other => Err(format!("{}: kill {signal}: {other:?}", self.name).into()),
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end. Does not wait longer than this.
    pub(crate) async fn ended(&mut self, within: Duration) -> Result<(), Failure> {
        let ends = Instant::now() + within;
        while self.is_running() {
            if Instant::now() >= ends {
                return Err(format!("{} has not ended within {within:?}", self.name).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.is_running() {
            return;
        }
        // A stopped process takes no other signal; HAProxy's master takes its workers along on SIGTERM only.
        let _ = self.signal("-CONT");
        let _ = self.signal("-TERM");
        let ends = Instant::now() + Duration::from_secs(3);
        while self.is_running() && Instant::now() < ends {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
