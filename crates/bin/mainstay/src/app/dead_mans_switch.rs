//! The dead man's switch elsewhere: requested as long as the event loop runs.
//!
//! What stops with the machine, its power or its network cannot tell anybody so. The service that gets these requests can: it
//! notifies people when they stay away.

use crate::app::heartbeat::Heartbeat;
use crate::app::watchdog::STALLED_AFTER;
use notify::Notifier;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use types::notification::Undelivered;

/// Interval of the requests. The last one is sent at most half a minute after the event loop stalled.
const EVERY: Duration = Duration::from_secs(30);

/// Requests the switch of the current configuration until `stop`. The first failure of a series is logged, and its end.
pub(crate) async fn run(
    heartbeat: Heartbeat,
    notifiers: watch::Receiver<Arc<Notifier>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut turns = tokio::time::interval(EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut has_failed = false;
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            _ = turns.tick() => {}
        }
        let notifier = notifiers.borrow().clone();
        // An address that does not answer must not delay the end of the process.
        let failure = tokio::select! {
            _ = stop.changed() => return,
            result = request(&heartbeat, &notifier) => result.err(),
        };
        match &failure {
            Some(failure) if !has_failed => {
                tracing::warn!("site.dead_mans_switch was not reached: {}", failure.why);
            }
            None if has_failed => tracing::info!("the dead man's switch is reached again"),
            _ => {}
        }
        has_failed = failure.is_some();
    }
}

/// Requests the switch, unless the event loop is stalled.
async fn request(heartbeat: &Heartbeat, notifier: &Notifier) -> Result<(), Undelivered> {
    if heartbeat.age() >= STALLED_AFTER {
        return Ok(());
    }
    notifier.request_dead_mans_switch().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use tokens::Key;

    /// A switch at a server that responds with these statuses, one request after the other.
    fn switch_at(statuses: &'static [u16]) -> (Notifier, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        std::fs::write(&file, format!("http://{}/ping/secret-id\n", listener.local_addr().unwrap())).unwrap();
        let text = format!(
            "[site]\ndead_mans_switch = \"file:{}\"\nallow_private = [\"127.0.0.0/8\"]\n",
            file.display()
        );
        let config = config::read(&text, "mainstay.toml", folder.path()).unwrap().config;
        let notifier = Notifier::new(&config, Key::new([7; 32])).unwrap();
        let server = std::thread::spawn(move || {
            let one = |status: &u16| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = [0; 1_024];
                let length = stream.read(&mut head).unwrap();
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).unwrap();
                String::from_utf8_lossy(&head[..length]).lines().next().unwrap_or_default().to_owned()
            };
            statuses.iter().map(one).collect()
        });
        (notifier, server)
    }

    #[tokio::test]
    async fn switch_is_requested_only_while_the_event_loop_runs() {
        let (notifier, server) = switch_at(&[204, 500]);
        let stalled = Heartbeat::silent_for(STALLED_AFTER);
        assert!(
            request(&stalled, &notifier).await.is_ok(),
            "no request: the server's answers are still to come"
        );
        let running = Heartbeat::default();
        assert!(request(&running, &notifier).await.is_ok());
        let failure = request(&running, &notifier).await.unwrap_err();
        assert_eq!(failure.why, "the response has status 500");
        assert_eq!(server.join().unwrap(), ["GET /ping/secret-id HTTP/1.1"; 2]);
    }
}
