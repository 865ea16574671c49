//! The file in the data folder that holds the address of the status page while mainstay runs.

use atomic_file::{Access, replace};
use std::io;
use std::net::SocketAddr;
use std::path::Path;

/// Its name. It exists from the moment that every part of the process accepts requests.
pub const NAME: &str = "address";

/// Writes the address.
///
/// # Errors
/// When the data folder cannot be written.
pub(crate) fn write(data: &Path, address: SocketAddr) -> io::Result<()> {
    replace(&data.join(NAME), address.to_string().as_bytes(), Access::Umask)
}

/// Removes the file; one that is missing is no error.
pub(crate) fn remove(data: &Path) {
    let _ = std::fs::remove_file(data.join(NAME));
}
