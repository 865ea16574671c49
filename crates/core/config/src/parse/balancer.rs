//! Parses where the members of a pool are asked for, and which series of a Prometheus page are members.

use crate::parse::scalar::is_secretive;
use crate::parse::url::Url;
use crate::suggest::shown;
use crate::value_error::ValueError;
use std::collections::BTreeMap;
use std::path::Path;
use text::list;
use types::config::{BalancerAddress, BalancerKind, Series};

/// Parses `haproxy:http://10.0.0.2:8404/stats;csv`, `haproxy:unix:/run/haproxy.sock`.
pub(crate) fn source(text: &str, folder: &Path) -> Result<(BalancerKind, BalancerAddress), ValueError> {
    let text = text.trim();
    let words = || list::or(BalancerKind::ALL.iter().map(|(_, word)| format!("{word}:")));
    let (word, rest) = text.split_once(':').unwrap_or((text, ""));
    let Some((kind, _)) = BalancerKind::ALL.into_iter().find(|(_, known)| *known == word) else {
        // A URL may hold a password; only its scheme is repeated.
        let error =
            ValueError::new(format!("`{}` is not a load balancer that mainstay can ask", shown(word)));
        return Err(error.hint(format!("write its product before the address: {}", words())));
    };
    match rest.strip_prefix("unix:") {
        Some(path) if kind == BalancerKind::Haproxy && path.trim_start_matches('/').len() > 1 => {
            Ok((kind, BalancerAddress::Socket(folder.join(path))))
        }
        Some(_) if kind == BalancerKind::Haproxy => {
            Err(ValueError::new("the path of the socket is missing")
                .hint("\"haproxy:unix:/run/haproxy.sock\""))
        }
        Some(_) => Err(ValueError::new(format!("{word} is not asked by a socket"))
            .hint(format!("write its URL: \"{word}:http://127.0.0.1:8080\""))),
        None => {
            let with_login = |error: ValueError| match error.secret {
                true => {
                    error.hint("secrets are not written in the configuration: use `login = \"env:NAME\"`")
                }
                false => error,
            };
            let url = Url::read(rest).map_err(with_login)?;
            let query = url.rest.split_once('?').map_or("", |(_, query)| query);
            let names = query.split('&').filter_map(|pair| pair.split('=').next());
            if names.into_iter().any(is_secretive) {
                return Err(ValueError::new("a URL with a secret in it")
                    .hint("secrets are not written in the configuration: use `token = \"env:NAME\"`")
                    .secret());
            }
            Ok((kind, BalancerAddress::Url(url.text())))
        }
    }
}

/// Parses the selector of a Prometheus series: `haproxy_server_status`, `up{job="api"}`.
pub(crate) fn series(text: &str) -> Result<Series, ValueError> {
    let error = |why: &str| {
        ValueError::new(format!("`{}` does not select series: {why}", shown(text)))
            .hint("a metric, and labels with their values: 'up{job=\"api\"}'")
    };
    let text = text.trim();
    let (metric, rest) = text.split_at(text.find('{').unwrap_or(text.len()));
    if !is_name(metric, true) {
        return Err(error("the metric is not a name"));
    }
    let mut labels = BTreeMap::new();
    let mut rest = match rest.strip_prefix('{') {
        None => "",
        Some(inside) => inside.strip_suffix('}').ok_or_else(|| error("`}` is missing"))?.trim(),
    };
    while !rest.is_empty() {
        let (label, after) = rest.split_once('=').ok_or_else(|| error("a label has no value"))?;
        if !is_name(label.trim(), false) {
            return Err(error("only = is supported between a label and its value"));
        }
        let quoted = after.trim_start().strip_prefix('"').ok_or_else(|| error("a value has no quotes"))?;
        let (value, after) = quoted.split_once('"').ok_or_else(|| error("a value has no closing quote"))?;
        if value.contains('\\') {
            return Err(error("a value with \\ is not supported"));
        }
        labels.insert(label.trim().to_owned(), value.to_owned());
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if after.is_empty() => "",
            None => return Err(error("a comma is missing between two labels")),
        };
    }
    Ok(Series { metric: metric.to_owned(), labels, member_label: None })
}

/// Whether a text is the name of a metric or of a label, which has no colon.
pub(crate) fn is_name(text: &str, is_metric: bool) -> bool {
    let fits = |c: char| c.is_ascii_alphabetic() || c == '_' || (is_metric && c == ':');
    text.len() <= 200 && text.starts_with(fits) && text.chars().all(|c| fits(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sources() {
        for (text, read) in [
            ("haproxy:http://10.0.0.2:8404/stats;csv", Some("haproxy http://10.0.0.2:8404/stats;csv")),
            ("haproxy:unix:/run/haproxy.sock", Some("haproxy /run/haproxy.sock")),
            ("haproxy:unix:run/haproxy.sock", Some("haproxy /etc/run/haproxy.sock")),
            ("haproxy:unix:", None),
            ("envoy:unix:/run/envoy.sock", None),
            ("kubernetes:https://10.0.0.1:6443", Some("kubernetes https://10.0.0.1:6443")),
            ("prometheus:http://10.0.0.1/metrics?x=1", Some("prometheus http://10.0.0.1/metrics?x=1")),
            ("nginx:http://10.0.0.1/api", None),
            ("http://10.0.0.1/stats;csv", None),
            ("haproxy", None),
            ("", None),
        ] {
            let said =
                source(text, Path::new("/etc")).ok().map(|(kind, at)| format!("{} {at}", kind.as_str()));
            assert_eq!(said.as_deref(), read, "{text}");
        }
    }

    #[test]
    fn secret_in_a_source_is_rejected_and_not_repeated() {
        for text in [
            "haproxy:http://ana:hunter2@10.0.0.2/stats;csv",
            "kubernetes:https://10.0.0.1/api?token=hunter2",
            "https://ana:hunter2@10.0.0.2",
        ] {
            let error = source(text, Path::new("/etc")).unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn selectors() {
        for (text, labels) in [
            ("up", Some("")),
            ("a:b_total", Some("")),
            ("up{}", Some("")),
            (r#"up{job="api", group = "a,b" }"#, Some("group=a,b job=api")),
            (r#"up{job="api",}"#, Some("job=api")),
            (r#"up{job!="api"}"#, None),
            (r#"up{job=~"a.*"}"#, None),
            (r#"up{job="api""#, None),
            (r#"up{job="api" group="a"}"#, None),
            ("{}", None),
            ("9up", None),
        ] {
            let read = series(text).ok().map(|series| {
                series
                    .labels
                    .iter()
                    .map(|(label, value)| format!("{label}={value}"))
                    .collect::<Vec<_>>()
                    .join(" ")
            });
            assert_eq!(read.as_deref(), labels, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(haproxy:|unix:|http://|up|[{}=\",a-z:@/?#-]){0,30}") {
            let _ = source(&text, Path::new("/etc"));
            let _ = series(&text);
        }
    }
}
