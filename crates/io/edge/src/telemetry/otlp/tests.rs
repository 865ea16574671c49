//! Tests against a small collector that checks every field of the protocol.

use super::*;
use crate::telemetry::tests::openmetrics;
use crate::telemetry::{Ids, Phase, Recorder, Settings, Telemetry, Verdict};
use http::{HeaderMap, Method, StatusCode as Status, Version};
use serde_json::Value;
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Answers in turn with what it was given, and then with 200; hands on the bodies.
async fn collector(answers: &[&'static str]) -> (String, UnboundedReceiver<Value>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let (got, bodies) = unbounded_channel();
    let answers: Arc<Mutex<VecDeque<&str>>> = Arc::new(Mutex::new(answers.iter().copied().collect()));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (got, answers) = (got.clone(), Arc::clone(&answers));
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                while socket.read_buf(&mut bytes).await.unwrap_or(0) > 0 {
                    let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") else { continue };
                    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                    let length: usize = length.parse().unwrap();
                    if bytes.len() < end + 4 + length {
                        continue;
                    }
                    assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
                    assert!(head.contains("content-type: application/json"), "{head}");
                    got.send(serde_json::from_slice(&bytes[end + 4..end + 4 + length]).unwrap()).unwrap();
                    bytes.drain(..end + 4 + length);
                    let answer = answers.lock().unwrap().pop_front().unwrap_or(OK);
                    socket.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (url, bodies)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
const WRONG: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
const PARTLY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 58\r\n\r\n{\"partialSuccess\":{\"rejectedSpans\":\"2\",\"errorMessage\":\"\"}}";

fn looking(url: String) -> (Arc<Telemetry>, Exporter) {
    let settings = Settings { otlp: Some(url), ..Settings::new(1, std::time::Instant::now()) };
    let telemetry = Arc::new(Telemetry::new(settings).unwrap());
    let exporter = telemetry.exporter().unwrap().with_pause(Duration::from_millis(5));
    assert!(telemetry.exporter().is_none(), "taken once");
    (telemetry, exporter)
}

fn limited_by_the_server(recorder: &Recorder, parent: &[u8]) {
    let mut open = recorder.open(1_000, Ipv4Addr::new(192, 0, 2, 7).into(), Ids::read(parent).unwrap());
    open.route = recorder.route(&"auth".into(), &"auth".into());
    open.asks(Version::HTTP_11, &Method::POST, "auth.acme.com", "/login?secret");
    for (phase, tick) in [(Phase::Head, 1_100), (Phase::Judged, 1_110), (Phase::Sent, 1_200)] {
        open.stamp(phase, tick);
    }
    open.server = Some((Ipv4Addr::new(10, 0, 0, 11), 8080).into());
    let mut headers = HeaderMap::new();
    headers.insert("ratelimit", "\"per-address\";r=0;t=9".parse().unwrap());
    open.answered(Status::TOO_MANY_REQUESTS, &headers, 2_000, 0);
    open.close(2_100);
}

async fn next(bodies: &mut UnboundedReceiver<Value>) -> Value {
    tokio::time::timeout(Duration::from_secs(20), bodies.recv()).await.unwrap().unwrap()
}

fn metric(telemetry: &Arc<Telemetry>, line: &str) -> Option<u64> {
    let text = openmetrics(telemetry);
    text.lines().find_map(|each| each.strip_prefix(line)?.trim().parse().ok())
}

async fn until(telemetry: &Arc<Telemetry>, line: &str, count: u64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while metric(telemetry, line) != Some(count) {
        assert!(Instant::now() < deadline, "{line}: {:?}, not {count}", metric(telemetry, line));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

const PARENT: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const SENT: &str = "mainstay_edge_exported_records_total{kind=\"spans\",outcome=\"sent\"}";
const DROPPED: &str = "mainstay_edge_exported_records_total{kind=\"spans\",outcome=\"dropped\"}";

fn digits(value: &Value, count: usize) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.len() == count && text.bytes().all(|each| each.is_ascii_hexdigit()))
}

fn nanos(value: &Value) -> u128 {
    value.as_str().unwrap_or_else(|| panic!("numbers of 64 bits are text: {value}")).parse().unwrap()
}

/// Checks a trace export against the protocol's JSON encoding, field by field; returns the spans.
fn looked_at(body: &Value) -> Vec<&Value> {
    let only = |value: &Value, fields: &[&str]| {
        let object = value.as_object().unwrap();
        for field in object.keys() {
            assert!(fields.contains(&field.as_str()), "no such field: {field}");
        }
    };
    let attributes = |value: &Value| {
        for attribute in value.as_array().unwrap() {
            only(attribute, &["key", "value"]);
            assert!(attribute["key"].is_string());
            let value = attribute["value"].as_object().unwrap();
            assert_eq!(value.len(), 1, "one kind of value");
            match value.iter().next().unwrap() {
                (kind, value) if kind == "stringValue" => assert!(value.is_string()),
                (kind, value) if kind == "intValue" => drop(value.as_str().unwrap().parse::<i64>().unwrap()),
                (kind, _) => panic!("{kind}"),
            }
        }
    };
    only(body, &["resourceSpans"]);
    let mut spans = Vec::new();
    for resource in body["resourceSpans"].as_array().unwrap() {
        only(resource, &["resource", "scopeSpans", "schemaUrl"]);
        attributes(&resource["resource"]["attributes"]);
        for scope in resource["scopeSpans"].as_array().unwrap() {
            only(scope, &["scope", "spans", "schemaUrl"]);
            assert!(scope["scope"]["name"].is_string());
            spans.extend(scope["spans"].as_array().unwrap());
        }
    }
    for span in &spans {
        only(
            span,
            &[
                "traceId",
                "spanId",
                "parentSpanId",
                "flags",
                "name",
                "kind",
                "startTimeUnixNano",
                "endTimeUnixNano",
                "attributes",
                "events",
                "status",
            ],
        );
        assert!(digits(&span["traceId"], 32) && digits(&span["spanId"], 16));
        assert!(span.get("parentSpanId").is_none_or(|parent| digits(parent, 16)));
        assert!(span["kind"].as_u64().is_some_and(|kind| (1..=5).contains(&kind)));
        assert!(span["flags"].as_u64().is_some());
        assert!(span["name"].as_str().is_some_and(|name| !name.is_empty()));
        assert!(nanos(&span["startTimeUnixNano"]) <= nanos(&span["endTimeUnixNano"]));
        attributes(&span["attributes"]);
        for event in span["events"].as_array().unwrap() {
            only(event, &["timeUnixNano", "name", "attributes"]);
            let at = nanos(&event["timeUnixNano"]);
            assert!(nanos(&span["startTimeUnixNano"]) <= at && at <= nanos(&span["endTimeUnixNano"]));
        }
        only(&span["status"], &["code", "message"]);
    }
    spans
}

fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
    let all = span["attributes"].as_array().unwrap();
    all.iter().find(|each| each["key"] == key).map_or(&Value::Null, |each| &each["value"])
}

#[tokio::test]
async fn a_refused_request_is_a_span_as_the_protocol_has_it() {
    let (url, mut bodies) = collector(&[]).await;
    let (telemetry, exporter) = looking(url);
    tokio::spawn(exporter.run());
    limited_by_the_server(&telemetry.recorder(0), PARENT);
    let body = next(&mut bodies).await;
    let spans = looked_at(&body);
    let [span] = spans[..] else { panic!("{spans:?}") };
    assert_eq!(span["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(span["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!(nanos(&span["endTimeUnixNano"]) - nanos(&span["startTimeUnixNano"]), 1_100_000);
    assert_eq!(attribute(span, "http.response.status_code")["intValue"], "429");
    assert_eq!(attribute(span, "url.path")["stringValue"], "/login");
    assert_eq!(attribute(span, "mainstay.verdict")["stringValue"], Verdict::Passed.as_str());
    let limit = attribute(span, "mainstay.limit")["stringValue"].as_str().unwrap();
    assert_eq!(limit, "per-address of auth, none left, again in 9 s");
    until(&telemetry, SENT, 1).await;
    assert_eq!(metric(&telemetry, DROPPED), Some(0));
}

#[tokio::test]
async fn a_busy_collector_is_asked_again_and_one_that_refuses_is_not() {
    let (url, mut bodies) = collector(&[BUSY, BUSY, OK, WRONG, PARTLY]).await;
    let (telemetry, exporter) = looking(url);
    tokio::spawn(exporter.run());
    let recorder = telemetry.recorder(0);
    limited_by_the_server(&recorder, PARENT);
    let first = next(&mut bodies).await;
    assert_eq!(next(&mut bodies).await, first);
    assert_eq!(next(&mut bodies).await, first);
    until(&telemetry, SENT, 1).await;
    limited_by_the_server(&recorder, PARENT);
    next(&mut bodies).await;
    until(&telemetry, DROPPED, 1).await;
    limited_by_the_server(&recorder, PARENT);
    next(&mut bodies).await;
    until(&telemetry, DROPPED, 3).await;
}

#[tokio::test]
async fn new_collector_takes_over_and_old_one_gets_its_queue() {
    let (url, mut bodies) = collector(&[]).await;
    let (telemetry, exporter) = looking(url);
    let recorder = telemetry.recorder(0);
    limited_by_the_server(&recorder, PARENT);
    let (url, mut others) = collector(&[]).await;
    telemetry.set_otlp(Some(url));
    limited_by_the_server(&recorder, PARENT);
    limited_by_the_server(&recorder, PARENT);
    exporter.run().await;
    assert_eq!(looked_at(&next(&mut bodies).await).len(), 1);
    tokio::spawn(telemetry.exporter().unwrap().run());
    assert_eq!(looked_at(&next(&mut others).await).len(), 2);
    telemetry.set_otlp(None);
    assert!(telemetry.exporter().is_none());
    until(&telemetry, SENT, 3).await;
}

#[tokio::test]
async fn unreachable_collector_costs_only_spans() {
    let (telemetry, exporter) = looking("http://127.0.0.1:1/v1/traces".to_owned());
    let recorder = telemetry.recorder(0);
    for _ in 0..WAITING + 40 {
        limited_by_the_server(&recorder, PARENT);
    }
    // The rings store fewer records a second than the queue holds: it is filled directly.
    let offered = telemetry.shared.spans.load_full().unwrap();
    let record = RequestRecord::new(0, Ipv4Addr::LOCALHOST.into(), Ids::fresh());
    for _ in 0..WAITING {
        offered.offer(&record);
    }
    let full = metric(&telemetry, DROPPED).unwrap();
    assert!(full > 0);
    tokio::spawn(exporter.run());
    let deadline = Instant::now() + Duration::from_secs(20);
    while metric(&telemetry, DROPPED).unwrap() < full + WAITING as u64 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(metric(&telemetry, SENT), Some(0));
}
