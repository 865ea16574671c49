//! Tables of RFC 9111, and properties for any response.

use super::*;
use http::HeaderValue;
use proptest::prelude::*;

fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    map
}

fn decided(request: &[(&'static str, &str)], status: u16, response: &[(&'static str, &str)]) -> Storable {
    let headers = map(request);
    let asked = Asked { headers: &headers, has_cookies: headers.contains_key("cookie") };
    decide(
        asked,
        StatusCode::from_u16(status).unwrap(),
        &map(response),
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777),
    )
}

fn cc(control: &str) -> Storable {
    decided(&[], 200, &[("cache-control", control)])
}

fn lifetime(storable: Storable) -> Option<u64> {
    match storable {
        Storable::Yes(terms) => terms.lifetime.map(|lifetime| lifetime.as_secs()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn lifetime_is_that_of_a_shared_cache() {
    for (control, secs) in [
        ("max-age=60", Some(60)),
        ("MAX-AGE=60", Some(60)),
        ("max-age=60, s-maxage=10", Some(10)),
        ("public", None),
        ("no-cache", Some(0)),
        ("max-age=60, no-cache", Some(0)),
        ("max-age=60, proxy-revalidate", Some(60)),
        ("max-age=60, must-revalidate", Some(60)),
        ("max-age=x", Some(0)),
        ("immutable", None),
        ("max-age=\"60\"", Some(60)),
    ] {
        assert_eq!(lifetime(cc(control)), secs, "{control}");
    }
}

#[test]
fn expires_counts_from_the_date() {
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let expires = |text| decided(&[], 200, &[date, ("expires", text)]);
    assert_eq!(lifetime(expires("Sun, 06 Nov 1994 08:50:37 GMT")), Some(60));
    assert_eq!(lifetime(expires("0")), Some(0));
    assert_eq!(lifetime(expires("Sun, 06 Nov 1993 08:50:37 GMT")), Some(0));
}

#[test]
fn last_modified_is_no_lifetime() {
    assert_eq!(lifetime(decided(&[], 200, &[("last-modified", "Sun, 06 Nov 1988 08:49:37 GMT")])), None);
}

#[test]
fn what_a_shared_cache_must_not_store_is_not_stored() {
    for control in [
        "no-store",
        "No-Store",
        "private",
        "PRIVATE",
        "private=\"x\"",
        "max-age=60, private",
        "max-age=60,no-store",
    ] {
        assert_eq!(cc(control), Storable::No, "{control}");
    }
    let fresh = ("cache-control", "public, max-age=60");
    assert_eq!(decided(&[("authorization", "Basic x")], 200, &[fresh]), Storable::NotThis);
    assert_eq!(decided(&[], 200, &[fresh, ("set-cookie", "a=1")]), Storable::NotThis);
    assert_eq!(decided(&[], 200, &[fresh, ("vary", "*")]), Storable::No);
    assert_eq!(decided(&[], 206, &[fresh]), Storable::No);
    assert_eq!(decided(&[("cache-control", "no-store")], 200, &[fresh]), Storable::No);
}

#[test]
fn status_decides_where_nothing_is_declared() {
    for (status, stored) in [(200, true), (301, true), (404, false), (302, false), (500, false), (403, false)]
    {
        assert_eq!(matches!(decided(&[], status, &[]), Storable::Yes(_)), stored, "{status}");
    }
    let fresh = [("cache-control", "max-age=5")];
    for (status, stored) in [(404, true), (302, true), (410, true), (500, false), (503, false), (429, false)]
    {
        assert_eq!(matches!(decided(&[], status, &fresh), Storable::Yes(_)), stored, "{status}");
    }
}

#[test]
fn failure_keeps_what_was_stored() {
    for (status, kept) in [(500, true), (502, true), (403, true), (429, true), (404, false), (200, false)] {
        let no_store = decided(&[], status, &[("cache-control", "no-store")]);
        assert_eq!(no_store == Storable::NotThis, kept, "{status}");
    }
}

#[test]
fn undeclared_response_to_a_request_with_cookies_is_not_stored() {
    assert_eq!(decided(&[("cookie", "session=1")], 200, &[]), Storable::NotThis);
    let declared = decided(&[("cookie", "session=1")], 200, &[("cache-control", "max-age=60")]);
    assert_eq!(lifetime(declared), Some(60));
}

#[test]
fn stale_service_is_as_the_response_allows() {
    let terms = |control| match cc(control) {
        Storable::Yes(terms) => {
            (terms.never_stale, terms.own_stale_only, terms.if_error.map(|time| time.as_secs()))
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(terms("max-age=1"), (false, false, None));
    assert_eq!(terms("max-age=1, stale-if-error=9"), (false, false, Some(9)));
    assert_eq!(terms("s-maxage=1"), (false, true, None));
    assert_eq!(terms("max-age=1, Must-Revalidate"), (true, false, None));
    assert_eq!(terms("max-age=1, proxy-revalidate"), (true, false, None));
    assert_eq!(terms("no-cache"), (true, false, None));
    assert_eq!(terms("max-age=1, max-age=2"), (true, false, None));
}

const WORDS: [&str; 14] = [
    "max-age=60",
    "s-maxage=5",
    "public",
    "private",
    "no-store",
    "no-cache",
    "must-revalidate",
    "proxy-revalidate",
    "stale-if-error=600",
    "stale-while-revalidate=600",
    "immutable",
    "MUST-REVALIDATE",
    "Private",
    "x=\"no-store\"",
];

proptest! {
    #[test]
    fn personal_responses_are_never_stored_and_must_revalidate_is_never_stale(
        words in prop::collection::vec(0..WORDS.len(), 0..6),
        (cookie, authorization, sets) in (any::<bool>(), any::<bool>(), any::<bool>()),
        status in prop::sample::select(vec![200_u16, 203, 206, 301, 302, 304, 404, 500, 503]),
    ) {
        let words: Vec<&str> = words.into_iter().map(|at| WORDS[at]).collect();
        let control = words.join(", ");
        let mut request = Vec::new();
        if cookie { request.push(("cookie", "a=1")); }
        if authorization { request.push(("authorization", "Bearer x")); }
        let mut response = vec![("cache-control", control.as_str())];
        if sets { response.push(("set-cookie", "a=1")); }
        let decided = decided(&request, status, &response);
        let says = |word: &str| words.iter().any(|said| said.eq_ignore_ascii_case(word));
        if let Storable::Yes(terms) = decided {
            prop_assert!(!authorization && !sets && !says("private") && !says("no-store"), "{control}");
            prop_assert!(status != 206 && status != 304 && status < 500);
            if says("must-revalidate") || says("proxy-revalidate") || says("no-cache") {
                prop_assert!(terms.never_stale, "{control}");
            }
            prop_assert!(!says("no-cache") || terms.lifetime == Some(Duration::ZERO));
        }
    }
}
