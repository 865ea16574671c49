//! A line of JSON for each request, written by a thread of its own: a slow reader of the lines costs lines, never
//! requests.

use super::names::Names;
use super::record::{Phase, RequestRecord};
use super::{ExportCounts, Zero, trace};
use serde::Serialize;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// Lines that may wait for the writer: 2.5 MB.
const WAITING: usize = 4096;
/// The longest time for which a line stays in the buffer.
const LIES: Duration = Duration::from_millis(200);

/// The way of records to the writer. The writer ends with the last of its senders.
#[derive(Debug)]
pub(super) struct Access {
    lines: SyncSender<RequestRecord>,
    counts: Arc<ExportCounts>,
}

impl Access {
    pub(super) fn new(
        to: Box<dyn Write + Send>,
        names: Arc<Names>,
        zero: Zero,
        counts: Arc<ExportCounts>,
    ) -> io::Result<Self> {
        let (lines, waiting) = sync_channel(WAITING);
        let writer = Writer { to, names, zero, counts: Arc::clone(&counts), buffer: Vec::new() };
        std::thread::Builder::new().name("access-lines".to_owned()).spawn(move || writer.run(&waiting))?;
        Ok(Self { lines, counts })
    }

    /// Never waits: what finds no room is dropped and counted.
    pub(super) fn offer(&self, record: &RequestRecord) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.lines.try_send(*record) {
            self.counts.lose(1);
        }
    }
}

struct Writer {
    to: Box<dyn Write + Send>,
    names: Arc<Names>,
    zero: Zero,
    counts: Arc<ExportCounts>,
    buffer: Vec<u8>,
}

/// The buffer is written immediately at this size.
const BUFFER_BYTES: usize = 64 << 10;

impl Writer {
    fn run(mut self, waiting: &Receiver<RequestRecord>) {
        let mut lines = 0;
        loop {
            let next = if lines == 0 {
                waiting.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                waiting.recv_timeout(LIES)
            };
            let ends = match next {
                Ok(record) => {
                    self.line(&record);
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
                Ok(()) => self.counts.pass(lines),
                Err(_) => self.counts.lose(lines),
            }
            self.buffer.clear();
            lines = 0;
            if ends {
                return;
            }
        }
    }

    fn line(&mut self, record: &RequestRecord) {
        let before = self.buffer.len();
        match serde_json::to_writer(&mut self.buffer, &LogEntry::new(record, &self.names, self.zero)) {
            Ok(()) => self.buffer.push(b'\n'),
            Err(_) => self.buffer.truncate(before),
        }
    }
}

/// One line of the log. Times are microseconds after the request began.
#[derive(Debug, Serialize)]
struct LogEntry<'a> {
    at: jiff::Timestamp,
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    service: Option<String>,
    pool: Option<String>,
    method: &'a str,
    host: &'a str,
    path: &'a str,
    protocol: &'static str,
    client: std::net::IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asn: Option<u32>,
    client_kind: &'static str,
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
    verdict_us: Option<u32>,
    admitted_us: Option<u32>,
    connected_us: Option<u32>,
    request_sent_us: Option<u32>,
    first_byte_us: Option<u32>,
    end_us: Option<u32>,
}

impl<'a> LogEntry<'a> {
    fn new(record: &'a RequestRecord, names: &Names, zero: Zero) -> Self {
        let (service, pool) = names.of_route(record.route).map(|(service, pool)| (service.0, pool.0)).unzip();
        Self {
            at: zero.time(record.began),
            trace_id: record.ids.trace.to_string(),
            span_id: record.ids.span.to_string(),
            parent_span_id: record.ids.parent.map(|parent| parent.to_string()),
            limit: trace::limit(record, service.as_deref()),
            service,
            pool,
            method: record.method.as_str(),
            host: record.host.as_str(),
            path: record.path.as_str(),
            protocol: trace::protocol(record),
            client: record.client,
            country: trace::country(record),
            asn: record.asn,
            client_kind: trace::client_kind(record),
            class: record.class.as_str(),
            caller: record.caller.and_then(|caller| names.of_caller(caller)).map(|caller| caller.0),
            verdict: record.verdict.as_str(),
            status: record.status,
            why: trace::why(record),
            server: record.server,
            retries: record.retries,
            received_bytes: record.received,
            sent_bytes: record.sent,
            head_us: record.at(Phase::Head),
            verdict_us: record.at(Phase::Judged),
            admitted_us: record.at(Phase::Admitted),
            connected_us: record.at(Phase::Connected),
            request_sent_us: record.at(Phase::Sent),
            first_byte_us: record.at(Phase::Answered),
            end_us: record.at(Phase::End),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Failure, Ids, Recorder, Settings, Telemetry};
    use http::{HeaderMap, Method, StatusCode, Version};
    use serde_json::Value;
    use std::net::Ipv4Addr;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Instant;

    /// Hands on what is written, and stalls before each writing until it is allowed.
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

    fn looking(go: Option<Receiver<()>>) -> (Telemetry, Receiver<Vec<u8>>) {
        let (got, lines) = channel();
        let access: Option<Box<dyn Write + Send>> = Some(Box::new(Reader { got, go }));
        (Telemetry::new(Settings { access, ..Settings::new(1, Instant::now()) }).unwrap(), lines)
    }

    fn answer(recorder: &Recorder, path: &str) {
        let mut open = recorder.open(1_000, Ipv4Addr::new(192, 0, 2, 7).into(), Ids::fresh());
        open.route = recorder.route(&"auth".into(), &"auth-pool".into());
        open.asks(Version::HTTP_2, &Method::GET, "auth.acme.com", path);
        open.stamp(Phase::Head, 1_200);
        open.country = Some(*b"EE");
        open.retry((Ipv4Addr::LOCALHOST, 81).into(), Failure::Connect, 1_300);
        open.server = Some((Ipv4Addr::LOCALHOST, 80).into());
        open.answered(StatusCode::OK, &HeaderMap::new(), 2_000, 0);
        open.close(2_500);
    }

    fn counts(telemetry: &Telemetry) -> (u64, u64) {
        let counts = &telemetry.shared.access_lines;
        (counts.sent(), counts.dropped())
    }

    #[test]
    fn one_line_a_request_that_steers_no_terminal() {
        let (telemetry, lines) = looking(None);
        answer(&telemetry.recorder(0), "/a\"\n\u{1b}[31m?token=1");
        drop(telemetry);
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
            ("country", "EE".into()),
            ("client_kind", "first-time".into()),
            ("verdict", "passed".into()),
            ("status", 200.into()),
            ("server", "127.0.0.1:80".into()),
            ("retries", 1.into()),
            ("head_us", 200.into()),
            ("first_byte_us", 1_000.into()),
            ("end_us", 1_500.into()),
            ("verdict_us", Value::Null),
        ] {
            assert_eq!(line[field], expected, "{field}: {text}");
        }
        assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
    }

    #[test]
    fn blocked_reader_costs_lines_that_are_counted() {
        let (go, allowed) = channel();
        let (telemetry, lines) = looking(Some(allowed));
        let recorder = telemetry.recorder(0);
        const ALL: u64 = 3 * WAITING as u64;
        for _ in 0..ALL {
            answer(&recorder, "/");
        }
        let (sent, dropped) = counts(&telemetry);
        assert_eq!(sent, 0);
        assert!(dropped > 0 && dropped < ALL, "{dropped}");
        let exported = &telemetry.shared.access_lines;
        assert_eq!(
            (exported.news(), exported.news()),
            (dropped, 0),
            "reported once, though the reader is still blocked"
        );
        // Now the reader goes on, and what waited is written.
        drop(go);
        let deadline = Instant::now() + Duration::from_secs(20);
        while counts(&telemetry).0 + counts(&telemetry).1 < ALL {
            assert!(Instant::now() < deadline, "{:?}", counts(&telemetry));
            std::thread::yield_now();
        }
        drop((recorder, telemetry));
        let written: Vec<u8> = lines.iter().flatten().collect();
        assert_eq!(written.iter().filter(|byte| **byte == b'\n').count() as u64, ALL - dropped);
    }

    #[test]
    fn lines_are_switched_on_and_off_while_requests_go_by() {
        let (telemetry, first) = looking(None);
        let recorder = telemetry.recorder(0);
        answer(&recorder, "/first");
        telemetry.set_access_log(None).unwrap();
        answer(&recorder, "/unseen");
        let (got, second) = channel();
        telemetry.set_access_log(Some(Box::new(Reader { got, go: None }))).unwrap();
        answer(&recorder, "/second");
        telemetry.set_access_log(None).unwrap();
        let paths = |lines: Receiver<Vec<u8>>| {
            let text: Vec<u8> = lines.iter().flatten().collect();
            let lines = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
            lines.map(|line| line.unwrap()["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!((paths(first), paths(second)), (vec!["/first".to_owned()], vec!["/second".to_owned()]));
        assert_eq!(counts(&telemetry), (2, 0));
    }

    #[test]
    fn closed_reader_costs_lines_and_no_request() {
        let (telemetry, lines) = looking(None);
        drop(lines);
        let recorder = telemetry.recorder(0);
        answer(&recorder, "/");
        let deadline = Instant::now() + Duration::from_secs(20);
        while counts(&telemetry) != (0, 1) {
            assert!(Instant::now() < deadline, "{:?}", counts(&telemetry));
            std::thread::yield_now();
        }
    }
}
