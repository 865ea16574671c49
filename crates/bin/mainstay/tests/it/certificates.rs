//! Unusable certificates of the edge: reported before a start, refused in a changed configuration, survived at run
//! time.

use crate::instance::{Instance, until};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;

/// Seconds since 1970 of the time this number of days from now.
fn after(days: i64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    now.saturating_add_signed(days * DAY as i64)
}

/// `NAME.pem` and `NAME.key` for shop.test, good until then.
fn make(folder: &Path, name: &str, until: u64) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut made = rcgen::CertificateParams::new(vec!["shop.test".to_owned()]).unwrap();
    made.not_before = (UNIX_EPOCH + Duration::from_secs(until - 90 * DAY)).into();
    made.not_after = (UNIX_EPOCH + Duration::from_secs(until)).into();
    fs::write(folder.join(format!("{name}.pem")), made.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

fn config(chain: &str, key: &str, more: &str) -> String {
    format!(
        r#"
[site]
data = "data"
listen = "127.0.0.1:0"
[edge]
listen_tls = ["127.0.0.1:0"]
threads = 1
[[edge.certificate]]
chain = "{chain}"
key = "{key}"
[service.shop]
hosts = ["shop.test"]
traffic = {{ pool = "shop" }}
[pool.shop]
servers = ["127.0.0.1:9"]
{more}"#
    )
}

/// Until when the certificate is good that the edge shows for shop.test.
fn shown(instance: &Instance) -> Option<u64> {
    let line = "mainstay_edge_certificate_expiry_timestamp_seconds{name=\"shop.test\"} ";
    instance.text("/metrics").lines().find_map(|text| text.strip_prefix(line)?.parse().ok())
}

#[test]
fn check_names_the_line_of_a_certificate_that_cannot_be_used() {
    let instance = Instance::with("");
    let folder = instance.folder.path();
    make(folder, "good", after(30));
    make(folder, "other", after(30));
    make(folder, "old", after(-2));
    fs::write(folder.join("no.pem"), "not PEM at all").unwrap();
    for (chain, key, why) in [
        ("good.pem", "good.key", None),
        ("gone.pem", "good.key", Some("No such file")),
        ("good.pem", "gone.key", Some("No such file")),
        ("no.pem", "good.key", Some("holds no certificate")),
        ("good.pem", "no.pem", Some("no.pem")),
        ("good.pem", "other.key", Some("do not go together")),
        ("old.pem", "old.key", Some("expired on")),
    ] {
        instance.write_config(&config(chain, key, ""));
        let answer = instance.json(&["check"]);
        let text: Vec<&str> =
            answer["certificates"].as_array().unwrap().iter().filter_map(|it| it.as_str()).collect();
        assert_eq!(text.len(), usize::from(why.is_some()), "{chain} {key}: {text:?}");
        for text in text {
            // The key `chain` is in the ninth line.
            assert!(
                text.contains("mainstay.toml:9:1: the certificate ") && text.contains(why.unwrap()),
                "{text}"
            );
            assert_eq!(
                (&answer["sound"], instance.command(&["check"]).status.code()),
                (&false.into(), Some(2))
            );
        }
    }
}

#[test]
fn config_with_unusable_certificate_is_refused_and_old_one_stays() {
    let mut instance = Instance::with(&config("good.pem", "good.key", ""));
    let (good, better) = (after(30), after(60));
    make(instance.folder.path(), "good", good);
    make(instance.folder.path(), "old", after(-2));
    instance.start();
    until("the certificate", || (shown(&instance) == Some(good)).then_some(()));
    let problem = |instance: &Instance| instance.get("/api/v1/now").1["self"].to_string();
    for (chain, why) in [("gone", "No such file"), ("old", "expired on")] {
        instance.write_config(&config(&format!("{chain}.pem"), &format!("{chain}.key"), ""));
        instance.hang_up();
        until(why, || {
            let text = problem(&instance);
            (text.contains("mainstay.toml:9:1") && text.contains(why)).then_some(())
        });
        assert_eq!(shown(&instance), Some(good));
    }
    // A certificate in force whose file is damaged stays in force, is reported, and blocks no other change.
    fs::write(instance.folder.path().join("good.pem"), "half a fi").unwrap();
    instance.write_config(&config("good.pem", "good.key", "[service.more]\ntitle = \"More\"\n"));
    instance.hang_up();
    until("the message", || {
        let text = problem(&instance);
        (text.contains("good.pem cannot be used") && !text.contains("has problems")).then_some(())
    });
    until("the other change", || (!instance.state_of("more").is_empty()).then_some(()));
    assert_eq!(shown(&instance), Some(good));
    make(instance.folder.path(), "good", better);
    instance.hang_up();
    until("the new certificate", || (shown(&instance) == Some(better)).then_some(()));
    until("no more problem", || (problem(&instance) == "[]").then_some(()));
    assert_eq!(instance.terminate(), Some(0));
}
