//! An ordinary day of the watch in virtual time, twice: in the night of each change of daylight saving time. Nothing of it
//! pages anybody or is published, apart from the one outage at noon.

use sim::clocks::{Shock, Shocks};
use sim::phones::Phones;
use sim::world::{Outage, Spell, World};
use sim::{CONFIG, Record, Settings};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;
use types::event::{ServiceState, UpdateStatus};
use types::{EventKind, IncidentId, PageId, Time, time};

/// Services behind one load balancer.
const BEHIND: usize = 40;
const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
/// The outage of the day.
const OUTAGE: (u64, u64) = (12 * HOUR + 7, 12 * HOUR + 12 * MINUTE);

struct Day {
    begin: Time,
    spells: Vec<Spell>,
    shocks: Shocks,
}

impl Day {
    fn from(begin: &str) -> Self {
        Self { begin: begin.parse().unwrap(), spells: Vec::new(), shocks: Shocks::new() }
    }

    fn at(&self, secs: u64) -> Time {
        time::later(self.begin, Duration::from_secs(secs))
    }

    fn spell(&mut self, outage: Outage, from: u64, to: u64) {
        let (from, to) = (self.at(from), self.at(to));
        self.spells.push(Spell { outage, from, to });
    }

    /// A host is away for the four seconds of a restart.
    fn deploy(&mut self, host: &'static str, from: u64) {
        self.spell(Outage::Refused(host), from, from + 4);
    }

    fn shock(&mut self, secs: u64, shock: Shock) {
        self.shocks.insert(self.at(secs), shock);
    }

    /// Everything that an ordinary day brings.
    fn ordinary(mut self) -> Self {
        self.spell(Outage::LastDay("shop.acme.com"), 5 * MINUTE, 20 * HOUR);
        // Around the change to or from daylight saving time, four hours after the beginning, and all day long.
        for minute in (7..26 * 60 - 150).step_by(23) {
            self.deploy("auth.acme.app", minute * MINUTE);
            self.deploy("shop.acme.com", minute * MINUTE + 300);
        }
        for (from, to, secs) in [
            (6 * HOUR, 7 * HOUR, 3_600),
            (8 * HOUR, 9 * HOUR, -3_600),
            (10 * HOUR, 10 * HOUR + 200, 20 * 365 * 86_400),
        ] {
            self.shock(from, Shock::WallOff(secs));
            self.shock(to, Shock::WallOff(0));
        }
        for minute in [0, 3, 9] {
            let from = 10 * HOUR + 30 * MINUTE + minute * MINUTE;
            self.spell(Outage::Resolver, from, from + 4);
        }
        for n in 0..40 {
            let from = 11 * HOUR + n * 30;
            self.spell(Outage::Refused("app-7.acme.io"), from, from + 3);
        }
        self.shock(14 * HOUR, Shock::Sleep(Duration::from_secs(HOUR)));
        self.spell(Outage::Balancer, 16 * HOUR, 16 * HOUR + 4);
        self.spell(Outage::Balancer, 16 * HOUR + 20 * MINUTE, 16 * HOUR + 20 * MINUTE + 4);
        self.spell(Outage::Spare("shop"), 18 * HOUR, 18 * HOUR + 40 * MINUTE);
        self.spell(Outage::RegistryDown, 19 * HOUR, 19 * HOUR + 30 * MINUTE);
        self
    }

    fn with_an_outage(mut self) -> Self {
        self.spell(Outage::Server, OUTAGE.0, OUTAGE.1);
        self
    }

    fn run(self) -> Record {
        let mut config = CONFIG.replace("name = \"Box\"", "name = \"Box\"\ntimezone = \"Europe/Tallinn\"");
        for n in 0..BEHIND {
            let _ = write!(
                config,
                "[service.app{n}]\ntitle = \"App {n}\"\nhosts = [\"app-{n}.acme.io\"]\nschedule = \"platform\"\n\
                 location = \"rack A\"\n"
            );
        }
        let settings = Settings {
            seed: 11,
            begin: self.begin,
            length: Duration::from_secs(26 * HOUR),
            world: World { spells: self.spells },
            phones: Phones { refused_percent: 0, lost_percent: 0, answered_percent: 100 },
            crashes: BTreeSet::new(),
            shocks: self.shocks,
            bad_disk: false,
            config: config.into(),
        };
        settings.record().unwrap_or_else(|broken| panic!("{broken}"))
    }
}

/// Pages that were sent, with their titles.
fn pages(record: &Record) -> Vec<(PageId, &str)> {
    let sent = record
        .notifications
        .iter()
        .filter_map(|(_, notification)| Some((notification.page?, notification.title.as_str())));
    sent.collect()
}

/// Public updates: incident, status, title.
fn updates(record: &Record) -> Vec<(IncidentId, UpdateStatus, &str)> {
    let mut updates = Vec::new();
    for event in &record.events {
        if let EventKind::UpdatePublished { incident, status, title, .. } = &event.kind {
            updates.push((*incident, *status, title.as_str()));
        }
    }
    updates
}

/// Services that were out, by their state.
fn out(record: &Record) -> BTreeSet<&str> {
    let mut out = BTreeSet::new();
    for event in &record.events {
        if let EventKind::ServiceStateChanged { service, state } = &event.kind
            && *state >= ServiceState::PartialOutage
        {
            out.insert(service.0.as_str());
        }
    }
    out
}

/// The nights in which clocks go back and forward in Tallinn, from midnight there on.
const NIGHTS: [&str; 2] = ["2026-10-24T21:00:00Z", "2027-03-27T22:00:00Z"];

#[test]
fn ordinary_day_pages_no_one_and_publishes_nothing() {
    for night in NIGHTS {
        let record = Day::from(night).ordinary().run();
        assert_eq!(pages(&record), [], "{night}");
        assert_eq!(updates(&record), [], "{night}");
        assert_eq!(out(&record), BTreeSet::new(), "{night}");
        assert_eq!(record.report.clock_sets, 4, "an hour ahead and back, twice; never by years: {night}");
    }
}

#[test]
fn one_outage_in_an_ordinary_day_is_one_page_and_one_public_incident() {
    for night in NIGHTS {
        let day = Day::from(night).ordinary().with_an_outage();
        let (began, ended) = (day.at(OUTAGE.0), day.at(OUTAGE.1));
        let record = day.run();

        let pages = pages(&record);
        let ids: BTreeSet<PageId> = pages.iter().map(|(page, _)| *page).collect();
        assert_eq!((ids.len(), record.report.pages), (1, 1), "{night}: {pages:?}");
        // The page goes out before the second name of the server has failed for long enough.
        let title = pages[0].1;
        assert!(title.contains("refuses connections"), "the cause: {title}");
        let first =
            record.notifications.iter().find(|(_, notification)| notification.page.is_some()).unwrap();
        assert!(first.0 < time::later(began, Duration::from_secs(90)), "{night}: first page at {}", first.0);

        let updates = updates(&record);
        let ids: BTreeSet<IncidentId> = updates.iter().map(|(incident, ..)| *incident).collect();
        assert_eq!(ids, BTreeSet::from([first.1.incident.unwrap()]), "{night}: {updates:?}");
        let statuses: Vec<UpdateStatus> = updates.iter().map(|(_, status, _)| *status).collect();
        assert_eq!(statuses.last(), Some(&UpdateStatus::Resolved), "{night}: {updates:?}");
        assert!(statuses.is_sorted(), "no step back: {updates:?}");
        assert_eq!(out(&record), BTreeSet::from(["shop", "site"]), "{night}");

        let over: Vec<&str> = record
            .notifications
            .iter()
            .filter(|(at, notification)| *at > ended && notification.incident == first.1.incident)
            .map(|(_, notification)| notification.title.as_str())
            .collect();
        assert_eq!(over.len(), 1, "whoever was paged hears once that it is over: {over:?}");
    }
}
