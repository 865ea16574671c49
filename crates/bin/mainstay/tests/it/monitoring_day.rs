//! One day of monitoring with real servers, some hours in two minutes: ordinary events cause no page and no public
//! update, and the one outage in the middle causes one page.

mod scene;

use crate::instance::{Instance, PATIENCE, until};
use scene::{Hook, Message, Names, Secure, Web};
use serde_json::Value;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

/// Services behind one balancer.
const BEHIND: usize = 40;
/// All services of the configuration.
const SERVICES: usize = BEHIND + 5;
/// Downtime of a service during a deployment.
const RESTART: Duration = Duration::from_secs(4);

struct Day {
    shop: Web,
    balancer: Web,
    flapping: Web,
    spares: [Web; 2],
    secure: Secure,
    names: Names,
    hook: Hook,
    edge: SocketAddr,
}

impl Day {
    fn begin() -> Self {
        let shop = Web::start("127.0.0.1");
        let names = Names::start(shop.address.ip());
        Self {
            balancer: Web::start("127.0.0.7"),
            flapping: Web::start("127.0.0.1"),
            spares: [Web::start("127.0.0.11"), Web::start("127.0.0.12")],
            // On its last day, and renewed before the day is over.
            secure: Secure::start("secure.test", Duration::from_secs(30 * 3_600)),
            hook: Hook::start(),
            edge: TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap(),
            names,
            shop,
        }
    }

    fn config(&self) -> String {
        [self.site(), self.probed(), self.proxied(), self.behind_balancer()].concat()
    }

    /// Settings of the installation, and the person on call.
    fn site(&self) -> String {
        format!(
            r#"
[site]
name = "Day"
timezone = "Europe/Tallinn"
data = "data"
listen = "127.0.0.1:0"
url = "http://127.0.0.1"
allow_private = ["127.0.0.0/8"]
extra_ca_files = ["root.pem"]

[dns]
resolvers = ["{names}"]

[edge]
listen = ["{edge}"]

[person.ana]
contacts = ["hook:ana"]

[channel.hook]
webhook = "http://{hook}/"
"#,
            names = self.names.address,
            edge = self.edge,
            hook = self.hook.address,
        )
    }

    /// Services with a probe of their own.
    fn probed(&self) -> String {
        format!(
            r#"
[service.shop]
title = "Shop"

[probe.shop]
http = "http://{shop}/"
interval = "1s"
service = "shop"

[service.named]
title = "Named"

[probe.named]
http = "http://named.test:{shop_port}/"
interval = "1s"
service = "named"

[service.unsteady]
title = "Unsteady"

[probe.unsteady]
http = "http://{flapping}/"
interval = "1s"
service = "unsteady"

[service.secure]
title = "Secure"

[probe.secure]
tls = "secure.test:{secure_port}"
interval = "2s"
service = "secure"
"#,
            shop = self.shop.address,
            shop_port = self.shop.address.port(),
            flapping = self.flapping.address,
            secure_port = self.secure.address.port(),
        )
    }

    /// The service behind the edge.
    fn proxied(&self) -> String {
        format!(
            r#"
[service.app]
title = "App"
hosts = ["*"]

[service.app.traffic]
pool = "app"

[pool.app]
servers = ["{}", "{}"]
min_healthy = 2
health = {{ path = "/", interval = "1s" }}

[probe.app]
http = "http://{edge}/"
interval = "1s"
service = "app"

"#,
            self.spares[0].address,
            self.spares[1].address,
            edge = self.edge,
        )
    }

    /// Services that one balancer answers for.
    fn behind_balancer(&self) -> String {
        let mut config = String::new();
        for n in 0..BEHIND {
            let _ = write!(
                config,
                "[service.behind{n}]\ntitle = \"Behind {n}\"\n[probe.behind{n}]\nhttp = \"http://{}/{n}\"\ninterval = \"2s\"\nservice = \"behind{n}\"\n",
                self.balancer.address
            );
        }
        config
    }

    fn pages(&self) -> Vec<Message> {
        self.hook.messages().into_iter().filter(|message| message.wakes).collect()
    }
}

/// Words on the public page, of all incidents.
fn public_words(instance: &Instance) -> Vec<String> {
    let (_, page) = instance.get("/api/v2/incidents.json");
    let incidents = page["incidents"].as_array().cloned().unwrap_or_default();
    incidents.iter().map(|incident| incident["name"].as_str().unwrap_or_default().to_owned()).collect()
}

fn services_not_well(instance: &Instance) -> Vec<Value> {
    let (_, now) = instance.get("/api/v1/now");
    let services = now["services"].as_array().cloned().unwrap_or_default();
    if services.len() < SERVICES {
        return vec![Value::from("not every service has a state yet")];
    }
    services.into_iter().filter(|service| service["state"] != "operational").collect()
}

/// Waits for it, and tells what is not well where it does not come about.
fn all_well(instance: &Instance, when: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let not_well = services_not_well(instance);
        if not_well.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "not well {when}: {not_well:#?}\n{}", instance.log());
        thread::sleep(Duration::from_millis(100));
    }
}

/// Asserts that an event causes no page and no public update.
fn passes_unnoticed(day: &Day, instance: &Instance, what: &str, happens: impl FnOnce()) {
    let (pages, words) = (day.pages().len(), public_words(instance).len());
    happens();
    all_well(instance, &format!("after {what}"));
    let new: Vec<Message> = day.pages().split_off(pages);
    assert!(new.is_empty(), "{what} caused a page: {new:#?}");
    let words = public_words(instance).split_off(words);
    assert!(words.is_empty(), "{what} caused an update: {words:?}");
}

/// What the test itself needs to pass by; conditions are waited for elsewhere.
fn while_it_lasts(time: Duration) {
    let ends = Instant::now() + time;
    while let Some(left) = ends.checked_duration_since(Instant::now()) {
        thread::sleep(left.min(Duration::from_millis(100)));
    }
}

fn restarts(web: &Web) {
    web.stop();
    while_it_lasts(RESTART);
    web.go_on();
}

/// The number of the open incident whose sentence has this word; that of the certificate is open beside it.
fn open_about(instance: &Instance, word: &str) -> Option<String> {
    let (_, now) = instance.get("/api/v1/now");
    let open = now["open"].as_array().cloned().unwrap_or_default();
    let about = open.iter().find(|open| open["incident"].to_string().contains(word))?;
    Some(about["incident"]["id"].to_string())
}

fn one_real_outage(day: &Day, instance: &Instance) {
    let before = day.pages().len();
    let began = Instant::now();
    day.shop.answers(503);
    let page = until("a page", || day.pages().get(before).cloned());
    let took = page.at.duration_since(began);
    println!("the outage: paged after {:.1} s: {}: {}", took.as_secs_f64(), page.title, page.body);
    let said = format!("{} {}", page.title, page.body);
    assert!(said.contains("503"), "the page names the failure: {said}");
    let id = until("an open incident", || open_about(instance, "503"));
    assert!(instance.command(&["incident", "ack", &id, "--by", "ana"]).status.success());
    // After a minute of outage; a person who had not acknowledged is paged again by then.
    until("a public update", || (!public_words(instance).is_empty()).then_some(()));
    day.shop.answers(200);
    all_well(instance, "at the end of the outage");
    until("the end of the incident", || open_about(instance, "503").is_none().then_some(()));
    let all: Vec<String> = day.pages().split_off(before).into_iter().map(|page| page.title).collect();
    assert_eq!(all.len(), 1, "one page: {all:?}");
    assert_eq!(public_words(instance).len(), 1, "one public incident");
}

#[test]
fn ordinary_day_pages_no_person_and_its_outage_pages_once() {
    let day = Day::begin();
    let mut instance = Instance::with(&day.config());
    std::fs::write(instance.folder.path().join("root.pem"), &day.secure.root).unwrap();
    instance.start();
    all_well(&instance, "at the start");

    passes_unnoticed(&day, &instance, "a deploy", || restarts(&day.shop));
    passes_unnoticed(&day, &instance, "a balancer that restarts", || restarts(&day.balancer));
    passes_unnoticed(&day, &instance, "a resolver that hiccups", || {
        day.names.hiccups(true);
        while_it_lasts(RESTART);
        day.names.hiccups(false);
    });
    passes_unnoticed(&day, &instance, "a spare that is lost and comes back", || {
        day.spares[1].stop();
        while_it_lasts(Duration::from_secs(10));
        day.spares[1].go_on();
    });

    one_real_outage(&day, &instance);

    passes_unnoticed(&day, &instance, "a probe that flaps", || {
        for _ in 0..4 {
            day.flapping.stop();
            while_it_lasts(Duration::from_secs(2));
            day.flapping.go_on();
            while_it_lasts(Duration::from_secs(3));
        }
    });
    passes_unnoticed(&day, &instance, "a certificate that is renewed", || day.secure.renew());
    passes_unnoticed(&day, &instance, "a machine that sleeps", || {
        instance.signal("-STOP");
        while_it_lasts(Duration::from_secs(15));
        instance.signal("-CONT");
    });
    passes_unnoticed(&day, &instance, "another deploy", || restarts(&day.shop));

    let titles: Vec<String> = day.hook.messages().iter().map(|message| message.title.clone()).collect();
    println!("all messages:\n  {}", titles.join("\n  "));
}
