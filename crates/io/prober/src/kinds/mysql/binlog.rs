//! Positions in the binary log of the primary as bytes, so that those of its replicas can be compared with them.
//!
//! A binary log is a sequence of files, whose sizes are read when the primary goes on to the next one.

use super::Place;
use super::replication::Coordinates;
use std::collections::{BTreeMap, VecDeque};
use types::database::{NodeFacts, Position, Reading, Role};

/// Files that are kept: a day at one in a minute.
const FILES_MAX: usize = 1_440;

/// The binary log of the primary, as noted in the rounds.
#[derive(Default)]
pub(crate) struct Binlog {
    /// Server id of the primary.
    primary: u64,
    /// Number of a file, and bytes before it.
    files: VecDeque<(u64, u64)>,
    last: Coordinates,
}

impl Binlog {
    /// Gives the nodes of a round their positions in bytes.
    pub(crate) fn place(&mut self, nodes: &mut [(&Place, &mut NodeFacts)]) {
        let written = nodes.iter().find_map(|(place, facts)| {
            Some((*place, place.written?)).filter(|_| facts.role == Role::Primary)
        });
        if let Some((place, written)) = written {
            self.note(place.server, written, &place.sizes);
        }
        let primary = written.map(|(place, _)| place.server);
        for (place, facts) in nodes {
            let position = |bytes| Reading::Known(Position { bytes, ..Position::default() });
            let following = place.following.as_ref();
            let of_primary = following.filter(|following| Some(following.primary) == primary);
            if facts.role == Role::Primary {
                if Some(place.server) == primary && place.written.is_some() {
                    facts.position = position(self.end());
                }
            } else if let Some(executed) = of_primary.and_then(|following| following.executed) {
                facts.position = position(self.bytes(executed));
            } else if let (Reading::Known(upstream), Some(following)) = (&mut facts.upstream, following) {
                // It follows a node that is not watched: only its own figures are known.
                upstream.lag = following.behind;
                upstream.lag_bytes = following.behind.map(|_| following.backlog);
            }
        }
    }

    fn note(&mut self, server: u64, written: Coordinates, sizes: &BTreeMap<u64, u64>) {
        let mut start = self.end();
        if server != self.primary || written < self.last {
            // Another primary, or a log that begins again: nothing of before can be compared.
            self.files.clear();
            self.primary = server;
        }
        let last = self.files.back().copied();
        if last.is_none_or(|(file, _)| file != written.file) {
            if let Some((file, before)) = last {
                start = before + sizes.get(&file).copied().unwrap_or(self.last.position);
            }
            let first = last.map_or(0, |(file, _)| file + 1).min(written.file);
            for (file, size) in sizes.range(first..written.file) {
                self.files.push_back((*file, start));
                start += size;
            }
            self.files.push_back((written.file, start));
            let surplus = self.files.len().saturating_sub(FILES_MAX);
            self.files.drain(..surplus);
        }
        self.last = written;
    }

    /// The position that the primary has written.
    fn end(&self) -> u64 {
        self.files.back().map_or(0, |(_, start)| start + self.last.position)
    }

    /// A position in bytes. One in a file that was not noted is at most as early as the next file, so that a lag is never
    /// exaggerated.
    fn bytes(&self, at: Coordinates) -> u64 {
        let place = self.files.partition_point(|(file, _)| *file < at.file);
        match self.files.get(place) {
            Some((file, start)) if *file == at.file => start + at.position,
            Some((_, start)) => *start,
            None => self.end(),
        }
    }
}

/// Subtracts the delay by which a replica is behind on purpose from its lag.
pub(crate) fn subtract_delay(place: &Place, facts: &mut NodeFacts) {
    if let (Reading::Known(upstream), Some(following)) = (&mut facts.upstream, &place.following) {
        upstream.lag = upstream.lag.map(|lag| lag.saturating_sub(following.delay));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_grow_over_files_resets_and_other_primaries() {
        let at = |file, position| Coordinates { file, position };
        let (mut log, unknown) = (Binlog::default(), BTreeMap::new());
        log.note(1, at(7, 100), &BTreeMap::from([(5, 1_000), (6, 2_000), (7, 100)]));
        assert_eq!((log.end(), log.bytes(at(7, 40)), log.bytes(at(5, 900))), (3_100, 3_040, 900));
        assert_eq!(log.bytes(at(3, 5)), 0, "purged");
        log.note(1, at(7, 500), &unknown);
        log.note(1, at(8, 20), &BTreeMap::from([(7, 700), (8, 20)]));
        assert_eq!((log.end(), log.bytes(at(7, 500)), log.bytes(at(7, 700))), (3_720, 3_500, 3_700));
        // Files came and went between two rounds, and their sizes may not be read.
        log.note(1, at(11, 30), &unknown);
        assert_eq!((log.end(), log.bytes(at(9, 5)), log.bytes(at(12, 4))), (3_750, 3_720, 3_750));
        log.note(1, at(1, 4), &unknown);
        assert_eq!((log.end(), log.bytes(at(1, 4))), (3_754, 3_754), "RESET MASTER");
        log.note(2, at(90, 10), &unknown);
        assert_eq!((log.end(), log.bytes(at(90, 4))), (3_764, 3_758), "failover");
    }
}
