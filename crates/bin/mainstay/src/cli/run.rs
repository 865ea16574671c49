//! `mainstay run`: everything, or the edge alone, until SIGTERM or SIGINT.

use crate::app::composition::{App, Loss};
use crate::app::edge_only::EdgeOnly;
use crate::cli::log::Log;
use crate::cli::{Common, Failure, config, table};
use clap::{Args, ValueEnum};
use edge::Sharing;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Log level, as a tracing filter: `info`, `warn,edge=info`. The log goes to standard error. Release builds have
    /// no level below `info`.
    #[arg(long, env = "MAINSTAY_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
    /// Log JSON lines.
    #[arg(long)]
    log_json: bool,
    /// Run one part only: `edge` is the proxy without event loop, status page and journal.
    #[arg(long, value_enum, value_name = "PART")]
    only: Option<Part>,
    /// Start although acknowledged events are missing in the journal. Needed once, after damage; the damaged file is
    /// kept beside the journal.
    #[arg(long, conflicts_with = "only")]
    accept_loss: bool,
    /// Share the addresses of another running mainstay: for a hand-over, until the other one is stopped.
    #[arg(long)]
    share_addresses: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The edge.
    Edge,
}

impl Run {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let log = self.log_to_stderr()?;
        let result = self.serve(common);
        log.flush_all();
        result
    }

    fn serve(&self, common: &Common) -> Result<ExitCode, Failure> {
        let config = config::read(&common.config, common.json)?;
        // Before any file is opened: shells and service managers set a low soft limit.
        edge::descriptors::raise();
        let sharing = if self.share_addresses { Sharing::Allowed } else { Sharing::Refused };
        let loss = if self.accept_loss { Loss::Accepted } else { Loss::Refused };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::no)?;
        if self.only == Some(Part::Edge) {
            return runtime.block_on(async {
                let stop = Stop::listen()?;
                let edge = EdgeOnly::start(config, common.config.clone(), sharing)
                    .await
                    .map_err(|why| if why.is_taken() { taken(why) } else { Failure::no(why) })?;
                print_edge(&edge.listening(), edge.api(), common.json);
                stop.requested().await;
                tracing::info!("draining");
                edge.stop().await;
                Ok(ExitCode::SUCCESS)
            });
        }
        runtime.block_on(async {
            let stop = Stop::listen()?;
            let has_edge = config.edge.is_some();
            let app = App::start(config, common.config.clone(), sharing, loss).await.map_err(|why| {
                if why.is_taken() {
                    return taken(why);
                }
                let serves = has_edge && why.spares_the_edge();
                let failure = Failure::no(why);
                if serves {
                    failure.hint("`mainstay run --only edge` serves clients meanwhile")
                } else {
                    failure
                }
            })?;
            print_addresses(&app, common.json);
            stop.requested().await;
            tracing::info!("draining");
            app.stop().await;
            Ok(ExitCode::SUCCESS)
        })
    }

    fn log_to_stderr(&self) -> Result<Log, Failure> {
        let filter = tracing_subscriber::EnvFilter::try_new(format!("h2=off,{}", self.log))
            .map_err(|why| Failure::wrong(format!("--log: {why}")).hint("try `info` or `warn,edge=info`"))?;
        let log = Log::to(std::io::stderr()).map_err(Failure::no)?;
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(log.clone())
            .with_ansi(table::is_tinted(&std::io::stderr()))
            .with_target(false);
        if self.log_json {
            subscriber.json().init()
        } else {
            subscriber.init()
        }
        Ok(log)
    }
}

/// Prints where to find status page, console and edge. The sign-in link goes to a terminal only, because other readers
/// of standard output may store it.
fn print_addresses(app: &App, json: bool) {
    let address = app.address;
    let link = std::io::stdout().is_terminal().then(|| app.login_link());
    let console = format!("{}/console", app.url);
    let edge = urls(&app.edge_addresses());
    if json {
        table::say_line(&serde_json::json!({
            "status_page": format!("http://{address}/"), "console": link.as_ref().unwrap_or(&console), "edge": edge
        }));
        return;
    }
    let login = match &link {
        Some(link) => format!("{link}   (works once)"),
        None => format!("{console}   (`mainstay login` prints a sign-in link)"),
    };
    table::say(&format!("status page  http://{address}/   (public address: {})", app.url));
    table::say(&format!("console      {login}"));
    edge.iter().for_each(|url| table::say(&format!("edge         {url}")));
}

/// Prints the addresses of an edge that runs alone.
fn print_edge(listening: &[(SocketAddr, bool)], api: Option<SocketAddr>, json: bool) {
    let edge = urls(listening);
    let metrics = api.map(|address| format!("http://{address}/metrics"));
    if json {
        table::say_line(&serde_json::json!({ "edge": edge, "metrics": metrics }));
        return;
    }
    metrics.iter().for_each(|url| {
        table::say(&format!(
            "metrics      {url}   (needs a token of the data folder: api-token, read-token)"
        ));
    });
    edge.iter().for_each(|url| table::say(&format!("edge         {url}")));
}

fn urls(listening: &[(SocketAddr, bool)]) -> Vec<String> {
    let url =
        |(address, tls): &(SocketAddr, bool)| format!("{}://{address}/", if *tls { "https" } else { "http" });
    listening.iter().map(url).collect()
}

fn taken(why: impl std::fmt::Display) -> Failure {
    Failure::wrong(why)
        .hint("stop it first; for a hand-over, start with --share-addresses and stop the other one then")
}

/// The signals that end the process. Handled before anything starts, so that a drain is never skipped.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> Result<Self, Failure> {
        let of = |kind| signal(kind).map_err(Failure::no);
        Ok(Self { terminate: of(SignalKind::terminate())?, interrupt: of(SignalKind::interrupt())? })
    }

    async fn requested(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
