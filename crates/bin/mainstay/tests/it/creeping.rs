//! A latency that rises for a while, from the store to the alert. Its steps are two seconds long, because its probe is fast.

use crate::instance::{Instance, SITE, Web, until};
use std::thread;
use std::time::{Duration, Instant};

/// How much slower each answer becomes in a second, in milliseconds. It reaches the limit after almost a minute.
const RISE: u64 = 18;
/// Pause between two changes of the latency.
const PAUSE: Duration = Duration::from_millis(100);

/// The open alert about creeping growth.
fn alert(instance: &Instance) -> Option<serde_json::Value> {
    let now = instance.get("/api/v1/now").1;
    let alerts = now["alerts"].as_array()?;
    alerts.iter().find(|alert| alert["fault"]["creeping"]["level"] == "latency").cloned()
}

#[test]
fn rising_latency_is_an_alert_of_severity_info_that_says_when() {
    let web = Web::start();
    let mut instance = Instance::with(&format!(
        "{SITE}\n[probe.front]\nhttp = \"http://{}/\"\ninterval = \"100ms\"\ntimeout = \"2s\"\nexpect = {{ max_latency = \"1s\" }}\n",
        web.address
    ));
    web.takes(30);
    instance.start();
    web.answers_again(3);
    let began = Instant::now();
    let alert = until("an alert", || {
        web.takes(30 + RISE * u64::try_from(began.elapsed().as_millis()).unwrap() / 1_000);
        thread::sleep(PAUSE);
        alert(&instance)
    });
    assert_eq!(alert["severity"], "info", "{alert}");
    let creeping = &alert["fault"]["creeping"];
    assert_eq!(creeping["limit"], 1_000_000, "{alert}");
    assert!(creeping["to"].as_u64() > creeping["from"].as_u64() && creeping["meets"].is_string(), "{alert}");
    assert_eq!(instance.terminate(), Some(0));
}
