//! Many at once: none waits for another, none is lost.

use crate::provider::Provider;
use crate::{config, key, page};
use notify::{Notifier, run};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use types::notification::Notification;
use types::{Delivery, NotificationKey};

const PATIENCE: Duration = Duration::from_secs(60);

fn numbered(channel: &str, n: usize) -> Notification {
    Notification { key: NotificationKey(format!("{channel}-{n}")), ..page(channel) }
}

#[tokio::test]
async fn one_dead_provider_does_not_hold_up_the_other_and_every_notification_has_its_outcome() {
    let provider = Provider::with_status(200).await;
    // Accepts connections and never says a word.
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", dead.local_addr().unwrap());
    let notifier = Notifier::new(&config(&provider.url, &silent, None), key()).unwrap();
    let (_couriers, newest) = watch::channel(Arc::new(notifier));
    let (notifications, to_carry) = mpsc::channel(256);
    let (ended, mut outcomes) = mpsc::channel(256);
    let running = tokio::spawn(run(newest, to_carry, ended));

    for n in 0..30 {
        notifications.send(numbered("hook", n)).await.unwrap();
    }
    for n in 0..100 {
        notifications.send(numbered("ntfy", n)).await.unwrap();
    }
    drop(notifications);
    let mut all: Vec<Delivery> = Vec::new();
    while let Some(outcome) = timeout(PATIENCE, outcomes.recv()).await.unwrap() {
        all.push(outcome);
    }
    assert!(all[0].result.is_ok(), "the living are served before the dead are given up");
    let keys: BTreeSet<_> = all.iter().map(|outcome| outcome.key.clone()).collect();
    assert_eq!((all.len(), keys.len()), (130, 130));
    assert_eq!(all.iter().filter(|outcome| outcome.result.is_ok()).count(), 100);
    timeout(PATIENCE, running).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_hung_provider_gives_up_what_waits_so_that_another_way_gets_its_turn() {
    let provider = Provider::with_status(200).await;
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", dead.local_addr().unwrap());
    let notifier = Notifier::new(&config(&provider.url, &silent, None), key()).unwrap();
    let (_couriers, newest) = watch::channel(Arc::new(notifier));
    let (notifications, to_carry) = mpsc::channel(16);
    let (ended, mut outcomes) = mpsc::channel(2_048);
    tokio::spawn(run(newest, to_carry, ended));
    for n in 0..1_300 {
        notifications.send(numbered("hook", n)).await.unwrap();
    }
    notifications.send(numbered("ntfy", 0)).await.unwrap();
    drop(notifications);
    let (mut all, mut behind) = (Vec::new(), 0);
    while let Some(outcome) = timeout(PATIENCE, outcomes.recv()).await.unwrap() {
        behind +=
            usize::from(matches!(&outcome.result, Err(no) if no.retriable && no.why.contains("too slow")));
        all.push(outcome);
    }
    let well = all.iter().position(|outcome| outcome.result.is_ok()).unwrap();
    assert!(well < 300, "only what found no room was told before it: {well}");
    assert_eq!(all.len(), 1_301);
    assert!(behind >= 1_200, "{behind}");
}

#[tokio::test]
async fn a_new_notifier_takes_the_next_message() {
    let (old, new) = (Provider::with_status(200).await, Provider::with_status(200).await);
    let (couriers, newest) = watch::channel(Arc::new(old.notifier(None)));
    let (notifications, to_carry) = mpsc::channel(8);
    let (ended, mut outcomes) = mpsc::channel(8);
    tokio::spawn(run(newest, to_carry, ended));
    notifications.send(numbered("ntfy", 1)).await.unwrap();
    timeout(PATIENCE, outcomes.recv()).await.unwrap().unwrap();
    couriers.send_replace(Arc::new(new.notifier(None)));
    notifications.send(numbered("ntfy", 2)).await.unwrap();
    timeout(PATIENCE, outcomes.recv()).await.unwrap().unwrap();
    assert_eq!((old.asked().len(), new.asked().len()), (1, 1));
}
