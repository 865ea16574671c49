//! Parses paths of requests, and patterns of them.

use crate::suggest::shown;
use crate::value_error::ValueError;

/// Parses a path, or a path pattern that matches everything below: `/pay/*`.
pub(crate) fn pattern(text: &str) -> Result<String, ValueError> {
    let path = path(text)?;
    let error = |why: &str, hint: &str| Err(ValueError::new(format!("`{}` {why}", shown(text))).hint(hint));
    match path.strip_suffix("/*") {
        Some("") => error("matches every path", "use a more specific one: \"/pay/*\""),
        Some(above) if above.contains('*') => {
            error("has a `*` in the middle", "`*` is only allowed at the end: \"/pay/*\"")
        }
        None if path.contains('*') => {
            error("has a `*` in the wrong place", "`*` is only allowed at the end: \"/pay/*\"")
        }
        _ => Ok(path),
    }
}

/// Parses a path without a query.
pub(crate) fn path(text: &str) -> Result<String, ValueError> {
    let path = text.trim();
    let error = |why: &str| ValueError::new(format!("`{}` is not a path: {why}", shown(text)));
    if !path.starts_with('/') {
        let bare = path.split_once("://").and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)));
        let meant = bare.map_or_else(|| format!("/{path}"), str::to_owned);
        return Err(error("it does not begin with /").hint(format!("write \"{}\"", shown(&meant))));
    }
    if path.contains(['?', '#']) {
        return Err(error("it has a query or a fragment"));
    }
    if path.len() > 500 {
        return Err(error("it is too long"));
    }
    if path.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(error("spaces and special characters must be percent-encoded"));
    }
    if path.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(error("it has `.` or `..`"));
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_patterns() {
        for (text, read) in [
            ("/login", Some("/login")),
            ("/pay/*", Some("/pay/*")),
            (" /a/b/* ", Some("/a/b/*")),
            ("/", Some("/")),
            ("/*", None),
            ("*", None),
            ("login", None),
            ("/pay*", None),
            ("/*/x", None),
            ("/*/*", None),
            ("/login?x=1", None),
            ("/a b", None),
            ("/ü", None),
            ("/a/../b", None),
            ("", None),
        ] {
            assert_eq!(pattern(text).ok().as_deref(), read, "{text:?}");
        }
        let error = pattern("https://auth.acme.com/login").unwrap_err();
        assert!(format!("{error:?}").contains("write \\\"/login\\\""), "{error:?}");
    }
}
