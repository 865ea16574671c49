//! What happens in the course of the day: restarts of servers, one that hangs, a certificate that is renewed, changes
//! of the configuration, an hour in which everything is slow.

use crate::Failure;
use crate::process::Process;
use crate::setting::{Running, Setting};
use std::time::{Duration, Instant};

type Done = Result<(), Failure>;

/// How long a server may take to end when it is asked to.
const END_MAX: Duration = Duration::from_secs(20);
/// How long a server hangs.
const HANGS: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
enum Event {
    /// The configuration changes; both proxies get a signal.
    Reload,
    /// A new certificate replaces the old file; HAProxy needs a signal.
    Certificate,
    /// An application ends as it should, and begins again.
    Restart(usize),
    /// An application is killed, and begins again.
    Kill(usize),
    /// An application is stopped for a while.
    Hang(usize),
    RestartGrpc(usize),
    Slow,
    Fast,
}

/// When each of them happens, in parts of the day.
const COURSE: [(f64, Event); 12] = [
    (0.10, Event::Reload),
    (0.15, Event::Certificate),
    (0.20, Event::Restart(0)),
    (0.32, Event::Kill(1)),
    (0.40, Event::RestartGrpc(0)),
    (0.45, Event::Hang(2)),
    (0.58, Event::Slow),
    (0.66, Event::Reload),
    (0.70, Event::Fast),
    (0.75, Event::RestartGrpc(1)),
    (0.80, Event::Restart(2)),
    (0.92, Event::Reload),
];

/// Lets the day take its course.
pub(crate) async fn happen(setting: &Setting, running: &mut Running, length: Duration) -> Done {
    let began = Instant::now();
    let mut edition = 1;
    for (at, event) in COURSE {
        tokio::time::sleep_until((began + length.mul_f64(at)).into()).await;
        println!("{:5.1} s  {event:?}", began.elapsed().as_secs_f64());
        match event {
            Event::Reload => {
                edition += 1;
                setting.configure(edition)?;
                running.mainstay.signal("-HUP")?;
                running.haproxy.signal("-USR2")?;
            }
            Event::Certificate => {
                setting.certify()?;
                running.haproxy.signal("-USR2")?;
            }
            Event::Restart(n) => {
                end(&mut running.apps[n]).await?;
                running.apps[n] = setting.start_app(n).await?;
            }
            Event::Kill(n) => {
                running.apps[n].signal("-KILL")?;
                running.apps[n].ended(END_MAX).await?;
                running.apps[n] = setting.start_app(n).await?;
            }
            Event::Hang(n) => {
                running.apps[n].signal("-STOP")?;
                tokio::time::sleep(HANGS).await;
                running.apps[n].signal("-CONT")?;
            }
            Event::RestartGrpc(n) => {
                end(&mut running.grpcs[n]).await?;
                running.grpcs[n] = setting.start_grpc(n).await?;
            }
            Event::Slow => setting.slow(5).await?,
            Event::Fast => setting.slow(1).await?,
        }
    }
    Ok(())
}

async fn end(process: &mut Process) -> Done {
    process.signal("-TERM")?;
    process.ended(END_MAX).await
}
