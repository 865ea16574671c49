//! `mainstay page test PERSON`: one test message over every way that the configuration names for a person.

use crate::cli::{Common, Failure, config, table};
use crate::{clock, keys::Keys};
use clap::Subcommand;
use notify::Notifier;
use std::process::ExitCode;
use types::notification::{Notification, NotificationKey, Urgency};
use types::{Delivery, PersonId};

#[derive(Debug, Subcommand)]
pub(crate) enum Page {
    /// Send a test message over every channel of a person and say what each provider answered.
    Test {
        /// The person, as the configuration names them.
        person: String,
    },
}

impl Page {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let Self::Test { person } = self;
        let config = config::read(&common.config, common.json)?;
        let id = PersonId(person.clone());
        let known = || config.people.keys().map(|id| id.0.as_str()).collect::<Vec<_>>().join(", ");
        let person = config.people.get(&id).ok_or_else(|| {
            Failure::wrong(format!("the configuration has no person `{id}`"))
                .hint(format!("it has: {}", known()))
        })?;
        let keys = Keys::open(&config.site.data).map_err(Failure::no)?;
        let notifier = Notifier::new(&config, keys.key).map_err(Failure::no)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::no)?;
        let stamp = clock::now();
        let notification = |(n, reach): (usize, &types::notification::Contact)| Notification {
            key: NotificationKey(format!("test/{id}/{n}/{stamp}")),
            page: None,
            incident: None,
            person: Some(id.clone()),
            contact: reach.clone(),
            urgency: Urgency::Page,
            title: format!("{}: test page", config.site.name),
            body: format!(
                "Hello {}. This is a test: nothing is wrong, nothing needs an answer.",
                person.name
            ),
        };
        let notifications: Vec<Notification> = person.contacts.iter().enumerate().map(notification).collect();
        let outcomes: Vec<Delivery> = runtime.block_on(async { each(&notifier, &notifications).await });
        let all_well = outcomes.iter().all(|outcome| outcome.result.is_ok());
        if common.json {
            let shown = |(notification, outcome): (&Notification, &Delivery)| {
                let why = outcome.result.as_ref().err().map(|failure| failure.why.as_str());
                serde_json::json!({ "reach": notification.contact.to_string(), "accepted": why.is_none(), "why": why })
            };
            table::json(&notifications.iter().zip(&outcomes).map(shown).collect::<Vec<_>>())?;
        } else {
            for (notification, outcome) in notifications.iter().zip(&outcomes) {
                let said = match &outcome.result {
                    Ok(_) => "accepted by the provider; look whether it arrived".to_owned(),
                    Err(failure) => format!("failed: {}", failure.why),
                };
                table::say(&table::beside(&notification.contact.to_string(), 30, &said));
            }
        }
        Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// One after the other: a person's phone rings once at a time.
async fn each(notifier: &Notifier, notifications: &[Notification]) -> Vec<Delivery> {
    let mut outcomes = Vec::new();
    for notification in notifications {
        outcomes.push(notifier.send(notification).await);
    }
    outcomes
}
