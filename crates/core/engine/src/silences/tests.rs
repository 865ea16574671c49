//! What setting and ending a silence does, as Alertmanager does it.

use super::*;
use testkit::time::at;

const NOON: &str = "2026-12-05T12:00:00Z";

struct World {
    config: Config,
    silences: Silences,
    now: Time,
    seq: u64,
}

fn world() -> World {
    let config = testkit::config::read(
        "[source.prometheus]\nalertmanager = { secret = \"env:A\" }\n[source.other]\nalertmanager = { secret = \"env:B\" }\n",
    );
    World { config, silences: Silences::default(), now: at(NOON), seq: 0 }
}

fn new(matcher: &str, from: &str, to: &str) -> NewSilence {
    let time = |text: &str| at(&format!("2026-12-05T{text}:00Z"));
    NewSilence {
        replaces: None,
        source: "prometheus".into(),
        matchers: vec![matcher.parse().unwrap()],
        from: time(from),
        to: time(to),
        author: "ana".into(),
        comment: "resize".into(),
    }
}

impl World {
    fn set(&mut self, new: &NewSilence) -> Result<Vec<String>, Refused> {
        let events = self.silences.set(&self.config, self.now, new, &Actor::token("source.prometheus"))?;
        Ok(self.take(events))
    }

    fn expire(&mut self, source: Option<&str>, id: u64) -> Result<Vec<String>, Refused> {
        let by = Actor::token("source.prometheus");
        let event = self.silences.expire(self.now, source, SilenceId(id), by)?;
        Ok(self.take(vec![event]))
    }

    fn take(&mut self, events: Events) -> Vec<String> {
        let mut said = Vec::new();
        for kind in events {
            said.push(match &kind {
                EventKind::SilenceSet { silence, .. } => {
                    let time = |at: Time| at.to_string()[11..16].to_owned();
                    format!("set {} {}-{}", silence.id.0, time(silence.from), time(silence.to))
                }
                EventKind::SilenceExpired { silence, .. } => format!("expired {}", silence.0),
                other => format!("{other:?}"),
            });
            self.seq += 1;
            self.silences.apply(&Event { seq: self.seq, at: self.now, kind });
        }
        said
    }
}

#[test]
fn silence_keeps_its_number_when_only_its_end_moves() {
    let mut w = world();
    let before = new("a=b", "11:00", "14:00");
    assert_eq!(w.set(&before).unwrap(), ["set 1 12:00-14:00"], "it begins now, not in the past");
    w.now = at("2026-12-05T12:30:00Z");
    let change = |to: &str| NewSilence { replaces: Some(SilenceId(1)), ..new("a=b", "12:00", to) };
    assert_eq!(w.set(&change("16:00")).unwrap(), ["set 1 12:00-16:00"]);
    assert_eq!(w.set(&change("16:00")).unwrap(), [""; 0], "the same again changes nothing");
    assert_eq!(w.set(&change("13:00")).unwrap(), ["set 1 12:00-13:00"]);
    let other_start = NewSilence { from: at("2026-12-05T12:10:00Z"), ..change("17:00") };
    assert_eq!(w.set(&other_start).unwrap(), ["expired 1", "set 2 12:30-17:00"]);
    let other_labels = NewSilence { replaces: Some(SilenceId(2)), ..new("a=c", "12:30", "17:00") };
    assert_eq!(w.set(&other_labels).unwrap(), ["expired 2", "set 3 12:30-17:00"]);
    let over = NewSilence { replaces: Some(SilenceId(1)), ..new("a=b", "12:00", "18:00") };
    assert_eq!(w.set(&over).unwrap(), ["set 4 12:30-18:00"], "one that is over is set again");
}

#[test]
fn pending_silence_may_be_moved() {
    let mut w = world();
    assert_eq!(w.set(&new("a=b", "13:00", "14:00")).unwrap(), ["set 1 13:00-14:00"]);
    assert_eq!(w.silences.next_deadline(w.now), Some(at("2026-12-05T13:00:00Z")));
    let moved = NewSilence { replaces: Some(SilenceId(1)), ..new("a=b", "15:00", "16:00") };
    assert_eq!(w.set(&moved).unwrap(), ["set 1 15:00-16:00"]);
    assert_eq!(w.expire(None, 1).unwrap(), ["expired 1"]);
    assert_eq!(w.expire(None, 1), Err(Refused::SilenceOver(SilenceId(1))));
    assert_eq!(w.silences.next_deadline(w.now), None);
}

#[test]
fn what_is_refused() {
    let mut w = world();
    w.set(&new("a=b", "12:00", "14:00")).unwrap();
    let set = |w: &mut World, new: NewSilence| w.set(&new).unwrap_err();
    let everything = Refused::SilenceOfEverything;
    assert_eq!(set(&mut w, new("a=~\".*\"", "12:00", "14:00")), everything);
    assert_eq!(set(&mut w, NewSilence { matchers: vec![], ..new("a=b", "12:00", "14:00") }), everything);
    assert_eq!(set(&mut w, new("a=b", "13:00", "13:00")), Refused::SilenceOrder);
    assert_eq!(set(&mut w, new("a=b", "10:00", "12:00")), Refused::SilencePast);
    let unknown = NewSilence { replaces: Some(SilenceId(9)), ..new("a=b", "12:00", "14:00") };
    assert_eq!(set(&mut w, unknown), Refused::NoSuchSilence(SilenceId(9)));
    let of_other =
        NewSilence { source: "other".into(), replaces: Some(SilenceId(1)), ..new("a=b", "12:00", "14:00") };
    assert_eq!(set(&mut w, of_other), Refused::NoSuchSilence(SilenceId(1)), "of another source");
    assert_eq!(w.expire(Some("other"), 1), Err(Refused::NoSuchSilence(SilenceId(1))));
    let nowhere = NewSilence { source: "nowhere".into(), ..new("a=b", "12:00", "14:00") };
    assert_eq!(set(&mut w, nowhere), Refused::UnknownSource("nowhere".into()));
}

#[test]
fn silences_are_limited_and_old_ones_forgotten() {
    let mut w = world();
    for _ in 0..OPEN_MAX {
        w.set(&new("a=b", "12:00", "14:00")).unwrap();
    }
    let more = new("a=b", "12:00", "14:00");
    assert_eq!(w.set(&more), Err(Refused::TooManySilences(OPEN_MAX)));
    let replacing = NewSilence { replaces: Some(SilenceId(1)), ..new("a=c", "12:00", "14:00") };
    assert_eq!(w.set(&replacing).unwrap().len(), 2, "one that replaces another needs no room");
    w.now = at("2026-12-12T12:00:00Z");
    let later = NewSilence { to: at("2026-12-12T14:00:00Z"), ..new("a=b", "12:00", "14:00") };
    w.set(&later).unwrap();
    assert_eq!(w.silences.all().len(), 1);
}
