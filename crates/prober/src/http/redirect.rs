//! Where a response sends us, and when to stop following.

use model::Fault;
use model::plan::Expect;
use url::Url;

/// Redirects followed for one question; browsers allow 20, nobody honest needs 10.
const REDIRECTS_MAX: u32 = 10;
/// A longer address than this is not followed.
const URL_BYTES_MAX: usize = 8 * 1024;

/// The addresses asked so far, the present one last.
pub(super) struct Trail {
    visited: Vec<Url>,
    at: Url,
}

impl Trail {
    /// Begins at the URL of the plan.
    ///
    /// # Errors
    /// The text is not an http(s) URL. `config` lets no such plan through.
    pub(super) fn begin(url: &str) -> Result<Self, Fault> {
        let wrong =
            || Fault::Unreachable { why: "the plan's address for it is not a web address".to_owned() };
        let at = Url::parse(url).map_err(|_| wrong())?;
        Ok(Self { visited: Vec::new(), at: usable(at).ok_or_else(wrong)? })
    }

    /// The address to ask now.
    pub(super) fn at(&self) -> &Url {
        &self.at
    }

    /// Follows a `Location`, which may be relative (RFC 9110, section 10.2.2).
    ///
    /// # Errors
    /// It is no web address, it was asked before, or it is one too many.
    pub(super) fn step(&mut self, location: &[u8]) -> Result<(), Fault> {
        let text = std::str::from_utf8(location).map_err(|_| Fault::BadRedirect)?;
        if text.len() > URL_BYTES_MAX {
            return Err(Fault::BadRedirect);
        }
        let next = self.at.join(text).ok().and_then(usable).ok_or(Fault::BadRedirect)?;
        let last = std::mem::replace(&mut self.at, next);
        self.visited.push(last);
        // We keep no cookies, so the same address gives the same answer for ever.
        if self.visited.contains(&self.at) {
            return Err(Fault::RedirectLoop);
        }
        if self.visited.len() > REDIRECTS_MAX as usize {
            return Err(Fault::TooManyRedirects { limit: REDIRECTS_MAX });
        }
        Ok(())
    }
}

/// Without the fragment, which is never sent; `None` for what is not http(s).
fn usable(mut url: Url) -> Option<Url> {
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return None;
    }
    url.set_fragment(None);
    (url.as_str().len() <= URL_BYTES_MAX).then_some(url)
}

/// Whether a response is to be followed. A plan that expects this very status wants to see the redirect itself.
pub(super) fn leads_on(status: u16, located: bool, expect: &Expect) -> bool {
    located && matches!(status, 301 | 302 | 303 | 307 | 308) && !expect.status.contains(&status)
}

/// A URL as it may be shown: a password in it is a secret.
pub(super) fn told(url: &Url) -> String {
    let mut told = url.clone();
    let _ = told.set_password(None);
    let _ = told.set_username("");
    told.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn redirects_lead_where_browsers_go() {
        for (from, location, to) in [
            ("http://acme.com/a/b?q", "c", Ok("http://acme.com/a/c")),
            ("http://acme.com/a", "/x#top", Ok("http://acme.com/x")),
            ("http://acme.com/a", "//b.net:81", Ok("http://b.net:81/")),
            ("http://acme.com/a", "https://acme.com/a", Ok("https://acme.com/a")),
            ("http://acme.com/a", "?page=2", Ok("http://acme.com/a?page=2")),
            ("http://acme.com/a", "http://2130706433/", Ok("http://127.0.0.1/")),
            ("http://acme.com/a", "#same", Err("redirect-loop")),
            ("http://acme.com/a", "ftp://acme.com/", Err("bad-redirect")),
            ("http://acme.com/a", "javascript:alert(1)", Err("bad-redirect")),
            ("http://acme.com/a", "http://[::1", Err("bad-redirect")),
            ("http://acme.com/a", "\u{0}", Ok("http://acme.com/a")),
        ] {
            let mut trail = Trail::begin(from).unwrap();
            let stepped = trail.step(location.as_bytes());
            match (to, stepped) {
                (Ok(to), Ok(())) => assert_eq!(trail.at().as_str(), to, "{location}"),
                (Err(word), Err(fault)) => assert_eq!(fault.word(), word, "{location}"),
                // An empty reference means the document itself.
                (Ok(to), Err(fault)) => assert_eq!((to, fault.word()), (from, "redirect-loop"), "{location}"),
                (Err(word), Ok(())) => panic!("{location} was followed, not {word}"),
            }
        }
    }

    #[test]
    fn ten_are_followed_and_no_more() {
        let mut trail = Trail::begin("http://acme.com/0").unwrap();
        for step in 1..=10 {
            trail.step(format!("/{step}").as_bytes()).unwrap();
        }
        assert_eq!(trail.step(b"/11"), Err(Fault::TooManyRedirects { limit: 10 }));
    }

    #[test]
    fn secrets_are_not_shown() {
        let url = Url::parse("https://ana:secret@acme.com/x").unwrap();
        assert_eq!(told(&url), "https://acme.com/x");
    }

    proptest! {
        #[test]
        fn no_location_panics(location in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Trail::begin("http://acme.com/a").unwrap().step(&location);
        }
    }
}
