//! The store on disk: progress, crashes, deletion.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use subscriber_store::{Added, Progress, Recovered, Store};
use types::event::UpdateStatus;
use types::subscription::{SubjectStatus, SubscriberKind, SubscriberState, UpdateSubject};
use types::{IncidentId, PublicUpdate, Subscriber, SubscriberId, Time, UpdateId};

const MAIL: &[SubscriberKind] = &[SubscriberKind::Mail];

fn at(secs: i64) -> Time {
    Time::from_second(1_800_000_000 + secs).unwrap()
}

fn open(folder: &Path) -> (Store, Recovered) {
    Store::open(&folder.join("subscribers.db")).unwrap()
}

fn update(id: u64) -> PublicUpdate {
    PublicUpdate {
        id: UpdateId(id),
        about: UpdateSubject::Incident(IncidentId(1)),
        at: at(0),
        status: SubjectStatus::Incident(UpdateStatus::Investigating),
        title: "t".to_owned(),
        body: "b".to_owned(),
        affected: Vec::new(),
        concerned: BTreeSet::new(),
        earlier: Vec::new(),
    }
}

fn add(store: &Store, count: usize) {
    let all: Vec<_> =
        (0..count).map(|n| (SubscriberKind::Mail, format!("s{n}@acme.net"), BTreeSet::new())).collect();
    store.add(&all, at(0)).unwrap();
}

fn everyone(_: &Subscriber) -> bool {
    true
}

#[test]
fn update_is_claimed_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    add(&store, 5);
    assert_eq!(store.newest_update().unwrap(), None);
    assert_eq!(store.publish(&update(1), at(0), everyone).unwrap(), 5);
    assert_eq!(store.publish(&update(1), at(0), everyone).unwrap(), 0, "recorded already");
    store.publish(&update(2), at(0), everyone).unwrap();
    assert_eq!(store.newest_update().unwrap(), Some(UpdateId(2)));
    let claimed = store.claim(UpdateId(1), &[], MAIL, 3, at(1)).unwrap();
    assert_eq!(claimed.len(), 3);
    // Those whose first update is under way, or not begun, wait for it.
    assert_eq!(store.claim(UpdateId(2), &[UpdateId(1)], MAIL, 9, at(1)).unwrap(), []);
    let first = claimed[0].subscriber.id;
    assert!(store.sending(UpdateId(1), first).unwrap());
    store.sent(UpdateId(1), first, &[]).unwrap();
    let second = store.claim(UpdateId(2), &[UpdateId(1)], MAIL, 9, at(1)).unwrap();
    assert_eq!(second.iter().map(|it| it.subscriber.id).collect::<Vec<_>>(), [first]);
    assert_eq!(store.claim(UpdateId(1), &[], MAIL, 9, at(1)).unwrap().len(), 2);
    assert_eq!(store.claim(UpdateId(1), &[], &[SubscriberKind::Slack], 9, at(1)).unwrap(), []);
    store.again(UpdateId(1), claimed[1].subscriber.id, at(60), true).unwrap();
    assert_eq!(store.claim(UpdateId(1), &[], MAIL, 9, at(59)).unwrap(), []);
    assert_eq!(store.claim(UpdateId(1), &[], MAIL, 9, at(60)).unwrap()[0].attempts, 1);
    assert_eq!(store.close(UpdateId(2)).unwrap(), 4);
    assert_eq!(store.totals().unwrap().get(&Progress::Closed), Some(&4));
}

fn outstanding(store: &Store) -> Vec<u64> {
    store.outstanding(MAIL).unwrap().iter().map(|update| update.id.0).collect()
}

#[test]
fn update_on_its_way_holds_its_successor_back() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    add(&store, 1);
    store.publish(&update(1), at(0), everyone).unwrap();
    let id = store.claim(UpdateId(1), &[], MAIL, 9, at(1)).unwrap()[0].subscriber.id;
    store.publish(&update(2), at(2), everyone).unwrap();
    assert_eq!(outstanding(&store), [1, 2], "claimed");
    store.sending(UpdateId(1), id).unwrap();
    assert_eq!(outstanding(&store), [1, 2], "it is being sent");
    assert_eq!(store.claim(UpdateId(2), &[UpdateId(1)], MAIL, 9, at(3)).unwrap(), []);
    store.again(UpdateId(1), id, at(60), true).unwrap();
    assert_eq!((outstanding(&store), store.next_due(MAIL).unwrap()), (vec![1, 2], Some(at(2))));
    store.failed(UpdateId(1), id, false, false).unwrap();
    assert_eq!(outstanding(&store), [2]);
}

#[test]
fn message_whose_progress_was_not_written_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    add(&store, 2);
    store.publish(&update(1), at(0), everyone).unwrap();
    let claimed = store.claim(UpdateId(1), &[], MAIL, 9, at(1)).unwrap();
    store.sending(UpdateId(1), claimed[0].subscriber.id).unwrap();
    store.take_back(&[SubscriberKind::Slack]).unwrap();
    assert_eq!(store.claim(UpdateId(1), &[], MAIL, 9, at(1)).unwrap(), [], "another sender's");
    store.take_back(MAIL).unwrap();
    let again = store.claim(UpdateId(1), &[], MAIL, 9, at(1)).unwrap();
    assert_eq!(again, claimed[1..], "the other one may have been sent");
    assert_eq!(store.totals().unwrap().get(&Progress::InDoubt), Some(&1));
}

#[test]
fn clock_that_is_set_back_delays_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    add(&store, 1);
    store.publish(&update(1), at(86_400), everyone).unwrap();
    assert_eq!(store.claim(UpdateId(1), &[], MAIL, 9, at(0)).unwrap().len(), 1);
}

#[test]
fn crash_repeats_nothing_that_may_have_been_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    add(&store, 4);
    store.publish(&update(1), at(0), everyone).unwrap();
    let claimed = store.claim(UpdateId(1), &[], MAIL, 3, at(1)).unwrap();
    let ids: Vec<SubscriberId> = claimed.iter().map(|it| it.subscriber.id).collect();
    store.sending(UpdateId(1), ids[0]).unwrap();
    store.sent(UpdateId(1), ids[0], &[]).unwrap();
    store.sending(UpdateId(1), ids[1]).unwrap();
    drop(store);
    let (store, recovered) = open(folder.path());
    assert_eq!(recovered, Recovered { released: 1, in_doubt: 1 });
    let again = store.claim(UpdateId(1), &[], MAIL, 9, at(1)).unwrap();
    let again: BTreeSet<SubscriberId> = again.iter().map(|it| it.subscriber.id).collect();
    assert!(again.len() == 2 && !again.contains(&ids[0]) && !again.contains(&ids[1]), "{again:?}");
    store.sync().unwrap();
    assert_eq!(store.totals().unwrap().get(&Progress::InDoubt), Some(&1));
    // The next message says what may not have arrived, once.
    store.publish(&update(2), at(2), everyone).unwrap();
    let missed = |update: u64| {
        let claimed = store.claim(UpdateId(update), &[], MAIL, 9, at(3)).unwrap();
        claimed.into_iter().map(|it| (it.subscriber.id, it.missed)).collect::<BTreeMap<_, _>>()
    };
    let second = missed(2);
    assert_eq!(second[&ids[1]], [UpdateId(1)].into());
    assert!(second.iter().all(|(id, missed)| *id == ids[1] || missed.is_empty()), "{second:?}");
    store.sending(UpdateId(2), ids[1]).unwrap();
    store.sent(UpdateId(2), ids[1], &[UpdateId(1)]).unwrap();
    let totals = store.totals().unwrap();
    assert_eq!((totals.get(&Progress::InDoubt), totals.get(&Progress::Included)), (Some(&0), Some(&1)));
    store.publish(&update(3), at(3), everyone).unwrap();
    assert_eq!(missed(3)[&ids[1]], BTreeSet::new());
}

#[test]
fn request_is_pending_until_it_is_confirmed_and_asked_within_limits() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let auth = BTreeSet::from(["auth".into()]);
    let all = BTreeSet::new();
    assert!(store.request("Ana@acme.net", &auth, at(0), |last| last.is_none()).unwrap());
    assert!(!store.request("ana@ACME.net", &all, at(1), |last| last.is_none()).unwrap(), "the same mailbox");
    let letters = store.claim_letters(9, at(1)).unwrap();
    assert_eq!((letters.len(), &letters[0].subscriber.components), (1, &auth));
    let id = letters[0].subscriber.id;
    store.publish(&update(1), at(1), everyone).unwrap();
    assert_eq!(store.claim(UpdateId(1), &[], MAIL, 9, at(9)).unwrap(), [], "not confirmed");
    assert_eq!(store.confirm(id).unwrap().map(|it| it.state), Some(SubscriberState::Confirmed));
    // A later request of a stranger changes nothing.
    assert!(store.request("ana@acme.net", &all, at(2), |_| true).unwrap());
    assert_eq!(store.subscriber(id).unwrap().unwrap().components, auth);
    store.request("ben@acme.net", &all, at(3), |_| true).unwrap();
    assert_eq!(store.forget_pending(at(3)).unwrap(), 1);
    assert!(store.subscriber(id).unwrap().is_some());
}

#[test]
fn refused_address_is_paused_and_a_success_forgives() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    add(&store, 1);
    let id = SubscriberId(1);
    for n in 1..=2 {
        store.publish(&update(n), at(0), everyone).unwrap();
    }
    store.failed(UpdateId(1), id, true, false).unwrap();
    assert_eq!(store.subscriber(id).unwrap().unwrap().failures, 1);
    store.sent(UpdateId(2), id, &[]).unwrap();
    assert_eq!(store.subscriber(id).unwrap().unwrap().failures, 0);
    store.publish(&update(3), at(0), everyone).unwrap();
    store.failed(UpdateId(2), id, true, true).unwrap();
    assert_eq!(store.subscriber(id).unwrap().unwrap().state, SubscriberState::Paused);
    assert_eq!(store.claim(UpdateId(3), &[], MAIL, 9, at(1)).unwrap(), []);
    assert_eq!(store.publish(&update(4), at(0), everyone).unwrap(), 0);
    let again = store.add(&[(SubscriberKind::Mail, "S0@acme.net".to_owned(), BTreeSet::new())], at(1));
    assert_eq!(again.unwrap(), [Added::Known(id)]);
    assert_eq!(store.subscriber(id).unwrap().unwrap().state, SubscriberState::Confirmed);
}

#[test]
fn removed_address_is_in_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let address = "erase-me@acme.net";
    store.add(&[(SubscriberKind::Mail, address.to_owned(), BTreeSet::new())], at(0)).unwrap();
    store.publish(&update(1), at(0), everyone).unwrap();
    let found = || {
        std::fs::read_dir(folder.path()).unwrap().any(|file| {
            std::fs::read(file.unwrap().path()).unwrap().windows(8).any(|part| part == b"erase-me")
        })
    };
    assert!(found());
    assert!(store.remove(SubscriberId(1)).unwrap());
    assert!(!found());
    assert!(!store.remove(SubscriberId(1)).unwrap());
    assert_eq!(store.claim(UpdateId(1), &[], MAIL, 9, at(1)).unwrap(), []);
    // Its number is not given again, so that its links open nothing.
    add(&store, 1);
    assert_eq!(store.page(SubscriberId(0), 9).unwrap()[0].id, SubscriberId(2));
}
