//! The scratch PostgreSQL: on a unix socket in the scratch folder only, with settings of its own, without archiving.

use super::Stop;
use super::programs::{ProgramError, Programs, first_lines};
use super::scratch::Scratch;
use crate::cli::Failure;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// Its port: the name of its socket, in a folder that no other server uses.
const PORT: &str = "5432";
/// Time between two attempts to connect.
const RETRY_EVERY: Duration = Duration::from_millis(200);
/// Longest wait for its end, after which it is ended by force.
const STOP_WITHIN: Duration = Duration::from_secs(120);
/// Longest wait for one connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// A running scratch server. Ended when it is dropped.
#[derive(Debug)]
pub(crate) struct Server<'a> {
    programs: &'a Programs,
    major: &'a str,
    role: &'a str,
    socket: PathBuf,
    log: PathBuf,
    process: Child,
}

impl<'a> Server<'a> {
    /// Starts it, and waits until it has replayed the archive and accepts connections.
    ///
    /// # Errors
    /// When its program is missing, or it does not start.
    pub(crate) async fn start(
        programs: &'a Programs,
        (major, role): (&'a str, &'a str),
        scratch: &Scratch,
        within: Duration,
    ) -> Result<Self, Stop> {
        let socket = scratch.folder("socket", programs.user())?;
        let log = scratch.path().join("server.log");
        let settings = write_settings(scratch, &socket, programs.user())
            .map_err(|why| Failure::no(format!("{}: {why}", scratch.path().display())))?;
        let output = File::create(&log).map_err(|why| Failure::no(format!("{}: {why}", log.display())))?;
        let mut command = programs.postgres(major, "postgres")?;
        command.arg("-D").arg(scratch.data()).arg("-c").arg(format!("config_file={}", settings.display()));
        // Once more on the command line, which no file of the restored cluster overrides.
        for setting in ["archive_mode=off", "listen_addresses=", "shared_preload_libraries="] {
            command.args(["-c", setting]);
        }
        command.stdout(Stdio::null()).stderr(output);
        let process = command.spawn().map_err(|why| Failure::no(format!("postgres cannot be run: {why}")))?;
        let mut server = Self { programs, major, role, socket, log, process };
        server.wait(within).await?;
        Ok(server)
    }

    async fn wait(&mut self, within: Duration) -> Result<(), Stop> {
        let deadline = Instant::now() + within;
        loop {
            match self.query("postgres", "select 1", CONNECT_WITHIN).await {
                Ok(_) => return Ok(()),
                // It accepts connections, and this role cannot be used: waiting does not change that.
                Err(why) if why.to_string().contains("role \"") => {
                    let hint = "name the superuser of the cluster: --role NAME";
                    return Err(Failure::no(format!("the restored database refuses: {why}"))
                        .hint(hint)
                        .into());
                }
                Err(_) => {}
            }
            if let Ok(Some(status)) = self.process.try_wait() {
                let why = format!("the restored database does not start ({status}): {}", self.last_words());
                return Err(Stop::Unproven(why));
            }
            if Instant::now() >= deadline {
                let why = format!(
                    "the restored database accepted no connection within {} s: {}",
                    within.as_secs(),
                    self.last_words()
                );
                return Err(Stop::Unproven(why));
            }
            sleep(RETRY_EVERY).await;
        }
    }

    /// Runs a statement; returns its rows as text.
    ///
    /// # Errors
    /// See [`ProgramError`].
    pub(crate) async fn query(
        &self,
        database: &str,
        sql: &str,
        within: Duration,
    ) -> Result<String, ProgramError> {
        let missing = std::io::ErrorKind::NotFound.into();
        let mut command =
            self.client("psql").map_err(|_| ProgramError::NotRun("psql".to_owned(), missing))?;
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]);
        self.programs.output(command, within).await
    }

    /// A client program of PostgreSQL, connected to this server.
    ///
    /// # Errors
    /// When it is not installed.
    pub(crate) fn client(&self, program: &str) -> Result<Command, Failure> {
        let mut command = self.programs.postgres(self.major, program)?;
        command.arg("-h").arg(&self.socket).args(["-p", PORT, "-U", self.role, "-w"]);
        for name in ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGSERVICE", "PGPASSWORD", "PGSSLMODE"] {
            command.env_remove(name);
        }
        Ok(command)
    }

    /// Stops it; its data folder is consistent then.
    ///
    /// # Errors
    /// When it does not end in time.
    pub(crate) async fn stop(mut self) -> Result<(), Stop> {
        if let Some(pid) = self.process.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            let _ = kill_process(pid, Signal::INT);
        }
        match timeout(STOP_WITHIN, self.process.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(_) => Err(Stop::Unproven(format!(
                "the restored database did not stop cleanly: {}",
                self.last_words()
            ))),
            Err(_) => Err(Stop::Unproven(format!(
                "the restored database did not stop within {} s",
                STOP_WITHIN.as_secs()
            ))),
        }
    }

    /// What it wrote about its failure.
    fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let is_grave = |line: &&str| ["FATAL:", "PANIC:", "ERROR:"].iter().any(|word| line.contains(word));
        let grave: Vec<&str> = text.lines().filter(is_grave).collect();
        let chosen = if grave.is_empty() { text.lines().collect() } else { grave };
        let last = chosen.len().saturating_sub(2);
        first_lines(&chosen.get(last..).unwrap_or_default().join("\n"))
    }
}

/// Writes the settings, and who may connect. The configuration files of the restored cluster are not read: they may name the data
/// folder, the addresses and the archive of production.
fn write_settings(scratch: &Scratch, socket: &Path, owner: Option<(u32, u32)>) -> io::Result<PathBuf> {
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', "''"));
    let file = |name: &str, text: &str| -> io::Result<PathBuf> {
        let path = scratch.path().join(name);
        fs::write(&path, text)?;
        if let Some((user, group)) = owner {
            chown(&path, Some(user), Some(group))?;
        }
        Ok(path)
    };
    let hba = file("pg_hba.conf", "local all all trust\n")?;
    let ident = file("pg_ident.conf", "")?;
    let settings = format!(
        "data_directory = {}\nhba_file = {}\nident_file = {}\nunix_socket_directories = {}\nport = {PORT}\n\
         listen_addresses = ''\narchive_mode = off\nssl = off\nlogging_collector = off\nshared_preload_libraries = ''\n\
         hot_standby = off\nmax_connections = 20\nmax_wal_senders = 0\nmax_prepared_transactions = 1000\n\
         shared_buffers = 128MB\nautovacuum = off\nfsync = off\n",
        quoted(&scratch.data()),
        quoted(&hba),
        quoted(&ident),
        quoted(socket),
    );
    file("postgresql.conf", &settings)
}
