//! `Site`: where the mind puts its views, and where requests find them.

use crate::ask::{Answer, Ask, ask};
use crate::console::door::Door;
use crate::edge::{Edge, NoEdge};
use crate::look::assets;
use crate::shelf::{Document, Documents, Shelf};
use crate::{ack, api, console, keep, metrics, problem, status_page, traffic};
use arc_swap::ArcSwapOption;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::map_response;
use engine::views::{Traffic, Views};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokens::Key;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;
use types::{Input, Time};

/// Largest body of any request, in bytes.
pub const BODY_MAX: usize = 64 << 10;

/// Older than this, the mind's last beat means that the mind is not well.
pub const BEAT_MAX: Duration = Duration::from_secs(60);

/// How long an answer waits for the pages that show its effect. They are made in milliseconds; a huge configuration may need longer.
const SHOWN_WITHIN: Duration = Duration::from_secs(2);

/// The file of the data folder that remembers who signed out.
const SIGNED_OUT: &str = "signed-out";

/// What a site is told once.
#[derive(Clone)]
pub struct SiteSettings {
    /// The company's name: stands on pages that are not the status page's.
    pub name: String,
    /// Where people find it, without a trailing slash.
    pub url: String,
    /// Signs sessions, forms and sign-in links; opens the links in pages to people.
    pub key: Key,
    /// What machines show as `Authorization: Bearer`. Empty: no machine is let in.
    pub api_token: String,
    /// Folder of this installation; the status page's copy goes into `status_page/` in it.
    pub data: PathBuf,
}

impl fmt::Debug for SiteSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, url, data, .. } = self;
        f.debug_struct("SiteSettings")
            .field("name", name)
            .field("url", url)
            .field("data", data)
            .finish_non_exhaustive()
    }
}

/// The status page, the console and the API.
#[derive(Debug)]
pub struct Site {
    settings: SiteSettings,
    asks: mpsc::Sender<Ask>,
    door: Door,
    shelf: Shelf,
    edge: Arc<dyn Edge>,
    /// What scrapers show. Empty: nobody is let in by it.
    read_token: String,
    /// Whether nothing but that edge runs here.
    only_edge: bool,
    views: ArcSwapOption<Views>,
    traffic: ArcSwapOption<Traffic>,
    assets: Vec<(String, Arc<Document>)>,
    started: Instant,
    /// Milliseconds after `started` of the mind's last beat, and one more; 0 before the first.
    beat: AtomicU64,
    /// Number of the last event that the mind decided, and of the last one that is shown.
    decided: AtomicU64,
    shown: watch::Sender<u64>,
    /// One publishing at a time. No request ever takes it.
    publishing: Mutex<()>,
    /// Requests that wait for pages that show their effect.
    render_requests: Notify,
}

impl Site {
    /// A site without views: it serves the copy on disk after [`Site::load_last`], and says that it is not ready before.
    ///
    /// Wishes of people go to `asks`.
    #[must_use]
    pub fn new(settings: SiteSettings, asks: mpsc::Sender<Ask>) -> Self {
        let assets = assets::documents();
        let shelf = Shelf::default();
        shelf.replace(Arc::new(assets.iter().cloned().collect()));
        Self {
            door: Door::new(settings.key.clone(), now()).remembering(settings.data.join(SIGNED_OUT), now()),
            settings,
            asks,
            shelf,
            edge: Arc::new(NoEdge),
            read_token: String::new(),
            only_edge: false,
            views: ArcSwapOption::empty(),
            traffic: ArcSwapOption::empty(),
            assets,
            started: Instant::now(),
            beat: AtomicU64::new(0),
            decided: AtomicU64::new(0),
            shown: watch::Sender::new(0),
            publishing: Mutex::new(()),
            render_requests: Notify::new(),
        }
    }

    /// The same site beside an edge, which it asks for traces and measures.
    #[must_use]
    pub fn beside(self, edge: Arc<dyn Edge>) -> Self {
        Self { edge, ..self }
    }

    /// The same site with a token that only reads: for scrapers and dashboards, which must not acknowledge or deny.
    #[must_use]
    pub fn read_with(self, read_token: String) -> Self {
        Self { read_token, ..self }
    }

    /// What there is to ask of an edge that serves alone: traces and measures. Everything else is answered with the word that
    /// it does not run here; a status page that nobody keeps up to date is worse than none.
    #[must_use]
    pub fn of_edge_alone(settings: SiteSettings, edge: Arc<dyn Edge>) -> Self {
        let (nobody_listens, _) = mpsc::channel(1);
        Self { only_edge: true, ..Self::new(settings, nobody_listens).beside(edge) }
    }

    /// Renders and compresses what changed, swaps it in for every request from now on, and brings the copy on disk up to
    /// date. Blocks for as long as that takes: call it where waiting harms nobody.
    pub fn publish(&self, views: Arc<Views>) {
        let _one_at_a_time = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        // The documents follow from the status page alone: most views of a quiet day differ in what only the team sees.
        if self.views.load().as_ref().is_some_and(|shown| shown.status_page == views.status_page) {
            return self.swap_views(views);
        }
        let before: Arc<Documents> = Arc::clone(&self.shelf.now());
        let mut documents = match status_page::documents(&views.status_page, &before) {
            Ok(documents) => documents,
            Err(error) => {
                return tracing::error!(%error, "the status page could not be rendered; it keeps its last words");
            }
        };
        documents.extend(self.assets.iter().cloned());
        let documents = Arc::new(documents);
        self.shelf.replace(Arc::clone(&documents));
        // The first views may follow a copy that nobody read: what is on disk tells what must be written.
        let first = self.views.load().is_none();
        self.swap_views(views);
        let folder = self.status_page_folder();
        let on_disk = if first { Arc::new(keep::read(&folder).unwrap_or_default()) } else { before };
        if let Err(error) = keep::write(&folder, &on_disk, &documents) {
            tracing::warn!(%error, "the status page's copy on disk is not up to date; the status page is served from memory");
        }
    }

    fn swap_views(&self, views: Arc<Views>) {
        // What came in between for the edge alone is newer than these views.
        let newer =
            |shown: &Arc<Traffic>| views.traffic.as_ref().is_some_and(|traffic| shown.at > traffic.at);
        if !self.traffic.load().as_ref().is_some_and(newer) {
            self.show_traffic(views.traffic.clone().map(Arc::new));
        }
        let seq = views.seq;
        self.views.store(Some(views));
        self.shown.send_replace(seq);
    }

    /// Returns when a request waits for pages that show its effect.
    pub async fn render_requested(&self) {
        self.render_requests.notified().await;
    }

    /// Shows how the edge does now, without making anything else anew. Cheap enough for every second.
    pub fn show_traffic(&self, traffic: Option<Arc<Traffic>>) {
        self.traffic.store(traffic);
    }

    /// Serves the copy on disk until the first views come. Returns how many documents were found.
    pub fn load_last(&self) -> usize {
        let mut documents = keep::read(&self.status_page_folder()).unwrap_or_else(|error| {
            tracing::warn!(%error, "the status page's copy on disk cannot be read; the status page is empty until all was looked at");
            Documents::new()
        });
        let found = documents.len();
        if found > 0 && self.views.load().is_none() {
            documents.extend(self.assets.iter().cloned());
            self.shelf.replace(Arc::new(documents));
        }
        found
    }

    /// A link that opens the console once, within the next hour.
    #[must_use]
    pub fn login_link(&self) -> String {
        format!("{}/console/login?token={}", self.settings.url, self.door.new_link(now()))
    }

    /// The mind turns. Until the next beat is overdue, `/api/v1/health` says so.
    pub fn beat(&self) {
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.beat.store(millis + 1, Ordering::Relaxed);
    }

    /// The mind decided everything up to this event, and views of it are on their way. Said before anybody is answered.
    pub fn decided(&self, seq: u64) {
        self.decided.store(seq, Ordering::Release);
    }

    /// How long ago the mind last beat; `None` before the first beat.
    #[must_use]
    pub fn last_beat(&self) -> Option<Duration> {
        let millis = self.beat.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.started.elapsed().saturating_sub(Duration::from_millis(millis)))
    }

    /// Everything that the site answers, as a router. [`crate::serve()`] is faster for the status page.
    pub fn router(self: Arc<Self>) -> Router {
        let routes = Router::new().merge(traffic::remembered()).merge(metrics::routes());
        let routes = if self.only_edge {
            routes.fallback(problem::only_edge)
        } else {
            routes
                .merge(console::routes())
                .merge(ack::routes())
                .merge(api::routes())
                .merge(traffic::routes())
                .fallback(problem::anything_else)
        };
        routes
            .method_not_allowed_fallback(problem::wrong_method)
            .layer(DefaultBodyLimit::max(BODY_MAX))
            .layer(map_response(problem::with_safe_headers))
            .with_state(self)
    }

    /// What it was told.
    #[must_use]
    pub fn settings(&self) -> &SiteSettings {
        &self.settings
    }

    /// The finished documents.
    #[must_use]
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// The newest views; `None` before the first.
    #[must_use]
    pub fn views(&self) -> Option<Arc<Views>> {
        self.views.load_full()
    }

    /// How the edge does; `None` while the configuration has none, or nothing is known yet.
    #[must_use]
    pub fn traffic(&self) -> Option<Arc<Traffic>> {
        self.traffic.load_full()
    }

    /// The edge that it stands beside.
    #[must_use]
    pub fn edge(&self) -> &dyn Edge {
        &*self.edge
    }

    pub(crate) fn read_token(&self) -> &str {
        &self.read_token
    }

    /// Whether nothing but the edge runs here.
    pub(crate) fn is_only_edge(&self) -> bool {
        self.only_edge
    }

    fn status_page_folder(&self) -> PathBuf {
        self.settings.data.join("status_page")
    }

    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    /// Hands a wish to the mind. Whoever is answered "done" finds it done on the next page they load.
    pub(crate) async fn ask(&self, input: Input) -> Answer {
        let answer = ask(&self.asks, input).await;
        if answer.is_ok() {
            self.render_requests.notify_one();
            let decided = self.decided.load(Ordering::Acquire);
            let _ = timeout(SHOWN_WITHIN, self.shown.subscribe().wait_for(|shown| *shown >= decided)).await;
        }
        answer
    }
}

static CLOCK: std::sync::OnceLock<fn() -> Time> = std::sync::OnceLock::new();

/// Sets the clock by which this crate goes, once, before the first site: a wall clock that jumps must end no link or session.
pub fn go_by(clock: fn() -> Time) {
    let _ = CLOCK.set(clock);
}

/// The one place of this crate that looks at a clock: links and sessions end at instants.
#[must_use]
pub fn now() -> Time {
    CLOCK.get().map_or_else(Time::now, |clock| clock())
}
