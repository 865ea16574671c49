//! The contract test suite: every journal passes it, in memory and on disk.
//!
//! Each function takes a closure that makes an empty journal and panics where the contract is broken.

use crate::journal::{AppendError, Committed, Head, Journal, MAX_EVENTS, ReadError};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use types::event::{ServiceState, UpdateStatus};
use types::fault::{DnsFault, DomainFault, TlsFault};
use types::notification::{Contact, Delivered, Undelivered};
use types::{
    Alert, AlertId, Delivery, Event, EventKind, Fault, IncidentId, NotificationKey, PageId, Resource,
    ServiceId, Severity, Time, UpdateId,
};

/// The whole suite.
pub fn all<J: Journal>(make: impl Fn() -> J) {
    begins_empty(&make);
    gives_back_what_was_appended(&make);
    refuses_to_append_elsewhere(&make);
    may_be_asked_again(&make);
    takes_what_came_since(&make);
    leaves_gaps_alone(&make);
    keeps_every_shape(&make);
    appends_all_or_nothing(&make);
}

/// An event with a number, distinct from that of every other `salt`.
#[must_use]
pub fn event(seq: u64, salt: &str) -> Event {
    let kind = match seq % 3 {
        0 => EventKind::ConfigAdopted { digest: format!("{salt}{seq:064x}") },
        1 => EventKind::IncidentNoted {
            incident: IncidentId(seq),
            by: types::Actor::person("ana", types::Via::Console),
            text: format!("note {seq} {salt}: \"quotes\", grüße, 🔔, \u{0}"),
        },
        _ => EventKind::UpdatePublished {
            update: UpdateId(seq),
            incident: IncidentId(seq),
            status: UpdateStatus::Identified,
            title: salt.to_owned(),
            body: "We know why.".to_owned(),
            affected: BTreeMap::from([(ServiceId::from("auth"), ServiceState::MajorOutage)]),
            by: None,
        },
    };
    Event { seq, at: types::time::later(Time::UNIX_EPOCH, Duration::from_millis(seq)), kind }
}

/// Events with the numbers `from` to `to`, both included.
#[must_use]
pub fn events(from: u64, to: u64) -> Vec<Event> {
    (from..=to).map(|seq| event(seq, "")).collect()
}

fn ends_at(journal: &impl Journal) -> Result<u64, ReadError> {
    journal.head().map(|head| head.seq)
}

fn committed(result: Result<Committed, AppendError>) -> Result<u64, AppendError> {
    result.map(|committed| committed.head.seq)
}

fn is_conflict_at(result: &Result<Committed, AppendError>, seq: u64) -> bool {
    matches!(result, Err(AppendError::Conflict { current: Head { seq: at, .. } }) if *at == seq)
}

/// A new journal has no events, and nothing can be read from it.
pub fn begins_empty<J: Journal>(make: impl Fn() -> J) {
    let mut journal = make();
    assert_eq!(ends_at(&journal), Ok(0));
    assert_eq!(journal.read(0, 10), Ok(vec![]));
    assert_eq!(committed(journal.append(0, &[])), Ok(0));
}

/// Events are read in order, equal to the appended ones, from any position and in any page size.
pub fn gives_back_what_was_appended<J: Journal>(make: impl Fn() -> J) {
    let mut journal = make();
    assert_eq!(committed(journal.append(0, &events(1, 1))), Ok(1));
    assert_eq!(committed(journal.append(1, &events(2, 9))), Ok(9));
    assert_eq!(ends_at(&journal), Ok(9));
    assert_eq!(journal.read(0, 100), Ok(events(1, 9)));
    assert_eq!(journal.read(3, 2), Ok(events(4, 5)));
    assert_eq!(journal.read(8, 100), Ok(events(9, 9)));
    assert_eq!(journal.read(9, 100), Ok(vec![]));
    assert_eq!(journal.read(u64::MAX, 100), Ok(vec![]));
    assert_eq!(journal.read(0, 0), Ok(vec![]));
}

/// An append at a wrong position, or with sequence numbers that do not increase, writes nothing.
pub fn refuses_to_append_elsewhere<J: Journal>(make: impl Fn() -> J) {
    let mut journal = make();
    assert_eq!(committed(journal.append(0, &events(1, 3))), Ok(3));
    assert!(is_conflict_at(&journal.append(5, &events(6, 6)), 3), "ahead of the end");
    assert!(is_conflict_at(&journal.append(2, &[event(3, "other")]), 3), "behind it, with something else");
    assert!(is_conflict_at(&journal.append(2, &[event(4, "")]), 3), "behind it, overlooking an event");
    assert!(is_conflict_at(&journal.append(2, &[]), 3), "behind it, with nothing");
    assert!(is_conflict_at(&journal.append(3, &events(3, 3)), 3), "a number that is taken");
    assert!(is_conflict_at(&journal.append(3, &[event(5, ""), event(4, "")]), 3), "numbers that fall");
    assert_eq!(journal.read(0, 100), Ok(events(1, 3)));
    assert_eq!(committed(journal.append(3, &events(4, 4))), Ok(4), "and goes on afterwards");
}

/// A repeated append has the result of the first one, also after later appends.
pub fn may_be_asked_again<J: Journal>(make: impl Fn() -> J) {
    let mut journal = make();
    for _ in 0..3 {
        assert_eq!(committed(journal.append(0, &events(1, 4))), Ok(4));
    }
    assert_eq!(committed(journal.append(4, &events(5, 6))), Ok(6));
    assert_eq!(committed(journal.append(0, &events(1, 4))), Ok(6));
    assert_eq!(journal.read(0, 100), Ok(events(1, 6)));
}

/// After an unknown result, the same events may be sent again with later ones behind them.
pub fn takes_what_came_since<J: Journal>(make: impl Fn() -> J) {
    let mut journal = make();
    assert_eq!(committed(journal.append(0, &events(1, 4))), Ok(4));
    assert_eq!(committed(journal.append(0, &events(1, 7))), Ok(7));
    assert_eq!(committed(journal.append(2, &events(3, 8))), Ok(8));
    assert_eq!(journal.read(0, 100), Ok(events(1, 8)));
    let mut other = events(1, 9);
    other[5] = event(6, "other");
    assert!(is_conflict_at(&journal.append(0, &other), 8));
    assert_eq!(ends_at(&journal), Ok(8));
}

/// Gaps between sequence numbers are kept and cannot be filled later.
pub fn leaves_gaps_alone<J: Journal>(make: impl Fn() -> J) {
    let mut journal = make();
    let gappy = [event(2, ""), event(5, "")];
    assert_eq!(committed(journal.append(0, &gappy)), Ok(5));
    assert_eq!(committed(journal.append(0, &gappy)), Ok(5));
    assert!(is_conflict_at(&journal.append(2, &[event(3, "")]), 5));
    assert_eq!(committed(journal.append(5, &[event(9, "")])), Ok(9));
    assert_eq!(journal.read(2, 100), Ok(vec![event(5, ""), event(9, "")]));
}

/// Nested and optional values, durations and addresses are read as they were written.
pub fn keeps_every_shape<J: Journal>(make: impl Fn() -> J) {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let alert = |fault| EventKind::AlertOpened {
        alert: Alert {
            id: AlertId(u64::MAX),
            about: Resource::dns("acme.app"),
            fault,
            severity: Severity::Critical,
            probe: "dns.acme.app".into(),
            since: Time::MIN,
            evidence: String::new(),
            seen_at: types::SeenAt::default(),
        },
    };
    let contact = Contact { channel: "ntfy".into(), address: "ana".to_owned() };
    let attempt = |result| EventKind::AttemptEnded {
        page: Some(PageId(1)),
        contact: contact.clone(),
        person: None,
        delivery: Delivery { key: NotificationKey("key".to_owned()), result },
    };
    let moved = DnsFault::DelegationMoved { from: names(&["a.ns", "b.ns"]), to: names(&[]) };
    let retry_after = Some(Duration::new(17, 500_000_001));
    let kind = [
        EventKind::Booted { unmonitored_since: None },
        EventKind::Booted { unmonitored_since: Some(Time::MAX) },
        alert(Fault::Dns { dns: moved }),
        alert(Fault::PrivateAddress { address: IpAddr::V6(Ipv6Addr::LOCALHOST) }),
        alert(Fault::Slow { limit: Duration::from_micros(1_500) }),
        alert(Fault::Domain {
            domain: DomainFault::Expired { at: None, parked_on: Some(names(&["park.ns"])) },
        }),
        alert(Fault::Tls { tls: TlsFault::Expiring { at: Time::UNIX_EPOCH, left_percent: 9 } }),
        attempt(Ok(Delivered { receipt: None })),
        attempt(Err(Undelivered { why: "no".to_owned(), retriable: true, retry_after })),
    ];
    let events: Vec<Event> = (1..)
        .zip(kind)
        .map(|(seq, kind)| Event {
            seq,
            at: types::time::later(Time::UNIX_EPOCH, Duration::from_nanos(seq)),
            kind,
        })
        .collect();
    let mut journal = make();
    assert_eq!(committed(journal.append(0, &events)), Ok(events.len() as u64));
    assert_eq!(journal.read(0, 100), Ok(events));
}

/// An append over the limit is refused as a whole; one at the limit is written as a whole.
pub fn appends_all_or_nothing<J: Journal>(make: impl Fn() -> J) {
    let mut journal = make();
    let most = events(1, MAX_EVENTS as u64);
    assert_eq!(journal.append(0, &events(1, MAX_EVENTS as u64 + 1)), Err(AppendError::TooLarge));
    assert_eq!(ends_at(&journal), Ok(0));
    assert_eq!(committed(journal.append(0, &most)), Ok(MAX_EVENTS as u64));
    assert_eq!(journal.read(0, usize::MAX), Ok(most));
}
