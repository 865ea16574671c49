//! Composition: starts every part of the process and connects them. Decides nothing.
//!
//! ```text
//! prober --probe results--> event loop --probe targets--> prober
//! notify --deliveries-----> event loop --notifications--> notify
//! web    --commands-------> event loop --views----------> web
//! edge   --roll-ups-------> event loop --policy---------> edge
//! stored samples --effects--> event loop --notes and changes to judge--> effects
//! stored samples --likely causes--> event loop --incidents about slowness--> causes
//! stored samples --peaks--> event loop --pools and databases--> headroom
//! subscribers --updates--> SMTP server, webhooks <--views-- event loop; web --requests--> subscribers
//! stored samples --medians--> event loop --series with a limit--> levels
//! configuration on disk --configs--> event loop, notify
//! web --traces, metrics?--> edge
//! ```

use crate::app::control::{self, Control};
use crate::app::edge_controller::EdgeController;
use crate::app::event_loop::EventLoop;
use crate::app::heartbeat::Heartbeat;
use crate::app::inputs::{Inputs, MeasuredTasks, Messages, Outputs};
use crate::app::keys::Keys;
use crate::app::reload::{self, Changes};
use crate::app::sources::Reporters;
use crate::app::stored_samples::{self, StoredSamples};
use crate::app::subscribers::{Setting, Subscriptions};
use crate::app::throttle::Throttle;
use crate::app::{address_file, auditing, clock, dead_mans_switch, measuring, watchdog};
use edge::Sharing;
use journal::sqlite::SqliteJournal;
use journal::{PendingWrites, Series};
use notify::Notifier;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use types::{Config, Observation, ProbeTargets, Time};
use web::{WebSettings, WebState};

/// Longest time that one part may take to finish its work at the end.
const DRAIN: Duration = Duration::from_secs(10);

/// Roll-ups that may wait for a busy event loop; more would be outdated by then.
const ROLLUPS_MAX: usize = 4;

/// Interval at which the system's resolver files are checked for lines that are ignored.
const RESOLVER_FILES_EVERY: Duration = Duration::from_secs(30);

/// A running mainstay.
pub(crate) struct App {
    /// Address of status page, console and API.
    pub address: SocketAddr,
    /// Public address of the status page.
    pub url: String,
    site: Arc<WebState>,
    control: Option<Control>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    event_loop: Option<std::thread::JoinHandle<()>>,
    edge: Arc<EdgeController>,
    data: PathBuf,
}

/// Why the process cannot start: which part, and the reason.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub(crate) struct StartError {
    what: String,
    why: String,
    is_taken: bool,
}

impl StartError {
    /// Whether the edge alone could start.
    pub(crate) fn spares_the_edge(&self) -> bool {
        self.what != EDGE
    }

    /// Whether another process listens on an address of the edge.
    pub(crate) fn is_taken(&self) -> bool {
        self.is_taken
    }
}

/// Treatment of acknowledged events that are missing in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Names them and does not start.
    Refused,
    /// Starts without them.
    Accepted,
}

/// The part that an error names when the edge does not start.
const EDGE: &str = "edge";

fn cannot<E: std::fmt::Display>(what: impl Into<String>) -> impl FnOnce(E) -> StartError {
    let what = what.into();
    move |why| StartError { what, why: why.to_string(), is_taken: false }
}

impl App {
    /// Starts everything. Requests to the status page's port are answered as soon as it is open.
    ///
    /// # Errors
    /// When a port is taken, the data folder belongs to another user, a secret is missing, or the journal is damaged.
    pub(crate) async fn start(
        config: Config,
        config_path: PathBuf,
        sharing: Sharing,
        loss: Loss,
    ) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let data = config.site.data.clone();
        let keys = Keys::open(&data).map_err(cannot("secrets of this installation"))?;
        let (writes, series) = open_storage(&data, loss)?;
        let notifier = open_notifier(&config, &keys)?;
        check_probes(&config)?;
        let (listener, address) = listen(config.site.listen).await?;
        let (stop, stopped) = watch::channel(false);
        let changes = Changes::of(config_path, &config, stopped.clone()).map_err(cannot("signals"))?;
        let (commands_in, commands) = mpsc::channel(256);
        let (probe_results_in, probe_results) = mpsc::channel(4_096);
        let (deliveries_in, deliveries) = mpsc::channel(1_024);
        let (notifications, notifications_out) = mpsc::channel(1_024);
        let (rollups_in, rollups) = mpsc::channel(ROLLUPS_MAX);
        let (configs_in, configs) = mpsc::channel(4);
        let (config_problem_in, config_problem) = watch::channel(None);
        let (targets, targets_out) =
            watch::channel(ProbeTargets { config: config.clone(), sooner: BTreeMap::new() });
        let terms = prober_options(&keys, targets_out.clone());
        let (unused_lines_in, unused_lines) = watch::channel(Vec::new());
        let (views, views_out) = watch::channel(None);
        let (notifiers_in, notifiers) = watch::channel(notifier);
        let heartbeat = Heartbeat::default();
        let (to_measure, mut tasks, measured) = start_measuring(series.clone(), views_out.clone(), &stopped);
        let event_loop = EventLoop::restore(config.clone(), writes, series.clone(), heartbeat.clone())
            .map_err(cannot("journal"))?;
        let (policy, policies) = watch::channel(event_loop.policy());
        let edge = open_edge(&event_loop, &keys, &data, sharing)?;
        let (setting, people) = open_subscribers(&config, &keys, &views_out, &stopped, &mut tasks)?;
        let site = open_site(&config, &keys, edge.clone(), series, people, commands_in)?;
        let inputs = Inputs {
            messages: Messages { deliveries, commands, configs, measured, rollups, probe_results },
            config_problem,
            edge_problem: edge.problem(),
            unused_lines,
            lag: terms.lag.clone(),
            stop: stopped.clone(),
        };
        let outputs = Outputs { notifications, targets, to_measure, policy, views, site: site.clone() };
        let event_loop = spawn_event_loop(event_loop, inputs, outputs)?;
        let subscribers = reload::Subscribers {
            configs: configs_in,
            notifiers: notifiers_in,
            problem: config_problem_in,
            edge: edge.clone(),
            site: site.clone(),
            setting,
        };
        tasks.extend(monitor_event_loop(&heartbeat, &targets_out, &notifiers, &stopped));
        tasks.extend([
            tokio::spawn(probe(targets_out.clone(), probe_results_in, terms, stopped.clone())),
            tokio::spawn(check_resolver_files(targets_out, unused_lines_in, stopped.clone())),
            tokio::spawn(notify::run(notifiers.clone(), notifications_out, deliveries_in)),
            tokio::spawn(edge.clone().run(policies, rollups_in, stopped.clone())),
            tokio::spawn(show(site.clone(), views_out, stopped.clone())),
            tokio::spawn(serve(listener, site.clone(), stopped.clone())),
            tokio::spawn(reload::follow(changes, config.clone(), keys.key, subscribers)),
        ]);
        let control = control::serve(&data, &site, &stopped, &mut tasks);
        // Written last: requests are answered as soon as the file exists.
        address_file::write(&data, address).map_err(cannot("data folder"))?;
        let url = config.site.url.clone();
        Ok(Self { address, url, site, control, stop, tasks, event_loop: Some(event_loop), edge, data })
    }

    /// A link that signs one person in to the console, once.
    pub(crate) fn login_link(&self) -> String {
        self.site.login_link()
    }

    /// Addresses of the edge; whether each is for TLS.
    pub(crate) fn edge_addresses(&self) -> Vec<(SocketAddr, bool)> {
        self.edge.listening()
    }

    /// Drains and ends: the event loop first, so that every decision is still published.
    pub(crate) async fn stop(mut self) {
        address_file::remove(&self.data);
        self.control = None;
        self.stop.send_replace(true);
        let edge = self.edge.clone();
        let closing = tokio::task::spawn_blocking(move || edge.close(DRAIN));
        if let Some(event_loop) = self.event_loop.take() {
            let _ = tokio::time::timeout(DRAIN, tokio::task::spawn_blocking(move || event_loop.join())).await;
        }
        for task in self.tasks.drain(..) {
            let stop = task.abort_handle();
            if tokio::time::timeout(DRAIN, task).await.is_err() {
                stop.abort();
            }
        }
        let _ = closing.await;
    }
}

/// What notices a stalled event loop: the watchdog here, and a dead man's switch elsewhere.
fn monitor_event_loop(
    heartbeat: &Heartbeat,
    targets: &watch::Receiver<ProbeTargets>,
    notifiers: &watch::Receiver<Arc<Notifier>>,
    stop: &watch::Receiver<bool>,
) -> [JoinHandle<()>; 2] {
    let watchdog = watchdog::run(heartbeat.clone(), targets.clone(), notifiers.clone(), stop.clone());
    let switch = dead_mans_switch::run(heartbeat.clone(), notifiers.clone(), stop.clone());
    [tokio::spawn(watchdog), tokio::spawn(switch)]
}

/// Opens the journal, and the store of probe results, without which mainstay runs too.
fn open_storage(data: &Path, loss: Loss) -> Result<(PendingWrites, Option<Arc<Series>>), StartError> {
    let journal = match loss {
        Loss::Refused => SqliteJournal::open(data.join("journal.db")),
        Loss::Accepted => SqliteJournal::open_accepting_loss(data.join("journal.db")),
    };
    let series = Series::open(data.join("samples.db"), clock::now)
        .inspect_err(|why| tracing::error!("probe results will not be stored: {why}"))
        .ok()
        .map(Arc::new);
    Ok((PendingWrites::new(Box::new(journal.map_err(cannot("journal"))?)), series))
}

/// Starts the measurements by stored samples, and the audit: where their tasks go, and where their results come from.
fn start_measuring(
    series: Option<Arc<Series>>,
    views: watch::Receiver<Option<Arc<engine::Views>>>,
    stop: &watch::Receiver<bool>,
) -> (MeasuredTasks, Vec<JoinHandle<()>>, mpsc::Receiver<Observation>) {
    let (results_in, results) = mpsc::channel(64);
    let (effects, of_effects) = watch::channel(Vec::new());
    let (causes, of_causes) = watch::channel(Vec::new());
    let (headroom, of_headroom) = watch::channel(Vec::new());
    let (levels, of_levels) = watch::channel(Vec::new());
    let tasks = vec![
        tokio::spawn(measuring::run(series.clone(), of_effects, results_in.clone(), stop.clone())),
        tokio::spawn(measuring::run(series.clone(), of_causes, results_in.clone(), stop.clone())),
        tokio::spawn(measuring::run(series.clone(), of_headroom, results_in.clone(), stop.clone())),
        tokio::spawn(measuring::run(series, of_levels, results_in.clone(), stop.clone())),
        tokio::spawn(auditing::run(views, results_in, stop.clone())),
    ];
    (MeasuredTasks { effects, causes, headroom, levels }, tasks, results)
}

fn open_notifier(config: &Config, keys: &Keys) -> Result<Arc<Notifier>, StartError> {
    let notifier = Notifier::new(config, keys.key.clone()).map_err(cannot("channels"))?;
    Ok(Arc::new(notifier.with_clock(clock::now)))
}

/// Builds a prober only to fail at the start with the reason; the task of the prober builds its own.
fn check_probes(config: &Config) -> Result<(), StartError> {
    prober::Prober::new(config).map(drop).map_err(cannot("probes"))
}

/// Where the settings of subscribers go, and the subscribers.
type OpenedSubscribers = (Option<watch::Sender<Arc<Setting>>>, Option<Arc<Subscriptions>>);

/// Opens the subscribers of the status page, if there may be any, and starts sending to them. Monitoring and paging go on without their
/// file.
fn open_subscribers(
    config: &Config,
    keys: &Keys,
    views: &watch::Receiver<Option<Arc<engine::Views>>>,
    stop: &watch::Receiver<bool>,
    tasks: &mut Vec<JoinHandle<()>>,
) -> Result<OpenedSubscribers, StartError> {
    let setting = Setting::read(config).map_err(cannot("subscribers"))?;
    let Some(setting) = setting else { return Ok((None, None)) };
    let (sender, setting) = watch::channel(Arc::new(setting));
    let opened = Subscriptions::open(&config.site.data, keys.key.clone(), setting)
        .inspect_err(|why| tracing::error!("subscribers get no updates until the next start: {why}"));
    let Ok(opened) = opened else { return Ok((None, None)) };
    tasks.extend(opened.start(views, stop));
    Ok((Some(sender), Some(opened)))
}

async fn listen(at: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listener = TcpListener::bind(at).await.map_err(cannot(format!("listening on {at}")))?;
    let address = listener.local_addr().map_err(cannot("listening"))?;
    Ok((listener, address))
}

/// Starts the edge with the denials of the folded journal, which are so in force from the first request on.
fn open_edge(
    event_loop: &EventLoop,
    keys: &Keys,
    data: &Path,
    sharing: Sharing,
) -> Result<Arc<EdgeController>, StartError> {
    EdgeController::open(&event_loop.policy(), keys.key.clone(), Some(data.to_owned()), sharing)
        .map(Arc::new)
        .map_err(|why| StartError { is_taken: why.is_taken(), ..cannot(EDGE)(why) })
}

fn prober_options(keys: &Keys, targets: watch::Receiver<ProbeTargets>) -> prober::Options {
    let token = Some(probe_token(keys, targets));
    prober::Options { clock: Arc::new(clock::now), token, ..prober::Options::default() }
}

/// Returns the source of tokens by which the own edge lets probes of its hosts through a valve.
fn probe_token(keys: &Keys, targets: watch::Receiver<ProbeTargets>) -> prober::ProbeToken {
    let tokens = edge::ProbeTokens::new(&keys.key, Time::now());
    Arc::new(move |host| {
        let config = targets.borrow().config.clone();
        let is_served = |service: &types::config::Service| {
            let is_host = |name: &String| name.split(':').next() == Some(host);
            service.traffic.is_some() && service.hosts.iter().any(is_host)
        };
        let is_own = config.edge.is_some() && config.services.values().any(is_served);
        is_own.then(|| tokens.token(host, Time::now()))
    })
}

/// Prepares status page, console and API. Until the first views they show the snapshot of the last run.
fn open_site(
    config: &Config,
    keys: &Keys,
    edge: Arc<EdgeController>,
    series: Option<Arc<Series>>,
    subscriptions: Option<Arc<Subscriptions>>,
    commands: mpsc::Sender<web::CommandRequest>,
) -> Result<Arc<WebState>, StartError> {
    web::clock::set(clock::now);
    let site = WebState::new(site_settings(config, keys), commands);
    let samples = series.map(|series| Arc::new(StoredSamples(series)) as Arc<dyn web::Samples>);
    let site = site.with_read_token(keys.read_token.clone()).with_edge(edge).with_samples(samples);
    let site = site.with_subscriptions(subscriptions.map(|opened| opened as Arc<dyn web::Subscriptions>));
    let site = Arc::new(site);
    Reporters::read(config).map_err(cannot("sources"))?.admit(&site);
    site.load_snapshot();
    Ok(site)
}

/// Settings of the web server, from configuration and secrets.
pub(crate) fn site_settings(config: &Config, keys: &Keys) -> WebSettings {
    WebSettings {
        name: config.site.name.clone(),
        url: config.site.url.clone(),
        key: keys.key.clone(),
        api_token: keys.api_token.clone(),
        data: config.site.data.clone(),
    }
}

/// Runs the event loop on a thread of its own: an append that waits for the disk must not delay a probe or a request.
fn spawn_event_loop(
    event_loop: EventLoop,
    inputs: Inputs,
    outputs: Outputs,
) -> Result<std::thread::JoinHandle<()>, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(cannot("starting the event loop"))?;
    std::thread::Builder::new()
        .name("event-loop".to_owned())
        .spawn(move || runtime.block_on(event_loop.run(inputs, outputs)))
        .map_err(cannot("starting the event loop"))
}

/// Shows the newest views, and keeps the response times of the status page up to date.
async fn show(
    site: Arc<WebState>,
    views: watch::Receiver<Option<Arc<engine::Views>>>,
    stop: watch::Receiver<bool>,
) {
    let refresh = stored_samples::refresh(site.clone(), stop);
    tokio::join!(render(site, views), refresh);
}

/// Renders the newest views and skips those in between. Expensive rendering is throttled, except while a request waits
/// for the result.
async fn render(site: Arc<WebState>, mut views: watch::Receiver<Option<Arc<engine::Views>>>) {
    let mut throttle = Throttle::default();
    while views.changed().await.is_ok() {
        tokio::select! {
            () = tokio::time::sleep(throttle.pause()) => {}
            () = site.render_requested() => {}
        }
        let newest = views.borrow_and_update().clone();
        if let Some(newest) = newest {
            let (site, begun) = (site.clone(), Instant::now());
            let _ = tokio::task::spawn_blocking(move || site.publish(newest)).await;
            throttle.record(begun.elapsed());
        }
    }
}

async fn probe(
    targets: watch::Receiver<ProbeTargets>,
    results: mpsc::Sender<types::ProbeResult>,
    terms: prober::Options,
    mut stop: watch::Receiver<bool>,
) {
    let stopped = async move { _ = stop.wait_for(|stop| *stop).await };
    if let Err(why) = prober::run(targets, results, terms, stopped).await {
        tracing::error!("probes no longer run: {why}");
    }
}

/// Publishes which lines of the system's resolver files are ignored, while the configuration declares no resolvers and
/// therefore uses the files.
async fn check_resolver_files(
    targets: watch::Receiver<ProbeTargets>,
    unused: watch::Sender<Vec<String>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut ticks = tokio::time::interval(RESOLVER_FILES_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = ticks.tick() => {}
        }
        let needed = targets.borrow().config.dns.resolvers.is_empty();
        let lines = if needed {
            tokio::task::spawn_blocking(prober::names::unused_lines).await.unwrap_or_default()
        } else {
            Vec::new()
        };
        unused.send_if_modified(|known| {
            let is_new = *known != lines;
            *known = lines;
            is_new
        });
    }
}

async fn serve(listener: TcpListener, site: Arc<WebState>, stop: watch::Receiver<bool>) {
    if let Err(why) = web::serve(listener, site, stop).await {
        tracing::error!("the status page is no longer served: {why}");
    }
}
