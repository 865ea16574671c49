//! File descriptors: what the system allows, and how many connections fit into it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;

/// Kept for what is not a connection of the edge: listeners, probes, notifications, journal, status page.
const RESERVED: u64 = 256;
/// The part of a large limit that is reserved.
const RESERVED_PART: u64 = 16;
/// Descriptors of one connection: its socket, and one to a server.
const PER_CONNECTION: u64 = 2;
/// The least number of connections, however low the system's limit is.
const CONNECTIONS_MIN: u32 = 16;

/// Raises the soft limit of this process to the hard one. Returns the limit in force, `None` where there is none.
pub fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(why) => {
            tracing::warn!("the limit of open files cannot be raised: {why}");
            current
        }
    }
}

/// The hard limit of this process, which [`raise`] makes the one in force. `None` where there is none.
#[must_use]
pub fn hard_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

/// The limit in force.
pub(crate) fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Connections of the edge that fit into a limit of descriptors.
#[must_use]
pub fn connections(limit: Option<u64>) -> u32 {
    let Some(limit) = limit else { return u32::MAX };
    let rest = limit.saturating_sub(RESERVED.max(limit / RESERVED_PART));
    u32::try_from(rest / PER_CONNECTION).unwrap_or(u32::MAX).max(CONNECTIONS_MIN)
}

/// Says that declared connections do not fit into a limit of descriptors, and what is used instead. `None` where they
/// fit.
#[must_use]
pub fn shortage(declared: u32, limit: Option<u64>) -> Option<String> {
    let fitting = connections(limit);
    let limit = limit.filter(|_| fitting < declared)?;
    Some(format!(
        "edge.limits.connections = {declared} does not fit into {limit} open files (two for each connection, and a reserve): \
         {fitting} are used; raise the hard limit (ulimit -Hn, LimitNOFILE=) for more"
    ))
}

/// Whether a failure means that there are no descriptors left, of this process or of the system.
pub(crate) fn are_used_up(why: &io::Error) -> bool {
    let code = why.raw_os_error();
    code == Some(rustix::io::Errno::MFILE.raw_os_error())
        || code == Some(rustix::io::Errno::NFILE.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_servers_and_a_reserve() {
        for (limit, wanted) in [
            (None, u32::MAX),
            (Some(0), CONNECTIONS_MIN),
            (Some(256), CONNECTIONS_MIN),
            (Some(1_024), 384),
            (Some(20_000), 9_375),
            (Some(524_288), 245_760),
            (Some(u64::MAX), u32::MAX),
        ] {
            assert_eq!(connections(limit), wanted, "{limit:?}");
        }
    }

    #[test]
    fn shortage_names_both_numbers() {
        let said = shortage(20_000, Some(20_000)).unwrap();
        assert!(said.contains("20000") && said.contains("9375"), "{said}");
        assert_eq!(shortage(20_000, Some(524_288)), None);
        assert_eq!(shortage(20_000, None), None);
    }
}
