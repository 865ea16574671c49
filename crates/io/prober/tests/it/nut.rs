//! States of a UPS, at a real upsd with a driver that reads them from a file, and at hostile servers.

use crate::{config, server};
use prober::Prober;
use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use types::config::{Probe, ProbeKind, SecretRef};
use types::fault::{Phase, UpsFault};
use types::probe_result::Answer;
use types::{Fault, ProbeResult};

const PATIENT: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_secs(2);

fn probe(port: u16, login: Option<SecretRef>) -> Probe {
    let kind = ProbeKind::Nut { ups: "rack".to_owned(), host: "127.0.0.1".to_owned(), port, login };
    config::probe("rack-ups", kind)
}

async fn ask(probe: Probe) -> ProbeResult {
    let prober = Prober::new(&config::with([probe.clone()])).unwrap();
    tokio::time::timeout(probe.timeout + Duration::from_secs(30), prober.run(&probe)).await.unwrap()
}

/// upsd with one UPS, whose state is a file.
struct Daemon {
    port: u16,
    folder: TempDir,
    driver: Child,
    upsd: Child,
}

impl Daemon {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write(
            "ups.conf",
            "[rack]\ndriver = dummy-ups\nport = rack.dev\nmode = dummy-once\npollinterval = 1\n",
        );
        write("upsd.conf", &format!("LISTEN 127.0.0.1 {port}\n"));
        write("upsd.users", "[mainstay]\npassword = \"a \\\"b:c\"\n");
        write("login", "mainstay:a \"b:c\n");
        write("rack.dev", "ups.status: OL CHRG\nbattery.charge: 100\nbattery.runtime: 1800\nups.load: 23\n");
        // The programs beside `upsd` of the path, which starts nothing until /etc/nut/nut.conf says so.
        let run = |program: &str, arguments: &[&str]| {
            Command::new(program)
                .args(arguments)
                .env("NUT_CONFPATH", folder.path())
                .env("NUT_STATEPATH", folder.path())
                .env("NUT_ALTPIDPATH", folder.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("nut-server is not installed (cargo xtask ci)")
        };
        let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
        let driver = run("/lib/nut/dummy-ups", &["-a", "rack", "-u", &user, "-D"]);
        let upsd = run("/lib/nut/upsd", &["-u", &user, "-D"]);
        Self { port, folder, driver, upsd }
    }

    /// The driver reads the file again when it has changed.
    fn state(&self, text: &str) {
        fs::write(self.folder.path().join("rack.dev"), text).unwrap();
    }

    fn login(&self) -> Option<SecretRef> {
        Some(SecretRef::File(self.folder.path().join("login")))
    }

    /// Asks until the answer is the expected one.
    async fn until(&self, what: &str, expected: impl Fn(&Answer) -> bool) -> Answer {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let answer = ask(probe(self.port, self.login())).await.answer;
            if expected(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{what}: {answer:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        for process in [&mut self.driver, &mut self.upsd] {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn unknown(why: &str) -> impl Fn(&Answer) -> bool {
    move |answer| matches!(answer, Answer::Failed(Fault::Ups { ups: UpsFault::Unknown { why: got } }) if got.contains(why))
}

fn has(flag: &str) -> impl Fn(&Answer) -> bool {
    move |answer| matches!(answer, Answer::Ups(seen) if seen.is(flag))
}

#[tokio::test]
async fn states_of_a_real_daemon_are_read() {
    let mut daemon = Daemon::start();
    let Answer::Ups(seen) = daemon.until("on the mains", has("OL")).await else { unreachable!() };
    assert!(seen.is("CHRG") && !seen.is("OB"), "{seen:?}");
    assert_eq!((seen.charge_percent, seen.load_percent), (Some(100), Some(23)));
    assert_eq!(seen.runtime, Some(Duration::from_secs(1_800)));
    daemon.state("ups.status: OB LB DISCHRG\nbattery.charge: 12\nbattery.runtime: 90.5\n");
    let Answer::Ups(seen) = daemon.until("low battery", has("LB")).await else { unreachable!() };
    assert!(seen.is("OB"), "{seen:?}");
    assert_eq!((seen.charge_percent, seen.runtime), (Some(12), Some(Duration::from_millis(90_500))));

    let mut other = probe(daemon.port, None);
    if let ProbeKind::Nut { ups, .. } = &mut other.kind {
        "cellar".clone_into(ups);
    }
    let answer = ask(other).await.answer;
    assert!(unknown("UNKNOWN-UPS (upsd has no UPS of this name")(&answer), "{answer:?}");
    daemon.driver.kill().unwrap();
    daemon.until("without its driver", unknown("DRIVER-NOT-CONNECTED")).await;
    daemon.upsd.kill().unwrap();
    daemon.until("without upsd", |answer| *answer == Answer::Failed(Fault::Refused)).await;
}

#[tokio::test]
async fn what_is_no_state_has_its_word() {
    const BEGIN: &[u8] = b"BEGIN LIST VAR rack\n";
    for (what, reply, word) in [
        ("silence", &b""[..], "truncated"),
        ("half a list", BEGIN, "truncated"),
        ("half a line", b"BEGIN LIST VAR rack\nVAR rack ups.st", "truncated"),
        ("another protocol", b"HTTP/1.1 400 Bad Request\r\n\r\n", "garbage"),
        ("noise", b"\x00\x01\xff\xfe\n", "garbage"),
        ("an error", b"ERR ACCESS-DENIED\n", "ups-unknown"),
        ("an error in the list", b"BEGIN LIST VAR rack\nERR DATA-STALE\n", "ups-unknown"),
        ("no state", b"BEGIN LIST VAR rack\nEND LIST VAR rack\n", "ups-unknown"),
        ("another UPS", b"BEGIN LIST VAR other\n", "garbage"),
    ] {
        let address = server::listen(move |stream| async move {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            let _ = stream.read_line(&mut line).await;
            assert_eq!(line, "LIST VAR rack\n");
            let _ = stream.write_all(reply).await;
        })
        .await;
        let result = ask(probe(address.port(), None)).await;
        let Answer::Failed(fault) = result.answer else { panic!("{what}: {result:?}") };
        assert_eq!(fault.as_str(), word, "{what}: {fault:?}");
    }
}

#[tokio::test]
async fn endless_and_silent_servers_cost_bounded_bytes_and_time() {
    let limited = |address: SocketAddr, timeout| ask(Probe { timeout, ..probe(address.port(), None) });
    for (begin, again) in [
        (&b"BEGIN LIST VAR rack\n"[..], &b"VAR rack ups.load \"1\"\n"[..]),
        (b"BEGIN LIST VAR rack\nVAR rack ups.status \"", &[b'x'; 4096]),
        (b"", &[b'x'; 4096]),
    ] {
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&taken);
        let address = server::listen(move |mut stream| {
            let counted = Arc::clone(&counted);
            async move {
                let mut piece = begin.to_vec();
                while stream.write_all(&piece).await.is_ok() {
                    counted.fetch_add(piece.len(), Ordering::Relaxed);
                    piece = again.to_vec();
                }
            }
        })
        .await;
        let answer = limited(address, PATIENT).await.answer;
        assert_eq!(answer, Answer::Failed(Fault::TooLarge { what: "answer".to_owned() }));
        assert!(taken.load(Ordering::Relaxed) < 24 << 20);
    }
    let address = server::listen(|stream| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let began = Instant::now();
    let answer = limited(address, SHORT).await.answer;
    assert_eq!(answer, Answer::Failed(Fault::TimedOut { phase: Phase::FirstByte }));
    assert!(began.elapsed() < PATIENT);
}

#[tokio::test]
async fn login_is_needed_at_the_start_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("login");
    for (text, words) in [(None, "cannot be read"), (Some("s3cret-without-user"), "it is not USER:PASSWORD")]
    {
        text.into_iter().for_each(|text| fs::write(&path, text).unwrap());
        let probe = probe(3_493, Some(SecretRef::File(path.clone())));
        let error = Prober::new(&config::with([probe])).unwrap_err().to_string();
        assert!(
            error.starts_with("`login` of probe.rack-ups cannot be used: ") && error.contains(words),
            "{error}"
        );
        assert!(!error.contains("s3cret"), "{error}");
    }
}
