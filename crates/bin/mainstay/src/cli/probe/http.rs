//! The options of `mainstay probe http`: request and expectations, as the keys of `[probe.NAME]` that they stand for.

use super::toml_text;
use crate::cli::Failure;
use clap::Args;

/// The request, and what is expected of its response.
#[derive(Debug, Default, Args)]
pub(crate) struct HttpOptions {
    /// Method, for `http`.
    #[arg(long, value_name = "METHOD", help_heading = "Options of http")]
    method: Option<String>,
    /// Header, repeatable. The text may be a secret: `env:NAME` or `file:PATH`.
    #[arg(long = "header", value_name = "NAME: TEXT", help_heading = "Options of http")]
    headers: Vec<String>,
    /// Body, or a secret.
    #[arg(long, value_name = "TEXT", help_heading = "Options of http")]
    body: Option<String>,
    /// Reference to a secret with a bearer token.
    #[arg(long, value_name = "SECRET", help_heading = "Options of http")]
    bearer: Option<String>,
    /// PEM file with the certificate of the client.
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "Options of http")]
    cert: Option<String>,
    /// PEM file with its key.
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "Options of http")]
    key: Option<String>,
    /// Expectation, repeatable: a key of `expect`, or a JSONPath: `status=200`, `body_contains=ok`, `max_latency=2s`, `$.db=up`.
    #[arg(long = "expect", value_name = "KEY=VALUE", help_heading = "Options of http")]
    expectations: Vec<String>,
}

impl HttpOptions {
    /// The keys of `[probe.NAME]`, one a line.
    pub(super) fn keys(&self) -> Result<String, Failure> {
        let mut keys = String::new();
        for (name, value) in [("method", &self.method), ("body", &self.body), ("bearer", &self.bearer)] {
            if let Some(value) = value {
                keys.push_str(&format!("{name} = {}\n", toml_text(value)?));
            }
        }
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            let (cert, key) = (toml_text(cert)?, toml_text(key)?);
            keys.push_str(&format!("client_certificate = {{ certificate = {cert}, key = {key} }}\n"));
        }
        let headers = self.headers.iter().map(|header| {
            let (name, text) = header.split_once(':').ok_or_else(|| {
                Failure::wrong(format!("`{header}` is not a header"))
                    .hint("--header 'Accept: application/json'")
            })?;
            Ok(format!("{} = {}", toml_text(name.trim())?, toml_text(text.trim())?))
        });
        let headers = headers.collect::<Result<Vec<_>, Failure>>()?;
        if !headers.is_empty() {
            keys.push_str(&format!("headers = {{ {} }}\n", headers.join(", ")));
        }
        let expect = self.expect()?;
        if !expect.is_empty() {
            keys.push_str(&format!("expect = {{ {expect} }}\n"));
        }
        Ok(keys)
    }

    fn expect(&self) -> Result<String, Failure> {
        let (mut keys, mut json) = (Vec::new(), Vec::new());
        for expectation in &self.expectations {
            let is_path = expectation.starts_with('$');
            // A JSONPath may hold `=` itself, a value hardly does.
            let parts = if is_path { expectation.rsplit_once('=') } else { expectation.split_once('=') };
            let (key, value) = parts.map(|(key, value)| (key.trim(), value.trim())).ok_or_else(|| {
                Failure::wrong(format!("`{expectation}` is not an expectation"))
                    .hint("--expect status=200, --expect body_contains=ok, --expect '$.db=up'")
            })?;
            if is_path {
                let is_plain = matches!(value, "true" | "false") || value.parse::<i64>().is_ok();
                let value = if is_plain { value.to_owned() } else { written(value)? };
                json.push(format!("{} = {value}", toml_text(key)?));
            } else if key == "status" && !value.starts_with('[') {
                keys.push(format!("status = [{value}]"));
            } else {
                keys.push(format!("{key} = {}", written(value)?));
            }
        }
        if !json.is_empty() {
            keys.push(format!("json = {{ {} }}", json.join(", ")));
        }
        Ok(keys.join(", "))
    }
}

/// A value of TOML as it is; what does not look like one is text.
fn written(value: &str) -> Result<String, Failure> {
    match value.starts_with(['[', '{', '"', '\'']) {
        true => Ok(value.to_owned()),
        false => toml_text(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_keys_of_the_configuration() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let options = HttpOptions {
            method: Some("POST".to_owned()),
            headers: texts(&["Accept: a/b", "X-Key: env:KEY"]),
            body: Some("{\"a\":1}".to_owned()),
            expectations: texts(&[
                "status=200,204",
                "body_contains=a=b",
                "body_lacks=[\"x\", \"y\"]",
                "$.a[?@.b==1].c=up",
                "$.n=3",
            ]),
            ..HttpOptions::default()
        };
        let keys = options.keys().unwrap();
        assert_eq!(
            keys,
            "method = \"POST\"\nbody = \"{\\\"a\\\":1}\"\nheaders = { \"Accept\" = \"a/b\", \"X-Key\" = \"env:KEY\" }\n\
             expect = { status = [200,204], body_contains = \"a=b\", body_lacks = [\"x\", \"y\"], \
             json = { \"$.a[?@.b==1].c\" = \"up\", \"$.n\" = 3 } }\n"
        );
        for header in ["Accept", ""] {
            assert!(HttpOptions { headers: texts(&[header]), ..HttpOptions::default() }.keys().is_err());
        }
        assert!(HttpOptions { expectations: texts(&["ok"]), ..HttpOptions::default() }.keys().is_err());
    }
}
