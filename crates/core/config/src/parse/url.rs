//! Parses http and https URLs.

use crate::parse::host::Host;
use crate::suggest::shown;
use crate::value_error::ValueError;

/// An http or https URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) is_https: bool,
    pub(crate) host: Host,
    /// Path and query; begins with `/` or is empty.
    pub(crate) rest: String,
}

impl Url {
    /// Parses a URL. One with a user name or password is rejected as a secret.
    pub(crate) fn read(text: &str) -> Result<Self, ValueError> {
        let given = text.trim();
        let bare = given.split_once("://").map_or(given, |(_, rest)| rest);
        if bare.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@')) {
            return Err(ValueError::password_in_address());
        }
        let error = |why: &str| ValueError::new(format!("`{}` is not a URL: {why}", shown(given)));
        let (scheme, rest) = given.split_once("://").ok_or_else(|| {
            ValueError::new(format!("`{}` is not a URL", shown(given)))
                .hint(format!("write the scheme too: \"https://{}\"", shown(given)))
        })?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(error("only http and https are supported")),
        };
        let cut = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(cut).ok_or_else(|| error("it is incomplete"))?;
        if path.contains('#') {
            return Err(error("a part after # is never sent to a server"));
        }
        if path.bytes().any(|byte| !byte.is_ascii_graphic())
            || path.contains(['"', '<', '>', '\\', '^', '`', '{', '}', '|'])
        {
            return Err(error("spaces and special characters must be percent-encoded"));
        }
        if given.len() > 2_000 {
            return Err(error("it is too long"));
        }
        let host = Host::read(authority)?;
        let rest = if path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
        Ok(Self { is_https, host, rest })
    }

    /// Formats it in canonical form.
    pub(crate) fn text(&self) -> String {
        let (scheme, usual) = if self.is_https { ("https", 443) } else { ("http", 80) };
        format!("{scheme}://{}{}", self.host.text(usual), self.rest)
    }

    /// The host, with the port that is connected to.
    pub(crate) fn target(&self) -> Host {
        let usual = if self.is_https { 443 } else { 80 };
        Host { name: self.host.name.clone(), port: Some(self.host.port.unwrap_or(usual)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, canonical) in [
            ("https://Shop.acme.com/health?x=1", Some("https://shop.acme.com/health?x=1")),
            ("HTTP://a.com:80", Some("http://a.com")),
            ("http://[::1]:8080/", Some("http://[::1]:8080/")),
            ("https://a.com?x", Some("https://a.com/?x")),
            ("a.com", None),
            ("ftp://a.com", None),
            ("https://", None),
            ("https://a.com/ü", None),
            ("https://a.com/#x", None),
            ("https://ana:hunter2@a.com/", None),
        ] {
            assert_eq!(Url::read(text).ok().map(|url| url.text()).as_deref(), canonical, "{text:?}");
        }
        for text in
            ["https://ana:hunter2@a.com/", "ftp://ana:hunter2@a.com", "ana:hunter2@a.com", "://ana:hunter2@"]
        {
            let error = Url::read(text).unwrap_err();
            assert!(error.secret && !format!("{error:?}").contains("hunter2"), "{text}");
        }
        assert!(Url::read("https://social.example/@ana").is_ok());
    }
}
