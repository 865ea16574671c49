//! Redirects: the next URL, and when to stop.

use super::cookies::CookieJar;
use http::Method;
use types::Fault;
use types::config::Expect;
use url::Url;

/// Redirects followed in one run, as many as browsers follow.
const REDIRECTS_MAX: u32 = 20;
/// A longer address than this is not followed.
const URL_BYTES_MAX: usize = 8 * 1024;

/// The URLs requested so far, the present one last.
pub(super) struct RedirectChain {
    /// Each with its method and the cookies that were sent to it.
    visited: Vec<(Url, Method, Vec<u8>)>,
    at: Url,
    method: Method,
    /// Whether the request has become another one on the way, without a body.
    is_turned: bool,
    cookies: Vec<u8>,
}

impl RedirectChain {
    /// Begins at the URL of the configuration.
    ///
    /// # Errors
    /// The text is not an http(s) URL. `config` lets no such configuration through.
    pub(super) fn begin(url: &str, method: Method) -> Result<Self, Fault> {
        let wrong = || Fault::Unreachable {
            why: "the configuration's address for it is not a web address".to_owned(),
        };
        let at = Url::parse(url).map_err(|_| wrong())?;
        let at = usable(at).ok_or_else(wrong)?;
        Ok(Self { visited: Vec::new(), at, method, is_turned: false, cookies: Vec::new() })
    }

    /// The URL to request now.
    pub(super) fn at(&self) -> &Url {
        &self.at
    }

    /// The method of the request now.
    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// Whether the body of the request is still to be sent.
    pub(super) fn keeps_body(&self) -> bool {
        !self.is_turned
    }

    /// Whether the URL now belongs to the server of the first one: the same scheme, host and port.
    pub(super) fn is_home(&self) -> bool {
        self.visited.first().is_none_or(|(first, ..)| first.origin() == self.at.origin())
    }

    /// Follows a `Location` of a response with this status code, which may be relative (RFC 9110, section 10.2.2), with the
    /// cookies that are kept by now. Where browsers go on with GET (Fetch, section 4.4), so does it.
    ///
    /// # Errors
    /// It is no web address, it was asked before with these very cookies, or it is one too many.
    pub(super) fn step(&mut self, status: u16, location: &[u8], jar: &CookieJar) -> Result<(), Fault> {
        if location.len() > URL_BYTES_MAX {
            return Err(Fault::BadRedirect);
        }
        let next = self.at.join(&spelt(location)).ok().and_then(usable).ok_or(Fault::BadRedirect)?;
        let cookies = jar.field(&next);
        let cookies = std::mem::replace(&mut self.cookies, cookies);
        let last = (std::mem::replace(&mut self.at, next), self.method.clone(), cookies);
        self.visited.push(last);
        let turns = match status {
            301 | 302 => self.method == Method::POST,
            303 => !matches!(self.method, Method::GET | Method::HEAD),
            _ => false,
        };
        if turns {
            self.method = Method::GET;
            self.is_turned = true;
        }
        // The same question gets the same answer for ever; with another cookie it is another question.
        let is_now = |(url, method, cookies): &(Url, Method, Vec<u8>)| {
            *url == self.at && *method == self.method && *cookies == self.cookies
        };
        if self.visited.iter().any(is_now) {
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
            let mut trail = RedirectChain::begin(from, Method::GET).unwrap();
            let stepped = trail.step(302, location.as_bytes(), &CookieJar::default());
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
        let (mut trail, jar) =
            (RedirectChain::begin("http://acme.com/0", Method::GET).unwrap(), CookieJar::default());
        for step in 1..=20 {
            trail.step(302, format!("/{step}").as_bytes(), &jar).unwrap();
        }
        assert_eq!(trail.step(302, b"/21", &jar), Err(Fault::TooManyRedirects { limit: 20 }));
    }

    #[test]
    fn bytes_of_latin_1_come_back_as_they_were() {
        let mut trail = RedirectChain::begin("http://acme.com/a", Method::GET).unwrap();
        trail.step(302, b"/caf\xe9?q=\xfc", &CookieJar::default()).unwrap();
        assert_eq!(trail.at().as_str(), "http://acme.com/caf%E9?q=%FC");
    }

    #[test]
    fn a_circle_is_one_only_when_no_cookie_changes() {
        let (mut trail, mut jar) =
            (RedirectChain::begin("http://acme.com/", Method::GET).unwrap(), CookieJar::default());
        for value in 1..=3 {
            let at = trail.at().clone();
            jar.take(format!("a={value}").as_bytes(), &at);
            trail.step(302, b"/", &jar).unwrap();
        }
        jar.take(b"b=1; Path=/elsewhere", &trail.at().clone());
        assert_eq!(trail.step(302, b"/", &jar), Err(Fault::RedirectLoop));
    }

    #[test]
    fn methods_change_as_in_browsers_and_secrets_stay_home() {
        let post = "POST with body";
        for (status, method, location, expected) in [
            (302, "POST", "/b", "GET at home"),
            (301, "POST", "/b", "GET at home"),
            (303, "PUT", "/b", "GET at home"),
            (303, "HEAD", "/b", "HEAD with body at home"),
            (307, "POST", "/b", "POST with body at home"),
            (308, "POST", "https://b.net/", post),
            (307, "POST", "https://acme.com/a", post),
            (307, "POST", "http://acme.com:81/a", post),
            // The result of a form is at the same URL: no circle.
            (303, "POST", "/a", "GET at home"),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let mut trail = RedirectChain::begin("http://acme.com/a", method).unwrap();
            trail.step(status, location.as_bytes(), &CookieJar::default()).unwrap();
            let body = if trail.keeps_body() { " with body" } else { "" };
            let home = if trail.is_home() { " at home" } else { "" };
            assert_eq!(format!("{}{body}{home}", trail.method()), expected, "{status} {location}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let url = Url::parse("https://ana:secret@acme.com/x").unwrap();
        assert_eq!(without_credentials(&url), "https://acme.com/x");
    }

    proptest! {
        #[test]
        fn no_location_panics(location in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = RedirectChain::begin("http://acme.com/a", Method::GET).unwrap().step(302, &location, &CookieJar::default());
        }
    }
}
