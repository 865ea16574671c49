//! MariaDB servers of Debian on loopback, in temporary folders, with the monitor user of the guide.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "used by tests only, which cannot go on without the server"
)]

use crate::template::{Template, run};
use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Time for a server to start on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// The server: in no folder of the search path of an ordinary user.
const SERVER: &str = "/usr/sbin/mariadbd";

/// The user of the guide docs/guides/mysql.md, with the same statements.
const USER: &str = "create user mainstay@'%' identified by 'p@ss/word' with max_user_connections 3; \
     grant process, slave monitor, binlog monitor on *.* to mainstay@'%';";
/// A user of an application, one of replicas, and a table `t` of ten rows.
const WORLD: &str = "create user app@'%'; create user repl@'%' identified by 'r'; \
     grant replication slave on *.* to repl@'%'; create database s; grant all on s.* to app@'%'; \
     create table s.t (id int primary key, v int not null default 0, name varchar(40)) engine = innodb; \
     insert into s.t (id) select seq from s.seq_1_to_10;";

/// A server process and its folder. Ends when it is dropped.
pub struct Mariadb {
    folder: TempDir,
    /// Its port.
    pub port: u16,
    process: Option<Child>,
    settings: Vec<String>,
    server_id: u32,
    /// Kept until the last server that was copied from it has ended.
    #[allow(dead_code, reason = "kept for its drop")]
    template: Arc<TempDir>,
}

/// The folder of a fresh server.
fn fresh() -> TempDir {
    let folder = folder();
    let mut install = Command::new("mariadb-install-db");
    install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
    install.arg("--innodb-log-file-size=4M");
    install.arg(format!("--datadir={}", folder.path().join("data").display()));
    run(as_user(&mut install));
    folder
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("mainstay-mariadb-").tempdir().unwrap()
}

impl Mariadb {
    /// A server with these settings, the user of mainstay, and a table `s.t`.
    pub fn start(settings: &[&str]) -> Self {
        let server = Self::empty(settings);
        server.sql(USER);
        server.sql(WORLD);
        server
    }

    /// A replica of this server, with these settings, once it has what this server has: rights are read at the login.
    pub fn replica(&self, settings: &[&str]) -> Self {
        let server = Self::empty(settings);
        server.sql(&format!(
            "change master to master_host = '127.0.0.1', master_port = {}, master_user = 'repl', \
             master_password = 'r', master_connect_retry = 1, master_use_gtid = slave_pos; start slave",
            self.port
        ));
        let position = self.sql("select @@gtid_binlog_pos");
        let waited = server.sql(&format!("select master_gtid_wait('{position}', {})", PATIENCE.as_secs()));
        assert_eq!(waited, "0", "the replica does not follow: {}", server.log());
        server
    }

    fn empty(settings: &[&str]) -> Self {
        static SERVERS: AtomicU32 = AtomicU32::new(1);
        static TEMPLATE: Template = Template::new();
        let folder = folder();
        let template = TEMPLATE.copy(folder.path(), fresh);
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let server_id = SERVERS.fetch_add(1, Ordering::Relaxed);
        let mut server = Self { folder, port: 0, process: None, settings, server_id, template };
        server.run();
        server
    }

    /// Starts the process on a free port, or on its port if it had one, and waits until it answers.
    pub fn run(&mut self) {
        let fresh = self.port == 0;
        for _ in 0..5 {
            if fresh {
                let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                self.port = free.local_addr().unwrap().port();
            }
            let mut process = self.spawn();
            let deadline = Instant::now() + PATIENCE;
            loop {
                if greets(self.port) {
                    self.process = Some(process);
                    return;
                }
                if process.try_wait().unwrap().is_some() {
                    break; // another program has taken the port meanwhile
                }
                assert!(Instant::now() < deadline, "{}", self.log());
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        panic!("the server does not start: {}", self.log());
    }

    fn spawn(&self) -> Child {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let mut server = Command::new(SERVER);
        server.arg("--no-defaults").args([
            format!("--datadir={}", path("data")),
            format!("--socket={}", path("socket")),
            format!("--pid-file={}", path("pid")),
            format!("--log-error={}", path("log")),
            format!("--port={}", self.port),
            format!("--server-id={}", self.server_id),
        ]);
        server.args([
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--log-bin=bin",
            "--binlog-format=ROW",
            "--sync-binlog=0",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-log-file-size=4M",
            "--innodb-buffer-pool-size=16M",
            "--aria-pagecache-buffer-size=1M",
            "--key-buffer-size=1M",
        ]);
        as_user(server.args(&self.settings)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Signals to the group of the test do not end the server before the test has looked.
        server.process_group(0).spawn().expect("mariadb-server is not installed (cargo xtask ci)")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends the process: TERM is a shutdown, KILL a crash.
    pub fn stop(&mut self, signal: rustix::process::Signal) {
        let Some(mut process) = self.process.take() else { return };
        let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&process), signal);
        let _ = process.wait();
    }

    /// Process id of the server.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// Executes statements as root, and returns the values that they give.
    pub fn sql(&self, statements: &str) -> String {
        let done = self.client("root").arg("--execute").arg(statements).output().unwrap();
        assert!(done.status.success(), "{statements}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// A session of a user that executes these statements and stays.
    pub fn session(&self, user: &str, statements: &str) -> MariadbSession {
        let mut client = self.client(user);
        client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = client.spawn().unwrap();
        let mut input = process.stdin.take().unwrap();
        input.write_all(format!("{statements};\n").as_bytes()).unwrap();
        MariadbSession { process, input: Some(input) }
    }

    fn client(&self, user: &str) -> Command {
        let mut client = Command::new("mariadb");
        client.args(["--no-defaults", "--skip-ssl", "--batch", "--skip-column-names", "--host=127.0.0.1"]);
        client.arg(format!("--port={}", self.port)).arg(format!("--user={user}"));
        client
    }

    /// The URL for mainstay.
    pub fn url(&self) -> String {
        format!("mysql://mainstay:p%40ss%2Fword@127.0.0.1:{}", self.port)
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        self.stop(rustix::process::Signal::KILL);
    }
}

/// A session of the command-line client. Ends when it is dropped.
pub struct MariadbSession {
    process: Child,
    input: Option<ChildStdin>,
}

impl MariadbSession {
    /// Waits until the session ends by itself, because of an error for example. Returns what it says.
    pub fn ended(mut self) -> String {
        self.input = None;
        let mut said = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for MariadbSession {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether a server begins a connection. One that is full does so too.
fn greets(port: u16) -> bool {
    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return false };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.read(&mut [0; 64]).is_ok_and(|read| read > 0)
}

/// MariaDB runs as root only where it is configured to. Everything of it is in a temporary folder.
fn as_user(command: &mut Command) -> &mut Command {
    if rustix::process::geteuid().is_root() {
        command.arg("--user=root");
    }
    command
}
