//! `mainstay page test PERSON`: one test message to each contact of a person.

use crate::app::clock;
use crate::app::keys::Keys;
use crate::cli::{Common, Failure, config, table};
use clap::Subcommand;
use notify::Notifier;
use std::process::ExitCode;
use types::notification::{Notification, NotificationKey, Urgency};
use types::{Delivery, PersonId};

#[derive(Debug, Subcommand)]
pub(crate) enum Page {
    /// Send a test message to each contact of a person and print the response of each provider.
    Test {
        /// The person, by the name in the configuration.
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
        let notification = |(n, contact): (usize, &types::notification::Contact)| Notification {
            key: NotificationKey(format!("test/{id}/{n}/{stamp}")),
            page: None,
            incident: None,
            person: Some(id.clone()),
            contact: contact.clone(),
            urgency: Urgency::Page,
            title: format!("{}: test page", config.site.name),
            body: format!(
                "Hello {}. This is a test: nothing is wrong, nothing needs an answer.",
                person.name
            ),
        };
        let notifications: Vec<Notification> = person.contacts.iter().enumerate().map(notification).collect();
        let deliveries: Vec<Delivery> =
            runtime.block_on(async { send_each(&notifier, &notifications).await });
        let all_accepted = deliveries.iter().all(|delivery| delivery.result.is_ok());
        if common.json {
            let shown = |(notification, delivery): (&Notification, &Delivery)| {
                let why = delivery.result.as_ref().err().map(|failure| failure.why.as_str());
                serde_json::json!({ "contact": notification.contact.to_string(), "accepted": why.is_none(), "why": why })
            };
            table::json(&notifications.iter().zip(&deliveries).map(shown).collect::<Vec<_>>())?;
        } else {
            for (notification, delivery) in notifications.iter().zip(&deliveries) {
                let result = match &delivery.result {
                    Ok(_) => "accepted by the provider; check whether it arrived".to_owned(),
                    Err(failure) => format!("failed: {}", failure.why),
                };
                table::say(&table::beside(&notification.contact.to_string(), 30, &result));
            }
        }
        Ok(if all_accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Sends one after the other, so that a phone does not receive two calls concurrently.
async fn send_each(notifier: &Notifier, notifications: &[Notification]) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for notification in notifications {
        deliveries.push(notifier.send(notification).await);
    }
    deliveries
}
