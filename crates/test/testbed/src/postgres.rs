//! PostgreSQL servers of Debian on loopback, in temporary folders, with the monitor role of the guide.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "used by tests only, which cannot go on without the server"
)]

use crate::TestbedError;
use crate::template::{Template, run};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_postgres::{Client, Config, NoTls};

/// Time for a server to start, and for a condition to become visible, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// Password of every role of it.
pub const PASSWORD: &str = "p@ss/word";

/// The role of the guide docs/guides/postgresql.md, with the same statements.
const ROLE: &str = "create role mainstay login password 'p@ss/word' connection limit 3; \
     grant pg_monitor to mainstay; \
     create extension pg_stat_statements";

/// A server process and its folder. Ends when it is dropped.
pub struct Postgres {
    folder: TempDir,
    /// Its port.
    pub port: u16,
    process: Option<Child>,
    settings: Vec<String>,
    /// Kept until the last server that was copied from it has ended.
    #[allow(dead_code, reason = "kept for its drop")]
    template: Option<Arc<TempDir>>,
}

/// The folder of a fresh cluster.
fn fresh() -> TempDir {
    let folder = owned_folder();
    let data = folder.path().join("data");
    let args = ["-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C", "-D"];
    run(command("initdb").args(args).arg(&data));
    std::fs::write(
        data.join("pg_hba.conf"),
        "host all mainstay 127.0.0.1/32 scram-sha-256\n\
         local all all trust\n\
         host all all 127.0.0.0/8 trust\n\
         host replication all 127.0.0.1/32 trust\n",
    )
    .unwrap();
    folder
}

impl Postgres {
    /// A primary with these settings, the role of mainstay, and a table `t` of ten rows.
    pub async fn start(settings: &[&str]) -> Self {
        static TEMPLATE: Template = Template::new();
        let folder = owned_folder();
        let template = TEMPLATE.copy(folder.path(), fresh);
        let mut server = Self::new(folder, settings);
        server.template = Some(template);
        server.run().await;
        let client = server.client("setup").await;
        client.batch_execute(ROLE).await.unwrap();
        client
            .batch_execute("create table t as select i as id, 0 as v from generate_series(1, 10) as i")
            .await
            .unwrap();
        server
    }

    /// A replica of this server, under a name.
    pub async fn replica(&self, name: &str) -> Self {
        let folder = owned_folder();
        let from = format!("host=127.0.0.1 port={} user=postgres application_name={name}", self.port);
        let mut copy = command("pg_basebackup");
        copy.args(["-R", "-X", "stream", "-c", "fast", "-d", &from, "-D"]);
        run(copy.arg(folder.path().join("data")));
        let settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        let mut server = Self::new(folder, &settings);
        server.run().await;
        server
    }

    fn new(folder: TempDir, settings: &[&str]) -> Self {
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        Self { folder, port: 0, process: None, settings, template: None }
    }

    /// Starts the process on a free port, or on its port if it had one, and waits until it answers.
    pub async fn run(&mut self) {
        let fresh = self.port == 0;
        for _ in 0..5 {
            if fresh {
                let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                self.port = free.local_addr().unwrap().port();
            }
            let mut process = self.spawn();
            let deadline = Instant::now() + PATIENCE;
            loop {
                if self.try_client("wait").await.is_ok() {
                    self.process = Some(process);
                    return;
                }
                if process.try_wait().unwrap().is_some() {
                    break; // another program has taken the port meanwhile
                }
                assert!(Instant::now() < deadline, "{}", self.log());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        panic!("the server does not start: {}", self.log());
    }

    fn spawn(&self) -> Child {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let mut server = command("postgres");
        server.arg("-D").arg(self.data()).stdout(Stdio::null()).stderr(log);
        let port = format!("port={}", self.port);
        let common = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "shared_buffers=16MB",
            "shared_preload_libraries=pg_stat_statements",
            "hot_standby=on",
            "autovacuum=off",
            &port,
        ];
        for setting in common.iter().copied().chain(self.settings.iter().map(String::as_str)) {
            server.arg("-c").arg(setting);
        }
        // Signals to the group of the test do not end the server before the test has looked.
        server.process_group(0).spawn().unwrap()
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends the process: INT is a fast shutdown, KILL a crash.
    pub fn stop(&mut self, signal: rustix::process::Signal) {
        let Some(mut process) = self.process.take() else { return };
        let pid = rustix::process::Pid::from_child(&process);
        let _ = rustix::process::kill_process(pid, signal);
        let _ = process.wait();
    }

    /// A session of the superuser, under an application name.
    pub async fn client(&self, application: &str) -> Client {
        self.try_client(application).await.unwrap()
    }

    async fn try_client(&self, application: &str) -> Result<Client, String> {
        self.session("postgres", application).await
    }

    /// A session of any user.
    pub async fn session(&self, user: &str, application: &str) -> Result<Client, String> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.map_err(|error| error.to_string())?;
        let mut config = Config::new();
        config.user(user).dbname("postgres").application_name(application).password(PASSWORD);
        let connected = config.connect_raw(stream, NoTls).await;
        let (client, link) = connected.map_err(|error| match error.as_db_error() {
            Some(said) => said.message().to_owned(),
            None => error.to_string(),
        })?;
        tokio::spawn(link);
        Ok(client)
    }

    /// Executes statements as the superuser.
    pub async fn sql(&self, statements: &str) {
        self.client("sql").await.batch_execute(statements).await.unwrap();
    }

    /// A program to be run as the user of the server: one of PostgreSQL by its name, another one by its path.
    pub fn program(program: &str) -> Command {
        command(program)
    }

    /// The URL for mainstay.
    pub fn url(&self) -> String {
        format!("postgres://mainstay:p%40ss%2Fword@127.0.0.1:{}/postgres", self.port)
    }

    /// Places a file in the data folder that only the server's user may read.
    pub fn place(&self, name: &str, content: &str) {
        let path = self.data().join(name);
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(content.as_bytes()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((user, group)) = other_user() {
            chown(&path, Some(user), Some(group)).unwrap();
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop(rustix::process::Signal::QUIT);
    }
}

/// Does something to a server on a thread of its own: [`Postgres`] waits for its programs, and panics when they fail, as tests
/// want it.
pub(crate) async fn started<T: Send + 'static>(
    start: impl Future<Output = T> + Send + 'static,
) -> Result<T, TestbedError> {
    let runtime = tokio::runtime::Handle::current();
    let thread = tokio::task::spawn_blocking(move || runtime.block_on(start));
    thread.await.map_err(|panic| TestbedError::Database(panic.to_string()))
}

/// PostgreSQL refuses to run as root: its own user takes over there.
fn other_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let fields = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let entry = fields.into_iter().find(|entry| entry[0] == "postgres").expect("no user postgres");
    Some((entry[2].parse().unwrap(), entry[3].parse().unwrap()))
}

fn owned_folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("mainstay-postgres-").tempdir().unwrap();
    if let Some((user, group)) = other_user() {
        chown(folder.path(), Some(user), Some(group)).unwrap();
    }
    folder
}

/// A program of the newest installed PostgreSQL, as its user.
fn command(program: &str) -> Command {
    let versions =
        std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is not installed (cargo xtask ci)");
    let newest = versions
        .map(|version| version.unwrap().path())
        .max_by_key(|path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()))
        .expect("PostgreSQL is not installed (cargo xtask ci)");
    let mut command = Command::new(newest.join("bin").join(program));
    if let Some((user, group)) = other_user() {
        command.uid(user).gid(group).current_dir("/");
    }
    command
}
