//! Months with a change of the clock: one digest a day, at its local time, and nothing that wakes anybody.

use super::super::fixture::{Fixture, accepted, at, secs};
use super::{notices, team};
use std::collections::BTreeMap;
use types::time::{earlier, later};
use types::{EventKind, IncidentId, Severity, Time, Urgency};

/// Ordinary news of a day: some incidents that page nobody, slowness at night, nothing on other days.
fn news_of(fixture: &mut Fixture, day: u64) {
    match day % 4 {
        0 => fixture.open(day + 1, false, &["auth"]),
        1 => fixture.alert(day + 1, "auth.acme.com", Severity::Info),
        2 => {
            fixture.alert_ends(day);
            let is_open = fixture.journal.incidents.contains_key(&IncidentId(day - 1));
            if is_open {
                fixture.resolve(day - 1);
            }
        }
        _ => {}
    }
}

/// Crashes of one day in relation to its digest, in seconds: shortly before, in the same second before the delivery was
/// recorded, and shortly after.
fn crashes(day: u64) -> &'static [i64] {
    [&[][..], &[-1], &[0], &[1, 30], &[-30, 0, 0, 5]][usize::try_from(day % 5).unwrap()]
}

fn runs(begin: &str, days: u64, offsets: (&str, &str)) {
    let mut fixture = Fixture::new(team(), at(begin));
    notices(&mut fixture).digest_without_news = true;
    fixture.boot();
    for day in 0..days {
        let midnight = later(at(begin), secs(day * 86_400));
        fixture.pass(later(midnight, secs(3_600)), accepted);
        news_of(&mut fixture, day);
        // Whether it is summer or winter: 05:30 or 06:30 in UTC.
        for morning in [later(midnight, secs(19_800)), later(midnight, secs(23_400))] {
            for crash in crashes(day) {
                let moment = match *crash {
                    before @ ..0 => earlier(morning, secs(before.unsigned_abs())),
                    after => later(morning, secs(after.unsigned_abs())),
                };
                if *crash == 0 {
                    fixture.pass(earlier(morning, secs(1)), accepted);
                    fixture.now = moment;
                    // Sent, and no result recorded.
                    fixture.run_batch();
                } else if fixture.now < moment {
                    fixture.pass(moment, accepted);
                }
                fixture.crash();
            }
        }
    }
    fixture.pass(later(at(begin), secs(days * 86_400)), accepted);
    check(&fixture, (begin, days), offsets);
}

fn check(fixture: &Fixture, (begin, days): (&str, u64), (first, last): (&str, &str)) {
    assert!(fixture.sent.iter().all(|(_, sent)| sent.urgency == Urgency::Quiet), "{}", fixture.story());
    assert!(!fixture.journal.events.iter().any(|event| matches!(event.kind, EventKind::PageOpened { .. })));
    let mut digests: BTreeMap<String, Vec<Time>> = BTreeMap::new();
    for (at, sent) in fixture.sent.iter().filter(|(_, sent)| sent.key.0.contains("digest")) {
        digests.entry(sent.key.0.clone()).or_default().push(*at);
    }
    let timezone = &fixture.config.site.timezone;
    assert_eq!(digests.len() as u64, days, "{begin}: {digests:?}");
    for (key, times) in &digests {
        // After a crash a message may come twice, under the same key.
        for at in times {
            let local = timezone.to_datetime(*at);
            assert_eq!(*key, format!("team/digest-{}/0/0", local.date()));
            assert_eq!((local.hour(), local.minute()), (8, 30), "{key}");
        }
    }
    let repeated = digests.values().filter(|times| times.len() > 1).count() as u64;
    assert!(repeated <= days * 2 / 5 + 2, "{repeated} of {days}");
    let instants = [digests.values().next().unwrap()[0], digests.values().last().unwrap()[0]];
    assert_eq!(instants.map(|at| at.strftime("%H:%M").to_string()), [first, last]);
}

#[test]
fn month_in_which_summer_time_ends_has_one_digest_a_day() {
    runs("2026-10-05T00:00:00Z", 35, ("05:30", "06:30"));
}

#[test]
fn month_in_which_summer_time_begins_has_one_digest_a_day() {
    runs("2027-03-10T00:00:00Z", 31, ("06:30", "05:30"));
}
