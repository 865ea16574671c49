//! A line of JSON for each request, written by a thread of its own: a slow reader of the lines costs lines, never requests.

use super::names::Names;
use super::record::{Phase, Seen};
use super::{Told, Zero, trace};
use serde::Serialize;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// Lines that may wait for the writer: 2.5 MB.
const WAITING: usize = 4096;
/// How long a written line may lie in our buffer.
const LIES: Duration = Duration::from_millis(200);

/// The way of records to the writer. The writer ends with the last of its senders.
#[derive(Debug)]
pub(super) struct Access {
    lines: SyncSender<Seen>,
    told: Arc<Told>,
}

impl Access {
    pub(super) fn new(
        to: Box<dyn Write + Send>,
        names: Arc<Names>,
        zero: Zero,
        told: Arc<Told>,
    ) -> io::Result<Self> {
        let (lines, waiting) = sync_channel(WAITING);
        let writer = Writer { to, names, zero, told: Arc::clone(&told), buffer: Vec::new() };
        std::thread::Builder::new().name("access-lines".to_owned()).spawn(move || writer.run(&waiting))?;
        Ok(Self { lines, told })
    }

    /// Never waits: what finds no room is dropped and counted.
    pub(super) fn offer(&self, seen: &Seen) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.lines.try_send(*seen) {
            self.told.lose(1);
        }
    }
}

struct Writer {
    to: Box<dyn Write + Send>,
    names: Arc<Names>,
    zero: Zero,
    told: Arc<Told>,
    buffer: Vec<u8>,
}

/// Written at once when so much is together.
const BUFFER_BYTES: usize = 64 << 10;

impl Writer {
    fn run(mut self, waiting: &Receiver<Seen>) {
        let mut lines = 0;
        loop {
            let next = if lines == 0 {
                waiting.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                waiting.recv_timeout(LIES)
            };
            let ends = match next {
                Ok(seen) => {
                    self.line(&seen);
                    lines += 1;
                    if self.buffer.len() < BUFFER_BYTES {
                        continue;
                    }
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            match self.to.write_all(&self.buffer).and_then(|()| self.to.flush()) {
                Ok(()) => self.told.pass(lines),
                Err(_) => self.told.lose(lines),
            }
            self.buffer.clear();
            lines = 0;
            if ends {
                return;
            }
        }
    }

    fn line(&mut self, seen: &Seen) {
        let before = self.buffer.len();
        match serde_json::to_writer(&mut self.buffer, &Line::new(seen, &self.names, self.zero)) {
            Ok(()) => self.buffer.push(b'\n'),
            Err(_) => self.buffer.truncate(before),
        }
    }
}

/// One line. Times are microseconds after the request began.
#[derive(Debug, Serialize)]
struct Line<'a> {
    at: jiff::Timestamp,
    id: String,
    span: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    service: Option<String>,
    pool: Option<String>,
    method: &'a str,
    host: &'a str,
    path: &'a str,
    protocol: &'static str,
    client: std::net::IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    visitor: &'static str,
    class: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<String>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<String>,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<std::net::SocketAddr>,
    retries: u8,
    received_bytes: u64,
    sent_bytes: u64,
    head_us: Option<u32>,
    judged_us: Option<u32>,
    admitted_us: Option<u32>,
    connected_us: Option<u32>,
    request_sent_us: Option<u32>,
    answered_us: Option<u32>,
    end_us: Option<u32>,
}

impl<'a> Line<'a> {
    fn new(seen: &'a Seen, names: &Names, zero: Zero) -> Self {
        let (service, pool) = names.of_lane(seen.lane).map(|(service, pool)| (service.0, pool.0)).unzip();
        Self {
            at: zero.time(seen.began),
            id: seen.ids.trace.to_string(),
            span: seen.ids.span.to_string(),
            parent: seen.ids.parent.map(|parent| parent.to_string()),
            limit: trace::limit(seen, service.as_deref()),
            service,
            pool,
            method: seen.method.as_str(),
            host: seen.host.as_str(),
            path: seen.path.as_str(),
            protocol: trace::protocol(seen),
            client: seen.client,
            from: trace::origin(seen),
            visitor: trace::visitor(seen),
            class: seen.class.as_str(),
            caller: seen.caller.and_then(|caller| names.of_caller(caller)).map(|caller| caller.0),
            verdict: seen.verdict.as_str(),
            status: seen.status,
            why: trace::why(seen),
            server: seen.server,
            retries: seen.retries,
            received_bytes: seen.received,
            sent_bytes: seen.sent,
            head_us: seen.at(Phase::Head),
            judged_us: seen.at(Phase::Judged),
            admitted_us: seen.at(Phase::Admitted),
            connected_us: seen.at(Phase::Connected),
            request_sent_us: seen.at(Phase::Sent),
            answered_us: seen.at(Phase::Answered),
            end_us: seen.at(Phase::End),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeing::{Eye, Failure, Ids, Seeing, Settings};
    use http::{HeaderMap, Method, StatusCode, Version};
    use serde_json::Value;
    use std::net::Ipv4Addr;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Instant;

    /// Hands on what is written, and stands still before each writing until it is allowed.
    struct Reader {
        got: Sender<Vec<u8>>,
        go: Option<Receiver<()>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(go) = &self.go {
                let _ = go.recv();
            }
            self.got.send(bytes.to_vec()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn looking(go: Option<Receiver<()>>) -> (Seeing, Receiver<Vec<u8>>) {
        let (got, lines) = channel();
        let access: Option<Box<dyn Write + Send>> = Some(Box::new(Reader { got, go }));
        (Seeing::new(Settings { access, ..Settings::new(1, Instant::now()) }).unwrap(), lines)
    }

    fn answer(eye: &Eye, path: &str) {
        let mut open = eye.open(1_000, Ipv4Addr::new(192, 0, 2, 7).into(), Ids::fresh());
        open.lane = eye.lane(&"auth".into(), &"auth-pool".into());
        open.asks(Version::HTTP_2, &Method::GET, "auth.acme.com", path);
        open.stamp(Phase::Head, 1_200);
        open.country = Some(*b"EE");
        open.retry((Ipv4Addr::LOCALHOST, 81).into(), Failure::Connect, 1_300);
        open.server = Some((Ipv4Addr::LOCALHOST, 80).into());
        open.answered(StatusCode::OK, &HeaderMap::new(), 2_000, 0);
        open.close(2_500);
    }

    fn counts(seeing: &Seeing) -> (u64, u64) {
        let told = &seeing.shared.lines_told;
        (told.sent(), told.dropped())
    }

    #[test]
    fn one_line_a_request_that_steers_no_terminal() {
        let (seeing, lines) = looking(None);
        answer(&seeing.eye(0), "/a\"\n\u{1b}[31m?token=1");
        drop(seeing);
        let text: Vec<u8> = lines.iter().flatten().collect();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        for (field, expected) in [
            ("service", "auth".into()),
            ("pool", "auth-pool".into()),
            ("method", "GET".into()),
            ("path", "/a\"??[31m".into()),
            ("protocol", "HTTP/2".into()),
            ("client", "192.0.2.7".into()),
            ("from", "EE".into()),
            ("visitor", "first".into()),
            ("verdict", "passed".into()),
            ("status", 200.into()),
            ("server", "127.0.0.1:80".into()),
            ("retries", 1.into()),
            ("head_us", 200.into()),
            ("answered_us", 1_000.into()),
            ("end_us", 1_500.into()),
            ("judged_us", Value::Null),
        ] {
            assert_eq!(line[field], expected, "{field}: {text}");
        }
        assert_eq!(line["id"].as_str().unwrap().len(), 32);
    }

    #[test]
    fn a_reader_who_stands_still_costs_lines_that_are_counted() {
        let (go, allowed) = channel();
        let (seeing, lines) = looking(Some(allowed));
        let eye = seeing.eye(0);
        const ALL: u64 = 3 * WAITING as u64;
        for _ in 0..ALL {
            answer(&eye, "/");
        }
        let (sent, dropped) = counts(&seeing);
        assert_eq!(sent, 0);
        assert!(dropped > 0 && dropped < ALL, "{dropped}");
        let told = &seeing.shared.lines_told;
        assert_eq!((told.news(), told.news()), (dropped, 0), "told once, though the reader still stands");
        // Now the reader goes on, and what waited is written.
        drop(go);
        let deadline = Instant::now() + Duration::from_secs(20);
        while counts(&seeing).0 + counts(&seeing).1 < ALL {
            assert!(Instant::now() < deadline, "{:?}", counts(&seeing));
            std::thread::yield_now();
        }
        drop((eye, seeing));
        let written: Vec<u8> = lines.iter().flatten().collect();
        assert_eq!(written.iter().filter(|byte| **byte == b'\n').count() as u64, ALL - dropped);
    }

    #[test]
    fn lines_are_switched_on_and_off_while_requests_go_by() {
        let (seeing, first) = looking(None);
        let eye = seeing.eye(0);
        answer(&eye, "/first");
        seeing.tell_lines(None).unwrap();
        answer(&eye, "/unseen");
        let (got, second) = channel();
        seeing.tell_lines(Some(Box::new(Reader { got, go: None }))).unwrap();
        answer(&eye, "/second");
        seeing.tell_lines(None).unwrap();
        let paths = |lines: Receiver<Vec<u8>>| {
            let text: Vec<u8> = lines.iter().flatten().collect();
            let lines = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
            lines.map(|line| line.unwrap()["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!((paths(first), paths(second)), (vec!["/first".to_owned()], vec!["/second".to_owned()]));
        assert_eq!(counts(&seeing), (2, 0));
    }

    #[test]
    fn a_reader_who_is_gone_costs_lines_and_no_request() {
        let (seeing, lines) = looking(None);
        drop(lines);
        let eye = seeing.eye(0);
        answer(&eye, "/");
        let deadline = Instant::now() + Duration::from_secs(20);
        while counts(&seeing) != (0, 1) {
            assert!(Instant::now() < deadline, "{:?}", counts(&seeing));
            std::thread::yield_now();
        }
    }
}
