//! The demonstration: the fixture of the drill `expired-name`, slower, kept running until ctrl-c.

use crate::child::{self, Child};
use crate::stage::{Stage, runtime};
use clap::Args;
use drill::{Act, Milestone, Script};
use jiff::Timestamp;
use mainstay::{Failure, table};
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;
use testbed::ExpiredName;
use testbed::expired_name::Settings;
use tokio::time::Instant;
use types::Event;

const SCRIPT: &str = include_str!("../../../../drills/expired-name.drill");
/// Longest wait for a milestone.
const TIMEOUT: Duration = Duration::from_secs(180);

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Duration of the outage before the domain is renewed.
    #[arg(long, default_value_t = 90, value_name = "SECONDS")]
    outage_secs: u64,
    /// End this long after recovery, instead of waiting for ctrl-c.
    #[arg(long, value_name = "SECONDS")]
    end_after_secs: Option<u64>,
}

impl Demo {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let script =
            Script::parse(SCRIPT).map_err(|why| Failure::wrong(format!("drills/expired-name: {why}")))?;
        runtime()?.block_on(async {
            let stage = Stage::build(async |folder| {
                let settings = Settings {
                    answer_ttl: Duration::from_secs(30),
                    delegation_ttl: Duration::from_secs(30),
                    parking_ttl: Duration::from_secs(20),
                    answers_after: Duration::from_secs(15),
                    ..Settings::in_folder(folder)
                };
                ExpiredName::start(settings).await
            })
            .await?;
            let child = Child::start(&stage).await?;
            table::say(
                "A small company runs on this machine now: a domain with sign-in and five workspaces, its",
            );
            table::say("registry, its name servers, and Ana, who is on call. mainstay monitors it.\n");
            table::say(child.output.trim_end());
            // To a terminal only: other readers of standard output may store the link.
            if std::io::stdout().is_terminal() {
                let link = child::login_link(&stage).await?;
                table::say(&format!("sign in      {link}   (works once)"));
            }
            table::say(&format!("JSON         http://{}/api/v2/summary.json\n", stage.listen));
            let shown = tokio::select! {
                shown = self.show(&script, &stage) => shown,
                _ = tokio::signal::ctrl_c() => Ok(()),
            };
            child.stop().await?;
            shown.map(|()| ExitCode::SUCCESS)
        })
    }

    async fn show(&self, script: &Script, stage: &Stage<ExpiredName>) -> Result<(), Failure> {
        let act = async |act: Act| stage.fixture.act(&act).await.map_err(Failure::no);
        let mut transcript = Transcript::default();
        transcript.until(script, stage, Milestone::Learned).await?;
        act(Act::WarmCaches).await?;
        table::say(
            "Everything is healthy. Now the automatic renewal at the registrar fails: acme.app expires.\n",
        );
        let fault = act(Act::Swap).await?;
        transcript.fault_at = Some(fault);
        transcript.until(script, stage, Milestone::CauseFound).await?;
        transcript.until(script, stage, Milestone::Acknowledged).await?;
        table::say(
            "\nClients see errors as the caches of resolvers expire. The status page shows the outage already.\n",
        );
        let renewed = Instant::now() + Duration::from_secs(self.outage_secs);
        while Instant::now() < renewed {
            transcript.print_new(stage)?;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        table::say("\nAna renews the domain. Resolvers keep the address of the parking page for a while.\n");
        act(Act::Renew).await?;
        transcript.until(script, stage, Milestone::Resolved).await?;
        table::say(
            "\nResolved. The reported outage took nine hours. The demo keeps running; ctrl-c ends it.",
        );
        let end = self.end_after_secs.map(|secs| Instant::now() + Duration::from_secs(secs));
        while end.is_none_or(|end| Instant::now() < end) {
            transcript.print_new(stage)?;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }
}

/// Prints each line of the timeline once, as it happens.
#[derive(Default)]
struct Transcript {
    fault_at: Option<Timestamp>,
    lines: usize,
}

impl Transcript {
    async fn until(
        &mut self,
        script: &Script,
        stage: &Stage<ExpiredName>,
        milestone: Milestone,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let events = self.print_new(stage)?;
            if drill::reached(script, milestone, self.fault_at, &events).is_some() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let message = format!("`{}` was not reached", milestone.as_str());
                return Err(Failure::no(message).hint(stage.log_tail()));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn print_new(&mut self, stage: &Stage<ExpiredName>) -> Result<Vec<Event>, Failure> {
        let events = stage.events()?;
        if let Some(fault_at) = self.fault_at {
            let since: Vec<Event> = events.iter().filter(|event| event.at >= fault_at).cloned().collect();
            let lines = drill::timeline::lines(fault_at, &since);
            // The count of a printed line ("and 4 more") may still grow; it is not printed again.
            lines.iter().skip(self.lines).for_each(|line| table::say(&table::wrapped(line, "  ", 80)));
            self.lines = self.lines.max(lines.len());
        }
        Ok(events)
    }
}
