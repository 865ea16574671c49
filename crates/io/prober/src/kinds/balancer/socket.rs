//! The runtime socket of HAProxy: one command, which only reads.

use super::unusable::Unusable;
use crate::faults;
use std::io::ErrorKind;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use types::Fault;
use types::fault::Phase;

/// Longest answer: 2,000 servers have about 1 MB.
const ANSWER_MAX: usize = 8 << 20;
/// The only command that is ever sent. No name of the configuration is part of it, so that none can be a second command.
const COMMAND: &[u8] = b"show stat\n";

/// The answer to `show stat`, which ends with the connection.
pub(super) async fn show_stat(path: &Path) -> Result<Vec<u8>, Fault> {
    let shown = || path.display().to_string();
    let mut stream = UnixStream::connect(path).await.map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => Unusable::SocketDenied { path: shown() }.into(),
        ErrorKind::NotFound => Unusable::NoSocket { path: shown() }.into(),
        _ => faults::from_io(&error, Phase::Connect),
    })?;
    stream.write_all(COMMAND).await.map_err(|error| faults::from_io(&error, Phase::FirstByte))?;
    let mut answer = Vec::new();
    let limit = u64::try_from(ANSWER_MAX + 1).unwrap_or(u64::MAX);
    let read = stream.take(limit).read_to_end(&mut answer).await;
    read.map_err(|error| faults::from_io(&error, Phase::Body))?;
    if answer.len() > ANSWER_MAX {
        return Err(Unusable::TooLong { max: ANSWER_MAX }.into());
    }
    if answer.trim_ascii().eq_ignore_ascii_case(b"permission denied") {
        return Err(Unusable::LevelTooLow.into());
    }
    Ok(answer)
}
