//! Queues: channels are independent, and each notification has a result.

use crate::fake_provider::FakeProvider;
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
async fn silent_provider_delays_no_other_channel() {
    let provider = FakeProvider::with_status(200).await;
    // Accepts connections and never responds.
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", dead.local_addr().unwrap());
    let notifier = Notifier::new(&config(&provider.url, &silent, None), key()).unwrap();
    let (_notifiers, newest) = watch::channel(Arc::new(notifier));
    let (notifications, queued) = mpsc::channel(256);
    let (results, mut deliveries) = mpsc::channel(256);
    let running = tokio::spawn(run(newest, queued, results));

    for n in 0..30 {
        notifications.send(numbered("hook", n)).await.unwrap();
    }
    for n in 0..100 {
        notifications.send(numbered("ntfy", n)).await.unwrap();
    }
    drop(notifications);
    let mut all: Vec<Delivery> = Vec::new();
    while let Some(delivery) = timeout(PATIENCE, deliveries.recv()).await.unwrap() {
        all.push(delivery);
    }
    assert!(all[0].result.is_ok(), "the working channel is served first");
    let keys: BTreeSet<_> = all.iter().map(|delivery| delivery.key.clone()).collect();
    assert_eq!((all.len(), keys.len()), (130, 130));
    assert_eq!(all.iter().filter(|delivery| delivery.result.is_ok()).count(), 100);
    timeout(PATIENCE, running).await.unwrap().unwrap();
}

#[tokio::test]
async fn full_queue_of_silent_provider_fails_messages() {
    let provider = FakeProvider::with_status(200).await;
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", dead.local_addr().unwrap());
    let notifier = Notifier::new(&config(&provider.url, &silent, None), key()).unwrap();
    let (_notifiers, newest) = watch::channel(Arc::new(notifier));
    let (notifications, queued) = mpsc::channel(16);
    let (results, mut deliveries) = mpsc::channel(2_048);
    tokio::spawn(run(newest, queued, results));
    for n in 0..1_300 {
        notifications.send(numbered("hook", n)).await.unwrap();
    }
    notifications.send(numbered("ntfy", 0)).await.unwrap();
    drop(notifications);
    let (mut all, mut behind) = (Vec::new(), 0);
    while let Some(delivery) = timeout(PATIENCE, deliveries.recv()).await.unwrap() {
        behind +=
            usize::from(matches!(&delivery.result, Err(no) if no.retriable && no.why.contains("too slow")));
        all.push(delivery);
    }
    let well = all.iter().position(|delivery| delivery.result.is_ok()).unwrap();
    assert!(well < 300, "only messages beyond the queue limit come before it: {well}");
    assert_eq!(all.len(), 1_301);
    assert!(behind >= 1_200, "{behind}");
}

#[tokio::test]
async fn next_message_uses_new_notifier() {
    let (old, new) = (FakeProvider::with_status(200).await, FakeProvider::with_status(200).await);
    let (notifiers, newest) = watch::channel(Arc::new(old.notifier(None)));
    let (notifications, queued) = mpsc::channel(8);
    let (results, mut deliveries) = mpsc::channel(8);
    tokio::spawn(run(newest, queued, results));
    notifications.send(numbered("ntfy", 1)).await.unwrap();
    timeout(PATIENCE, deliveries.recv()).await.unwrap().unwrap();
    notifiers.send_replace(Arc::new(new.notifier(None)));
    notifications.send(numbered("ntfy", 2)).await.unwrap();
    timeout(PATIENCE, deliveries.recv()).await.unwrap().unwrap();
    assert_eq!((old.received().len(), new.received().len()), (1, 1));
}
