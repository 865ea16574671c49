//! Certificates of the edge that cannot be used: told before a start, refused in a configuration that is changed, and outlived.

use crate::house::{House, until};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;

/// Seconds since 1970, so many days from now.
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
fn shown(house: &House) -> Option<u64> {
    let line = "mainstay_edge_certificate_expiry_timestamp_seconds{name=\"shop.test\"} ";
    house.text("/metrics").lines().find_map(|told| told.strip_prefix(line)?.parse().ok())
}

#[test]
fn check_names_the_line_of_a_certificate_that_cannot_be_used() {
    let house = House::with("");
    let folder = house.folder.path();
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
        house.write_config(&config(chain, key, ""));
        let answer = house.json(&["check"]);
        let told: Vec<&str> =
            answer["certificates"].as_array().unwrap().iter().filter_map(|it| it.as_str()).collect();
        assert_eq!(told.len(), usize::from(why.is_some()), "{chain} {key}: {told:?}");
        for told in told {
            // The key `chain` stands in the ninth line.
            assert!(
                told.contains("mainstay.toml:9:1: the certificate ") && told.contains(why.unwrap()),
                "{told}"
            );
            assert_eq!((&answer["sound"], house.command(&["check"]).status.code()), (&false.into(), Some(2)));
        }
    }
}

#[test]
fn a_config_that_names_a_certificate_that_cannot_be_used_is_refused_and_the_old_one_goes_on() {
    let mut house = House::with(&config("good.pem", "good.key", ""));
    let (good, better) = (after(30), after(60));
    make(house.folder.path(), "good", good);
    make(house.folder.path(), "old", after(-2));
    house.start();
    until("the certificate", || (shown(&house) == Some(good)).then_some(()));
    let trouble = |house: &House| house.get("/api/v1/now").1["self"].to_string();
    for (chain, why) in [("gone", "No such file"), ("old", "expired on")] {
        house.write_config(&config(&format!("{chain}.pem"), &format!("{chain}.key"), ""));
        house.hang_up();
        until(why, || {
            let told = trouble(&house);
            (told.contains("mainstay.toml:9:1") && told.contains(why)).then_some(())
        });
        assert_eq!(shown(&house), Some(good));
    }
    // One that was in force and is spoiled goes on too, is told of, and holds up no other change.
    fs::write(house.folder.path().join("good.pem"), "half a fi").unwrap();
    house.write_config(&config("good.pem", "good.key", "[service.more]\ntitle = \"More\"\n"));
    house.hang_up();
    until("a word about it", || {
        let told = trouble(&house);
        (told.contains("good.pem cannot be used") && !told.contains("not sound")).then_some(())
    });
    until("the other change", || (!house.state_of("more").is_empty()).then_some(()));
    assert_eq!(shown(&house), Some(good));
    make(house.folder.path(), "good", better);
    house.hang_up();
    until("the new certificate", || (shown(&house) == Some(better)).then_some(()));
    until("no more trouble", || (trouble(&house) == "[]").then_some(()));
    assert_eq!(house.terminate(), Some(0));
}
