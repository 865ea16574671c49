//! A real SMTP server for one test: Exim of Debian. The test listens on a free port and hands each connection to a process of
//! its own (`exim4 -bs`), with a spool and mailboxes in a temporary folder.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// A mail in a mailbox.
pub(crate) struct Received {
    pub(crate) to: String,
    /// Its headers and bodies; of a mail in the queue only the headers, as Exim stores them.
    pub(crate) text: String,
}

impl Received {
    /// Its message id.
    pub(crate) fn id(&self) -> String {
        let rest = self.text.split_once("Message-ID: <").map(|(_, rest)| rest).unwrap_or_default();
        rest.split('>').next().unwrap_or_default().to_owned()
    }

    /// The value of a header, unfolded.
    pub(crate) fn header(&self, name: &str) -> String {
        let head =
            self.text.split("\n\n").next().unwrap_or_default().replace("\n ", " ").replace("\n\t", " ");
        let start = format!("{name}: ");
        head.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_default().trim().to_owned()
    }
}

/// A relay that delivers every mail into one folder.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Relay {
    /// Starts it. With `queue_only` mails stay in the queue, which is faster.
    pub(crate) fn start(queue_only: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["spool", "log", "mail"] {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        }
        let config = folder.path().join("exim.conf");
        fs::write(&config, configuration(folder.path(), queue_only)).unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                serve(stream, &config);
            }
        });
        Self { address, folder }
    }

    /// The mails that are delivered.
    pub(crate) fn delivered(&self) -> Vec<Received> {
        let mut all: Vec<Received> = Vec::new();
        for path in files(&self.folder.path().join("mail/new")) {
            let Ok(text) = fs::read_to_string(path) else { continue };
            let mail = Received { to: String::new(), text };
            all.push(Received { to: mail.header("Envelope-to"), ..mail });
        }
        all
    }

    /// All mails so far, delivered ones and those in the queue.
    pub(crate) fn received(&self) -> Vec<Received> {
        let mut all = self.delivered();
        // The recipient of a mail in the queue is the line after the number of recipients, which is one.
        for path in files(&self.folder.path().join("spool/input")) {
            if !path.to_string_lossy().ends_with("-H") {
                continue;
            }
            let Ok(text) = fs::read_to_string(path) else { continue };
            let to = text.lines().skip_while(|line| *line != "1").nth(1).unwrap_or_default().to_owned();
            all.push(Received { to, text });
        }
        all
    }

    /// Number of mails that Exim dropped because the client vanished before the reply.
    pub(crate) fn dropped(&self) -> usize {
        let log = fs::read_to_string(self.folder.path().join("log/mainlog")).unwrap_or_default();
        log.matches("after final dot").count()
    }

    /// Number of mails so far.
    pub(crate) fn count(&self) -> usize {
        let queued = files(&self.folder.path().join("spool/input"));
        let queued = queued.iter().filter(|path| path.to_string_lossy().ends_with("-H")).count();
        files(&self.folder.path().join("mail/new")).len() + queued
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn serve(stream: TcpStream, config: &Path) {
    let input = OwnedFd::from(stream.try_clone().unwrap());
    let mut exim = Command::new("exim4")
        .arg("-C")
        .arg(config)
        .arg("-bs")
        .stdin(input)
        .stdout(OwnedFd::from(stream))
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|why| panic!("exim4: {why}; it is in the Debian package exim4-daemon-light"));
    thread::spawn(move || exim.wait());
}

fn configuration(folder: &Path, queue_only: bool) -> String {
    let folder = folder.display();
    format!(
        "primary_hostname = relay.test
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
acl_smtp_rcpt = acl_rcpt
smtp_accept_max_per_connection = 0
smtp_accept_queue_per_connection = 0
queue_only = {queue_only}
rfc1413_query_timeout = 0s
host_lookup =
never_users =
begin acl
acl_rcpt:
  deny local_parts = unknown
       message = 5.1.1 no such mailbox
  accept
begin routers
all:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  directory = {folder}/mail
  maildir_format
  envelope_to_add
  user = Debian-exim
"
    )
}
