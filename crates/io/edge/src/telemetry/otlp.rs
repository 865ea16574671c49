//! Spans for a collector, by OTLP/HTTP in its JSON encoding (OpenTelemetry protocol 1.x).
//!
//! Exported are the requests in the ring buffers: all that were refused, failed or slow (in a flood a fair part),
//! and the small sample of the others. Batches are sent one after the other; records that find the queue full are
//! dropped and counted, and so is a batch that the collector refuses or never accepts.

mod span;

use super::names::Names;
use super::record::RequestRecord;
use super::{ExportCounts, Zero};
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::Instant;

/// Records that may wait: 1.3 MB.
const WAITING: usize = 2048;
/// Spans in one request at most.
const BATCH: usize = 512;
/// The longest delay of the first span of a batch.
const GATHERS: Duration = Duration::from_secs(1);
/// Timeout of the collector.
const PATIENCE: Duration = Duration::from_secs(10);
/// Attempts for one batch.
const TRIES: u32 = 5;
/// The first pause after a failure; it doubles, up to half a minute.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Bytes read of the collector's response.
const ANSWER_BYTES: usize = 64 << 10;

/// The way of records to the exporter.
#[derive(Debug)]
pub(super) struct Spans {
    records: Sender<RequestRecord>,
    counts: Arc<ExportCounts>,
}

impl Spans {
    /// Never waits: what finds no room is dropped and counted.
    pub(super) fn offer(&self, record: &RequestRecord) {
        if self.records.try_send(*record).is_err() {
            self.counts.lose(1);
        }
    }
}

/// Carries spans to the collector.
#[derive(Debug)]
pub struct Exporter {
    url: String,
    waiting: Receiver<RequestRecord>,
    names: Arc<Names>,
    zero: Zero,
    counts: Arc<ExportCounts>,
    pause: Duration,
}

/// The result of sending a batch.
enum Offered {
    Taken,
    /// Refused: it would never be accepted.
    Refused(String),
    /// Later, perhaps.
    Later(String, Option<Duration>),
}

pub(super) fn queue(
    url: String,
    names: Arc<Names>,
    zero: Zero,
    counts: Arc<ExportCounts>,
) -> (Spans, Exporter) {
    let (records, waiting) = channel(WAITING);
    // A fragment is never part of a request, and the crate `http` of third_party/ would send it.
    let url = url.split('#').next().unwrap_or_default().to_owned();
    let exporter = Exporter { url, waiting, names, zero, counts: Arc::clone(&counts), pause: PAUSE };
    (Spans { records, counts }, exporter)
}

impl Exporter {
    /// Pauses after failures begin so short. For tests, and for collectors beside us.
    #[must_use]
    pub fn with_pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Sends until no recorder is left. Needs a runtime with time and I/O.
    pub async fn run(mut self) {
        let client = match client() {
            Ok(client) => client,
            Err(why) => {
                tracing::error!("spans cannot be exported: {why}");
                return;
            }
        };
        let mut batch = Vec::with_capacity(BATCH);
        let mut complained = false;
        while self.gather(&mut batch).await {
            let count = batch.len() as u64;
            match self.deliver(&client, &batch).await {
                Ok(()) => {
                    self.counts.pass(count);
                    complained = false;
                }
                Err(why) => {
                    self.counts.lose(count);
                    if !complained {
                        tracing::warn!(spans = count, "{} refused spans: {why}", self.url);
                        complained = true;
                    }
                }
            }
            batch.clear();
        }
    }

    /// Fills a batch; false when there will never be another.
    async fn gather(&mut self, batch: &mut Vec<RequestRecord>) -> bool {
        let Some(first) = self.waiting.recv().await else { return false };
        batch.push(first);
        let until = Instant::now() + GATHERS;
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            match tokio::time::timeout_at(until, self.waiting.recv_many(batch, room)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        true
    }

    /// Sends a batch until it is accepted, refused, or has used its attempts.
    async fn deliver(&self, client: &Client, batch: &[RequestRecord]) -> Result<(), String> {
        let body = span::request(batch, &self.names, self.zero);
        let body = bytes::Bytes::from(serde_json::to_vec(&body).map_err(|why| why.to_string())?);
        let mut pause = self.pause;
        let mut last = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            match self.offer(client, body.clone()).await {
                Offered::Taken => return Ok(()),
                Offered::Refused(why) => return Err(why),
                Offered::Later(why, wait) => {
                    last = why;
                    pause = wait.map_or(pause, |wait| wait.min(PAUSE_MAX)).max(pause.min(PAUSE_MAX));
                }
            }
        }
        Err(last)
    }

    async fn offer(&self, client: &Client, body: bytes::Bytes) -> Offered {
        let asked = client.post(&self.url).header("content-type", "application/json").body(body).send();
        let mut response = match asked.await {
            Ok(response) => response,
            Err(why) if why.is_builder() => return Offered::Refused(deepest(&why)),
            Err(why) => return Offered::Later(deepest(&why), None),
        };
        let status = response.status();
        if status.is_success() {
            let mut answer = Vec::new();
            while let Ok(Some(part)) = response.chunk().await {
                answer.extend_from_slice(&part[..part.len().min(ANSWER_BYTES - answer.len())]);
                if answer.len() == ANSWER_BYTES {
                    break;
                }
            }
            if let Some(rejected) = span::rejected(&answer) {
                self.counts.lose(rejected);
            }
            return Offered::Taken;
        }
        let why = format!("it answered {status}");
        // The standard's list of what may be tried again.
        let later = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ];
        if !later.contains(&status) {
            return Offered::Refused(why);
        }
        let wait = response.headers().get(RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse().ok());
        Offered::Later(why, wait.map(Duration::from_secs))
    }
}

fn client() -> Result<Client, String> {
    let roots = Arc::clone(tls_roots::Roots::public().store());
    let tls = tls_roots::client_config(roots).map_err(|why| why.to_string())?;
    Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("mainstay/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .map_err(|why| deepest(&why))
}

fn deepest(why: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = why;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if why.is_timeout() { "it took too long".to_owned() } else { cause.to_string() }
}

#[cfg(test)]
mod tests;
