//! Wiring: which organ is fed by which, and nothing else.
//!
//! ```text
//! prober --samples--> mind --rounds--> prober          courier --outcomes--> mind --effects--> courier
//! site   --asks-----> mind --views---> site            configuration on disk --plans--> mind, courier
//! edge   --roll-ups-> mind --policy--> edge            site   --traces, metrics?--> edge
//! ```

use crate::clock;
use crate::control::Control;
use crate::gate::Gate;
use crate::keys::Keys;
use crate::last_bell;
use crate::mind::{Ears, EventLoop, Mouth, Pulse};
use crate::reload::{self, Changes};
use crate::throttle::Throttle;
use edge::Sharing;
use journal::sqlite::SqliteJournal;
use journal::{Notebook, Series};
use notify::Notifier;
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use types::{Config, ProbeTargets};
use web::{WebSettings, WebState};

/// The file in the data folder that says where a running mainstay listens.
pub(crate) const ADDRESS_FILE: &str = "address";

/// How long each organ may take to finish what it began.
const DRAIN: Duration = Duration::from_secs(10);

/// Roll-ups that may wait for a mind that is busy; more would be old by then.
const ROLLUPS_MAX: usize = 4;

/// How often the system's own files about names are read for what in them is not used.
const NAMES_EVERY: Duration = Duration::from_secs(30);

/// A running mainstay.
pub(crate) struct Organs {
    /// Where status page, console and API listen.
    pub address: SocketAddr,
    /// Where people find the status page.
    pub url: String,
    site: Arc<WebState>,
    /// How the command line reaches us.
    control: Option<Control>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    mind: Option<std::thread::JoinHandle<()>>,
    gate: Arc<Gate>,
    data: PathBuf,
}

/// Something that must be right before anything starts was not. Says what and where.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub(crate) struct StartError {
    what: String,
    why: String,
    is_taken: bool,
}

impl StartError {
    /// Whether an edge by itself could start all the same.
    pub(crate) fn spares_the_edge(&self) -> bool {
        self.what != EDGE
    }

    /// Whether another process listens on an address of the edge.
    pub(crate) fn is_taken(&self) -> bool {
        self.is_taken
    }
}

/// What to do when acknowledged events are missing in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Say which, and do not start.
    Refused,
    /// Go on without them.
    Accepted,
}

/// Opens the control socket. Without it commands reach nobody; probes, pages, status page and console go on all the same.
pub(crate) fn listen_for_commands(
    data: &Path,
    site: &Arc<WebState>,
    stop: &watch::Receiver<bool>,
    tasks: &mut Vec<JoinHandle<()>>,
) -> Option<Control> {
    let opened = Control::listen(data).inspect_err(|why| {
        tracing::error!("commands will not reach this process: {}: {why}", data.display());
    });
    let (control, listener) = opened.ok()?;
    let (site, stop) = (site.clone(), stop.clone());
    tasks.push(tokio::spawn(async move {
        if let Err(why) = web::serve_control(listener, site, stop).await {
            tracing::error!("commands are no longer answered: {why}");
        }
    }));
    Some(control)
}

/// What is said of an edge that does not start.
const EDGE: &str = "edge";

fn cannot<E: std::fmt::Display>(what: impl Into<String>) -> impl FnOnce(E) -> StartError {
    let what = what.into();
    move |why| StartError { what, why: why.to_string(), is_taken: false }
}

impl Organs {
    /// Starts everything. Whoever finds the status page's port open finds the status page on it.
    ///
    /// # Errors
    /// When a port is taken, the data folder is not ours, a secret is missing, or the journal is not whole.
    pub(crate) async fn start(
        config: Config,
        config_path: PathBuf,
        sharing: Sharing,
        loss: Loss,
    ) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let data = config.site.data.clone();
        let keys = Keys::open(&data).map_err(cannot("secrets of this installation"))?;
        let journal = match loss {
            Loss::Refused => SqliteJournal::open(data.join("journal.db")),
            Loss::Accepted => SqliteJournal::open_accepting_loss(data.join("journal.db")),
        };
        let journal = journal.map_err(cannot("journal"))?;
        let series = match Series::open(data.join("samples.db")) {
            Ok(series) => Some(series),
            Err(why) => {
                tracing::error!("samples will not be kept: {why}");
                None
            }
        };
        let notifier = Arc::new(
            Notifier::new(&config, keys.key.clone()).map_err(cannot("channels"))?.with_clock(clock::now),
        );
        // Tried here, so that a start fails with its reason; the rounds set up their own.
        prober::Prober::new(&config).map_err(cannot("probes"))?;
        let terms = prober::Terms { clock: Arc::new(clock::now), ..prober::Terms::default() };
        let lag = terms.lag.clone();
        let listener = TcpListener::bind(config.site.listen)
            .await
            .map_err(cannot(format!("listening on {}", config.site.listen)))?;
        let address = listener.local_addr().map_err(cannot("listening"))?;

        let (stop, stopped) = watch::channel(false);
        let stopped_too = stopped.clone();
        let changes = Changes::of(config_path, &config, stopped.clone()).map_err(cannot("signals"))?;
        let (asks_in, asks) = mpsc::channel(256);
        let (samples_in, samples) = mpsc::channel(4_096);
        let (outcomes_in, outcomes) = mpsc::channel(1_024);
        let (notifications, notifications_out) = mpsc::channel(1_024);
        let (rollups_in, rollups) = mpsc::channel(ROLLUPS_MAX);
        let (configs_in, configs) = mpsc::channel(4);
        let (config_trouble_in, config_trouble) = watch::channel(None);
        let (rounds, rounds_out) =
            watch::channel(ProbeTargets { config: config.clone(), sooner: BTreeMap::new() });
        let (unused_lines_in, unused_lines) = watch::channel(Vec::new());
        let rounds_too = rounds_out.clone();
        let (views, views_out) = watch::channel(None);
        let (couriers_in, couriers) = watch::channel(notifier);

        let settings = WebSettings {
            name: config.site.name.clone(),
            url: config.site.url.clone(),
            key: keys.key.clone(),
            api_token: keys.api_token.clone(),
            data: data.clone(),
        };
        let pulse = Pulse::default();
        let notebook = Notebook::new(Box::new(journal));
        let mind =
            EventLoop::wake_up(config.clone(), notebook, series, pulse.clone()).map_err(cannot("journal"))?;
        // The journal is folded by now: what was denied is refused from the first request on.
        let (policy, policies) = watch::channel(mind.policy());
        let gate = Gate::open(&mind.policy(), keys.key.clone(), Some(data.clone()), sharing)
            .map_err(|why| StartError { is_taken: why.is_taken(), ..cannot(EDGE)(why) })?;
        let gate = Arc::new(gate);
        web::clock::set(clock::now);
        let site = Arc::new(
            WebState::new(settings, asks_in).with_read_token(keys.read_token).with_edge(gate.clone()),
        );
        site.load_snapshot();
        let ears = Ears {
            asks,
            samples,
            outcomes,
            rollups,
            configs,
            config_trouble,
            edge_trouble: gate.trouble(),
            unused_lines,
            lag,
            stop: stopped.clone(),
        };
        let mouth = Mouth { notifications, rounds, policy, views, site: site.clone() };
        let mind = spawn_mind(mind, ears, mouth)?;

        let mut tasks = vec![
            tokio::spawn(probe(rounds_out, samples_in, terms, stopped.clone())),
            tokio::spawn(look_at_names(rounds_too, unused_lines_in, stopped.clone())),
            tokio::spawn(notify::run(couriers.clone(), notifications_out, outcomes_in)),
            tokio::spawn(gate.clone().keep(policies, rollups_in, stopped.clone())),
            tokio::spawn(show(site.clone(), views_out)),
            tokio::spawn(serve(listener, site.clone(), stopped.clone())),
            tokio::spawn(last_bell::listen(pulse, config.clone(), couriers, stopped.clone())),
            tokio::spawn(reload::follow(
                changes,
                config.clone(),
                keys.key,
                reload::Takers {
                    configs: configs_in,
                    couriers: couriers_in,
                    trouble: config_trouble_in,
                    gate: gate.clone(),
                },
            )),
        ];
        let control = listen_for_commands(&data, &site, &stopped_too, &mut tasks);
        // Written last: whoever reads it may ask at once.
        std::fs::write(data.join(ADDRESS_FILE), address.to_string()).map_err(cannot("data folder"))?;
        Ok(Self {
            address,
            url: config.site.url.clone(),
            site,
            control,
            stop,
            tasks,
            mind: Some(mind),
            gate,
            data,
        })
    }

    /// Finishes what was begun and ends: the mind first, so that nothing decided stays unsaid.
    pub(crate) async fn stop(mut self) {
        let _ = std::fs::remove_file(self.data.join(ADDRESS_FILE));
        self.control = None;
        self.stop.send_replace(true);
        let gate = self.gate.clone();
        let closing = tokio::task::spawn_blocking(move || gate.close(DRAIN));
        if let Some(mind) = self.mind.take() {
            let _ = tokio::time::timeout(DRAIN, tokio::task::spawn_blocking(move || mind.join())).await;
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

/// Says what was bound and how to get in. The link that signs somebody in goes to a terminal only: whatever else reads our
/// standard output keeps it.
pub(crate) fn announce(organs: &Organs, json: bool) {
    let address = organs.address;
    let link = std::io::stdout().is_terminal().then(|| organs.site.login_link());
    let console = format!("{}/console", organs.url);
    let login = match &link {
        Some(link) => format!("{link}   (works once)"),
        None => format!("{console}   (`mainstay login` prints a link that signs you in)"),
    };
    let edge = addresses(&organs.gate.listening());
    if json {
        let status_page = format!("http://{address}/");
        crate::cli::say_json(
            &serde_json::json!({ "status_page": status_page, "console": link.as_ref().unwrap_or(&console), "edge": edge }),
        );
    } else {
        crate::cli::say(&format!("status page    http://{address}/   (known to people as {})", organs.url));
        crate::cli::say(&format!("console  {login}"));
        edge.iter().for_each(|at| crate::cli::say(&format!("edge     {at}")));
    }
}

/// Says where an edge without a house listens.
pub(crate) fn announce_edge(listening: &[(SocketAddr, bool)], api: Option<SocketAddr>, json: bool) {
    let edge = addresses(listening);
    let metrics = api.map(|at| format!("http://{at}/metrics"));
    if json {
        crate::cli::say_json(&serde_json::json!({ "edge": edge, "metrics": metrics }));
    } else {
        metrics.iter().for_each(|at| {
            crate::cli::say(&format!(
                "metrics  {at}   (with a token of the data folder: api-token, read-token)"
            ))
        });
        edge.iter().for_each(|at| crate::cli::say(&format!("edge     {at}")));
    }
}

fn addresses(listening: &[(SocketAddr, bool)]) -> Vec<String> {
    listening.iter().map(|(at, tls)| format!("{}://{at}/", if *tls { "https" } else { "http" })).collect()
}

/// The mind has a thread of its own: an append that waits for the disk must not hold up a probe or a visitor.
fn spawn_mind(mind: EventLoop, ears: Ears, mouth: Mouth) -> Result<std::thread::JoinHandle<()>, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(cannot("starting the mind"))?;
    std::thread::Builder::new()
        .name("mind".to_owned())
        .spawn(move || runtime.block_on(mind.run(ears, mouth)))
        .map_err(cannot("starting the mind"))
}

/// Renders the newest views; those that came in between are skipped. Expensive rendering is throttled, except while a request
/// waits for the result.
async fn show(site: Arc<WebState>, mut views: watch::Receiver<Option<Arc<engine::Views>>>) {
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
    rounds: watch::Receiver<ProbeTargets>,
    samples: mpsc::Sender<types::ProbeResult>,
    terms: prober::Terms,
    mut stop: watch::Receiver<bool>,
) {
    let stopped = async move { _ = stop.wait_for(|stop| *stop).await };
    if let Err(why) = prober::run(rounds, samples, terms, stopped).await {
        tracing::error!("the rounds are no longer made: {why}");
    }
}

/// Tells which lines of the system's own files about names are not used, while the configuration declares no resolvers and so needs
/// the files.
async fn look_at_names(
    rounds: watch::Receiver<ProbeTargets>,
    unused: watch::Sender<Vec<String>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut turns = tokio::time::interval(NAMES_EVERY);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = turns.tick() => {}
        }
        let needed = rounds.borrow().config.dns.resolvers.is_empty();
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
