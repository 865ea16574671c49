//! Cookies of one probe run, kept from one redirect hop to the next.

use cookie_store::CookieStore;
use url::Url;

/// Browsers keep 180 cookies of one site.
const COOKIES_MAX: usize = 180;
/// Browsers refuse a longer cookie.
const COOKIE_BYTES_MAX: usize = 4096;

/// Cookies, each sent only where a browser would send it (RFC 6265).
#[derive(Default)]
pub(super) struct CookieJar {
    store: CookieStore,
    kept: usize,
}

impl CookieJar {
    /// Stores a `Set-Cookie` field of a response from `url`, unless a browser would refuse it.
    pub(super) fn take(&mut self, field: &[u8], url: &Url) {
        let control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        if self.kept >= COOKIES_MAX || field.len() > COOKIE_BYTES_MAX || field.iter().any(control) {
            return;
        }
        // Letter by byte, so that a cookie in any character set comes back as it was sent.
        let text: String = field.iter().copied().map(char::from).collect();
        let Ok(cookie) = cookie_store::Cookie::parse(text, url) else { return };
        if self.store.insert(without_suffix(cookie.into_owned(), url), url).is_ok() {
            self.kept += 1;
        }
    }

    /// The `Cookie` field for a request, empty for none. The longest path comes first.
    pub(super) fn field(&self, url: &Url) -> Vec<u8> {
        let mut cookies = self.store.matches(url);
        cookies.sort_by_key(|cookie| {
            (std::cmp::Reverse(String::from(&cookie.path).len()), cookie.name().to_owned())
        });
        let pairs: Vec<String> =
            cookies.iter().map(|cookie| format!("{}={}", cookie.name(), cookie.value())).collect();
        pairs.join("; ").chars().filter_map(|letter| u8::try_from(letter).ok()).collect()
    }
}

/// A cookie for all of `co.uk` is one for no host: browsers keep it for its own host at most, or not at all.
fn without_suffix(mut cookie: cookie_store::Cookie<'static>, url: &Url) -> cookie_store::Cookie<'static> {
    let cookie_store::CookieDomain::Suffix(domain) = &cookie.domain else { return cookie };
    if psl::domain_str(domain).is_none()
        && let Ok(own) = cookie_store::CookieDomain::host_only(url)
    {
        cookie.domain = own;
    }
    cookie
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn cookies_go_where_a_browser_sends_them() {
        for (from, field, to, sent) in [
            ("http://acme.com/", "a=1", "http://acme.com/x", "a=1"),
            ("http://acme.com/", "a=1; Path=/", "http://acme.com/x", "a=1"),
            ("http://acme.com/in/", "a=1", "http://acme.com/in/x", "a=1"),
            ("http://acme.com/in/x", "a=1", "http://acme.com/", ""),
            ("http://acme.com/", "a=1; Path=/in", "http://acme.com/inn", ""),
            ("http://acme.com/", "a=1", "https://acme.com/", "a=1"),
            ("http://acme.com/", "a=1", "http://acme.com:8080/", "a=1"),
            ("https://acme.com/", "a=1; Secure", "http://acme.com/", ""),
            ("https://acme.com/", "a=1; Secure; HttpOnly; SameSite=Lax", "https://acme.com/", "a=1"),
            ("http://acme.com/", "a=1", "http://www.acme.com/", ""),
            ("http://acme.com/", "a=1; Domain=acme.com", "http://www.acme.com/", "a=1"),
            ("http://www.acme.com/", "a=1; Domain=.acme.com", "http://acme.com/", "a=1"),
            ("http://acme.com/", "a=1; Domain=other.com", "http://other.com/", ""),
            ("http://acme.com/", "a=1; Domain=com", "http://other.com/", ""),
            ("http://acme.co.uk/", "a=1; Domain=co.uk", "http://other.co.uk/", ""),
            ("http://127.0.0.1/", "a=1; Path=/", "http://127.0.0.1/", "a=1"),
            ("http://127.0.0.1/", "a=1; Path=/", "http://127.0.0.2/", ""),
            ("http://acme.com/", "a=1; Max-Age=0", "http://acme.com/", ""),
            ("http://acme.com/", "a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://acme.com/", ""),
            ("http://acme.com/", "a=%20b", "http://acme.com/", "a=%20b"),
            ("http://acme.com/", "a=b=c", "http://acme.com/", "a=b=c"),
        ] {
            let mut jar = CookieJar::default();
            jar.take(field.as_bytes(), &url(from));
            assert_eq!(String::from_utf8(jar.field(&url(to))).unwrap(), sent, "{field} from {from} to {to}");
        }
    }

    #[test]
    fn a_cookie_is_replaced_deleted_and_keeps_its_bytes() {
        let (mut jar, at) = (CookieJar::default(), url("http://acme.com/"));
        jar.take(b"a=caf\xe9", &at);
        jar.take(b"b=1", &at);
        assert_eq!(jar.field(&at), b"a=caf\xe9; b=1");
        jar.take(b"b=2", &at);
        jar.take(b"a=; Max-Age=0", &at);
        assert_eq!(jar.field(&at), b"b=2");
        jar.take(b"c=a\x01b", &at);
        jar.take(b"no cookie at all", &at);
        assert_eq!(jar.field(&at), b"b=2");
    }

    #[test]
    fn a_jar_has_a_limit() {
        let (mut jar, at) = (CookieJar::default(), url("http://acme.com/"));
        for number in 0..1_000 {
            jar.take(format!("c{number}=1").as_bytes(), &at);
        }
        assert_eq!(jar.field(&at).split(|byte| *byte == b';').count(), COOKIES_MAX);
    }

    proptest! {
        #[test]
        fn no_field_panics_or_breaks_a_line(field in proptest::collection::vec(any::<u8>(), 0..80)) {
            let (mut jar, at) = (CookieJar::default(), url("http://acme.com/"));
            jar.take(&field, &at);
            prop_assert!(!jar.field(&at).iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        }
    }
}
