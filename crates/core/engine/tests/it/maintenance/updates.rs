//! What subscribers of the status page get about maintenances.

use super::*;
use types::UpdateId;
use types::subscription::UpdateSubject;

/// What subscribers get: number, status, text, components.
fn sent(bench: &Bench) -> Vec<(u64, String, String, String)> {
    let page = bench.engine.views().status_page;
    let updates = page.updates_after(UpdateId(0));
    assert!(updates.iter().all(|update| update.id <= page.newest_update()));
    let row = |update: types::PublicUpdate| {
        let affected = update.affected.iter().map(|(id, _, state)| match state {
            Some(state) => format!("{id} {}", state.title()),
            None => id.to_string(),
        });
        let affected: Vec<String> = affected.collect();
        (update.id.0, update.status.title(), update.body.clone(), affected.join(", "))
    };
    updates.into_iter().map(row).collect()
}

fn texts(bench: &Bench) -> Vec<String> {
    sent(bench).into_iter().map(|(_, status, body, _)| format!("{status}: {body}")).collect()
}

#[test]
fn subscribers_get_the_times_the_start_and_the_end_each_once() {
    let mut bench = Bench::maintained("");
    let begun = bench.now;
    let from = time::later(begun, Duration::from_secs(10 * MINUTE));
    bench.add_at(&["api"], Some(from), 20).unwrap();
    bench.minutes(begun, 60, &[]);
    let rows = [
        (1, "Maintenance scheduled", "Planned for 22 November 2026, 05:10 EET to 05:30 EET.", "api"),
        (
            2,
            "Maintenance in progress",
            "The maintenance has started. Its end is planned for 05:30 EET.",
            "api Under maintenance",
        ),
        (3, "Maintenance completed", "The maintenance has ended.", "api"),
    ];
    let rows = rows
        .map(|(id, status, body, affected)| (id, status.to_owned(), body.to_owned(), affected.to_owned()));
    assert_eq!(sent(&bench), rows);
    bench.reboot();
    assert_eq!(sent(&bench), rows, "the numbers are those of the journal");
    let update = bench.engine.views().status_page.updates_after(UpdateId(2)).remove(0);
    assert_eq!(update.about, UpdateSubject::Maintenance(MaintenanceId(1)));
    assert_eq!(update.earlier.iter().map(|earlier| earlier.id.0).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn subscribers_learn_what_changes() {
    let mut bench = Bench::maintained("");
    let begun = bench.now;
    // At once: one message, not two.
    bench.add(&["api"], 20);
    bench.minutes(begun, 10, &[]);
    let by = Duration::from_secs(10 * MINUTE);
    let extend = Command::ExtendMaintenance { maintenance: MaintenanceId(1), by };
    bench.input((person("ana"), extend)).unwrap();
    bench.minutes(begun, 20, &[("queue", 12..32)]);
    assert_eq!(bench.states_of_maintenances(), [MaintenanceState::Overrun]);
    bench.minutes(begun, 10, &[("queue", 12..32)]);
    // Before its start.
    let from = time::later(bench.now, Duration::from_secs(60 * MINUTE));
    bench.add_at(&["blog"], Some(from), 20).unwrap();
    bench.end(2).unwrap();
    insta::assert_snapshot!(texts(&bench).join("\n"), @r"
    Maintenance in progress: The maintenance has started. Its end is planned for 05:20 EET.
    Maintenance in progress: The maintenance goes on. Its end is now planned for 05:30 EET.
    Maintenance takes longer than planned: The maintenance takes longer than planned: not everything works again yet.
    Maintenance completed: The maintenance has ended.
    Maintenance scheduled: Planned for 22 November 2026, 06:40 EET to 07:00 EET.
    Maintenance cancelled: The maintenance was cancelled.
    ");
}

#[test]
fn repeated_maintenance_is_in_the_calendar_and_mails_only_what_was_not_expected() {
    let nightly = "[maintenance.night]\ntitle = \"Night\"\nservices = [\"api\"]\nstart = 2026-11-22T05:10:00\n\
                   duration = \"20m\"\nrepeat = \"1 day\"\n";
    for (failures, expected) in [
        (&[][..], &[][..]),
        (&[("queue", 12..32)], &["Maintenance takes longer than planned", "Maintenance completed"]),
    ] {
        let mut bench = Bench::maintained(nightly);
        let begun = bench.now;
        bench.minutes(begun, 60, failures);
        assert!(bench.states_of_maintenances().contains(&MaintenanceState::Completed));
        let statuses: Vec<String> = sent(&bench).into_iter().map(|(_, status, ..)| status).collect();
        assert_eq!(statuses, expected);
    }
}
