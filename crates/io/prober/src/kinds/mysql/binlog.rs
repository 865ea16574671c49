//! Positions in the binary log of the primary as bytes, so that those of its replicas can be compared with them.
//!
//! A binary log is a sequence of files, whose sizes are noted when the primary goes on to the next one.

use super::Place;
use super::replication::Coordinates;
use std::collections::VecDeque;
use types::database::{NodeFacts, Position, Reading, Role};

/// Files that are kept: a day at one in two minutes.
const FILES_MAX: usize = 720;

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
            Some((place.server, place.written?)).filter(|_| facts.role == Role::Primary)
        });
        if let Some((server, written)) = written {
            self.note(server, written);
        }
        for (place, facts) in nodes {
            let position = |bytes| Reading::Known(Position { bytes, ..Position::default() });
            let following = place.following.as_ref();
            let of_primary =
                following.filter(|following| written.is_some() && following.primary == self.primary);
            if facts.role == Role::Primary {
                if Some((place.server, place.written))
                    == written.map(|(server, written)| (server, Some(written)))
                {
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

    fn note(&mut self, server: u64, written: Coordinates) {
        let end = self.end();
        if server != self.primary || written < self.last {
            // Another primary, or a log that begins again: nothing of before can be compared.
            self.files.clear();
            self.primary = server;
        }
        if self.files.back().is_none_or(|(file, _)| *file != written.file) {
            if self.files.len() >= FILES_MAX {
                self.files.pop_front();
            }
            self.files.push_back((written.file, end));
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
        let mut log = Binlog::default();
        log.note(1, at(7, 100));
        assert_eq!((log.end(), log.bytes(at(7, 40)), log.bytes(at(3, 900))), (100, 40, 0));
        log.note(1, at(7, 500));
        log.note(1, at(8, 20));
        assert_eq!((log.end(), log.bytes(at(7, 500)), log.bytes(at(7, 400))), (520, 500, 400));
        // Files 9 and 10 came and went between two rounds.
        log.note(1, at(11, 30));
        assert_eq!((log.end(), log.bytes(at(9, 5)), log.bytes(at(12, 4))), (550, 520, 550));
        log.note(1, at(1, 4));
        assert_eq!((log.end(), log.bytes(at(1, 4))), (554, 554), "RESET MASTER");
        log.note(2, at(90, 10));
        assert_eq!((log.end(), log.bytes(at(90, 4))), (564, 558), "failover");
    }
}
