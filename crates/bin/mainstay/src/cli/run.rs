//! `mainstay run`: everything, or the edge alone, until it is told to stop.

use crate::cli::{Common, Failure, config, table};
use crate::log::Log;
use crate::only_guard::OnlyGuard;
use crate::organs::{self, Loss, Organs};
use clap::{Args, ValueEnum};
use edge::Sharing;
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// How much to say on standard error, as tracing filters are written: `info`, `warn,mainstay=debug`.
    #[arg(long, env = "MAINSTAY_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
    /// Say it as JSON lines.
    #[arg(long)]
    log_json: bool,
    /// This part alone: `guard` is the edge without mind, status page and journal.
    #[arg(long, value_enum, value_name = "PART")]
    only: Option<Part>,
    /// Starts although events are missing in the journal that were once on disk, and goes on without them. Needed once, after
    /// a damage; what cannot be trusted is kept beside.
    #[arg(long, conflicts_with = "only")]
    accept_loss: bool,
    /// Listens also where another mainstay does: for a hand-over, until the other one is stopped. Unless told, that is refused.
    #[arg(long)]
    share_addresses: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The edge.
    Guard,
}

impl Run {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let log = self.log_to_stderr()?;
        let ended = self.serve(common);
        log.settle();
        ended
    }

    fn serve(&self, common: &Common) -> Result<ExitCode, Failure> {
        let config = config::read(&common.config, common.json)?;
        // Before anything opens files: the limit that shells and service managers set is a soft one.
        edge::descriptors::raise();
        let sharing = if self.share_addresses { Sharing::Allowed } else { Sharing::Refused };
        let loss = if self.accept_loss { Loss::Accepted } else { Loss::Refused };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::no)?;
        if self.only == Some(Part::Guard) {
            return runtime.block_on(async {
                let stop = Stop::listen()?;
                let edge = OnlyGuard::start(config, common.config.clone(), sharing)
                    .await
                    .map_err(|why| if why.is_taken() { taken(why) } else { Failure::no(why) })?;
                organs::announce_edge(&edge.listening(), edge.api(), common.json);
                stop.told().await;
                tracing::info!("stopping: finishing what was begun");
                edge.stop().await;
                Ok(ExitCode::SUCCESS)
            });
        }
        runtime.block_on(async {
            let stop = Stop::listen()?;
            let has_edge = config.edge.is_some();
            let organs =
                Organs::start(config, common.config.clone(), sharing, loss).await.map_err(|why| {
                    if why.is_taken() {
                        return taken(why);
                    }
                    let serves = has_edge && why.spares_the_edge();
                    let failure = Failure::no(why);
                    if serves {
                        failure.hint("`mainstay run --only guard` serves visitors meanwhile")
                    } else {
                        failure
                    }
                })?;
            organs::announce(&organs, common.json);
            stop.told().await;
            tracing::info!("stopping: finishing what was begun");
            organs.stop().await;
            Ok(ExitCode::SUCCESS)
        })
    }

    fn log_to_stderr(&self) -> Result<Log, Failure> {
        let filter =
            tracing_subscriber::EnvFilter::try_new(format!("h2=off,{}", self.log)).map_err(|why| {
                Failure::wrong(format!("--log: {why}")).hint("try `info` or `warn,mainstay=debug`")
            })?;
        let lines = Log::to(std::io::stderr()).map_err(Failure::no)?;
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(lines.clone())
            .with_ansi(table::is_tinted(&std::io::stderr()))
            .with_target(false);
        if self.log_json {
            log.json().init()
        } else {
            log.init()
        }
        Ok(lines)
    }
}

fn taken(why: impl std::fmt::Display) -> Failure {
    Failure::wrong(why).hint("stop it first; for a hand-over, start with --share-addresses and stop it then")
}

/// The signals that end it. Listened for before anything starts: whoever is served already is served to the end.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> Result<Self, Failure> {
        let of = |kind| signal(kind).map_err(Failure::no);
        Ok(Self { terminate: of(SignalKind::terminate())?, interrupt: of(SignalKind::interrupt())? })
    }

    async fn told(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
