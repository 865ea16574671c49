//! The thread that keeps the keys: it takes what has come meanwhile and commits it as one.

use super::answer::StoredAnswer;
use super::table::{self, KeyId, Row};
use http::HeaderMap;
use rusqlite::{Connection, ErrorCode, Transaction};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use traffic::idempotency::{Decision, Fingerprint, decide};
use types::Time;

/// Orders in one transaction.
const BATCH: usize = 512;
/// Interval at which keys are forgotten whose time is over.
const EXPIRE: Duration = Duration::from_secs(30);
/// Longest time for which another process that hands over to this one may still forward a request: that of the timeouts.
const HAND_OVER: Duration = Duration::from_secs(3_600);
/// Answers that could not be written, and are written with the next ones.
const OWED_MAX: usize = 512;
/// Interval between two logs of a disk that fails.
const WARN: Duration = Duration::from_secs(30);

/// The keys cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the idempotency keys cannot be written")]
pub(crate) struct Unavailable;

/// A request with a key.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) service: Box<str>,
    pub(crate) key: Box<str>,
    /// The client that sent it: a number that its address has for good.
    pub(crate) client: i64,
    pub(crate) fingerprint: Fingerprint,
    /// Time for which it is remembered.
    pub(crate) keep: Duration,
}

/// What the thread does.
pub(super) enum Order {
    Begin(Asked, oneshot::Sender<Result<Found, Unavailable>>),
    /// The server's answer; `None`: the write did not take place.
    End(KeyId, Option<StoredAnswer>),
    /// No one knows whether the write took place.
    Leave(KeyId),
}

/// What was found of a key, and what is done with its request.
pub(super) struct Found {
    pub(super) decision: Decision,
    pub(super) answer: Option<StoredAnswer>,
    /// The key is new, and its client has too many: nothing is forwarded.
    pub(super) is_too_many: bool,
}

/// The state of the thread.
pub(super) struct Keeper {
    path: PathBuf,
    /// This process: its number, and a random one.
    process: String,
    db: Option<Connection>,
    /// Keys whose requests this process is forwarding.
    in_flight: HashSet<KeyId>,
    expired: Option<Instant>,
    warned: Option<Instant>,
    /// Results that could not be written.
    owed: Vec<(KeyId, Option<StoredAnswer>)>,
    /// The size of the file, for tests of a full disk.
    pub(super) pages: Option<i64>,
    /// Bytes of one client's keys.
    pub(super) client_max: i64,
}

impl Keeper {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            process: format!("{} {:032x}", std::process::id(), fastrand::u128(..)),
            db: None,
            in_flight: HashSet::new(),
            expired: None,
            warned: None,
            owed: Vec::new(),
            pages: None,
            client_max: table::CLIENT_MAX,
        }
    }

    pub(super) fn run(mut self, inbox: &Receiver<Order>) {
        loop {
            let first = match inbox.recv_timeout(EXPIRE) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    if !self.owed.is_empty() {
                        self.take(Vec::new());
                    }
                    return;
                }
            };
            let orders: Vec<Order> = first.into_iter().chain(inbox.try_iter().take(BATCH)).collect();
            if !orders.is_empty() || !self.owed.is_empty() || self.db.is_some() {
                self.take(orders);
            }
        }
    }

    /// Commits these orders, and answers those who wait.
    pub(super) fn take(&mut self, orders: Vec<Order>) {
        let owed = std::mem::take(&mut self.owed).into_iter().map(|(id, answer)| Order::End(id, answer));
        let mut orders: Vec<Order> = owed.chain(orders).collect();
        // Results first: a request that comes together with the answer to its first one gets that answer.
        orders.sort_by_key(|order| matches!(order, Order::Begin(..)));
        // Whatever the disk does, these are no longer in flight.
        for order in &orders {
            if let Order::End(id, _) | Order::Leave(id) = order {
                self.in_flight.remove(id);
            }
        }
        let results = match self.commit(&orders) {
            Ok(found) => found.into_iter().map(Some).collect(),
            Err(why) => {
                self.warn(&why);
                // In a full file some orders still fit.
                let is_full = why.sqlite_error_code() == Some(ErrorCode::DiskFull);
                orders.iter().map(|order| if is_full { self.commit_one(order) } else { None }).collect()
            }
        };
        self.answer(orders, results);
    }

    fn answer(&mut self, orders: Vec<Order>, results: Vec<Option<Option<Found>>>) {
        let mut undone = Vec::new();
        for (order, result) in orders.into_iter().zip(results) {
            match (order, result) {
                (Order::Begin(asked, reply), Some(Some(found))) => {
                    let is_new = found.decision == Decision::Forward { is_again: false };
                    let forwards = matches!(found.decision, Decision::Forward { .. }) && !found.is_too_many;
                    if reply.send(Ok(found)).is_err() && forwards {
                        // No one waits any more, and nothing is forwarded.
                        let id = KeyId { service: asked.service, key: asked.key };
                        self.in_flight.remove(&id);
                        undone.extend(is_new.then_some(Order::End(id, None)));
                    }
                }
                (Order::Begin(_, reply), _) => drop(reply.send(Err(Unavailable))),
                (Order::End(id, answer), None) if self.owed.len() < OWED_MAX => self.owed.push((id, answer)),
                (Order::End(..) | Order::Leave(_), _) => {}
            }
        }
        if !undone.is_empty()
            && let Err(why) = self.commit(&undone)
        {
            self.warn(&why);
        }
    }

    fn warn(&mut self, why: &rusqlite::Error) {
        if self.warned.is_none_or(|at| at.elapsed() >= WARN) {
            self.warned = Some(Instant::now());
            tracing::error!(
                "{}: {why}; writes with an idempotency key are answered 503 until it can be written",
                self.path.display()
            );
        }
    }

    /// Commits one order. Of an answer that has no room only the head is stored; one without room for that is given up, so that
    /// it does not take the room of others.
    fn commit_one(&mut self, order: &Order) -> Option<Option<Found>> {
        let done = self.commit(std::slice::from_ref(order)).ok().and_then(|found| found.into_iter().next());
        match order {
            Order::End(id, Some(answer)) if done.is_none() => {
                let head = StoredAnswer { body: None, headers: HeaderMap::new(), ..answer.clone() };
                let _ = self.commit(&[Order::End(id.clone(), Some(head))]);
                Some(None)
            }
            Order::End(_, None) => Some(None),
            _ => done,
        }
    }

    /// Commits orders as one. Returns what was found for each that begins.
    fn commit(&mut self, orders: &[Order]) -> rusqlite::Result<Vec<Option<Found>>> {
        let mut begun = Vec::new();
        let result = self.write_all(orders, &mut begun);
        if result.is_err() {
            for id in &begun {
                self.in_flight.remove(id);
            }
        }
        result
    }

    fn write_all(
        &mut self,
        orders: &[Order],
        begun: &mut Vec<KeyId>,
    ) -> rusqlite::Result<Vec<Option<Found>>> {
        let now = Time::now();
        let mut db = match self.db.take() {
            Some(db) => db,
            None => opened(&self.path, self.pages)?,
        };
        let tx = table::begin(&mut db)?;
        if self.expired.is_none_or(|at| at.elapsed() >= EXPIRE) {
            // Those that are left are forgotten with the next orders.
            let is_all = table::expire(&tx, now)? < table::FORGOTTEN_MAX as usize;
            self.expired = is_all.then(Instant::now);
        }
        let mut all = Vec::with_capacity(orders.len());
        for order in orders {
            all.push(match order {
                Order::Begin(asked, _) => Some(self.begin(&tx, asked, now, begun)?),
                Order::End(id, Some(answer)) => table::answer(&tx, id, answer).map(|()| None)?,
                Order::End(id, None) => table::forget(&tx, id, &self.process).map(|()| None)?,
                Order::Leave(_) => None,
            });
        }
        tx.commit()?;
        self.db = Some(db);
        Ok(all)
    }

    /// Decides on a request, and remembers its key where it is forwarded.
    fn begin(
        &mut self,
        tx: &Transaction<'_>,
        asked: &Asked,
        now: Time,
        begun: &mut Vec<KeyId>,
    ) -> rusqlite::Result<Found> {
        let id = KeyId { service: asked.service.clone(), key: asked.key.clone() };
        let row = table::find(tx, &id)?;
        let known = row.as_ref().map(|row| row.known(self.is_in_flight(&id, row, now)));
        let decision = decide(known.as_ref(), &asked.fingerprint, now);
        let is_too_many = row.is_none() && table::bytes_of(tx, asked.client)? >= self.client_max;
        if matches!(decision, Decision::Forward { .. }) && !is_too_many {
            let until = types::time::later(now, asked.keep);
            table::remember(tx, &id, asked.client, (&asked.fingerprint, until), (&self.process, now))?;
            self.in_flight.insert(id.clone());
            begun.push(id);
        }
        Ok(Found { decision, answer: row.and_then(|row| row.answer), is_too_many })
    }

    /// Whether a request without an answer is being forwarded: by this process, or by one that is handing over to it.
    fn is_in_flight(&self, id: &KeyId, row: &Row, now: Time) -> bool {
        if row.process == self.process {
            return self.in_flight.contains(id);
        }
        if types::time::between(row.begun, now) >= HAND_OVER {
            return false;
        }
        let number = row.process.split(' ').next().and_then(|text| text.parse::<u32>().ok());
        number.is_some_and(|number| number != std::process::id() && is_running(number))
    }
}

fn opened(path: &Path, pages: Option<i64>) -> rusqlite::Result<Connection> {
    let db = table::open(path)?;
    if let Some(pages) = pages {
        table::limit(&db, pages)?;
    }
    Ok(db)
}

/// Whether a process with this number runs the same program. Another program may have got the number, and a process that has
/// ended may wait for its parent.
pub(super) fn is_running(number: u32) -> bool {
    let stat = |number: &str| std::fs::read_to_string(format!("/proc/{number}/stat")).ok();
    let named = |stat: String| {
        let (before, after) = stat.rsplit_once(')')?;
        let name = before.split_once('(')?.1.to_owned();
        (!matches!(after.trim_start().as_bytes().first(), Some(b'Z' | b'X') | None)).then_some(name)
    };
    let other = stat(&number.to_string()).and_then(named);
    other.is_some() && other == stat("self").and_then(named)
}
