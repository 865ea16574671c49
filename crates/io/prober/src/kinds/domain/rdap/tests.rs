//! RDAP answers of every state, and shapes seen in the wild.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

fn fixtures(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rdap/responses").join(folder);
    let entries = std::fs::read_dir(root).unwrap().map(Result::unwrap);
    let read = entries.map(|entry| {
        let name = entry.file_name().into_string().unwrap();
        (name.trim_end_matches(".test.json").to_owned(), std::fs::read(entry.path()).unwrap())
    });
    read.collect()
}

/// One line a fixture: what a person would want to know of it.
fn described(folder: &str) -> String {
    let mut lines = String::new();
    for (name, body) in fixtures(folder) {
        let registration = read(&body).unwrap();
        let at = |time: Option<Time>| time.map_or("-".to_owned(), |time| time.to_string());
        let all = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(", ");
        let linked = if registration.related.is_some() { "linked" } else { "-" };
        lines += &format!(
            "{name} | {} | {} | {} | {} | {linked}\n",
            at(registration.expires),
            at(registration.registrar_expires),
            all(&registration.statuses),
            all(&registration.name_servers),
        );
        assert_eq!(registration.registrar.as_deref(), Some("Example Registrar, Inc."), "{name}");
        let asked = registration.name.unwrap();
        assert!(asked.ends_with(".test") && asked == asked.to_lowercase(), "{asked}");
    }
    lines
}

#[test]
fn every_state_of_a_registry_is_read() {
    insta::assert_snapshot!(described("registry"));
}

#[test]
fn every_state_of_a_registrar_is_read() {
    insta::assert_snapshot!(described("registrar"));
}

#[test]
fn every_shape_seen_in_the_wild_is_read() {
    insta::assert_snapshot!(described("variants"));
}

#[test]
fn the_age_of_the_servers_own_data_is_read() {
    let updated =
        |name: &str| read(&fixtures("registry")[name]).unwrap().database_updated.unwrap().to_string();
    assert_eq!(updated("stale-db"), "2026-11-13T00:00:00Z");
    assert_eq!(updated("active"), "2026-11-22T00:00:00Z");
}

#[test]
fn what_is_not_an_answer_about_a_domain_is_refused_in_words() {
    let why = |body: &[u8]| read(body).unwrap_err().to_string();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rdap/responses");
    let file = |name: &str| std::fs::read(folder.join(name)).unwrap();
    assert_eq!(why(&file("html200.html")), "it answers with a web page instead of RDAP");
    assert_eq!(why(&file("error429.json")), "it answers with the RDAP error 429");
    assert_eq!(why(b"hello"), "it answers with something that is not JSON");
    assert_eq!(why(b""), "it answers with something that is not JSON");
    assert_eq!(why(b"[]"), "it answers with JSON that is not RDAP");
    assert_eq!(why(br#"{"objectClassName":"entity"}"#), "it answers about something other than a domain");
    assert_eq!(why(&[b'['; 100_000]), "it answers with something that is not JSON");

    assert!(is_not_found(&file("error404.json")));
    for body in [&file("html200.html")[..], b"", b"{}", br#"{"errorCode":500}"#, br#"{"ldhName":"a.test"}"#] {
        assert!(!is_not_found(body), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn odd_but_honest_answers_are_read() {
    let registration = read(
        br#"{"objectClassName":"Domain","ldhName":"ACME.TEST","status":"ok","nameservers":[{"unicodeName":"NS1.X.TEST."},{}, 7],
            "events":[{"eventAction":"expiration"},{"eventAction":"expiration","eventDate":"0000-00-00"},{"eventAction":"Expiration","eventDate":"2027-01-01"}],
            "entities":[{"roles":["technical"],"entities":[{"roles":"registrar","handle":"REG-1"}]}],
            "links":[{"rel":"related","href":"https://registrar.test/terms.html","type":"text/html"},{"rel":"Related","href":"https://r.test/domain/ACME.TEST"}]}"#,
    )
    .unwrap();
    assert_eq!(registration.expires.unwrap().to_string(), "2027-01-01T00:00:00Z");
    assert_eq!(registration.statuses, BTreeSet::from(["active".to_owned()]));
    assert_eq!(registration.name_servers, BTreeSet::from(["ns1.x.test".to_owned()]));
    assert_eq!(registration.registrar.as_deref(), Some("REG-1"));
    assert_eq!(registration.related.as_deref(), Some("https://r.test/domain/ACME.TEST"));
}

fn json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "domain",
        "expiration",
        "registrar",
        "related",
        "2027-06-10",
        "a.test",
        "https://x/domain/y",
        "fn",
        "\u{fe0f}é",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words.prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec![
        "objectClassName",
        "ldhName",
        "status",
        "events",
        "eventAction",
        "eventDate",
        "nameservers",
        "entities",
        "roles",
        "vcardArray",
        "links",
        "rel",
        "href",
        "type",
        "errorCode",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(keys.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&body);
        let _ = is_not_found(&body);
    }

    #[test]
    fn no_json_makes_it_panic(value in json()) {
        let body = serde_json::to_vec(&value).unwrap();
        let _ = read(&body);
        let _ = is_not_found(&body);
    }
}
