//! Paths that belong to the configuration file.

use std::path::{Path, PathBuf};

/// The folder that relative paths in the configuration start from.
pub(crate) fn folder(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
