//! Replication: the position of a node in its binary log, and the streams of a replica.

use super::rows::{Row, Rows};
use std::collections::BTreeMap;
use std::time::Duration;
use types::database::{Reading, Upstream};

/// A place in a binary log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Coordinates {
    /// Number of the file: 123 of `bin.000123`.
    pub(super) file: u64,
    pub(super) position: u64,
}

impl Coordinates {
    fn read(row: Row<'_>, file: &[&str], position: &[&str]) -> Option<Self> {
        Some(Self { file: number_of(row.text(file)?)?, position: row.number(position)? })
    }

    /// The position that a node has written.
    pub(super) fn written(rows: &Rows) -> Option<Self> {
        Self::read(rows.first()?, &["File"], &["Position"])
    }
}

/// Number of a file of a binary log.
fn number_of(file: &str) -> Option<u64> {
    file.rsplit_once('.')?.1.parse().ok()
}

/// Sizes of the files of a binary log by their numbers.
pub(super) fn sizes(rows: &Reading<Rows>) -> BTreeMap<u64, u64> {
    let size = |row: Row<'_>| Some((number_of(row.text(&["Log_name"])?)?, row.number(&["File_size"])?));
    rows.known().into_iter().flat_map(Rows::iter).filter_map(size).collect()
}

/// Streams of a replica.
pub(super) struct Streams {
    pub(super) upstream: Upstream,
    /// Whether all of them were stopped by command: of a node that accepts writes, a promotion.
    pub(super) stopped: bool,
    /// Where a single stream is; of several there is no one place.
    pub(super) following: Option<Following>,
}

/// Where a stream is, by the replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Following {
    /// Server id of the primary.
    pub(super) primary: u64,
    /// What is executed, as a place in the log of the primary.
    pub(super) executed: Option<Coordinates>,
    /// Delay by which the replica is behind on purpose.
    pub(super) delay: Duration,
    /// The replica's own figure for its lag.
    pub(super) behind: Option<Duration>,
    /// Bytes received and not executed.
    pub(super) backlog: u64,
}

impl Streams {
    /// Reads the streams; `None` of a node that follows none.
    pub(super) fn read(rows: &Rows) -> Option<Self> {
        let streams: Vec<Stream<'_>> = rows.iter().map(Stream).collect();
        let first = streams.iter().find(|stream| stream.error().is_some()).or(streams.first())?;
        let upstream = Upstream {
            streaming: streams.iter().all(Stream::is_open),
            from: first.from(),
            paused: streams.iter().any(Stream::is_paused),
            error: first.error(),
            ..Upstream::default()
        };
        let following = match &streams[..] {
            [stream] => Some(stream.following()),
            _ => None,
        };
        Some(Self { upstream, stopped: streams.iter().all(Stream::is_stopped), following })
    }
}

/// One stream: a receiver ("I/O thread") and an applier ("SQL thread"). Old names of columns are behind the new ones.
struct Stream<'a>(Row<'a>);

impl Stream<'_> {
    fn receives(&self) -> bool {
        self.0.text(&["Replica_IO_Running", "Slave_IO_Running"]) == Some("Yes")
    }

    /// "No", and not "Connecting".
    fn receiver_is_off(&self) -> bool {
        self.0.text(&["Replica_IO_Running", "Slave_IO_Running"]) == Some("No")
    }

    fn applies(&self) -> bool {
        self.0.text(&["Replica_SQL_Running", "Slave_SQL_Running"]) == Some("Yes")
    }

    fn applier_error(&self) -> Option<u32> {
        self.0.number(&["Last_SQL_Errno"]).filter(|code| *code != 0 && !self.applies())
    }

    fn receiver_error(&self) -> Option<u32> {
        self.0.number(&["Last_IO_Errno"]).filter(|code| *code != 0 && !self.receives())
    }

    fn is_open(&self) -> bool {
        self.receives() && self.applier_error().is_none()
    }

    fn is_paused(&self) -> bool {
        !self.applies() && self.applier_error().is_none()
    }

    fn is_stopped(&self) -> bool {
        self.is_paused() && self.receiver_is_off() && self.receiver_error().is_none()
    }

    /// Why it does not run.
    fn error(&self) -> Option<String> {
        if let Some(code) = self.applier_error() {
            // What follows a quote are values of rows, or the statement with its literals.
            let said = self.0.text(&["Last_SQL_Error"]).unwrap_or_default();
            let said = said.split(['\'', '"', '`']).next().unwrap_or_default();
            let said = text::truncate::chars(said.trim().trim_end_matches("Error").trim_end(), 150);
            let said = if said.is_empty() { said } else { format!(": {said}") };
            return Some(format!("its applier stopped with error {code}{said}"));
        }
        let code = self.receiver_error()?;
        let said = self.0.text(&["Last_IO_Error"]).unwrap_or_default();
        Some(format!("its receiver fails with error {code}: {}", text::truncate::chars(said, 150)))
    }

    fn from(&self) -> Option<String> {
        let host = self.0.text(&["Source_Host", "Master_Host"]).filter(|host| !host.is_empty())?;
        let port: u16 = self.0.number(&["Source_Port", "Master_Port"])?;
        Some(text::truncate::chars(&format!("{host}:{port}"), 100))
    }

    fn following(&self) -> Following {
        let (file, read) =
            (["Source_Log_File", "Master_Log_File"], ["Read_Source_Log_Pos", "Read_Master_Log_Pos"]);
        let executed = Coordinates::read(
            self.0,
            &["Relay_Source_Log_File", "Relay_Master_Log_File"],
            &["Exec_Source_Log_Pos", "Exec_Master_Log_Pos"],
        );
        let received = Coordinates::read(self.0, &file, &read);
        let relayed = || self.0.number(&["Relay_Log_Space"]).unwrap_or_default();
        let backlog = match (received, executed) {
            (Some(received), Some(executed)) if received.file == executed.file => {
                received.position.saturating_sub(executed.position)
            }
            _ => relayed(),
        };
        Following {
            primary: self.0.number(&["Source_Server_Id", "Master_Server_Id"]).unwrap_or_default(),
            executed,
            delay: self.0.seconds(&["SQL_Delay"]).unwrap_or_default(),
            behind: self.0.seconds(&["Seconds_Behind_Source", "Seconds_Behind_Master"]),
            backlog,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams(values: &[(&str, &str)]) -> Streams {
        let mut rows = Rows::new(values.iter().map(|(name, _)| (*name).to_owned()).collect());
        rows.push(values.iter().map(|(_, value)| Some((*value).to_owned())).collect());
        Streams::read(&rows).unwrap()
    }

    #[test]
    fn stream_is_read() {
        let new = streams(&[
            ("Source_Host", "db1"),
            ("Source_Port", "3306"),
            ("Replica_IO_Running", "Yes"),
            ("Replica_SQL_Running", "Yes"),
            ("Relay_Source_Log_File", "binlog.000012"),
            ("Exec_Source_Log_Pos", "150"),
            ("Source_Log_File", "binlog.000012"),
            ("Read_Source_Log_Pos", "200"),
            ("Seconds_Behind_Source", "7"),
            ("Source_Server_Id", "3"),
        ]);
        assert!(new.upstream.streaming && !new.upstream.paused && !new.stopped);
        assert_eq!(new.upstream.from.as_deref(), Some("db1:3306"));
        let following = new.following.unwrap();
        assert_eq!((following.primary, following.backlog), (3, 50));
        assert_eq!(following.executed, Some(Coordinates { file: 12, position: 150 }));
        assert_eq!(following.behind, Some(Duration::from_secs(7)));
    }

    #[test]
    fn error_of_the_applier_has_no_values_of_rows() {
        for (said, expected) in [
            (
                "Could not execute Write_rows_v1 event on table s.t; Duplicate entry '4711' for key 'PRIMARY', Error_code: 1062",
                "its applier stopped with error 1062: Could not execute Write_rows_v1 event on table s.t; Duplicate entry",
            ),
            (
                "Error 'Duplicate entry '4711' for key 'PRIMARY'' on query. Default database: 's'. Query: 'insert into t values (4711, 'x')'",
                "its applier stopped with error 1062",
            ),
        ] {
            let broken = streams(&[
                ("Slave_IO_Running", "Yes"),
                ("Slave_SQL_Running", "No"),
                ("Last_SQL_Errno", "1062"),
                ("Last_SQL_Error", said),
            ]);
            assert_eq!(broken.upstream.error.as_deref(), Some(expected));
            assert!(!broken.upstream.streaming && !broken.upstream.paused && !broken.stopped);
        }
    }

    #[test]
    fn stopped_paused_and_connecting_are_told_apart() {
        for (io, sql, errno, expected) in [
            ("No", "No", "0", (false, true, true)),
            ("Yes", "No", "0", (true, true, false)),
            ("Connecting", "Yes", "2003", (false, false, false)),
            ("No", "Yes", "1236", (false, false, false)),
        ] {
            let read =
                streams(&[("Slave_IO_Running", io), ("Slave_SQL_Running", sql), ("Last_IO_Errno", errno)]);
            assert_eq!((read.upstream.streaming, read.upstream.paused, read.stopped), expected, "{io} {sql}");
            assert_eq!(read.upstream.error.is_some(), errno != "0");
        }
    }
}
