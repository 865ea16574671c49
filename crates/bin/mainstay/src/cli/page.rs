//! `mainstay page test PERSON`: one test page to each contact of a person, and who answered within which time.

use crate::app::clock;
use crate::app::keys::Keys;
use crate::cli::running::Running;
use crate::cli::{Common, Failure, config, table};
use clap::Subcommand;
use notify::Notifier;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use types::config::Person;
use types::notification::{Notification, NotificationKey, Urgency};
use types::{Config, Delivery, PersonId, Time};

/// Time between two looks for answers.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Subcommand)]
pub(crate) enum Page {
    /// Send a test page to each contact of a person, wait for the answers, and print who answered. It opens no
    /// incident. Without a running mainstay only the response of each provider is printed.
    Test {
        /// The person, by the name in the configuration.
        person: String,
        /// Longest wait for answers; 0s: do not wait.
        #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = ::config::duration)]
        wait: Duration,
    },
}

/// What came of the test over one contact.
struct Tested {
    contact: String,
    /// Why the provider did not accept it.
    refused: Option<String>,
    /// Seconds until the person answered.
    answered: Option<u64>,
}

impl Page {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let Self::Test { person, wait } = self;
        let config = config::read(&common.config, common.json)?;
        let id = PersonId(person.clone());
        let known = || config.people.keys().map(|id| id.0.as_str()).collect::<Vec<_>>().join(", ");
        let person = config.people.get(&id).ok_or_else(|| {
            Failure::wrong(format!("the configuration has no person `{id}`"))
                .hint(format!("it has: {}", known()))
        })?;
        let running = Running::find_if_any(common)?;
        let stamp = clock::now();
        let mut tested = send(&config, person, stamp)?;
        let is_accepted = tested.iter().any(|test| test.refused.is_none());
        let waits = running.as_ref().filter(|_| is_accepted && !wait.is_zero());
        if let Some(running) = waits {
            if !common.json {
                table::say(&format!("sent; {} has {} s to answer", person.name, wait.as_secs()));
            }
            await_answers(running, &id, stamp, &mut tested, *wait)?;
        }
        show(common, &tested, waits.is_some())?;
        let all_accepted = tested.iter().all(|test| test.refused.is_none());
        let answered = waits.is_none() || tested.iter().any(|test| test.answered.is_some());
        Ok(if all_accepted && answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Sends one after the other, so that a phone does not receive two calls concurrently.
fn send(config: &Config, person: &Person, stamp: Time) -> Result<Vec<Tested>, Failure> {
    let keys = Keys::open(&config.site.data).map_err(Failure::no)?;
    let notifier = Notifier::new(config, keys.key).map_err(Failure::no)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::no)?;
    let notification = |(n, contact): (usize, &types::notification::Contact)| Notification {
        key: NotificationKey(format!("{}{}/{n}/{stamp}", NotificationKey::TEST, person.id)),
        page: None,
        incident: None,
        person: Some(person.id.clone()),
        contact: contact.clone(),
        urgency: Urgency::Page,
        title: format!("{}: test page", config.site.name),
        body: format!(
            "Hello {}. This is a test: nothing is wrong. Your answer proves that this contact reaches you.",
            person.name
        ),
    };
    let mut tested = Vec::new();
    for notification in person.contacts.iter().enumerate().map(notification) {
        let Delivery { result, .. } = runtime.block_on(notifier.send(&notification));
        let refused = result.err().map(|failure| failure.why);
        tested.push(Tested { contact: notification.contact.to_string(), refused, answered: None });
    }
    Ok(tested)
}

/// Waits until each accepted test is answered, or the time is over.
fn await_answers(
    running: &Running,
    person: &PersonId,
    stamp: Time,
    tested: &mut [Tested],
    wait: Duration,
) -> Result<(), Failure> {
    let deadline = Instant::now() + wait;
    loop {
        // Right after a start, or during a restart, there is no list yet.
        let answers = match running.get("/api/v1/pages/tests") {
            Err(failure) if Instant::now() >= deadline => return Err(failure),
            answers => answers.unwrap_or(Value::Null),
        };
        let answered: BTreeMap<&str, u64> = answers["answered"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|row| row["person"] == person.0 && is_since(row, stamp))
            .filter_map(|row| Some((row["contact"].as_str()?, row["seconds"].as_u64()?)))
            .collect();
        for test in tested.iter_mut() {
            test.answered = answered.get(test.contact.as_str()).copied();
        }
        let all = tested.iter().all(|test| test.refused.is_some() || test.answered.is_some());
        if all || Instant::now() >= deadline {
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Whether an answer is to a test that was sent at an instant or later.
fn is_since(row: &Value, stamp: Time) -> bool {
    row["sent"].as_str().and_then(|sent| sent.parse::<Time>().ok()).is_some_and(|sent| sent >= stamp)
}

fn show(common: &Common, tested: &[Tested], waited: bool) -> Result<(), Failure> {
    if common.json {
        let row = |test: &Tested| {
            json!({
                "contact": test.contact, "accepted": test.refused.is_none(), "why": test.refused,
                "answered_seconds": test.answered,
            })
        };
        return Ok(table::json(&tested.iter().map(row).collect::<Vec<_>>())?);
    }
    for test in tested {
        let result = match (&test.refused, test.answered) {
            (Some(why), _) => format!("failed: {why}"),
            (None, Some(seconds)) => format!("answered after {seconds} s"),
            (None, None) if waited => "accepted by the provider, and not answered".to_owned(),
            (None, None) => "accepted by the provider; check whether it arrived".to_owned(),
        };
        table::say(&table::beside(&test.contact, 30, &result));
    }
    Ok(())
}
