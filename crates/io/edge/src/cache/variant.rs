//! The request headers that select among the responses of one URL (RFC 9111 section 4.1).

use super::directives::split;
use crate::fields;
use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};

/// Headers by which one response may vary.
const NAMES_MAX: usize = 8;

/// The headers that select a response, with their values in the request that it was given for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Variant(Box<[(HeaderName, Box<[HeaderValue]>)]>);

impl Variant {
    /// Those that the rule and the response name. `None` where no other request would select it, or where it depends
    /// on a person: then it is not stored.
    pub(crate) fn new(rule: &[String], request: &HeaderMap, response: &HeaderMap) -> Option<Self> {
        let mut names: Vec<HeaderName> = Vec::new();
        let mut add = |name: &str| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            if is_in_key(&name) || names.contains(&name) {
                return Some(());
            }
            let is_personal = matches!(name, header::COOKIE | header::AUTHORIZATION) || name.as_str() == "*";
            // What the edge writes or drops differs from what the client sent.
            if is_personal || !fields::passes(&name, false) || names.len() == NAMES_MAX {
                return None;
            }
            names.push(name);
            Some(())
        };
        for name in rule {
            add(name)?;
        }
        for value in response.get_all(header::VARY) {
            for name in split(value.to_str().ok()?, b',') {
                add(name)?;
            }
        }
        let values = |name: &HeaderName| request.get_all(name).iter().map(owned).collect();
        Some(Self(names.iter().map(|name| (name.clone(), values(name))).collect()))
    }

    /// Whether a request selects it.
    pub(crate) fn matches(&self, request: &HeaderMap) -> bool {
        self.0.iter().all(|(name, values)| request.get_all(name).iter().eq(values.iter()))
    }

    /// Whether all of these headers are among those that select.
    pub(crate) fn covers(&self, rule: &[String]) -> bool {
        rule.iter()
            .all(|wanted| self.0.iter().any(|(name, _)| name.as_str() == wanted) || is_in_key_text(wanted))
    }

    /// Bytes in memory, roughly.
    pub(crate) fn size(&self) -> usize {
        let values = |values: &[HeaderValue]| values.iter().map(|value| value.len() + 40).sum::<usize>();
        self.0.iter().map(|(name, list)| name.as_str().len() + 48 + values(list)).sum()
    }
}

/// A copy of a value: a clone would keep the whole buffer in which it was received.
pub(crate) fn owned(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone())
}

/// Whether the key of an entry has it already.
fn is_in_key(name: &HeaderName) -> bool {
    *name == header::HOST || is_in_key_text(name.as_str())
}

fn is_in_key_text(name: &str) -> bool {
    matches!(name, "host" | "x-forwarded-proto" | "x-forwarded-host")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn variant_is_selected_by_equal_headers() {
        let request = map(&[("accept-encoding", "gzip")]);
        let variant =
            Variant::new(&[], &request, &map(&[("vary", "Accept-Encoding, x-forwarded-proto")])).unwrap();
        for (asked, selects) in
            [(&[("accept-encoding", "gzip")][..], true), (&[], false), (&[("accept-encoding", "br")], false)]
        {
            assert_eq!(variant.matches(&map(asked)), selects, "{asked:?}");
        }
    }

    #[test]
    fn what_is_personal_or_unknown_is_not_stored() {
        for vary in [
            "*",
            "accept, *",
            "cookie",
            "Authorization",
            "x-forwarded-for",
            "mainstay-client",
            "a b",
            "a,b,c,d,e,f,g,h,i",
        ] {
            assert_eq!(Variant::new(&[], &map(&[]), &map(&[("vary", vary)])), None, "{vary}");
        }
    }

    #[test]
    fn rule_is_covered_by_its_own_variants() {
        let rule = ["accept-language".to_owned()];
        assert!(Variant::new(&rule, &map(&[]), &map(&[])).unwrap().covers(&rule));
        assert!(!Variant::default().covers(&rule));
    }
}
