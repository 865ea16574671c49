//! Redirects: the next URL, and when to stop.

use super::cookies::CookieJar;
use types::Fault;
use types::config::Expect;
use url::Url;

/// Redirects followed in one run, as many as browsers follow.
const REDIRECTS_MAX: u32 = 20;
/// A longer address than this is not followed.
const URL_BYTES_MAX: usize = 8 * 1024;

/// The URLs requested so far, the present one last.
pub(super) struct RedirectChain {
    /// Each with the cookies that were sent to it.
    visited: Vec<(Url, Vec<u8>)>,
    at: Url,
    cookies: Vec<u8>,
}

impl RedirectChain {
    /// Begins at the URL of the configuration.
    ///
    /// # Errors
    /// The text is not an http(s) URL. `config` lets no such configuration through.
    pub(super) fn begin(url: &str) -> Result<Self, Fault> {
        let wrong = || Fault::Unreachable {
            why: "the configuration's address for it is not a web address".to_owned(),
        };
        let at = Url::parse(url).map_err(|_| wrong())?;
        Ok(Self { visited: Vec::new(), at: usable(at).ok_or_else(wrong)?, cookies: Vec::new() })
    }

    /// The URL to request now.
    pub(super) fn at(&self) -> &Url {
        &self.at
    }

    /// Follows a `Location`, which may be relative (RFC 9110, section 10.2.2), with the cookies that are kept by now.
    ///
    /// # Errors
    /// It is no web address, it was asked before with these very cookies, or it is one too many.
    pub(super) fn step(&mut self, location: &[u8], jar: &CookieJar) -> Result<(), Fault> {
        if location.len() > URL_BYTES_MAX {
            return Err(Fault::BadRedirect);
        }
        let next = self.at.join(&spelt(location)).ok().and_then(usable).ok_or(Fault::BadRedirect)?;
        let cookies = jar.field(&next);
        let last = (std::mem::replace(&mut self.at, next), std::mem::replace(&mut self.cookies, cookies));
        self.visited.push(last);
        // The same question gets the same answer for ever; with another cookie it is another question.
        if self.visited.iter().any(|(url, cookies)| *url == self.at && *cookies == self.cookies) {
            return Err(Fault::RedirectLoop);
        }
        if self.visited.len() > REDIRECTS_MAX as usize {
            return Err(Fault::TooManyRedirects { limit: REDIRECTS_MAX });
        }
        Ok(())
    }
}

/// A `Location` as text. Bytes that are no UTF-8 are taken for themselves and escaped, as browsers do: a server that sends
/// Latin-1 expects them back so.
fn spelt(location: &[u8]) -> String {
    std::str::from_utf8(location).map_or_else(
        |_| {
            let escaped = |byte: &u8| match byte.is_ascii() {
                true => char::from(*byte).to_string(),
                false => format!("%{byte:02X}"),
            };
            location.iter().map(escaped).collect()
        },
        str::to_owned,
    )
}

/// Without the fragment, which is never sent; `None` for what is not http(s).
fn usable(mut url: Url) -> Option<Url> {
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return None;
    }
    url.set_fragment(None);
    (url.as_str().len() <= URL_BYTES_MAX).then_some(url)
}

/// Whether a response is to be followed. A configuration that expects this very status wants to see the redirect itself.
pub(super) fn leads_on(status: u16, located: bool, expect: &Expect) -> bool {
    located && matches!(status, 301 | 302 | 303 | 307 | 308) && !expect.status.contains(&status)
}

/// A URL without its password, for messages.
pub(super) fn without_credentials(url: &Url) -> String {
    let mut public = url.clone();
    let _ = public.set_password(None);
    let _ = public.set_username("");
    public.into()
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
            ("http://acme.com/a", "/caf\u{e9}", Ok("http://acme.com/caf%C3%A9")),
            ("http://acme.com/a", "/a b", Ok("http://acme.com/a%20b")),
            ("http://acme.com/a", "\\\\b.net\\x", Ok("http://b.net/x")),
        ] {
            let mut trail = RedirectChain::begin(from).unwrap();
            let stepped = trail.step(location.as_bytes(), &CookieJar::default());
            match (to, stepped) {
                (Ok(to), Ok(())) => assert_eq!(trail.at().as_str(), to, "{location}"),
                (Err(word), Err(fault)) => assert_eq!(fault.as_str(), word, "{location}"),
                // An empty reference means the document itself.
                (Ok(to), Err(fault)) => {
                    assert_eq!((to, fault.as_str()), (from, "redirect-loop"), "{location}")
                }
                (Err(word), Ok(())) => panic!("{location} was followed, not {word}"),
            }
        }
    }

    #[test]
    fn twenty_are_followed_and_no_more() {
        let (mut trail, jar) = (RedirectChain::begin("http://acme.com/0").unwrap(), CookieJar::default());
        for step in 1..=20 {
            trail.step(format!("/{step}").as_bytes(), &jar).unwrap();
        }
        assert_eq!(trail.step(b"/21", &jar), Err(Fault::TooManyRedirects { limit: 20 }));
    }

    #[test]
    fn bytes_of_latin_1_come_back_as_they_were() {
        let mut trail = RedirectChain::begin("http://acme.com/a").unwrap();
        trail.step(b"/caf\xe9?q=\xfc", &CookieJar::default()).unwrap();
        assert_eq!(trail.at().as_str(), "http://acme.com/caf%E9?q=%FC");
    }

    #[test]
    fn a_circle_is_one_only_when_no_cookie_changes() {
        let (mut trail, mut jar) = (RedirectChain::begin("http://acme.com/").unwrap(), CookieJar::default());
        for value in 1..=3 {
            let at = trail.at().clone();
            jar.take(format!("a={value}").as_bytes(), &at);
            trail.step(b"/", &jar).unwrap();
        }
        jar.take(b"b=1; Path=/elsewhere", &trail.at().clone());
        assert_eq!(trail.step(b"/", &jar), Err(Fault::RedirectLoop));
    }

    #[test]
    fn secrets_are_not_shown() {
        let url = Url::parse("https://ana:secret@acme.com/x").unwrap();
        assert_eq!(without_credentials(&url), "https://acme.com/x");
    }

    proptest! {
        #[test]
        fn no_location_panics(location in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = RedirectChain::begin("http://acme.com/a").unwrap().step(&location, &CookieJar::default());
        }
    }
}
