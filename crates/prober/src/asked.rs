//! Which addresses one question reached, noted on the way: what fails alike at one address is one event.

use model::{AddressSeen, Answer, Fault};
use std::cell::RefCell;
use std::future::Future;
use std::net::IpAddr;

/// No more addresses of one question than this are noted: those of a name and of a few redirects.
const NOTED_MAX: usize = 64;

tokio::task_local! {
    static ASKED: RefCell<Asked>;
}

/// The addresses that one question reached or failed to reach, and the alias that it followed.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) addresses: Vec<AddressSeen>,
    pub(crate) alias: Option<String>,
}

impl Asked {
    /// An answer that failed as a whole failed at the address that was reached last.
    pub(crate) fn blame(&mut self, answer: &Answer) {
        if let (Answer::Failed(fault), Some(last)) = (answer, self.addresses.last_mut()) {
            last.fault.get_or_insert_with(|| fault.clone());
        }
    }
}

/// Runs a question and tells what it noted.
pub(crate) async fn noting<T>(question: impl Future<Output = T>) -> (T, Asked) {
    ASKED
        .scope(RefCell::default(), async {
            let answer = question.await;
            (answer, ASKED.with(RefCell::take))
        })
        .await
}

/// Notes how an address did; outside of a question nothing happens.
pub(crate) fn address(address: IpAddr, fault: Option<Fault>) {
    note(|asked| {
        asked.addresses.retain(|known| known.address != address);
        if asked.addresses.len() < NOTED_MAX {
            asked.addresses.push(AddressSeen { address, fault });
        }
    });
}

/// Notes what the name asked last is an alias of.
pub(crate) fn alias(alias: Option<String>) {
    note(|asked| asked.alias = alias);
}

fn note(change: impl FnOnce(&mut Asked)) {
    // Parts of a question that run as tasks of their own are noted by whoever waits for them.
    let _ = ASKED.try_with(|asked| change(&mut asked.borrow_mut()));
}
