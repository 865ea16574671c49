//! Sends requests over a bounded number of connections. A request that finds none free waits, and its wait counts.

use crate::connection::Connection;
use crate::recorder::{Ended, Recorder};
use crate::target::Target;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

/// A request that is due.
#[derive(Clone, Copy, Debug)]
struct Job {
    number: u64,
    due: Instant,
}

/// A worker that waits for its next request.
#[derive(Debug, Default)]
struct Idle {
    job: Cell<Option<Job>>,
    wake: Notify,
}

/// What the workers share. All of them run on one thread.
#[derive(Debug)]
struct Shared {
    target: Rc<Target>,
    recorder: RefCell<Recorder>,
    /// Requests that no connection was free for.
    waiting: RefCell<VecDeque<Job>>,
    /// Free workers, the last used one last.
    idle: RefCell<Vec<Rc<Idle>>>,
    timeout: Duration,
}

/// The workers, each with one connection.
#[derive(Debug)]
pub(crate) struct Sender {
    shared: Rc<Shared>,
    workers: JoinSet<()>,
    connections_max: usize,
    opened: usize,
}

impl Sender {
    pub(crate) fn new(target: Rc<Target>, recorder: Recorder, timeout: Duration) -> Self {
        let connections_max = usize::try_from(target.declared.allow.connections).unwrap_or(usize::MAX);
        let shared = Shared {
            target,
            recorder: RefCell::new(recorder),
            waiting: RefCell::default(),
            idle: RefCell::default(),
            timeout,
        };
        Self { shared: Rc::new(shared), workers: JoinSet::new(), connections_max, opened: 0 }
    }

    /// Counters and percentiles of the current step.
    pub(crate) fn recorder(&self) -> std::cell::RefMut<'_, Recorder> {
        self.shared.recorder.borrow_mut()
    }

    /// Sends a request that is due, or lets it wait for a connection.
    pub(crate) fn send(&mut self, due: Instant, is_late: bool) {
        let number = self.shared.recorder.borrow_mut().due(due, is_late);
        let job = Job { number, due };
        if let Some(free) = self.shared.idle.borrow_mut().pop() {
            free.job.set(Some(job));
            free.wake.notify_one();
        } else if self.workers.len() < self.connections_max {
            let addresses = &self.shared.target.addresses;
            let address = addresses.get(self.opened % addresses.len().max(1)).copied();
            self.opened += 1;
            if let Some(address) = address {
                self.workers.spawn_local(work(Rc::clone(&self.shared), address, job));
            }
        } else {
            self.shared.waiting.borrow_mut().push_back(job);
        }
    }

    /// Begins another step with a recorder of its own. No request may be in progress.
    pub(crate) fn begin(&self, recorder: Recorder) {
        self.shared.recorder.replace(recorder);
    }

    /// Gives up all requests, and closes their connections.
    pub(crate) async fn abort(&mut self) {
        self.shared.waiting.borrow_mut().clear();
        self.shared.idle.borrow_mut().clear();
        self.workers.shutdown().await;
    }
}

/// One worker: requests one after another over one connection, which is opened again when it is lost.
async fn work(shared: Rc<Shared>, address: SocketAddr, first: Job) {
    let mut connection = None;
    let idle = Rc::new(Idle::default());
    let mut job = first;
    loop {
        let deadline = (job.due + shared.timeout).into();
        let ended = match timeout_at(deadline, exchange(&shared.target, address, &mut connection)).await {
            Ok(Ok(status)) if shared.target.declared.accepts(status) => Ended::Good,
            Ok(Ok(status)) => {
                shared.recorder.borrow_mut().last_failure = Some(format!("status {status}"));
                Ended::Failed
            }
            Ok(Err(why)) => {
                connection = None;
                shared.recorder.borrow_mut().last_failure = Some(why);
                Ended::Failed
            }
            Err(_) => {
                connection = None;
                shared.recorder.borrow_mut().last_failure =
                    Some(format!("no answer within {} s", shared.timeout.as_secs()));
                Ended::TimedOut
            }
        };
        shared.recorder.borrow_mut().ended(job.number, Instant::now(), ended);
        let waiting = shared.waiting.borrow_mut().pop_front();
        job = match waiting {
            Some(job) => job,
            None => {
                shared.idle.borrow_mut().push(Rc::clone(&idle));
                idle.wake.notified().await;
                match idle.job.take() {
                    Some(job) => job,
                    None => return,
                }
            }
        };
    }
}

/// Sends one request; opens a connection first where there is none. A request that did not reach the target, because its
/// connection had been closed, is sent again over a new one.
async fn exchange(
    target: &Target,
    address: SocketAddr,
    connection: &mut Option<Connection>,
) -> Result<u16, String> {
    let mut request = target.request();
    if let Some(open) = connection.as_mut().filter(|open| !open.is_closed()) {
        match open.exchange(request).await {
            Ok(status) => return Ok(status),
            Err((None, why)) => return Err(why),
            Err((Some(unsent), _)) => request = unsent,
        }
    }
    let open = connection.insert(Connection::open(target, address).await?);
    open.exchange(request).await.map_err(|(_, why)| why)
}
