//! Schedules on the days on which the clock changes, at the ends of months, and on a day that never was.

use super::*;

/// A schedule and instants in UTC, each with the people on call and the reason.
struct Case {
    title: &'static str,
    timezone: &'static str,
    /// Layers and overrides, as the configuration has them; `L` stands for `[[schedule.s.layer]]`, `O` for
    /// `[[schedule.s.override]]`.
    text: &'static str,
    rows: &'static [(&'static str, &'static str, &'static str)],
}

const CASES: &[Case] = &[
    Case {
        title: "days from 02:30, in spring",
        timezone: "America/Chicago",
        text: "L\npeople = ['ana', 'bo']\nstart = 2027-03-13T02:30:00\nrotation = '1 day'",
        rows: &[
            ("2027-03-14T07:59:59Z", "ana", "01:59:59 CST, the last second before the gap"),
            ("2027-03-14T08:00:00Z", "bo", "03:00 CDT: 02:30 does not exist"),
            ("2027-03-15T07:29:59Z", "bo", "one second before 02:30 CDT"),
            ("2027-03-15T07:30:00Z", "ana", "02:30 CDT"),
        ],
    },
    Case {
        title: "days from 01:30, in autumn",
        timezone: "America/Chicago",
        text: "L\npeople = ['ana', 'bo']\nstart = 2027-11-06T01:30:00\nrotation = '1 day'",
        rows: &[
            ("2027-11-07T06:29:59Z", "ana", "before the first 01:30"),
            ("2027-11-07T06:30:00Z", "bo", "the first 01:30, CDT"),
            ("2027-11-07T07:00:00Z", "bo", "01:00 CST does not give it back"),
            ("2027-11-07T07:30:00Z", "bo", "nor does the second 01:30"),
            ("2027-11-08T07:30:00Z", "ana", "25 hours later"),
        ],
    },
    Case {
        title: "hours in the gap: the turn from 02:00 to 03:00 does not take place",
        timezone: "America/Chicago",
        text: "L\npeople = ['ana', 'bo', 'cy']\nstart = 2027-03-14T00:00:00\nrotation = '1 hour'",
        rows: &[
            ("2027-03-14T06:00:00Z", "ana", "00:00"),
            ("2027-03-14T07:00:00Z", "bo", "01:00"),
            ("2027-03-14T07:59:59Z", "bo", "01:59:59"),
            ("2027-03-14T08:00:00Z", "ana", "03:00: the turn of Cy lies in the gap as a whole"),
            ("2027-03-14T09:00:00Z", "bo", "04:00"),
        ],
    },
    Case {
        title: "hours that repeat: the turn from 01:00 has two hours",
        timezone: "US/Central",
        text: "L\npeople = ['ana', 'bo', 'cy']\nstart = 2027-11-07T00:00:00\nrotation = '1 hour'",
        rows: &[
            ("2027-11-07T05:59:59Z", "ana", "00:59:59"),
            ("2027-11-07T06:00:00Z", "bo", "the first 01:00"),
            ("2027-11-07T07:59:59Z", "bo", "the second 01:59:59"),
            ("2027-11-07T08:00:00Z", "cy", "02:00"),
        ],
    },
    Case {
        title: "nights over the change, by an old alias",
        timezone: "US/Central",
        text: "L\npeople = ['ana', 'bo']\nstart = 2027-03-13T00:00:00\nrotation = '1 day'\n\
               restrictions = [{ from = '22:00', to = '06:00' }]",
        rows: &[
            ("2027-03-14T03:59:59Z", "", "21:59:59 CST"),
            ("2027-03-14T04:00:00Z", "ana", "22:00 CST on the 13th"),
            ("2027-03-14T06:00:00Z", "bo", "midnight: the turn changes within the range"),
            ("2027-03-14T10:59:59Z", "bo", "05:59:59 CDT: the night has seven hours"),
            ("2027-03-14T11:00:00Z", "", "06:00 CDT"),
        ],
    },
    Case {
        title: "weeks over both changes",
        timezone: "Europe/Tallinn",
        text: "L\npeople = ['ana', 'bo']\nstart = 2027-03-22T09:00:00\nrotation = '1 week'",
        rows: &[
            ("2027-03-22T06:59:59Z", "", "before the first shift"),
            ("2027-03-22T07:00:00Z", "ana", "09:00 EET"),
            ("2027-03-29T05:59:59Z", "ana", "a week of 167 hours"),
            ("2027-03-29T06:00:00Z", "bo", "09:00 EEST"),
            ("2027-11-01T06:59:59Z", "bo", "a week of 169 hours"),
            ("2027-11-01T07:00:00Z", "ana", "09:00 EET"),
        ],
    },
    Case {
        title: "a range that begins in the gap, and one that lies in it",
        timezone: "Europe/Tallinn",
        text: "L\npeople = ['ana']\nstart = 2027-03-01T00:00:00\nrotation = '1 week'\n\
               restrictions = [{ days = ['sun'], from = '03:30', to = '05:00' }]\n\
               L\npeople = ['bo']\nstart = 2027-03-01T00:00:00\nrotation = '1 week'\n\
               restrictions = [{ days = ['sun'], from = '03:00', to = '04:00' }]",
        rows: &[
            ("2027-03-28T00:59:59Z", "", "02:59:59 EET"),
            ("2027-03-28T01:00:00Z", "ana", "04:00 EEST: Bo's hour does not exist"),
            ("2027-03-28T01:59:59Z", "ana", "04:59:59 EEST"),
            ("2027-03-28T02:00:00Z", "", "05:00 EEST"),
            ("2027-03-21T01:00:00Z", "bo", "the week before: 03:00"),
            ("2027-03-21T02:00:00Z", "ana", "the week before: 04:00"),
        ],
    },
    Case {
        title: "a range within the hour that repeats",
        timezone: "Europe/Tallinn",
        text: "L\npeople = ['ana']\nstart = 2027-10-01T00:00:00\nrotation = '1 week'\n\
               restrictions = [{ from = '03:15', to = '03:45' }]",
        rows: &[
            ("2027-10-31T00:14:59Z", "", "before the first 03:15"),
            ("2027-10-31T00:15:00Z", "ana", "the first 03:15, EEST"),
            ("2027-10-31T00:45:00Z", "", "the first 03:45"),
            ("2027-10-31T01:15:00Z", "", "the second 03:15 begins nothing"),
            ("2027-11-01T01:15:00Z", "ana", "the next day"),
        ],
    },
    Case {
        title: "overrides at both ends of a gap and in a fold",
        timezone: "Europe/London",
        text: "L\npeople = ['ana']\nstart = 2027-01-01T00:00:00\nrotation = '1 week'\n\
               O\nfrom = 2027-03-28T00:30:00\nto = 2027-03-28T01:30:00\nonly = ['bo']\n\
               O\nfrom = 2027-10-31T01:00:00\nto = 2027-10-31T02:00:00\nonly = ['cy']",
        rows: &[
            ("2027-03-28T00:29:59Z", "ana", "before"),
            ("2027-03-28T00:30:00Z", "bo", "00:30 GMT"),
            ("2027-03-28T00:59:59Z", "bo", "00:59:59 GMT"),
            ("2027-03-28T01:00:00Z", "ana", "02:00 BST: its end, 01:30, does not exist"),
            ("2027-10-30T23:59:59Z", "ana", "before the first 01:00"),
            ("2027-10-31T00:00:00Z", "cy", "the first 01:00, BST"),
            ("2027-10-31T01:59:59Z", "cy", "the second 01:59:59, GMT"),
            ("2027-10-31T02:00:00Z", "ana", "02:00 GMT"),
        ],
    },
    Case {
        title: "half an hour in both directions",
        timezone: "Australia/Lord_Howe",
        text: "L\npeople = ['ana', 'bo']\nstart = 2027-10-02T02:15:00\nrotation = '1 day'\nuntil = 2027-10-05T00:00:00\n\
               L\npeople = ['cy', 'dee']\nstart = 2027-04-03T01:45:00\nrotation = '1 day'\nuntil = 2027-04-06T00:00:00",
        rows: &[
            ("2027-10-02T15:29:59Z", "ana", "01:59:59, before the gap"),
            ("2027-10-02T15:30:00Z", "bo", "02:30: 02:15 does not exist"),
            ("2027-10-03T15:15:00Z", "ana", "02:15 the next day"),
            ("2027-10-04T13:00:00Z", "", "midnight: the layer ends"),
            ("2027-04-03T14:44:59Z", "cy", "before the first 01:45"),
            ("2027-04-03T14:45:00Z", "dee", "the first 01:45"),
            ("2027-04-03T15:15:00Z", "dee", "the second 01:45"),
            ("2027-04-04T15:15:00Z", "cy", "01:45 the next day"),
        ],
    },
    Case {
        title: "the Friday that never was",
        timezone: "Pacific/Apia",
        text: "L\npeople = ['ana', 'bo', 'cy']\nstart = 2011-12-28T09:00:00\nrotation = '1 day'\n\
               L\npeople = ['dee']\nstart = 2011-12-01T00:00:00\nrotation = '1 week'\n\
               restrictions = [{ days = ['fri'], from = '12:00', to = '18:00' }]",
        rows: &[
            ("2011-12-29T18:59:59Z", "ana", "Thursday, 08:59:59"),
            ("2011-12-29T19:00:00Z", "bo", "Thursday, 09:00"),
            ("2011-12-30T09:59:59Z", "bo", "Thursday, 23:59:59"),
            ("2011-12-30T10:00:00Z", "cy", "Saturday, 00:00: the handoff of Friday"),
            ("2011-12-30T18:59:59Z", "cy", "Saturday, 08:59:59"),
            ("2011-12-30T19:00:00Z", "ana", "Saturday, 09:00"),
            ("2011-12-23T22:00:00Z", "dee", "Friday of the week before, 12:00"),
            ("2011-12-30T22:00:00Z", "ana", "no Friday, no range"),
            ("2012-01-05T22:00:00Z", "dee", "Friday of the week after, 12:00"),
        ],
    },
    Case {
        title: "winter time for Ramadan: clocks go back in February and forward in April",
        timezone: "Africa/Casablanca",
        text: "L\npeople = ['ana', 'bo']\nstart = 2025-02-22T09:00:00\nrotation = '1 day'\n\
               L\npeople = ['cy']\nstart = 2025-02-01T00:00:00\nrotation = '1 week'\n\
               restrictions = [{ days = ['sun'], from = '02:30', to = '03:00' }]",
        rows: &[
            ("2025-02-22T08:00:00Z", "ana", "09:00 at +01"),
            ("2025-02-23T01:29:59Z", "ana", "before the first 02:30"),
            ("2025-02-23T01:30:00Z", "cy", "the first 02:30"),
            ("2025-02-23T02:30:00Z", "cy", "the second 02:30: 03:00 has not come yet"),
            ("2025-02-23T03:00:00Z", "ana", "03:00 at +00"),
            ("2025-02-23T09:00:00Z", "bo", "09:00 at +00"),
            ("2025-04-06T02:00:00Z", "ana", "03:00 at +01: the range of Cy lies in the gap"),
            ("2025-04-06T08:00:00Z", "bo", "09:00 at +01"),
        ],
    },
    Case {
        title: "months from the 31st",
        timezone: "Europe/Tallinn",
        text: "L\npeople = ['ana', 'bo', 'cy']\nstart = 2027-01-31T09:00:00\nrotation = '1 month'",
        rows: &[
            ("2027-02-28T06:59:59Z", "ana", "before the last day of February"),
            ("2027-02-28T07:00:00Z", "bo", "the last day of February"),
            ("2027-03-31T05:59:59Z", "bo", "before the 31st"),
            ("2027-03-31T06:00:00Z", "cy", "the 31st again, in summer time"),
            ("2027-04-30T06:00:00Z", "ana", "the last day of April"),
            ("2028-02-29T07:00:00Z", "bo", "the leap day: 13 months, and the second in three"),
        ],
    },
    Case {
        title: "years from the leap day",
        timezone: "UTC",
        text: "L\npeople = ['ana', 'bo']\nstart = 2028-02-29T00:00:00\nrotation = '12 months'",
        rows: &[
            ("2029-02-27T23:59:59Z", "ana", "the first year"),
            ("2029-02-28T00:00:00Z", "bo", "no leap day: the last of February"),
            ("2032-02-28T23:59:59Z", "bo", "the fourth year"),
            ("2032-02-29T00:00:00Z", "ana", "the leap day again"),
        ],
    },
    Case {
        title: "days over a leap day",
        timezone: "Europe/London",
        text: "L\npeople = ['ana', 'bo']\nstart = 2028-02-28T12:00:00\nrotation = '1 day'",
        rows: &[
            ("2028-02-29T11:59:59Z", "ana", "before noon of the leap day"),
            ("2028-02-29T12:00:00Z", "bo", "noon of the leap day"),
            ("2028-03-01T12:00:00Z", "ana", "the day after"),
        ],
    },
];

#[test]
fn shifts_follow_the_wall_clock_whatever_it_does() {
    let mut rows = 0;
    for case in CASES {
        let text =
            case.text.replace("L\n", "[[schedule.s.layer]]\n").replace("O\n", "[[schedule.s.override]]\n");
        let timezone = case.timezone;
        let people =
            ["ana", "bo", "cy", "dee"].map(|id| format!("[person.{id}]\ncontacts = ['ntfy:{id}']\n"));
        let text = format!(
            "[channel.ntfy]\nntfy = 'https://ntfy.sh'\n{}[schedule.s]\ntimezone = '{timezone}'\n{text}\n",
            people.concat()
        );
        let schedule = testkit::config::read(&text).schedules[&"s".into()].clone();
        for (at, expected, why) in case.rows {
            assert_eq!(who(&schedule, at), *expected, "{}, {timezone} {at}: {why}", case.title);
            rows += 1;
        }
    }
    assert!(rows >= 60, "{rows}");
}
