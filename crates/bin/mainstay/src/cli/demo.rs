//! `mainstay demo`: the drill's world kept open, slower, until ctrl-c.

use crate::cli::world::{Child, Stage, runtime};
use crate::cli::{Failure, table};
use clap::Args;
use drill::{Act, Milestone, Script};
use jiff::Timestamp;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;
use testbed::World;
use testbed::world::ExpiredName;
use tokio::time::Instant;
use types::Event;

const SCRIPT: &str = include_str!("../../../../../drills/expired-name.drill");
/// How long anything may take to come about before the demo says that it did not.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// For how long the outage lasts before somebody renews the domain.
    #[arg(long, default_value_t = 90, value_name = "SECONDS")]
    outage_secs: u64,
    /// End by itself so long after everything is well again, instead of waiting for ctrl-c.
    #[arg(long, value_name = "SECONDS")]
    end_after_secs: Option<u64>,
}

impl Demo {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let script =
            Script::parse(SCRIPT).map_err(|why| Failure::wrong(format!("drills/expired-name: {why}")))?;
        runtime()?.block_on(async {
            let stage = Stage::build(async |folder| {
                let settings = ExpiredName {
                    answer_ttl: Duration::from_secs(30),
                    delegation_ttl: Duration::from_secs(30),
                    parking_ttl: Duration::from_secs(20),
                    answers_after: Duration::from_secs(15),
                    ..ExpiredName::in_folder(folder)
                };
                World::expired_name(settings).await
            })
            .await?;
            let child = Child::start(&stage).await?;
            table::say(
                "A small company lives on this machine now: a domain with sign-in and five workspaces, its",
            );
            table::say("registry, its name servers, and Ana, who is on call. mainstay watches.\n");
            table::say(child.said.trim_end());
            // A link that signs in belongs in no file.
            if std::io::stdout().is_terminal() {
                table::say(&format!("sign in  {}   (works once)", stage.login_link().await?));
            }
            table::say(&format!("json     http://{}/api/v2/summary.json\n", stage.listen));
            let shown = tokio::select! {
                shown = self.show(&script, &stage) => shown,
                _ = tokio::signal::ctrl_c() => Ok(()),
            };
            child.stop().await?;
            shown.map(|()| ExitCode::SUCCESS)
        })
    }

    async fn show(&self, script: &Script, stage: &Stage<World>) -> Result<(), Failure> {
        let act = async |act: Act| stage.world.act(&act).await.map_err(Failure::no);
        let mut told = Told::default();
        told.until(script, stage, Milestone::Learned).await?;
        act(Act::WarmCaches).await?;
        table::say(
            "Everything is well. Now the registrar's automatic renewal fails: the domain acme.app expires.\n",
        );
        let fault = act(Act::Swap).await?;
        told.fault_at = Some(fault);
        told.until(script, stage, Milestone::CauseFound).await?;
        told.until(script, stage, Milestone::HumanAnswered).await?;
        table::say(
            "\nVisitors notice as resolvers' caches run out. Look at the status page; it says so already.\n",
        );
        let renewed = Instant::now() + Duration::from_secs(self.outage_secs);
        while Instant::now() < renewed {
            told.more(stage)?;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        table::say("\nAna renews the domain. Resolvers go on with the parking page for a while.\n");
        act(Act::Renew).await?;
        told.until(script, stage, Milestone::Resolved).await?;
        table::say("\nThat was it; in life it took nine hours. The world stays open: ctrl-c ends it.");
        let end = self.end_after_secs.map(|secs| Instant::now() + Duration::from_secs(secs));
        while end.is_none_or(|end| Instant::now() < end) {
            told.more(stage)?;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }
}

/// Tells each line of the story once, as it comes.
#[derive(Default)]
struct Told {
    fault_at: Option<Timestamp>,
    lines: usize,
}

impl Told {
    async fn until(
        &mut self,
        script: &Script,
        stage: &Stage<World>,
        milestone: Milestone,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE + Duration::from_secs(60);
        loop {
            let events = self.more(stage)?;
            if drill::reached(script, milestone, self.fault_at, &events).is_some() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let what = format!("`{}` did not come about", milestone.as_str());
                return Err(Failure::no(what).hint(stage.last_words()));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn more(&mut self, stage: &Stage<World>) -> Result<Vec<Event>, Failure> {
        let events = stage.events()?;
        if let Some(fault_at) = self.fault_at {
            let since: Vec<Event> = events.iter().filter(|event| event.at >= fault_at).cloned().collect();
            let lines = drill::timeline::told(fault_at, &since);
            // A line may still grow a count ("and 4 more") after it was told; it is not told twice.
            lines.iter().skip(self.lines).for_each(|line| table::say(&table::wrapped(line, "  ", 80)));
            self.lines = self.lines.max(lines.len());
        }
        Ok(events)
    }
}
