//! How many questions may be under way at once.

/// A question holds one open file as a rule, but tls and dns hold several; and the status page needs some too.
const FILES_EACH: usize = 2;
const FILES_OTHERS: usize = 128;
const AT_ONCE_MIN: usize = 16;
const AT_ONCE_MAX: usize = 2_000;
/// What systems that do not tell allow.
const FILES_USUAL: usize = 1_024;

/// As many as this process may have files open for.
pub(super) fn limit() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    questions(files(&limits).unwrap_or(FILES_USUAL))
}

fn questions(files: usize) -> usize {
    (files.saturating_sub(FILES_OTHERS) / FILES_EACH).clamp(AT_ONCE_MIN, AT_ONCE_MAX)
}

/// The soft limit of open files, as Linux tells it.
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
