//! A real SMTP server for one test: Exim of Debian. The test listens on a free port and hands each connection to a process of
//! its own (`exim4 -bs`), with a spool and mailboxes in a temporary folder.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// The account of a secure relay.
pub(crate) const ACCOUNT: &str = "status";
/// Its password.
pub(crate) const PASSWORD: &str = "correct-horse-battery";

/// How TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// STARTTLS.
    Offered,
    /// With the first byte.
    FromStart,
    /// Never.
    None,
}

/// A mail in a mailbox.
pub(crate) struct Received {
    pub(crate) to: String,
    /// Its headers and bodies; of a mail in the queue as Exim stores them.
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
        Self::with(|folder| configuration(folder, queue_only, "", "", ""), &[])
    }

    /// Starts one with TLS that takes mails of [`ACCOUNT`] with [`PASSWORD`] only. `tls` is how TLS begins.
    pub(crate) fn secure(tls: Tls) -> Self {
        let more = if tls == Tls::FromStart { &["-tls-on-connect"][..] } else { &[] };
        Self::with(
            |folder| {
                certificate(folder);
                let folder_shown = folder.display();
                let advertised = if tls == Tls::None { "" } else { "*" };
                let main = format!(
                    "tls_certificate = {folder_shown}/relay.pem\ntls_privatekey = {folder_shown}/relay.key\n\
                     tls_advertise_hosts = {advertised}\nauth_advertise_hosts = *\n"
                );
                let plain = format!(
                    "begin authenticators\nplain:\n  driver = plaintext\n  public_name = PLAIN\n  server_prompts = :\n\
                     \x20 server_condition = ${{if and{{{{eq{{$auth2}}{{{ACCOUNT}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}\n\
                     \x20 server_set_id = $auth2\n"
                );
                configuration(folder, false, &main, "  require authenticated = *\n", &plain)
            },
            more,
        )
    }

    /// The certificate of a secure relay, which signs itself.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("relay.pem")
    }

    /// The log of Exim.
    pub(crate) fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.path().join("log").join(name));
        format!("{}{}", read("mainlog").unwrap_or_default(), read("rejectlog").unwrap_or_default())
    }

    fn with(write: impl FnOnce(&Path) -> String, arguments: &'static [&'static str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["spool", "log", "mail"] {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        }
        let config = folder.path().join("exim.conf");
        fs::write(&config, write(folder.path())).unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                serve(stream, &config, arguments);
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
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let body = fs::read_to_string(path.with_file_name(body_name(&path))).unwrap_or_default();
            let to = text.lines().skip_while(|line| *line != "1").nth(1).unwrap_or_default().to_owned();
            all.push(Received { to, text: format!("{text}\n\n{body}") });
        }
        all
    }

    /// Number of mails that Exim dropped because the client vanished before the reply.
    pub(crate) fn dropped(&self) -> usize {
        self.log().matches("after final dot").count()
    }

    /// Number of mails so far.
    pub(crate) fn count(&self) -> usize {
        let queued = files(&self.folder.path().join("spool/input"));
        let queued = queued.iter().filter(|path| path.to_string_lossy().ends_with("-H")).count();
        files(&self.folder.path().join("mail/new")).len() + queued
    }
}

/// The file with the body of a mail in the queue, by that with its headers.
fn body_name(headers: &Path) -> String {
    let name = headers.file_name().unwrap_or_default().to_string_lossy().into_owned();
    format!("{}D", name.trim_end_matches('H'))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn serve(stream: TcpStream, config: &Path, arguments: &[&str]) {
    let input = OwnedFd::from(stream.try_clone().unwrap());
    let mut exim = Command::new("exim4")
        .arg("-C")
        .arg(config)
        .arg("-bs")
        .args(arguments)
        .stdin(input)
        .stdout(OwnedFd::from(stream))
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|why| panic!("exim4: {why}; it is in the Debian package exim4-daemon-light"));
    thread::spawn(move || exim.wait());
}

/// A certificate for 127.0.0.1, readable for the user of Exim.
fn certificate(folder: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    for (name, text) in
        [("relay.pem", params.self_signed(&key).unwrap().pem()), ("relay.key", key.serialize_pem())]
    {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }
}

/// `main` are more lines of the main section, `rule` one of the recipients, `sections` more sections.
fn configuration(folder: &Path, queue_only: bool, main: &str, rule: &str, sections: &str) -> String {
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
{main}begin acl
acl_rcpt:
{rule}  deny local_parts = unknown
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
{sections}"
    )
}
