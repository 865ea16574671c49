//! Texts of one night as the console and the API show them, from the events of a journal.

use crate::fixture::{Fixture, TOKEN};
use crate::sign_in::signed_in;
use engine::Engine;
use engine::views::Views;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use types::Event;

const CONFIG: &str = r#"
[site]
name = "Acme"
timezone = "Europe/Tallinn"

[edge]
listen = ["127.0.0.1:0"]

[service.shop]
title = "Shop"
hosts = ["shop.acme.app"]
traffic = { pool = "shop" }

[service.docs]
title = "Docs"
hosts = ["docs.acme.com"]

[pool.shop]
servers = ["127.0.0.1:9"]

[person.ana]
contacts = ["hook:ana"]

[channel.hook]
webhook = "https://hook.acme.net/"
"#;

/// Events after `{"seq": N, "at": "2020-11-22T`: a time of day and the rest.
const EVENTS: &str = r#"
02:00:00 "event":"booted","unmonitored_since":null
02:00:01 "event":"service_state_changed","service":"shop","state":"operational"
02:00:02 "event":"service_state_changed","service":"docs","state":"operational"
02:10:00 "event":"clock_jumped","by_ms":3600000
02:10:01 "event":"registration_learned","seen":{"domain":"acme.app","source":"config","registrar_expires":null,"registrar":"Registrar","database_updated":null,"registry_expires":"2021-11-22T02:00:00Z","statuses":[],"name_servers":[]}
02:15:00 "event":"alert_opened","alert":{"id":1,"about":"host.shop.acme.app","fault":{"fault":"refused"},"severity":"critical","probe":"http.shop.acme.app","since":"2020-11-22T02:14:50Z","evidence":"2 bad answers"}
02:15:00 "event":"alert_opened","alert":{"id":2,"about":"tls.shop.acme.app","fault":{"fault":"refused"},"severity":"critical","probe":"tls.shop.acme.app","since":"2020-11-22T02:14:52Z","evidence":"2 bad answers"}
02:15:01 "event":"alert_opened","alert":{"id":3,"about":"service.shop","fault":{"fault":"status","got":503},"severity":"critical","probe":"edge","since":"2020-11-22T02:14:53Z","evidence":"half of the requests"}
02:15:02 "event":"alert_opened","alert":{"id":4,"about":"pool.shop","fault":{"fault":"pool_below_minimum","healthy":0,"declared":1,"min_healthy":1,"out":["127.0.0.1:9: refused"]},"severity":"warning","probe":"edge","since":"2020-11-22T02:15:02Z","evidence":"0 of 1"}
02:15:03 "event":"traffic_denied","denial":{"id":1,"what":{"asn":64500},"service":null,"from":"2020-11-22T02:15:03Z","until":"2020-11-22T03:15:03Z","by":"bo"},"by":{"kind":"person","id":"bo","via":"console"}
02:15:04 "event":"alert_changed","alert":1,"fault":{"fault":"status","got":500},"severity":"critical","evidence":"3 bad answers"
02:15:10 "event":"service_state_changed","service":"shop","state":"major_outage"
02:15:10 "event":"incident_opened","incident":1,"since":"2020-11-22T02:14:50Z","diagnosis":{"cause":"host.shop.acme.app","summary":"shop.acme.app refuses connections","alerts":[1,2,3],"affected":["service.shop"],"unaffected":["service.docs"],"wakes":true,"stage":"investigating"}
02:15:10 "event":"page_opened","page":1,"incident":1,"escalation":"default"
02:15:10 "event":"page_step","page":1,"round":0,"step":0,"people":["ana","bo"],"until":"2020-11-22T02:20:10Z"
02:15:12 "event":"attempt_ended","page":1,"contact":{"channel":"hook","address":"ana"},"person":"ana","delivery":{"key":"a","result":{"Ok":{"receipt":null}}}
02:15:13 "event":"attempt_ended","page":1,"contact":{"channel":"hook","address":"bo"},"person":"bo","delivery":{"key":"b","result":{"Err":{"why":"status 500","retriable":true,"retry_after":null}}}
02:15:20 "event":"alert_changed","alert":3,"fault":{"fault":"status","got":502},"severity":"critical","evidence":"all requests"
02:15:30 "event":"alert_closed","alert":2
02:15:40 "event":"incident_diagnosed","incident":1,"diagnosis":{"cause":"host.shop.acme.app","summary":"shop.acme.app refuses connections; 1 service fails because of it","alerts":[1,2,3],"affected":["service.shop"],"unaffected":["service.docs"],"wakes":true,"stage":"failing"}
02:16:00 "event":"incident_acknowledged","incident":1,"by":{"kind":"person","id":"ana","via":"link"},"until":"2020-11-22T02:46:00Z"
02:16:10 "event":"update_published","update":1,"incident":1,"status":"investigating","title":"Shop is failing","body":"We are looking into it.","affected":{"shop":"major_outage"},"by":null
02:16:20 "event":"update_published","update":2,"incident":1,"status":"identified","title":"Shop is failing","body":"A server is down.","affected":{"shop":"major_outage"},"by":{"kind":"person","id":"ana","via":"console"}
02:16:30 "event":"update_drafted","incident":1,"status":"monitoring","title":"Shop is failing","body":"It is back.","affected":{"shop":"degraded"}
02:16:40 "event":"incident_noted","incident":1,"by":{"kind":"person","id":"ana","via":"console"},"text":"Restarting it."
02:17:00 "event":"traffic_denied","denial":{"id":2,"what":{"cidr":"198.51.100.0/24"},"service":"shop","from":"2020-11-22T02:17:00Z","until":"2020-11-22T03:17:00Z","by":"ana"},"by":{"kind":"person","id":"ana","via":"console"}
02:18:00 "event":"denial_lifted","denial":1,"by":{"kind":"person","id":"bo","via":"console"}
02:18:01 "event":"denial_lifted","denial":2,"by":null
02:18:02 "event":"denial_lifted","denial":9,"by":{"kind":"person","id":"bo","via":"console"}
02:46:00 "event":"acknowledgement_expired","incident":1
02:46:00 "event":"page_step","page":1,"round":1,"step":1,"people":[],"until":"2020-11-22T02:51:00Z"
02:46:02 "event":"attempt_ended","page":1,"contact":{"channel":"hook","address":"all"},"person":null,"delivery":{"key":"c","result":{"Err":{"why":"timed out","retriable":true,"retry_after":null}}}
02:47:00 "event":"incident_acknowledged","incident":1,"by":{"kind":"person","id":"bo","via":"console"},"until":"2020-11-22T03:17:00Z"
02:47:00 "event":"acknowledgement_withdrawn","incident":1
02:48:00 "event":"alert_opened","alert":{"id":5,"about":"mainstay.here","fault":{"fault":"isolated","why":"5 of 5 names can neither be resolved nor reached"},"severity":"warning","probe":"http.shop.acme.app","since":"2020-11-22T02:48:00Z","evidence":"5 of 5"}
02:48:30 "event":"alert_opened","alert":{"id":6,"about":"dns.acme.com","fault":{"fault":"refused"},"severity":"warning","probe":"dns.acme.com","since":"2020-11-22T02:48:30Z","evidence":"1 of 2"}
02:49:00 "event":"incident_opened","incident":2,"since":"2020-11-22T02:48:30Z","diagnosis":{"cause":"dns.acme.com","summary":"a name server of acme.com refuses queries","alerts":[6],"affected":[],"unaffected":[],"wakes":true,"stage":"failing"}
02:49:00 "event":"page_opened","page":2,"incident":2,"escalation":"default"
02:49:02 "event":"attempt_ended","page":2,"contact":{"channel":"hook","address":"ana"},"person":"ana","delivery":{"key":"d","result":{"Err":{"why":"status 500","retriable":true,"retry_after":null}}}
02:50:00 "event":"page_closed","page":1
"#;

fn views() -> Views {
    let config = config::read(CONFIG, "mainstay.toml", Path::new(".")).unwrap().config;
    let mut engine = Engine::new(Arc::new(config));
    for (seq, line) in EVENTS.trim().lines().enumerate() {
        let (time, rest) = line.split_once(' ').unwrap();
        let text = format!("{{\"seq\":{},\"at\":\"2020-11-22T{time}Z\",{rest}}}", seq + 1);
        let event: Event = serde_json::from_str(&text).unwrap();
        engine.apply(&event);
    }
    engine.views()
}

/// Path and text of every string in a JSON value that a field of these names has, or an element of it.
fn texts(value: &Value, path: &str, name: &str, found: &mut String) {
    const NAMES: [&str; 10] = [
        "text",
        "why",
        "self",
        "isolated",
        "label",
        "knowledge",
        "public_headline",
        "body",
        "alerts",
        "summary",
    ];
    match value {
        Value::String(text) if NAMES.contains(&name) => *found += &format!("{path}: {text}\n"),
        Value::Array(all) => all.iter().for_each(|item| texts(item, path, name, found)),
        Value::Object(fields) => {
            for (name, value) in fields {
                texts(value, &format!("{path}.{name}"), name, found);
            }
        }
        _ => {}
    }
}

/// The text of a page: without tags, a line for each element that has text.
fn visible(html: &str) -> String {
    let mut lines = vec![String::new()];
    for part in html.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        let is_inline = ["time", "/time", "strong", "/strong", "span", "/span", "a ", "/a"]
            .iter()
            .any(|name| tag.starts_with(name));
        if !is_inline {
            lines.push(String::new());
        }
        lines.last_mut().unwrap().push_str(text);
    }
    let lines = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// Lines with a duration until now, which the clock of the machine changes, and the fixed traces.
fn varies(line: &str) -> bool {
    ["unacknowledged for", " ago", " days", "min)", "06:20:58"].iter().any(|part| line.contains(part))
}

#[tokio::test]
async fn every_fact_has_its_text() {
    let fixture = Fixture::with(Some(views()), |_| Some(Ok(()))).await;
    let mut all = String::new();
    let mut answers = Vec::new();
    for path in ["/api/v1/now", "/api/v1/edge", "/api/v1/incidents"] {
        let answer = fixture.get(path).bearer_auth(TOKEN).send().await.unwrap();
        answers.push(answer.json::<Value>().await.unwrap());
    }
    assert_eq!(answers[0]["open"], answers[2]["open"]);
    texts(&answers[0], "/api/v1/now", "", &mut all);
    texts(&answers[1], "/api/v1/edge", "", &mut all);
    let cookie = signed_in(&fixture).await;
    for path in ["/console", "/console/edge", "/"] {
        let page = fixture.get(path).header("cookie", &cookie).send().await.unwrap().text().await.unwrap();
        let page = page.split_once("<main").unwrap().1;
        let page = visible(page);
        let lines: Vec<&str> = page.lines().filter(|line| !varies(line)).collect();
        all += &format!("\n== {path}\n{}\n", lines.join("\n"));
    }
    insta::assert_snapshot!(all);
}
