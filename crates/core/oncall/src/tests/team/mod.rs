//! Notices to the team as a whole.

mod alerts;
mod digest;
mod incidents;
mod month;

use super::fixture::{Fixture, config, context, secs};
use jiff::civil::time;
use jiff::tz::TimeZone;
use testkit::config::{channel, contact};
use types::config::{ChannelKind, Notices};
use types::notification::{Delivered, Undelivered};
use types::{Alert, EventKind, Fault, Notification, Resource, Severity, Time};

/// A team with a chat, and nobody else who sleeps or wakes. Its digest is sent at 08:30 in Tallinn.
fn team() -> types::Config {
    let mut config = config();
    config.site.timezone = TimeZone::get("Europe/Tallinn").unwrap();
    for name in ["chat", "spare"] {
        let chat = channel(name, ChannelKind::Webhook { url: "http://127.0.0.1:1/".to_owned() });
        config.channels.insert(chat.id.clone(), chat);
    }
    config.notices = Some(Notices {
        to: vec![contact("chat:ops")],
        digest: Some(time(8, 30, 0, 0)),
        digest_without_news: false,
        hourly: true,
        quiet_hours: None,
    });
    config
}

fn notices(fixture: &mut Fixture) -> &mut Notices {
    fixture.config.notices.as_mut().unwrap()
}

impl Fixture {
    /// Runs until `end`, with everything that has a deadline. `answer` gives the result of each attempt immediately.
    fn pass(&mut self, end: Time, answer: impl Fn(&Notification) -> Result<Delivered, Undelivered>) {
        loop {
            for notification in std::mem::take(&mut self.in_flight) {
                let result = answer(&notification);
                self.answer(&notification, result);
            }
            self.run_batch();
            if !self.in_flight.is_empty() {
                continue;
            }
            match self.deadline() {
                Some(next) if next < end => self.now = next,
                _ => break,
            }
        }
        self.now = end;
        self.run_batch();
        for notification in std::mem::take(&mut self.in_flight) {
            let result = answer(&notification);
            self.answer(&notification, result);
        }
    }

    fn deadline(&self) -> Option<Time> {
        let next = self.oncall.next_deadline(&context(&self.config, self.now, &self.journal, &self.facts));
        if let Some(next) = next {
            assert!(next > self.now, "deadline {next} is not after now, {}", self.now);
        }
        next
    }

    fn alert(&mut self, id: u64, name: &str, severity: Severity) {
        let fault = Fault::Slow { limit: secs(2) };
        let alert = testkit::incident::alert(id, Resource::host(name), fault, self.now);
        self.commit(vec![EventKind::AlertOpened { alert: Alert { severity, ..alert } }]);
    }

    fn alert_ends(&mut self, id: u64) {
        self.commit(vec![EventKind::AlertClosed { alert: types::AlertId(id) }]);
    }

    /// Keys of everything that was sent since the last call.
    fn news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent).into_iter().map(|(_, sent)| sent.key.0).collect()
    }

    /// The first event of the journal: nothing is known about the time before.
    fn boot(&mut self) {
        self.commit(vec![EventKind::Booted { unmonitored_since: None }]);
    }
}
