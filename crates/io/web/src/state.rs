//! Shared state of the web server: where the event loop publishes its views, and where requests read them.

use crate::alert_sources::{AlertSource, AlertSources};
use crate::cache::{Document, Documents, RenderedCache};
use crate::clock::now;
use crate::command::{self, CommandRequest, CommandResult};
use crate::design::assets;
use crate::edge::{Edge, NoEdge};
use crate::latency::public::PublicLatencies;
use crate::phones::{PhoneChannel, Phones};
use crate::ping_targets::{PingTarget, PingTargets};
use crate::problem::Problem;
use crate::samples::{Reader, Samples};
use crate::session::Sessions;
use crate::sources::{ChangeSource, Sources};
use crate::subscriptions::Subscriptions;
use crate::{params, snapshot, status_page};
use arc_swap::{ArcSwap, ArcSwapOption};
use axum::http::StatusCode;
use engine::views::{StatusPage, Traffic, Views};
use secrecy::SecretString;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokens::{Key, TokenError};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;
use types::{Actor, Command, IncidentId, Time, Trace};

/// Age of the last heartbeat from which the event loop counts as stalled.
pub const HEARTBEAT_AGE_MAX: Duration = Duration::from_secs(60);

/// Maximum time that a command's response waits for the views that include its events. Rendering takes milliseconds; a
/// very large configuration may need longer.
const RENDER_WAIT: Duration = Duration::from_secs(2);

/// File in the data folder with the sessions that were signed out.
const SIGNED_OUT: &str = "signed-out";

/// Settings that do not change.
#[derive(Clone)]
pub struct WebSettings {
    /// Name of the organization, for pages other than the status page.
    pub name: String,
    /// Public URL, without a trailing slash.
    pub url: String,
    /// Key that signs sessions, forms, sign-in links and links in notifications.
    pub key: Key,
    /// Token of programs, sent as `Authorization: Bearer`. Empty: no program is let in.
    pub api_token: SecretString,
    /// Data folder; the snapshot of the status page is its subfolder `status_page/`.
    pub data: PathBuf,
}

impl fmt::Debug for WebSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, url, data, .. } = self;
        f.debug_struct("WebSettings")
            .field("name", name)
            .field("url", url)
            .field("data", data)
            .finish_non_exhaustive()
    }
}

/// State of the status page, the console and the API.
#[derive(Debug)]
pub struct WebState {
    settings: WebSettings,
    commands: mpsc::Sender<CommandRequest>,
    sessions: Sessions,
    cache: RenderedCache,
    edge: Arc<dyn Edge>,
    samples: Reader,
    /// Subscriptions, if there may be any.
    subscriptions: Option<Arc<dyn Subscriptions>>,
    /// Latencies on the status page.
    latencies: ArcSwap<PublicLatencies>,
    /// Token of programs that only read. Empty: no program is let in by it.
    read_token: SecretString,
    /// Whether this process runs only the edge.
    only_edge: bool,
    /// Sources that may report changes.
    sources: Sources,
    alert_sources: AlertSources,
    pings: PingTargets,
    phones: Phones,
    views: ArcSwapOption<Views>,
    traffic: ArcSwapOption<Traffic>,
    assets: Vec<(String, Arc<Document>)>,
    started: Instant,
    started_at: Time,
    /// Milliseconds from `started` to the last heartbeat, plus one; 0 before the first.
    heartbeat: AtomicU64,
    /// Sequence number of the last event that the event loop decided, and of the last one in the published views.
    decided: AtomicU64,
    shown: watch::Sender<u64>,
    /// Serializes [`WebState::publish`]. No request takes it.
    publishing: Mutex<()>,
    /// Notified by a request that waits for views.
    render_requests: Notify,
}

/// Documents that were rendered, and those that were served until then.
struct Rendered {
    before: Arc<Documents>,
    documents: Arc<Documents>,
}

impl WebState {
    /// Creates a state without views: it serves the snapshot after [`WebState::load_snapshot`], and 503 before.
    ///
    /// Commands of people are sent to `commands`.
    #[must_use]
    pub fn new(settings: WebSettings, commands: mpsc::Sender<CommandRequest>) -> Self {
        let assets = assets::documents();
        let cache = RenderedCache::default();
        cache.replace(Arc::new(assets.iter().cloned().collect()));
        let sessions = Sessions::new(settings.key.clone(), now());
        Self {
            sessions: sessions.with_file(settings.data.join(SIGNED_OUT), now()),
            settings,
            commands,
            cache,
            edge: Arc::new(NoEdge),
            samples: Reader::new(None),
            subscriptions: None,
            latencies: ArcSwap::default(),
            read_token: SecretString::default(),
            only_edge: false,
            sources: Sources::default(),
            alert_sources: AlertSources::default(),
            pings: PingTargets::default(),
            phones: Phones::default(),
            views: ArcSwapOption::empty(),
            traffic: ArcSwapOption::empty(),
            assets,
            started: Instant::now(),
            started_at: now(),
            heartbeat: AtomicU64::new(0),
            decided: AtomicU64::new(0),
            shown: watch::Sender::new(0),
            publishing: Mutex::new(()),
            render_requests: Notify::new(),
        }
    }

    /// Adds the edge, which provides traces and metrics.
    #[must_use]
    pub fn with_edge(self, edge: Arc<dyn Edge>) -> Self {
        Self { edge, ..self }
    }

    /// Adds the stored samples.
    #[must_use]
    pub fn with_samples(self, samples: Option<Arc<dyn Samples>>) -> Self {
        Self { samples: Reader::new(samples), ..self }
    }

    /// Adds subscriptions.
    #[must_use]
    pub fn with_subscriptions(self, subscriptions: Option<Arc<dyn Subscriptions>>) -> Self {
        Self { subscriptions, ..self }
    }

    /// Adds a read-only token: for scrapers and dashboards, which must not acknowledge or deny.
    #[must_use]
    pub fn with_read_token(self, read_token: SecretString) -> Self {
        Self { read_token, ..self }
    }

    /// Replaces the sources that may report changes: at the start, and when the configuration or a secret changed.
    pub fn set_sources(&self, sources: Vec<ChangeSource>) {
        self.sources.replace(sources);
    }

    /// Replaces the sources that hand their alerts in: at the start, and when the configuration or a secret changed.
    pub fn set_alert_sources(&self, sources: Vec<AlertSource>) {
        self.alert_sources.replace(sources);
    }

    /// Replaces the jobs that may report: at the start, and when the configuration or a secret changed.
    pub fn set_pings(&self, targets: Vec<PingTarget>) {
        self.pings.replace(targets);
    }

    /// Replaces the phone channels: at the start, and when the configuration or a secret changed.
    pub fn set_phones(&self, channels: Vec<PhoneChannel>) {
        self.phones.replace(channels);
    }

    /// Creates the state of a process that runs only the edge: traces and metrics. Everything else is 503, because a
    /// status page that is never updated would be wrong.
    #[must_use]
    pub fn only_edge(settings: WebSettings, edge: Arc<dyn Edge>) -> Self {
        let (commands, _) = mpsc::channel(1);
        Self { only_edge: true, ..Self::new(settings, commands).with_edge(edge) }
    }

    /// Renders and compresses what changed, serves it from now on, and updates the snapshot on disk. Blocks for as
    /// long as that takes: call it on a thread that may wait.
    pub fn publish(&self, views: Arc<Views>) {
        let _one = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        // The documents depend on the status page alone, and most views differ only in what the console shows.
        if self.views.load().as_ref().is_some_and(|shown| shown.status_page == views.status_page) {
            return self.swap_views(views);
        }
        let Some(rendered) = self.render(&views.status_page) else { return };
        // Before the first views the snapshot may not be loaded: the folder itself tells which files must be written.
        let first = self.views.load().is_none();
        self.swap_views(views);
        if first {
            self.write_snapshot(&snapshot::read(&self.snapshot_folder()).unwrap_or_default(), &rendered);
        } else {
            self.write_snapshot(&rendered.before, &rendered);
        }
    }

    /// Reads the latencies of the status page, and renders it again when they have changed. Blocks like
    /// [`WebState::publish`], and for the disk.
    pub fn refresh_latencies(&self) {
        let (Some(samples), Some(views)) = (self.samples.samples(), self.views()) else { return };
        let read = match PublicLatencies::read(&**samples, &views, now()) {
            Ok(read) => read,
            Err(error) => {
                return tracing::warn!(%error, "response times cannot be read; the status page keeps the last ones");
            }
        };
        if *self.latencies.load_full() == read {
            return;
        }
        self.latencies.store(Arc::new(read));
        let _one = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rendered) = self.views().and_then(|views| self.render(&views.status_page)) {
            self.write_snapshot(&rendered.before, &rendered);
        }
    }

    /// Renders the documents, and serves them from now on. `None` when that failed.
    fn render(&self, status_page: &StatusPage) -> Option<Rendered> {
        let before: Arc<Documents> = Arc::clone(&self.cache.documents());
        let documents = status_page::documents(status_page, &self.latencies.load(), &before);
        let mut documents = documents
            .inspect_err(|error| {
                tracing::error!(%error, "the status page could not be rendered; the last version is still served");
            })
            .ok()?;
        documents.extend(self.assets.iter().cloned());
        let documents = Arc::new(documents);
        self.cache.replace(Arc::clone(&documents));
        Some(Rendered { before, documents })
    }

    fn write_snapshot(&self, on_disk: &Documents, rendered: &Rendered) {
        if let Err(error) = snapshot::write(&self.snapshot_folder(), on_disk, &rendered.documents) {
            tracing::warn!(%error, "the snapshot of the status page could not be written; it is served from memory");
        }
    }

    fn swap_views(&self, views: Arc<Views>) {
        // Traffic that was shown in the meantime may be newer than that of these views.
        let newer =
            |shown: &Arc<Traffic>| views.traffic.as_ref().is_some_and(|traffic| shown.at > traffic.at);
        if !self.traffic.load().as_ref().is_some_and(newer) {
            self.show_traffic(views.traffic.clone().map(Arc::new));
        }
        let seq = views.seq;
        self.views.store(Some(views));
        self.shown.send_replace(seq);
    }

    /// Returns when the first views of this process are served.
    pub async fn first_published(&self) {
        // Every event has a number from 1 on, and the first views include that of the start.
        let _ = self.shown.subscribe().wait_for(|seq| *seq > 0).await;
    }

    /// Returns when a request waits for views that include its events.
    pub async fn render_requested(&self) {
        self.render_requests.notified().await;
    }

    /// Publishes the traffic alone. Cheap enough for every second.
    pub fn show_traffic(&self, traffic: Option<Arc<Traffic>>) {
        self.traffic.store(traffic);
    }

    /// Serves the snapshot on disk until the first views. Returns the number of its documents.
    pub fn load_snapshot(&self) -> usize {
        let mut documents = snapshot::read(&self.snapshot_folder()).unwrap_or_else(|error| {
            tracing::warn!(%error, "the snapshot of the status page could not be read; the page is empty until every probe has a result");
            Documents::new()
        });
        let found = documents.len();
        if found > 0 && self.views.load().is_none() {
            documents.extend(self.assets.iter().cloned());
            self.cache.replace(Arc::new(documents));
        }
        found
    }

    /// Returns a link that opens the console once, within the next hour.
    #[must_use]
    pub fn login_link(&self) -> String {
        format!("{}/console/login?token={}", self.settings.url, self.sessions.new_link(now()))
    }

    /// The text of a signed link: 410 when it has expired, 403 when it is not one of ours for this purpose.
    pub(crate) fn verified(&self, purpose: &str, token: &str, hint: &'static str) -> Result<String, Problem> {
        self.settings.key.verify(purpose, token, now()).map_err(|error| {
            let expired = matches!(error, TokenError::Expired(_));
            let status = if expired { StatusCode::GONE } else { StatusCode::FORBIDDEN };
            Problem::new(status, error.to_string(), hint)
        })
    }

    /// Records a heartbeat of the event loop. When the next one is overdue, `/api/v1/health` responds 503.
    pub fn heartbeat(&self) {
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.heartbeat.store(millis + 1, Ordering::Relaxed);
    }

    /// Records that the event loop decided everything up to this event. Call it before the results of its commands are
    /// sent.
    pub fn decided(&self, seq: u64) {
        self.decided.store(seq, Ordering::Release);
    }

    /// Returns the age of the last heartbeat; `None` before the first.
    #[must_use]
    pub fn heartbeat_age(&self) -> Option<Duration> {
        let millis = self.heartbeat.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.started.elapsed().saturating_sub(Duration::from_millis(millis)))
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &WebSettings {
        &self.settings
    }

    /// Name of the organization.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The rendered documents.
    #[must_use]
    pub fn cache(&self) -> &RenderedCache {
        &self.cache
    }

    /// The newest views; `None` before the first.
    #[must_use]
    pub fn views(&self) -> Option<Arc<Views>> {
        self.views.load_full()
    }

    /// The newest traffic; `None` without an edge, or before its first roll-up.
    #[must_use]
    pub fn traffic(&self) -> Option<Arc<Traffic>> {
        self.traffic.load_full()
    }

    pub(crate) fn samples(&self) -> &Reader {
        &self.samples
    }

    /// The edge.
    #[must_use]
    pub fn edge(&self) -> &dyn Edge {
        &*self.edge
    }

    /// Returns the trace with this id, as a person typed it.
    pub(crate) fn trace(&self, id: &str) -> Result<Trace, Problem> {
        self.edge.trace(&params::trace_id(id)?).ok_or_else(|| {
            let hint = "The edge keeps refused, failed and slow requests, and a sample of the others, for a limited time.";
            Problem::new(StatusCode::NOT_FOUND, "The edge has no request with this id.", hint)
        })
    }

    /// Returns the summary of an incident, or a sentence with its number.
    pub(crate) fn incident_summary(&self, incident: IncidentId) -> String {
        let views = self.views();
        let summary = views.as_ref().and_then(|views| {
            let open = views.now.open.iter().map(|open| &open.incident);
            open.chain(&views.now.past)
                .find(|known| known.id == incident)
                .map(|known| known.diagnosis.summary.clone())
        });
        summary.unwrap_or_else(|| format!("This is about {incident}."))
    }

    /// The newest views, or 503 before the first.
    pub(crate) fn views_or_problem(&self) -> Result<Arc<Views>, Problem> {
        self.views().ok_or_else(|| {
            let detail = "no probe results yet";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail, "Try again in a few seconds.")
        })
    }

    pub(crate) fn subscriptions(&self) -> Option<&Arc<dyn Subscriptions>> {
        self.subscriptions.as_ref()
    }

    pub(crate) fn pings(&self) -> &PingTargets {
        &self.pings
    }

    pub(crate) fn phones(&self) -> &Phones {
        &self.phones
    }

    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    pub(crate) fn alert_sources(&self) -> &AlertSources {
        &self.alert_sources
    }

    /// When this process started.
    pub(crate) fn started_at(&self) -> Time {
        self.started_at
    }

    pub(crate) fn read_token(&self) -> &SecretString {
        &self.read_token
    }

    /// Whether this process runs only the edge.
    pub(crate) fn is_only_edge(&self) -> bool {
        self.only_edge
    }

    fn snapshot_folder(&self) -> PathBuf {
        self.settings.data.join("status_page")
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Sends a command whose effect nobody waits to see.
    pub(crate) async fn send_unseen(&self, actor: Actor, command: Command) -> CommandResult {
        command::send(&self.commands, actor, command).await
    }

    /// Sends a command to the event loop. After an `Ok` the next page that the person loads includes its events.
    pub(crate) async fn send(&self, actor: Actor, command: Command) -> CommandResult {
        let result = self.send_unseen(actor, command).await;
        if result.is_ok() {
            self.render_requests.notify_one();
            let decided = self.decided.load(Ordering::Acquire);
            let _ = timeout(RENDER_WAIT, self.shown.subscribe().wait_for(|shown| *shown >= decided)).await;
        }
        result
    }
}
