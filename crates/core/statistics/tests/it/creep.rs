//! Creeping growth on generated series: the bounds of `docs/concepts/creeping.md` with fewer series.

use super::creep_figures::{KINDS, Kind, at, early, false_claims, reported};

#[test]
fn ordinary_series_are_claimed_less_than_once_a_month() {
    for kind in KINDS {
        let found = false_claims(kind, 0..6);
        println!("{kind:?}: {found:.2} a month");
        assert!(found <= 1.0, "{kind:?}: {found:.2} a month and series");
    }
}

#[test]
fn growth_is_claimed_long_before_its_limit() {
    for kind in [Kind::Latency, Kind::Connections, Kind::Steps] {
        for hours in [6, 24] {
            let shares = reported(kind, hours, 0..12);
            let (median, most) = (at(&shares, 0.5), at(&shares, 0.9));
            println!("{kind:?} in {hours} h: reported after {median:.2} of the time, 9 of 10 by {most:.2}");
            assert!(median <= 0.4, "{kind:?} in {hours} h: {median:.2}");
            let early = early(&shares);
            assert!(hours != 6 || early >= 0.9, "{kind:?}: {early:.2} are reported two hours before, of six");
        }
    }
}
