//! Rendered documents.

use crate::views;
use serde_json::Value;
use std::collections::BTreeSet;
use web::cache::Documents;
use web::latency::public::PublicLatencies;
use web::status_page::documents;

fn all(outage: bool) -> Documents {
    let views = if outage { views::outage() } else { views::healthy() };
    documents(&views.status_page, &PublicLatencies::default(), &Documents::new()).unwrap()
}

fn text(documents: &Documents, path: &str) -> String {
    String::from_utf8(documents[path].body().to_vec()).unwrap()
}

/// Page with the hashes of our own files removed: they change with every edit of a style sheet.
fn page(documents: &Documents, path: &str) -> String {
    let mut page = text(documents, path);
    for asset in [web::design::assets::STATUS_PAGE_CSS, web::design::assets::REFRESH_JS] {
        let (stem, ending) = asset.path.split_once('-').map(|(stem, hash)| (stem, &hash[16..])).unwrap();
        page = page.replace(asset.path, &format!("{stem}{ending}"));
    }
    page
}

fn json(documents: &Documents, path: &str) -> Value {
    serde_json::from_str(&text(documents, path)).unwrap()
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn set(names: &str) -> BTreeSet<&str> {
    names.split_whitespace().collect()
}

#[test]
fn documents_have_the_expected_paths() {
    let mut paths: Vec<String> = all(true).into_keys().collect();
    paths.sort();
    insta::assert_snapshot!(paths.join("\n"), @r"
    /
    /api/v2/components.json
    /api/v2/incidents.json
    /api/v2/incidents/unresolved.json
    /api/v2/scheduled-maintenances.json
    /api/v2/scheduled-maintenances/active.json
    /api/v2/scheduled-maintenances/upcoming.json
    /api/v2/status.json
    /api/v2/summary.json
    /badge.svg
    /favicon.svg
    /feed.atom
    /feed.rss
    /history
    /history.atom
    /history.rss
    /incidents/incident-5
    /incidents/incident-7
    /maintenance.ics
    ");
}

#[test]
fn unchanged_document_is_reused() {
    let before = all(true);
    let after = documents(&views::outage().status_page, &PublicLatencies::default(), &before).unwrap();
    assert!(after.iter().all(|(path, document)| std::sync::Arc::ptr_eq(document, &before[path])));
}

#[test]
fn status_page_during_an_outage() {
    insta::assert_snapshot!(page(&all(true), "/"));
}

#[test]
fn status_page_when_healthy() {
    insta::assert_snapshot!(page(&all(false), "/"));
}

#[test]
fn incident_page_and_history() {
    let documents = all(true);
    insta::assert_snapshot!(page(&documents, "/incidents/incident-7"));
    insta::assert_snapshot!(page(&documents, "/history"));
}

#[test]
fn feeds() {
    let documents = all(true);
    insta::assert_snapshot!(text(&documents, "/feed.atom"));
    insta::assert_snapshot!(text(&documents, "/feed.rss"));
}

#[test]
fn images_show_the_state_by_shape() {
    let (bad, good) = (all(true), all(false));
    insta::assert_snapshot!(text(&bad, "/badge.svg"));
    assert!(text(&good, "/badge.svg").contains("Acme status: operational"));
    assert_ne!(text(&bad, "/favicon.svg"), text(&good, "/favicon.svg"));
}

#[test]
fn headings_never_skip_a_level_and_ids_are_unique() {
    for outage in [true, false] {
        for (path, document) in all(outage) {
            let page = String::from_utf8(document.body().to_vec()).unwrap();
            if !page.starts_with("<!doctype html>") {
                continue;
            }
            let mut level = 0;
            for part in page.split("<h").skip(1) {
                let Some(next) = part.chars().next().and_then(|digit| digit.to_digit(10)) else { continue };
                assert!(next <= level + 1 && (level > 0 || next == 1), "{path}: h{next} after h{level}");
                level = next;
            }
            let ids: Vec<&str> =
                page.split(" id=\"").skip(1).map(|part| part.split('"').next().unwrap()).collect();
            assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{path}: {ids:?}");
        }
    }
}

const PAGE: &str = "id name url time_zone updated_at";
const COMPONENT: &str = "id name status created_at updated_at position description showcase start_date group_id page_id \
                         group only_show_if_degraded";
const INCIDENT: &str = "id name status created_at updated_at monitoring_at resolved_at impact shortlink started_at page_id \
                        incident_updates components";
const UPDATE: &str = "id status body incident_id created_at updated_at display_at affected_components \
                      deliver_notifications custom_tweet tweet_id";

#[test]
fn api_v2_document_has_the_page_and_its_own_part() {
    let documents = all(true);
    for (name, parts) in [
        ("summary", "page components incidents scheduled_maintenances status"),
        ("status", "page status"),
        ("components", "page components"),
        ("incidents", "page incidents"),
        ("incidents/unresolved", "page incidents"),
        ("scheduled-maintenances", "page scheduled_maintenances"),
        ("scheduled-maintenances/upcoming", "page scheduled_maintenances"),
        ("scheduled-maintenances/active", "page scheduled_maintenances"),
    ] {
        let body = json(&documents, &format!("/api/v2/{name}.json"));
        assert_eq!(keys(&body), set(parts), "{name}");
        assert_eq!(keys(&body["page"]), set(PAGE), "{name}");
        assert_eq!(body["page"]["url"], "https://status.acme.net");
        assert_eq!(body["page"]["time_zone"], "UTC");
        assert_eq!(body["page"]["updated_at"], "2026-11-22T04:19:30.000Z");
    }
}

#[test]
fn group_component_has_the_worst_state_of_its_members() {
    let body = json(&all(true), "/api/v2/components.json");
    let rows = body["components"].as_array().unwrap();
    for (place, row) in rows.iter().enumerate() {
        let mut wanted = set(COMPONENT);
        if row["group"] == true {
            wanted.insert("components");
        }
        assert_eq!(keys(row), wanted);
        assert_eq!(row["position"], place + 1);
        for date in ["created_at", "updated_at"] {
            assert!(row[date].as_str().unwrap().parse::<types::Time>().is_ok(), "{row}");
        }
    }
    let said: Vec<String> =
        rows.iter().map(|row| format!("{} {} {}", row["id"], row["status"], row["group_id"])).collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    "group.2f78ea9b2c56" "major_outage" null
    "auth" "major_outage" "group.2f78ea9b2c56"
    "tenants" "partial_outage" "group.2f78ea9b2c56"
    "web" "operational" "group.2f78ea9b2c56"
    "group.c78ffe195710" "degraded_performance" null
    "search" "operational" "group.c78ffe195710"
    "export" "degraded_performance" "group.c78ffe195710"
    "#);
    assert_eq!(rows[0]["components"], serde_json::json!(["auth", "tenants", "web"]));
    assert_eq!(rows[1]["description"], Value::Null);
    assert!(
        rows.last().unwrap()["description"].as_str().unwrap().starts_with("No data"),
        "never operational"
    );
}

#[test]
fn incidents_json_has_every_field() {
    let documents = all(true);
    let body = json(&documents, "/api/v2/incidents.json");
    let incidents = body["incidents"].as_array().unwrap();
    assert_eq!(incidents.len(), 2);
    for incident in incidents {
        assert_eq!(keys(incident), set(INCIDENT));
        for update in incident["incident_updates"].as_array().unwrap() {
            assert_eq!(keys(update), set(UPDATE));
            assert_eq!(update["incident_id"], incident["id"]);
        }
        for row in incident["components"].as_array().unwrap() {
            assert_eq!(keys(row), set(COMPONENT));
        }
    }
    // Sorted: the order of the fields is no promise.
    insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!(&incidents[0]) });
    assert_eq!(incidents[1]["monitoring_at"], "2026-11-18T23:40:00.000Z");
    assert_eq!(incidents[1]["resolved_at"], "2026-11-19T00:14:00.000Z");
    assert_eq!(incidents[1]["impact"], "minor");
    let unresolved = json(&documents, "/api/v2/incidents/unresolved.json");
    assert_eq!(unresolved["incidents"].as_array().unwrap().len(), 1);
}

#[test]
fn status_indicator_is_one_of_four() {
    for (outage, indicator, description) in
        [(true, "critical", "Major outage: Sign-in"), (false, "none", "All systems operational")]
    {
        let body = json(&all(outage), "/api/v2/status.json");
        assert_eq!(body["status"], serde_json::json!({ "indicator": indicator, "description": description }));
    }
}
