//! Phone calls and SMS through an imitation of Twilio: answered by keys and replies, whatever else happens.

use crate::instance::{Instance, PATIENCE, SITE, Web, until};
use std::fs;
use std::time::Duration;
use testbed::twilio::{Account, Behavior, Sent, Service, Twilio, signature};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const SID: &str = "AC0123456789abcdef0123456789abcdef";
const TOKEN: &str = "t0ken-of-the-account";
const OWN: &str = "+3725550000";
const ANA: &str = "+3725550100";
const BO: &str = "+3725550101";

/// A service of phones, a web server, and mainstay, which pages Ana and then Bo.
struct Fixture {
    /// Runs the service.
    _runtime: Runtime,
    twilio: Twilio,
    web: Web,
    instance: Instance,
}

impl Fixture {
    fn start(ana: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let account = Account {
            sid: SID.to_owned(),
            token: TOKEN.to_owned(),
            number: OWN.to_owned(),
            incoming: "http://127.0.0.1/callbacks/twilio/sms/sms".to_owned(),
        };
        let twilio = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            Twilio::start(listener, account).unwrap()
        });
        let web = Web::start();
        let config = format!(
            r#"{SITE}
[service.shop]
title = "Shop"

[probe.front]
http = "http://{}/"
interval = "1s"
timeout = "5s"
failure_threshold = 2
service = "shop"

[person.ana]
contacts = [{ana}]

[person.bo]
contacts = ["call:{BO}"]

[escalation.default]
steps = [{{ people = ["ana"], escalate_after = "1h" }}, {{ people = ["bo"], escalate_after = "1h" }}]
fallback = ["call:+3725550199"]

[channel.call]
twilio = "{}"
account = "{SID}"
secret = "file:token"
from = "{OWN}"
"#,
            web.address,
            twilio.url()
        );
        let mut instance = Instance::with(&config);
        fs::write(instance.folder.path().join("token"), TOKEN).unwrap();
        instance.start();
        twilio.reaches(address(&instance));
        Self { _runtime: runtime, twilio, web, instance }
    }

    /// Opens incident 1.
    fn fail(&self) {
        until("an operational shop", || (self.instance.state_of("shop") == "operational").then_some(()));
        self.web.answers(503);
    }

    fn acknowledged_by(&self) -> Option<String> {
        let open = self.instance.json(&["status"])["open"].as_array()?.first()?.clone();
        open["incident"]["acknowledged"]["by"].as_str().map(str::to_owned)
    }

    fn sent_to(&self, number: &str, resource: &str) -> Vec<Sent> {
        let is_to = |sent: &Sent| sent.resource == resource && sent.parameters["To"] == number;
        self.twilio.sent().into_iter().filter(is_to).collect()
    }

    fn count(&self, line: &str) -> usize {
        self.instance.journal().matches(line).count()
    }
}

fn address(instance: &Instance) -> std::net::SocketAddr {
    fs::read_to_string(instance.data().join("address")).unwrap().trim().parse().unwrap()
}

#[test]
fn key_of_the_phone_acknowledges_once_although_callbacks_come_twice() {
    let fixture = Fixture::start(&format!("\"call:{ANA}\""));
    fixture.twilio.person(ANA, Behavior::Presses("31"));
    fixture.twilio.repeats_callbacks();
    fixture.fail();
    let by = until("an acknowledgement", || fixture.acknowledged_by());
    assert_eq!(by, "ana");
    let calls = fixture.sent_to(ANA, "Calls");
    assert_eq!(calls.len(), 1, "{calls:?}");
    let call = &calls[0].parameters;
    assert_eq!(
        (call["From"].as_str(), call["AsyncAmd"].as_str(), call["Timeout"].as_str()),
        (OWN, "true", "25")
    );
    assert!(call["Twiml"].contains("Press 1 to acknowledge"), "{call:?}");
    until("the end of the call", || {
        let all = fixture.twilio.callbacks();
        all.iter()
            .find(|one| one.parameters.contains(&("CallStatus".to_owned(), "completed".to_owned())))
            .cloned()
    });
    let callbacks = fixture.twilio.callbacks();
    assert!(callbacks.iter().all(|one| matches!(one.status, 200 | 204)), "{callbacks:#?}");
    let said = |text: &str| callbacks.iter().filter(|one| one.body.contains(text)).count();
    assert_eq!((said("Acknowledged: incident 1."), said("recorded already")), (1, 1), "{callbacks:#?}");
    assert!(said("3 to repeat") >= 1, "the summary was repeated");
    let journal = fixture.instance.journal();
    assert_eq!(journal.matches("\"incident_acknowledged\"").count(), 1, "{journal}");
    assert!(!journal.contains(TOKEN) && !fixture.instance.log().contains(TOKEN), "no secret is written");
}

#[test]
fn mailbox_never_answers_and_a_second_call_follows_within_two_minutes() {
    let fixture = Fixture::start(&format!("\"call:{ANA}\""));
    fixture.twilio.person(ANA, Behavior::Mailbox);
    fixture.fail();
    until("a report of the mailbox", || (fixture.count("\"outcome\":\"machine\"") > 0).then_some(()));
    assert_eq!(fixture.acknowledged_by(), None);
    fixture.twilio.person(ANA, Behavior::Presses("1"));
    let begin = std::time::Instant::now();
    until("an acknowledgement", || fixture.acknowledged_by());
    assert!(begin.elapsed() < Duration::from_secs(120).min(PATIENCE), "{:?}", begin.elapsed());
    assert_eq!(fixture.sent_to(ANA, "Calls").len(), 2);
}

#[test]
fn second_key_escalates_and_the_next_person_acknowledges() {
    let fixture = Fixture::start(&format!("\"call:{ANA}\""));
    fixture.twilio.person(ANA, Behavior::Presses("2"));
    fixture.twilio.person(BO, Behavior::Presses("1"));
    fixture.fail();
    let by = until("an acknowledgement", || fixture.acknowledged_by());
    assert_eq!(by, "bo", "long before the step ends by itself");
    assert_eq!(fixture.count("\"event\":\"page_escalated\""), 1);
}

#[test]
fn reply_to_an_sms_acknowledges() {
    let fixture = Fixture::start(&format!("\"sms:{ANA}\", \"call:{ANA}\""));
    fixture.twilio.person(ANA, Behavior::Replies("ack 1"));
    fixture.fail();
    assert_eq!(until("an acknowledgement", || fixture.acknowledged_by()), "ana");
    let sms = fixture.sent_to(ANA, "Messages");
    assert_eq!(sms.len(), 1, "{sms:?}");
    assert_eq!(sms[0].parameters["ValidityPeriod"], "300");
    let text = &sms[0].parameters["Body"];
    assert!(text.contains("Reply A1 to acknowledge, E1 to escalate, or http://127.0.0.1/a/1."), "{text}");

    // The short link leads to the button, and changes nothing.
    let link = text.rsplit("http://127.0.0.1").next().unwrap();
    let redirect = fixture.instance.exchange(&format!("GET {link}"), "", "");
    assert!(redirect.contains(" 303 ") && redirect.contains("location: /ack/"), "{redirect}");
    let wrong = fixture.instance.exchange(&format!("GET {}x", &link[..link.len() - 1]), "", "");
    assert!(wrong.contains(" 403 "), "{wrong}");
}

#[test]
fn stop_leads_to_the_next_contact() {
    let fixture = Fixture::start(&format!("\"sms:{ANA}\", \"call:{ANA}\""));
    fixture.twilio.person(ANA, Behavior::Replies("STOP"));
    let test = fixture.instance.command(&["page", "test", "ana", "--wait", "0s"]);
    assert!(test.status.success(), "{test:?}");
    until("STOP", || fixture.twilio.callbacks().iter().any(|one| one.url.ends_with("/sms")).then_some(()));
    fixture.twilio.person(ANA, Behavior::Presses("1"));
    fixture.fail();
    assert_eq!(until("an acknowledgement", || fixture.acknowledged_by()), "ana");
    assert!(fixture.count("has replied STOP") >= 1, "{}", fixture.instance.journal());
}

#[test]
fn failing_service_is_retried_and_says_what_to_do() {
    let fixture = Fixture::start(&format!("\"call:{ANA}\""));
    fixture.twilio.person(ANA, Behavior::Presses("1"));
    fixture.twilio.service(Service::Limits);
    fixture.fail();
    until("a refusal", || (fixture.count("Twilio takes no more requests for now") > 0).then_some(()));
    fixture.twilio.service(Service::Works);
    assert_eq!(until("an acknowledgement", || fixture.acknowledged_by()), "ana");
}

#[test]
fn test_page_is_answered_by_a_key() {
    let fixture = Fixture::start(&format!("\"call:{ANA}\""));
    fixture.twilio.person(ANA, Behavior::Presses("1"));
    let test = fixture.instance.command(&["page", "test", "ana", "--wait", "60s"]);
    let said = String::from_utf8_lossy(&test.stdout);
    assert!(test.status.success() && said.contains("answered after"), "{said}");
}

#[test]
fn unsigned_and_foreign_callbacks_are_refused() {
    let fixture = Fixture::start(&format!("\"call:{ANA}\", \"sms:{ANA}\""));
    fixture.twilio.person(ANA, Behavior::Listens);
    fixture.fail();
    let asked =
        until("a callback", || fixture.twilio.callbacks().into_iter().find(|one| one.url.ends_with("/keys")));
    let path = asked.url.strip_prefix("http://127.0.0.1").unwrap();
    let body = "CallSid=CA1&Digits=1";
    let parameters = [("CallSid".to_owned(), "CA1".to_owned()), ("Digits".to_owned(), "1".to_owned())];
    let foreign = signature("another token", &asked.url, &parameters);
    let elsewhere = signature(TOKEN, "http://127.0.0.1/callbacks/twilio/sms/sms", &parameters);
    let headers = [String::new(), header(&foreign), header(&elsewhere), header("")];
    for header in headers {
        let response = post(&fixture.instance, path, &header, body);
        assert!(response.starts_with("HTTP/1.1 403"), "{response}");
    }
    let forged = path.replace("/callbacks/twilio/", "/callbacks/twilio/A");
    let response = post(&fixture.instance, &forged, &header(&signature(TOKEN, &forged, &parameters)), body);
    assert!(response.starts_with("HTTP/1.1 403"), "{response}");
    let sms =
        post(&fixture.instance, "/callbacks/twilio/sms/sms", "", &format!("From=%2B{}&Body=A1", &ANA[1..]));
    assert!(sms.starts_with("HTTP/1.1 403"), "{sms}");
    assert_eq!(fixture.acknowledged_by(), None);
    let right = post(&fixture.instance, path, &header(&signature(TOKEN, &asked.url, &parameters)), body);
    assert!(right.starts_with("HTTP/1.1 200"), "{right}");
    assert_eq!(fixture.acknowledged_by().as_deref(), Some("ana"));
}

fn header(signature: &str) -> String {
    format!("x-twilio-signature: {signature}\r\n")
}

/// Sends a form.
fn post(instance: &Instance, path: &str, header: &str, body: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address(instance)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: site\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n{header}content-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}
