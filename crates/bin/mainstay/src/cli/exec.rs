//! `mainstay exec JOB -- COMMAND`: runs a job, and reports its start, its end and the end of its output.
//!
//! The job matters more than its report: it runs whether mainstay can be reached or not, sees its own input, output and signals, and its
//! exit status is that of the command.

use crate::app::address_file;
use crate::cli::{Common, Failure, config, table};
use clap::Args;
use notify::secret;
use reqwest::{Client, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use secrecy::ExposeSecret as _;
use std::future::pending;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use text::tail::Tail;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};
use types::heartbeat::OUTPUT_MAX;

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Pauses before another attempt to report the end: a restart of mainstay takes less.
const PAUSES: [u64; 5] = [1, 2, 5, 10, 20];
/// What is left of the output after the end is waited for this long.
const OUTPUT_AFTER_END: Duration = Duration::from_secs(1);
/// Exit status of a shell when a command cannot be found or started.
const NOT_STARTED: u8 = 127;

#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// The job: the name of its [heartbeat.NAME] in the configuration, or its URL: https://status.acme.net/ping/KEY.
    job: String,
    /// The command with its arguments.
    #[arg(last = true, required = true, num_args = 1.., value_name = "COMMAND")]
    command: Vec<String>,
}

impl Exec {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let url = self.url(common)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::no)?;
        runtime.block_on(async {
            let reporter = Reporter::new(url)?;
            // A job does not wait long for a mainstay that is down.
            reporter.report("start", "", &[]).await;
            let ended = self.execute().await;
            reporter.report(&ended.status.to_string(), &ended.output, &PAUSES).await;
            Ok(ExitCode::from(ended.status))
        })
    }

    fn url(&self, common: &Common) -> Result<String, Failure> {
        if self.job.starts_with("http://") || self.job.starts_with("https://") {
            return Ok(self.job.trim_end_matches('/').to_owned());
        }
        let config = config::read(&common.config, true)?;
        let heartbeat = config.heartbeats.get(&self.job).ok_or_else(|| {
            let known: Vec<&str> = config.heartbeats.keys().map(String::as_str).collect();
            let hint = if known.is_empty() {
                "declare it, or give the URL of the job: https://status.acme.net/ping/KEY".to_owned()
            } else {
                format!("it has: {}", known.join(", "))
            };
            Failure::wrong(format!("the configuration has no `[heartbeat.{}]`", self.job)).hint(hint)
        })?;
        let key = heartbeat.key.as_ref().map(secret::read).transpose().map_err(Failure::wrong)?;
        let key = key.as_ref().map_or(self.job.as_str(), |key| key.expose_secret());
        // The port is in a file when the configuration leaves it to the system.
        let running = std::fs::read_to_string(config.site.data.join(address_file::NAME)).ok();
        let address = running.unwrap_or_else(|| config.site.listen.to_string());
        Ok(format!("http://{}/ping/{key}", address.trim()))
    }

    /// Runs the command to its end.
    async fn execute(&self) -> Ended {
        let (program, arguments) = self.command.split_first().unwrap_or((&self.job, &[]));
        let spawned =
            Command::new(program).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        match spawned {
            Ok(child) => wait(child).await,
            Err(why) => {
                let output = format!("{program} cannot be started: {why}");
                table::warn(&output);
                Ended { status: NOT_STARTED, output }
            }
        }
    }
}

/// How a command ended.
struct Ended {
    status: u8,
    output: String,
}

/// Passes output on as it comes, and signals that ask for the end to the command.
async fn wait(mut child: Child) -> Ended {
    let end = Arc::new(Mutex::new(Tail::new(OUTPUT_MAX)));
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let out = tokio::spawn(pass(out, std::io::stdout(), Arc::clone(&end)));
    let err = tokio::spawn(pass(err, std::io::stderr(), Arc::clone(&end)));
    let status = ended(&mut child).await;
    // What the command left running in the background may hold them open.
    let _ = timeout(OUTPUT_AFTER_END, async { tokio::join!(out, err) }).await;
    let output = end.lock().unwrap_or_else(PoisonError::into_inner).text();
    Ended { status, output }
}

/// Its exit status; of one that a signal ended, 128 and the signal, as in a shell.
async fn ended(child: &mut Child) -> u8 {
    let pid = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    let pass_on = async {
        let Ok(mut terminated) = signal(SignalKind::terminate()) else { return pending().await };
        let Ok(mut interrupted) = signal(SignalKind::interrupt()) else { return pending().await };
        loop {
            // A terminal has sent SIGINT to the command already; it only must not end us before it.
            tokio::select! {
                _ = terminated.recv() => {
                    let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
                }
                _ = interrupted.recv() => {}
            }
        }
    };
    tokio::select! {
        status = child.wait() => match status {
            Ok(status) => {
                let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
                code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
            }
            Err(_) => u8::MAX,
        },
        () = pass_on => u8::MAX,
    }
}

/// Copies a stream, and keeps its end.
async fn pass<R: AsyncRead + Unpin>(from: Option<R>, mut to: impl std::io::Write, end: Arc<Mutex<Tail>>) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; 8 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let new = buffer.get(..read).unwrap_or_default();
        // A closed terminal does not end the job.
        let _ = to.write_all(new).and_then(|()| to.flush());
        end.lock().unwrap_or_else(PoisonError::into_inner).add(new);
    }
}

/// Sends pings of one run.
struct Reporter {
    client: Client,
    url: String,
    run: String,
}

impl Reporter {
    fn new(url: String) -> Result<Self, Failure> {
        let client = Client::builder().timeout(TIMEOUT).build().map_err(Failure::no)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let run = format!("{}-{:x}", std::process::id(), now.as_nanos());
        Ok(Self { client, url, run })
    }

    /// Sends one ping, again after each pause while that may help. A failure is a warning: the job goes on.
    async fn report(&self, what: &str, output: &str, pauses: &[u64]) {
        let mut pauses = pauses.iter();
        loop {
            let (why, is_final) = match self.send(what, output).await {
                Ok(()) => return,
                Err(failed) => failed,
            };
            match pauses.next().filter(|_| !is_final) {
                Some(pause) => sleep(Duration::from_secs(*pause)).await,
                None => return table::warn(&format!("warning: mainstay was not told of this job: {why}")),
            }
        }
    }

    /// The error, and whether another attempt cannot help. The URL is a secret and is not shown.
    async fn send(&self, what: &str, output: &str) -> Result<(), (String, bool)> {
        let url = format!("{}/{what}?rid={}", self.url, self.run);
        let request = self.client.post(url).body(output.to_owned());
        let answer = request.send().await.map_err(|why| (why.without_url().to_string(), false))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let is_final = status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS;
        let text = answer.text().await.unwrap_or_default();
        Err((format!("{status}: {}", text::truncate::chars(text.trim(), 200)), is_final))
    }
}
