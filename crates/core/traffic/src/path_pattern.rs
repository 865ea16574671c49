//! Paths as the configuration writes them: `/health` exactly, `/pay/*` and everything below.

use crate::target;

/// A path of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathPattern {
    /// Without the star.
    text: Box<str>,
    below: bool,
}

impl PathPattern {
    /// Targets are encoded before they are compared: a pattern may be written with or without that.
    pub(crate) fn new(text: &str) -> Self {
        let encoded = target::encoded(text).ok().flatten();
        let text = encoded.as_deref().unwrap_or(text);
        match text.strip_suffix('*') {
            Some(above) => Self { text: above.into(), below: true },
            None => Self { text: text.into(), below: false },
        }
    }

    /// Whether a path is meant. A path that a server may read as another one (`/pay/../login`) is not below anything.
    pub(crate) fn matches(&self, path: &str) -> bool {
        if self.below { path.starts_with(&*self.text) && plain(path) } else { path == &*self.text }
    }
}

/// Whether a path has one reading: no dots as segments, no escaped dots or slashes, no backslash, no empty segment.
fn plain(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.iter().enumerate().all(|(at, byte)| {
        let rest = &bytes[at + 1..];
        match byte {
            b'\\' | b';' => false,
            b'/' => !(rest.starts_with(b"/") || rest.starts_with(b".")),
            b'%' => !matches!(rest, [b'2', b'e' | b'E' | b'f' | b'F', ..] | [b'5', b'c' | b'C', ..]),
            _ => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_mean_below_and_nothing_else() {
        for (pattern, path, matches) in [
            ("/health", "/health", true),
            ("/health", "/health/", false),
            ("/health", "/healthy", false),
            ("/pay/*", "/pay/card", true),
            ("/pay/*", "/pay/", true),
            ("/pay/*", "/pay", false),
            ("/pay/*", "/payroll", false),
            ("/pay/*", "/pay/../login", false),
            ("/pay/*", "/pay/%2e%2E/login", false),
            ("/pay/*", "/pay/..%2flogin", false),
            ("/pay/*", "/pay/..;/login", false),
            ("/pay/*", "/pay//x", false),
            ("/pay/*", "/pay\\..\\login", false),
            ("/pay/*", "/pay/a%20b", true),
            ("/pay/*", "/pay/%5C..%5Clogin", false),
            ("*", "/anything", true),
            ("/caf\u{e9}/*", "/caf%C3%A9/1", true),
            ("/caf%C3%A9", "/caf%C3%A9", true),
            ("/{id}", "/%7Bid%7D", true),
        ] {
            assert_eq!(PathPattern::new(pattern).matches(path), matches, "{pattern} {path}");
        }
    }
}
