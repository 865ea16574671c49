//! The limit of concurrent probe runs.

/// A run usually has one open file, tls and dns several; the web server needs some too.
const FILES_EACH: usize = 2;
const FILES_OTHERS: usize = 128;
const AT_ONCE_MIN: usize = 16;
const AT_ONCE_MAX: usize = 2_000;
/// Assumed limit where the system does not report one.
const FILES_USUAL: usize = 1_024;

/// The limit that follows from this process's limit of open files.
pub(super) fn limit() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    questions(files(&limits).unwrap_or(FILES_USUAL))
}

fn questions(files: usize) -> usize {
    (files.saturating_sub(FILES_OTHERS) / FILES_EACH).clamp(AT_ONCE_MIN, AT_ONCE_MAX)
}

/// The soft limit of open files in the format of `/proc/self/limits`.
fn files(limits: &str) -> Option<usize> {
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    let soft = line.trim_start_matches("Max open files").split_whitespace().next()?;
    if soft == "unlimited" { Some(usize::MAX) } else { soft.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_respected() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(files(limits), Some(1024));
        assert_eq!(
            files("Max open files            unlimited            unlimited            files"),
            Some(usize::MAX)
        );
        assert_eq!(files(""), None);
        for (files, max_concurrent) in [(0, 16), (1_024, 448), (524_288, 2_000), (usize::MAX, 2_000)] {
            assert_eq!(questions(files), max_concurrent);
        }
    }
}
