//! What errors of a server, and of the connection, say about a node.

use super::wire::Refused;
use crate::faults;
use std::io;
use types::Fault;
use types::database::NodeAnswer;
use types::fault::Phase;

/// `ER_CON_COUNT_ERROR`.
const FULL: u16 = 1040;
/// Shutdown in progress; the server, or a person (`KILL`), ends the connection.
const ENDING: [u16; 4] = [1053, 1077, 1079, 3168];
/// Errors of the login: access to a database or at all, the host, the plugin, the account.
const LOGIN: [u16; 14] = [1044, 1045, 1049, 1129, 1130, 1203, 1226, 1251, 1275, 1698, 1820, 1862, 3118, 4151];
/// A right is missing.
const RIGHTS: [u16; 3] = [1142, 1143, 1227];
/// The connection ends with the error.
const LAST: [u16; 2] = [1152, 1927];

/// What an error of the server says about the node.
pub(super) fn refused(error: &Refused) -> NodeAnswer {
    let said = error.said.clone();
    match error.code {
        FULL => NodeAnswer::Saturated { said },
        code if ENDING.contains(&code) => NodeAnswer::Starting { said },
        // A limit of mainstay's own user (1203, 1226) says nothing about the others.
        code if LOGIN.contains(&code) || RIGHTS.contains(&code) => NodeAnswer::Denied { said },
        code => {
            NodeAnswer::Failed(Fault::Unreachable { why: format!("the server says: {said} (error {code})") })
        }
    }
}

/// Whether an error is about the connection, not about the statement alone.
pub(super) fn ends_the_connection(error: &Refused) -> bool {
    error.code == FULL || ENDING.contains(&error.code) || LAST.contains(&error.code)
}

/// Whether an error says that a right is missing.
pub(super) fn lacks_right(error: &Refused) -> bool {
    error.code == 1044 || RIGHTS.contains(&error.code)
}

/// The answer for an error of the connection.
pub(super) fn failed(error: &io::Error) -> NodeAnswer {
    NodeAnswer::Failed(faults::from_io(error, Phase::FirstByte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        for (code, said, word) in [
            (1040, "Too many connections", "saturated"),
            (1053, "Server shutdown in progress", "starting"),
            (1045, "Access denied for user 'mainstay'@'10.0.0.1' (using password: YES)", "denied"),
            (1226, "User 'mainstay' has exceeded the 'max_user_connections' resource", "denied"),
            (1129, "Host '10.0.0.1' is blocked because of many connection errors", "denied"),
            (1130, "Host '10.0.0.1' is not allowed to connect to this MariaDB server", "denied"),
            (1105, "Unknown error", "failed"),
        ] {
            let got = match refused(&Refused { code, said: said.to_owned() }) {
                NodeAnswer::Saturated { .. } => "saturated",
                NodeAnswer::Starting { .. } => "starting",
                NodeAnswer::Denied { .. } => "denied",
                NodeAnswer::Failed(_) => "failed",
                NodeAnswer::Facts(_) => "facts",
            };
            assert_eq!(got, word, "{said}");
        }
    }
}
