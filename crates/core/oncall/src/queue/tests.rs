//! Order and times of attempts.

use super::*;
use types::time::between;

const OK: Result<Delivered, Undelivered> = Ok(Delivered { receipt: None });

fn failed(retriable: bool, retry_after: Option<u64>) -> Result<Delivered, Undelivered> {
    let retry_after = retry_after.map(Duration::from_secs);
    Err(Undelivered { why: "503".to_owned(), retriable, retry_after })
}

fn at(secs: u64) -> Time {
    later(Time::UNIX_EPOCH, Duration::from_secs(secs))
}

/// Makes the attempt that is due first, again and again; each takes a second. Returns `second:contact.attempt` of each.
fn story(
    contacts: usize,
    mode: Mode,
    attempts: usize,
    answer: impl Fn(usize, u32) -> Result<Delivered, Undelivered>,
) -> String {
    let usable = vec![Usable::Message; contacts];
    let mut queue = DeliveryQueue::new(at(0));
    let mut now = at(0);
    let mut log = Vec::new();
    for _ in 0..attempts {
        let Some(attempt) =
            queue.planned(&usable, mode).into_iter().min_by_key(|attempt| (attempt.at, attempt.contact))
        else {
            log.push("end".to_owned());
            break;
        };
        now = now.max(attempt.at);
        log.push(format!("{}:{}.{}", now.as_second(), attempt.contact, attempt.number));
        now = later(now, Duration::from_secs(1));
        let result = answer(attempt.contact, attempt.number);
        queue.record(
            (attempt.contact, attempt.number),
            now,
            &result,
            (mode, repeat_interval(between(at(0), now))),
        );
        if mode != Mode::Fallback && matches!(&result, Err(undelivered) if !undelivered.retriable) {
            queue.abandon(attempt.contact);
        }
    }
    log.join(" ")
}

/// Number of contacts, mode, result of each attempt, expected attempts, reason.
type Case = (usize, Mode, fn(usize, u32) -> Result<Delivered, Undelivered>, &'static str, &'static str);

fn check(cases: &[Case]) {
    for (contacts, mode, answer, expected, why) in cases {
        assert_eq!(story(*contacts, *mode, 6, answer), *expected, "{why}");
    }
}

#[test]
fn page_contacts_are_tried_in_order_without_end() {
    check(&[
        (
            3,
            Mode::Page,
            |_, _| OK,
            "0:0.0 61:1.0 122:2.0 183:0.1 244:1.1 305:2.1",
            "accepted, not acknowledged",
        ),
        (1, Mode::Page, |_, _| OK, "0:0.0 61:0.1 122:0.2 183:0.3 244:0.4 305:0.5", "one contact"),
        (
            2,
            Mode::Page,
            |contact, _| if contact == 0 { failed(true, None) } else { OK },
            "0:0.0 1:1.0 3:0.0 9:0.0 25:0.0 56:0.0",
            "the second contact immediately, the first one retried in parallel",
        ),
        (
            1,
            Mode::Page,
            |_, _| failed(true, None),
            "0:0.0 3:0.0 9:0.0 25:0.0 56:0.0 117:0.1",
            "retries with the same number, then the next attempt",
        ),
        (
            1,
            Mode::Page,
            |_, _| failed(true, Some(900)),
            "0:0.0 121:0.0 242:0.0 363:0.0 484:0.0 545:0.1",
            "retry_after is limited",
        ),
        (
            2,
            Mode::Page,
            |contact, _| if contact == 0 { failed(false, None) } else { OK },
            "0:0.0 1:1.0 62:1.1 123:1.2 184:1.3 245:1.4",
            "a rejected token is not tried again",
        ),
        (2, Mode::Page, |_, _| failed(false, None), "0:0.0 1:1.0 end", "no contact is left"),
        (
            2,
            Mode::Fallback,
            |_, _| failed(false, None),
            "0:0.0 1:1.0 301:0.1 302:1.1 602:0.2 603:1.2",
            "a fallback contact is never abandoned",
        ),
    ]);
}

#[test]
fn notice_contacts_are_tried_until_accepted() {
    check(&[
        (
            2,
            Mode::Notice,
            |_, _| failed(true, None),
            "0:0.0 1:1.0 17:0.0 18:1.0 79:0.0 80:1.0",
            "a notice keeps its number",
        ),
        (
            2,
            Mode::Notice,
            |contact, _| if contact == 0 { failed(true, None) } else { OK },
            "0:0.0 1:1.0 end",
            "a notice ends when it is accepted",
        ),
        (
            2,
            Mode::NoticeToAll,
            |contact, _| if contact == 0 { failed(false, None) } else { OK },
            "0:0.0 1:1.0 end",
            "each fallback contact once",
        ),
    ]);
}

#[test]
fn unanswered_attempts_slow_down_to_fit_a_quota() {
    let mut queue = DeliveryQueue::new(at(0));
    let (mut now, mut times) = (at(0), Vec::new());
    while now < at(86_400) {
        times.push(now.as_second());
        queue.record(
            (0, queue.next_attempt(0)),
            now,
            &OK,
            (Mode::Page, repeat_interval(between(at(0), now))),
        );
        now = queue.planned(&[Usable::Message], Mode::Page)[0].at;
    }
    assert_eq!(times[..12], [0, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 720]);
    assert!(times.len() < 200, "{} messages a day", times.len());
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert_eq!(longest, i64::try_from(REPEAT_INTERVAL_MAX.as_secs()).ok());
}

#[test]
fn repeated_result_counts_once() {
    let mut queue = DeliveryQueue::new(at(0));
    queue.record((0, 0), at(1), &OK, (Mode::Page, REPEAT_INTERVAL));
    let once = queue.clone();
    queue.record((0, 0), at(9), &failed(true, None), (Mode::Page, REPEAT_INTERVAL));
    assert_eq!(queue, once);
}
