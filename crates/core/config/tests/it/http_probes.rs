//! Requests and expectations of `http` probes.

use crate::{problems, valid};
use insta::assert_snapshot;
use types::Severity;
use types::config::{HttpRequest, ProbeKind, Scalar, SecretRef, TextOrSecret};

#[test]
fn request_and_expectations_are_read() {
    let config = valid(
        r#"
[probe.checkout]
http = "https://shop.acme.com/health"
method = "post"
headers = { X-Api-Key = "env:SHOP_KEY", Accept = "application/json" }
body = '{"ping":1}'
login = "env:SHOP_LOGIN"
client_certificate = { certificate = "/c.pem", key = "/c.key" }
severity = "warning"
expect = { headers = { Content-Type = "json", X-Cache = "" }, body_lacks = "HACKED", body_matches = '[0-9]+\.[0-9]', json = { "$.db" = "up", "$.n" = 3 }, min_size = "1B", max_size = "2MiB" }
"#,
    )
    .config;
    let probe = &config.probes[&"checkout".into()];
    assert_eq!(probe.severity, Severity::Warning);
    let ProbeKind::Http { request, expect, .. } = &probe.kind else { panic!("not http") };
    assert_eq!(request.method, "POST");
    assert_eq!(request.headers["x-api-key"], TextOrSecret::Secret(SecretRef::Env("SHOP_KEY".to_owned())));
    assert_eq!(request.headers["accept"], TextOrSecret::Text("application/json".to_owned()));
    assert_eq!(request.login, Some(SecretRef::Env("SHOP_LOGIN".to_owned())));
    assert_eq!(request.client_certificate.as_ref().unwrap().key.to_str(), Some("/c.key"));
    assert_eq!(expect.headers["x-cache"], "");
    assert_eq!(expect.body_lacks, ["HACKED"]);
    assert_eq!(expect.body_matches.as_deref(), Some("[0-9]+\\.[0-9]"));
    assert_eq!(expect.json["$.db"], Scalar::Text("up".to_owned()));
    assert_eq!((expect.min_size, expect.max_size), (Some(1), Some(2 << 20)));
}

#[test]
fn http_of_a_service_changes_the_request_of_its_derived_probes() {
    let config = valid(
        r#"
[service.shop]
hosts = ["shop.acme.com"]
http = { path = "/health", method = "HEAD", bearer = "env:SHOP_TOKEN", expect = { headers = { Server = "nginx" } } }
[service.auth]
hosts = ["auth.acme.com"]
"#,
    )
    .config;
    let request = |id: &str| match &config.probes[&id.into()].kind {
        ProbeKind::Http { request, .. } => request.clone(),
        other => panic!("{other:?}"),
    };
    let bearer = Some(SecretRef::Env("SHOP_TOKEN".to_owned()));
    let own = HttpRequest { method: "HEAD".to_owned(), bearer, ..HttpRequest::default() };
    assert_eq!(*request("http.shop.acme.com"), own);
    assert_eq!(*request("http.auth.acme.com"), HttpRequest::default());
    assert_eq!(config.probes[&"http.auth.acme.com".into()].severity, Severity::Critical);
}

#[test]
fn requests_and_expectations_that_cannot_be_are_reported() {
    let text = r#"
[service.shop]
hosts = ["shop.acme.com"]
http = { body = "x", expect = { status = [200] } }
[probe.a]
http = "https://a.acme.com/"
method = "TRACE"
headers = { Authorization = "Bearer hunter2", Connection = "close" }
login = "env:A"
[probe.b]
http = "https://b.acme.com/"
method = "HEAD"
expect = { body_matches = "(a", json = { "db" = "up" }, body_lacks = [], min_size = "2KB", max_size = "1KB" }
[probe.c]
tcp = "c.acme.com:25"
method = "GET"
bearer = "env:C"
login = "env:C"
[probe.d]
http = "https://d.acme.com/"
login = "ana:hunter2"
bearer = "hunter2"
expect = { max_size = "1GB", json = { "$.a" = 1.5 } }
severity = "high"
"#;
    let found = problems(text);
    assert!(!found.contains("hunter2"), "{found}");
    assert_snapshot!(found, @r#"
    mainstay.toml:4:10: a request with a body needs a method (declare it: method = "POST")
    mainstay.toml:7:10: TRACE is no method of a probe (GET, HEAD, POST, ...)
    mainstay.toml:8:1: a request has one `Authorization` (keep one of login, bearer and headers.Authorization)
    mainstay.toml:8:1: the value of `authorization` must not be written in the configuration (refer to it: "env:NAME" or "file:PATH"; replace this one, it may have been copied with the file)
    mainstay.toml:8:47: the header `connection` is set by mainstay (remove it: it belongs to the connection, or names the tool in the target's log)
    mainstay.toml:13:1: the response to HEAD has no body, and `expect` is about it (use GET, or expect status, headers and max_latency only)
    mainstay.toml:13:27: `(a` is not a regular expression: unclosed group (single quotes keep backslashes: body_matches = '[0-9]+\.[0-9]+')
    mainstay.toml:13:42: `db` is not a JSONPath (a path begins with $: "$.db", "$.checks[0].status")
    mainstay.toml:13:74: `min_size` is larger than `max_size` (no body can be both: change one of them)
    mainstay.toml:16:1: `method` belongs to `http` only (remove it, or use `http`)
    mainstay.toml:17:1: `bearer` belongs to `http` only (remove it, or use `http`)
    mainstay.toml:18:1: `login` belongs to `http` and `nut` only (remove it, or use `http` or `nut`)
    mainstay.toml:21:9: a secret must not be written in the configuration (refer to it: "env:NAME" or "file:PATH"; replace this one, it may have been copied with the file)
    mainstay.toml:22:10: a secret must not be written in the configuration (refer to it: "env:NAME" or "file:PATH"; replace this one, it may have been copied with the file)
    mainstay.toml:23:23: `1GB` is more than is read of a body (8MiB at most)
    mainstay.toml:23:47: `json` must be a string, an integer, true or false, not a fraction (for example: json = { "$.db" = "up" })
    mainstay.toml:24:12: `high` is not a value of `severity` ("info", "warning" or "critical")
    "#);
}
