//! E-mail to an SMTP server whose faults the recipient chooses.

use notify::Outlet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use subscribers::{Answer, Mail};
use testkit::config;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use types::Time;
use types::config::{Channel, ChannelKind, Mailbox, SmtpSecurity, SmtpServer, Subscriptions};

/// An SMTP server: what it has taken, and its connections.
struct Server {
    port: u16,
    taken: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (taken, connections) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let (log, count) = (taken.clone(), connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, log.clone()));
            }
        });
        Self { port, taken, connections }
    }

    fn outlet(&self) -> Outlet {
        let server = SmtpServer {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            security: SmtpSecurity::Loopback,
            user: None,
        };
        let from = Mailbox { name: "Acme status".to_owned(), address: "status@acme.net".to_owned() };
        let kind = ChannelKind::Mail { server, from };
        let channel = Channel { id: "mail".into(), kind, secret: None, accepted_when: None };
        let mut config = config::empty();
        config.channels.insert("mail".into(), channel);
        config.status_page.subscribers =
            Some(Subscriptions { mail: Some("mail".into()), per_minute: 600, templates: None });
        Outlet::new(&config).unwrap()
    }

    fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }
}

/// Serves one connection. The local part of the recipient is the fault.
async fn serve(stream: TcpStream, taken: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 test\r\n").await.ok()?;
    let mut fault = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let reply = if let Some(to) = line.strip_prefix("RCPT TO:<") {
            fault = to.split('@').next().unwrap_or_default().to_owned();
            match fault.as_str() {
                "greylisted" => "450 4.2.0 later",
                "unknown" => "550 5.1.1 no such mailbox",
                "relay" => "550 5.7.1 relaying denied",
                "busy" => {
                    stream.write_all(b"421 4.3.2 too busy\r\n").await.ok()?;
                    return None;
                }
                "vanish" => return None,
                _ => "250 ok",
            }
        } else if line.starts_with("DATA") {
            stream.write_all(b"354 go on\r\n").await.ok()?;
            let mut message = String::new();
            while !message.ends_with("\r\n.\r\n") {
                if stream.read_line(&mut message).await.ok()? == 0 {
                    return None;
                }
            }
            match fault.as_str() {
                "closes" => return None,
                "spam" => "554 5.7.1 looks like spam",
                "full" => "452 4.3.1 no room",
                _ => {
                    taken.lock().unwrap().push(message);
                    "250 taken"
                }
            }
        } else {
            "250 ok"
        };
        stream.write_all(format!("{reply}\r\n").as_bytes()).await.ok()?;
    }
}

fn mail(id: &str) -> Mail {
    Mail {
        subject: "Investigating: Sign-in is failing".to_owned(),
        text: "A line.\n.\n.. and another one".to_owned(),
        html: "<p>A line.</p>".to_owned(),
        id: id.to_owned(),
        thread: None,
        unsubscribe: Some("https://status.acme.net/subscriptions/T/unsubscribe".to_owned()),
    }
}

async fn send(outlet: &Outlet, to: &str, ready: bool) -> Option<Answer> {
    outlet.mail(&format!("{to}@example.com"), &mail(to), Time::UNIX_EPOCH, std::future::ready(ready)).await
}

#[tokio::test]
async fn faults_of_a_server_decide_what_follows() {
    let server = Server::start().await;
    let outlet = server.outlet();
    for (to, expected) in [
        ("ana", "Accepted"),
        ("greylisted", "Later(\"450 4.2.0\")"),
        ("unknown", "Refused(\"550 5.1.1\")"),
        ("ben", "Accepted"),
        ("relay", "Later(\"550 5.7.1\")"),
        ("busy", "Unavailable"),
        ("cleo", "Accepted"),
        ("vanish", "Unavailable"),
        ("closes", "InDoubt"),
        ("spam", "Later(\"554 5.7.1\")"),
        ("full", "Later(\"452 4.3.1\")"),
        ("dora", "Accepted"),
    ] {
        let answer = format!("{:?}", send(&outlet, to, true).await.unwrap());
        assert!(answer.starts_with(expected), "{to}: {answer}");
    }
    let taken = server.taken();
    assert_eq!(taken.len(), 4, "{taken:?}");
    assert!(
        taken.iter().all(|message| message.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"))
    );
    // The connection is used again after a refusal. After the end of a used one, which may have been idle for too long, a new
    // one is tried immediately: two for `busy` and two for `vanish`.
    assert_eq!(server.connections.load(Ordering::Relaxed), 6);
}

#[tokio::test]
async fn withdrawn_message_is_not_sent() {
    let server = Server::start().await;
    let outlet = server.outlet();
    assert_eq!(send(&outlet, "ana", false).await, None);
    assert_eq!(send(&outlet, "ben", true).await, Some(Answer::Accepted));
    let taken = server.taken();
    assert!(taken.len() == 1 && taken[0].contains("To: ben@example.com"), "{taken:?}");
}

#[tokio::test]
async fn server_that_is_not_there_is_unavailable() {
    let server = Server { port: 1, taken: Arc::default(), connections: Arc::default() };
    assert!(matches!(send(&server.outlet(), "ana", true).await, Some(Answer::Unavailable(_))));
}

#[test]
fn url_of_a_subscriber_is_https_and_public() {
    let server = Server { port: 1, taken: Arc::default(), connections: Arc::default() };
    let outlet = server.outlet();
    for (url, fine) in [
        ("https://hooks.slack.com/services/T/B/x", true),
        ("http://hooks.slack.com/services/T/B/x", false),
        ("https://ana:secret@hooks.example.com/", false),
        ("https://127.0.0.1/", false),
        ("https://10.0.0.1/", false),
        ("https://[::1]/", false),
        ("https://169.254.169.254/latest/meta-data", false),
        ("https://2130706433/", false),
        ("ftp://hooks.example.com/", false),
        ("hooks.example.com", false),
    ] {
        assert_eq!(outlet.check_url(url).is_ok(), fine, "{url}");
    }
}
