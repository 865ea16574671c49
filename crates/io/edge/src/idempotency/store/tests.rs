//! The store with real files: results, other requests, processes that ended, a disk that is full.

use super::super::keeper::is_running;
use super::*;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::future::Future;
use tempfile::TempDir;

const KEEP: Duration = Duration::from_secs(3_600);

fn block<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(what)
}

fn asked(key: &str, body: u8) -> Asked {
    Asked { service: "web".into(), key: key.into(), client: 1, fingerprint: [body; 32], keep: KEEP }
}

fn store(folder: &TempDir) -> Arc<KeyStore> {
    KeyStore::new(folder.path().join("new/idempotency.db")).unwrap()
}

fn created(body: &'static [u8]) -> StoredAnswer {
    StoredAnswer::new(StatusCode::CREATED, &HeaderMap::new(), Some(Bytes::from_static(body)))
}

fn forwarded(reply: Result<Reply, Unavailable>) -> RememberedKey {
    match reply {
        Ok(Reply::Forward(begun)) => begun,
        other => panic!("not forwarded: {other:?}"),
    }
}

#[test]
fn second_request_gets_the_answer_of_the_first() {
    let folder = TempDir::new().unwrap();
    block(async {
        let store = store(&folder);
        let begun = forwarded(store.begin(asked("key", 1)).await);
        assert!(matches!(store.begin(asked("key", 1)).await, Ok(Reply::InFlight)));
        assert!(matches!(store.begin(asked("key", 2)).await, Ok(Reply::OtherRequest)));
        begun.answered(created(b"{}"));
        for _ in 0..2 {
            match store.begin(asked("key", 1)).await {
                Ok(Reply::Replay(answer)) => assert_eq!(answer, created(b"{}")),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(store.begin(asked("key", 2)).await, Ok(Reply::OtherRequest)));
        let other = Asked { service: "shop".into(), ..asked("key", 2) };
        drop(forwarded(store.begin(other).await));
        let usage = store.usage();
        let expected = [
            ("forwarded", 2),
            ("forwarded_again", 0),
            ("replayed", 2),
            ("other_request", 2),
            ("in_flight", 1),
            ("too_many", 0),
            ("unavailable", 0),
        ];
        assert_eq!(usage.outcomes, expected);
        assert!(usage.bytes > 0 && usage.bytes < usage.max_bytes, "{usage:?}");
    });
}

#[test]
fn request_that_comes_together_with_the_answer_to_its_first_one_gets_it() {
    let folder = TempDir::new().unwrap();
    let mut keeper = Keeper::new(folder.path().join("idempotency.db"));
    let ask = |keeper: &mut Keeper, besides: Vec<Order>| {
        let (reply, mut found) = oneshot::channel();
        let orders = std::iter::once(Order::Begin(asked("key", 1), reply)).chain(besides);
        keeper.take(orders.collect());
        found.try_recv().unwrap().unwrap().decision
    };
    assert_eq!(ask(&mut keeper, Vec::new()), Decision::Forward { is_again: false });
    let id = KeyId { service: "web".into(), key: "key".into() };
    assert_eq!(ask(&mut keeper, vec![Order::End(id, Some(created(b"1")))]), Decision::Replay);
}

#[test]
fn key_of_a_request_whose_client_left_is_given_back() {
    let folder = TempDir::new().unwrap();
    block(async {
        let store = store(&folder);
        let (reply, found) = oneshot::channel();
        let id = KeyId { service: "web".into(), key: "key".into() };
        let waiting = Waiting { store: &store, id, found };
        store.order(Order::Begin(asked("key", 1), reply));
        // The answer has come, and nobody took it.
        while waiting.found.is_empty() {
            tokio::time::sleep(LOOK).await;
        }
        drop(waiting);
        // Nothing is known of the key.
        drop(forwarded(store.begin(asked("key", 2)).await));
    });
}

#[test]
fn write_that_did_not_take_place_is_forwarded_as_the_first() {
    let folder = TempDir::new().unwrap();
    block(async {
        let store = store(&folder);
        forwarded(store.begin(asked("key", 1)).await).undone();
        // Even with another body: nothing is known of the key.
        drop(forwarded(store.begin(asked("key", 2)).await));
        // Uncertain: only the same request goes on.
        assert!(matches!(store.begin(asked("key", 1)).await, Ok(Reply::OtherRequest)));
        drop(forwarded(store.begin(asked("key", 2)).await));
    });
}

#[test]
fn answers_survive_the_process_and_keys_without_one_are_uncertain() {
    let folder = TempDir::new().unwrap();
    block(async {
        let store = store(&folder);
        forwarded(store.begin(asked("answered", 1)).await).answered(created(b"1"));
        std::mem::forget(forwarded(store.begin(asked("in flight", 1)).await));
    });
    // Another store has another process number, as after kill -9: the first one still has the file open.
    block(async {
        let store = store(&folder);
        assert!(matches!(store.begin(asked("answered", 1)).await, Ok(Reply::Replay(_))));
        assert!(matches!(store.begin(asked("in flight", 2)).await, Ok(Reply::OtherRequest)));
        drop(forwarded(store.begin(asked("in flight", 1)).await));
    });
}

#[test]
fn key_that_another_process_took_over_is_not_given_back_by_the_first() {
    let folder = TempDir::new().unwrap();
    block(async {
        // Two stores are two processes, as while one hands over to the other.
        let (first, second) = (store(&folder), store(&folder));
        let begun = forwarded(first.begin(asked("key", 1)).await);
        let again = forwarded(second.begin(asked("key", 1)).await);
        begun.undone();
        // In the order in which they came: this one is begun after the other one was given back.
        drop(forwarded(first.begin(asked("other", 1)).await));
        assert!(matches!(second.begin(asked("key", 1)).await, Ok(Reply::InFlight)));
        again.answered(created(b"1"));
        assert!(matches!(second.begin(asked("key", 1)).await, Ok(Reply::Replay(_))));
    });
}

#[test]
fn last_answers_are_on_disk_when_the_store_is_dropped() {
    let folder = TempDir::new().unwrap();
    block(async {
        let store = store(&folder);
        for number in 0..500 {
            let begun = forwarded(store.begin(asked(&format!("key {number}"), 1)).await);
            begun.answered(created(b"1"));
        }
    });
    block(async {
        let store = store(&folder);
        for number in 0..500 {
            let reply = store.begin(asked(&format!("key {number}"), 1)).await;
            assert!(matches!(reply, Ok(Reply::Replay(_))), "{number}: {reply:?}");
        }
    });
}

#[test]
fn keys_are_forgotten_when_their_time_is_over() {
    let folder = TempDir::new().unwrap();
    block(async {
        let store = store(&folder);
        let short = Asked { keep: Duration::ZERO, ..asked("key", 1) };
        forwarded(store.begin(short.clone()).await).answered(created(b"1"));
        drop(forwarded(store.begin(short).await));
    });
}

#[test]
fn disk_that_cannot_be_written_refuses_and_recovers() {
    let folder = TempDir::new().unwrap();
    // A file where the folder should be.
    std::fs::write(folder.path().join("new"), "").unwrap();
    block(async {
        let store = store(&folder);
        assert_eq!(store.begin(asked("key", 1)).await.err(), Some(Unavailable));
        std::fs::remove_file(folder.path().join("new")).unwrap();
        forwarded(store.begin(asked("key", 1)).await).answered(created(b"1"));
        assert!(matches!(store.begin(asked("key", 1)).await, Ok(Reply::Replay(_))));
    });
}

#[test]
fn full_file_refuses_new_keys_and_still_replays() {
    let folder = TempDir::new().unwrap();
    let mut keeper = Keeper::new(folder.path().join("keys.db"));
    keeper.pages = Some(24);
    let mut ask = |key: &str| {
        let (reply, found) = oneshot::channel();
        keeper.take(vec![Order::Begin(asked(key, 1), reply)]);
        let found = found.blocking_recv().unwrap().map(|found| found.decision);
        let id = KeyId { service: "web".into(), key: key.into() };
        if found == Ok(Decision::Forward { is_again: false }) {
            let body = Bytes::from(vec![b'x'; 8_000]);
            let answer = StoredAnswer::new(StatusCode::OK, &HeaderMap::new(), Some(body));
            keeper.take(vec![Order::End(id, Some(answer))]);
        }
        found
    };
    let full = (0..200).find(|number| ask(&format!("key {number}")) == Err(Unavailable));
    let full = full.expect("the file is never full");
    assert!(full > 1, "{full}");
    assert_eq!(ask("key 0"), Ok(Decision::Replay));
}

#[test]
fn client_with_too_many_keys_adds_none_and_leaves_room_for_others() {
    let folder = TempDir::new().unwrap();
    let mut keeper = Keeper::new(folder.path().join("keys.db"));
    keeper.client_max = 10_000;
    let ask = |keeper: &mut Keeper, key: &str, client: i64, keep: Duration| {
        let (reply, found) = oneshot::channel();
        keeper.take(vec![Order::Begin(Asked { client, keep, ..asked(key, 1) }, reply)]);
        let found = found.blocking_recv().unwrap().unwrap();
        (!found.is_too_many).then_some(found.decision)
    };
    let end = |keeper: &mut Keeper, key: &str, answer| {
        keeper.take(vec![Order::End(KeyId { service: "web".into(), key: key.into() }, answer)]);
    };
    let new = Some(Decision::Forward { is_again: false });
    let long = created(&[b'x'; 9_500]);
    assert_eq!(ask(&mut keeper, "first", 1, KEEP), new);
    end(&mut keeper, "first", Some(long.clone()));
    assert_eq!(ask(&mut keeper, "second", 1, KEEP), new);
    // The answer of the first counts. What is known is answered, and other clients have room.
    assert_eq!(ask(&mut keeper, "third", 1, KEEP), None);
    assert_eq!(ask(&mut keeper, "first", 1, KEEP), Some(Decision::Replay));
    assert_eq!(ask(&mut keeper, "second", 1, KEEP), Some(Decision::InFlight));
    assert_eq!(ask(&mut keeper, "third", 2, Duration::ZERO), new);
    // A key that is given back makes room, and so does one that is forwarded once more: its answer goes.
    end(&mut keeper, "second", None);
    assert_eq!(ask(&mut keeper, "fourth", 1, KEEP), new);
    assert_eq!(ask(&mut keeper, "fifth", 1, KEEP), None);
    end(&mut keeper, "third", Some(long));
    assert_eq!(ask(&mut keeper, "sixth", 2, KEEP), new, "below the bound");
    assert_eq!(ask(&mut keeper, "seventh", 2, KEEP), None);
    assert_eq!(ask(&mut keeper, "third", 2, KEEP), new, "its time was over");
    assert_eq!(ask(&mut keeper, "seventh", 2, KEEP), new);
}

#[test]
fn file_without_clients_is_taken_over() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("keys.db");
    let before = rusqlite::Connection::open(&path).unwrap();
    before
        .execute_batch(
            "CREATE TABLE keys (service TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL, until INTEGER NOT NULL,
             process TEXT NOT NULL, begun INTEGER NOT NULL, status INTEGER, headers BLOB, body BLOB, PRIMARY KEY (service, key)) WITHOUT ROWID;
             INSERT INTO keys VALUES ('web', 'key', x'0101010101010101010101010101010101010101010101010101010101010101', 9999999999, '1 a', 0, 201, x'', x'');",
        )
        .unwrap();
    block(async {
        let store = KeyStore::new(path).unwrap();
        assert!(matches!(store.begin(asked("key", 1)).await, Ok(Reply::Replay(_))));
        drop(forwarded(store.begin(asked("new", 1)).await));
    });
}

#[test]
fn damaged_file_is_renamed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("new/idempotency.db");
    std::fs::create_dir(folder.path().join("new")).unwrap();
    std::fs::write(&path, "this is no database, and it is long enough to be looked at as one".repeat(100))
        .unwrap();
    block(async {
        let store = store(&folder);
        drop(forwarded(store.begin(asked("key", 1)).await));
    });
    assert!(folder.path().join("new/idempotency.db.damaged").exists());
}

#[test]
fn only_a_running_process_of_this_program_counts() {
    assert!(is_running(std::process::id()));
    assert!(!is_running(u32::MAX));
}
