//! Requests judged by a configuration as people write it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use traffic::{Class, Facts, Identity, Limit, Meters, Policy, Refusal, Tick, Verdict};
use types::traffic::Denial;
use types::{CallerId, DenialId, DenyTarget, Time};

const NOW: &str = "2026-11-22T04:00:00Z";
const BROWSER: &[u8] = b"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
const SEC: u64 = 1_000_000;

fn policy(guard: &str, denials: Vec<Denial>) -> Policy {
    let text = format!(
        r#"
        [site]
        name = "Acme"
        [channel.ntfy]
        ntfy = "http://127.0.0.1:2586"
        [person.ana]
        contacts = ["ntfy:ana"]
        [escalation.default]
        steps = [{{ people = ["ana"], escalate_after = "5m" }}]
        fallback = ["ntfy:everybody"]
        [edge]
        listen = ["127.0.0.1:8000"]
        geoip.country = "countries.mmdb"
        geoip.asn = "networks.mmdb"
        [service.auth]
        hosts = ["auth.acme.example", "*.tenants.acme.example"]
        wildcard_samples = ["one.tenants.acme.example"]
        [service.auth.traffic]
        pool = "auth"
        {guard}
        [service.api]
        hosts = ["api.acme.example:8443"]
        [service.api.traffic]
        pool = "auth"
        limit.caller = "2/s"
        [pool.auth]
        servers = ["10.0.0.11:8080"]
        [caller.auth-web]
        service = "auth"
        token = "env:AUTH_WEB_TOKEN"
        [caller.batch]
        cidrs = ["10.0.0.0/8", "10.9.0.0/16"]
        [caller.nightly]
        cidrs = ["10.9.0.0/24"]
        "#
    );
    let config = testkit::config::read(&text);
    let denials = denials.into_iter().map(|denial| (denial.id, denial)).collect();
    let policy = types::Policy {
        config: Arc::new(config),
        denials,
        valves: BTreeMap::new(),
        initial_concurrency: BTreeMap::new(),
    };
    let tokens = BTreeMap::from([(CallerId::from("auth-web"), "long secret".into())]);
    Policy::new(&policy, &tokens, NOW.parse().unwrap(), Tick(0))
}

fn denial(id: u64, what: DenyTarget, service: Option<&str>, secs: i64) -> Denial {
    let now: Time = NOW.parse().unwrap();
    Denial {
        id: DenialId(id),
        what,
        service: service.map(Into::into),
        from: now,
        until: Time::from_second(now.as_second() + secs).unwrap(),
        by: "ana".to_owned(),
    }
}

fn facts(client: &str) -> Facts<'static> {
    Facts {
        address: client.parse().unwrap(),
        country: None,
        asn: None,
        identity: Identity::FirstTime,
        forwarded_class: None,
        path: "/login",
        agent: Some(BROWSER),
        is_probe: false,
    }
}

struct Asked {
    policy: Policy,
    meters: Meters,
}

impl Asked {
    fn new(guard: &str) -> Self {
        Self { policy: policy(guard, Vec::new()), meters: Meters::new(10_000, 7) }
    }

    fn judge(&self, facts: &Facts<'_>, tick: u64) -> Verdict {
        let route = self.policy.route("auth.acme.example").unwrap();
        route.judge(facts, &self.meters, Tick(tick), u64::MAX / 2)
    }

    fn refusal(&self, facts: &Facts<'_>, tick: u64) -> Option<Refusal> {
        match self.judge(facts, tick) {
            Verdict::Pass { .. } => None,
            Verdict::Refuse(refusal) => Some(refusal),
            Verdict::Hold(held) => panic!("{held:?}"),
        }
    }

    fn limit(&self, facts: &Facts<'_>, tick: u64) -> Option<Limit> {
        self.refusal(facts, tick).map(|refusal| refusal.limit)
    }

    fn passes(&self, facts: &Facts<'_>, times: usize) -> usize {
        (0..times).filter(|_| self.limit(facts, 0).is_none()).count()
    }

    fn class(&self, facts: &Facts<'_>) -> Class {
        match self.judge(facts, 0) {
            Verdict::Pass { class, .. } => class,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_host_leads_to_its_service() {
    let policy = policy("", Vec::new());
    for (host, service) in [
        ("auth.acme.example", Some("auth")),
        ("one.tenants.acme.example", Some("auth")),
        ("other.tenants.acme.example", Some("auth")),
        ("a.b.tenants.acme.example", None),
        ("tenants.acme.example", None),
        ("api.acme.example", Some("api")),
        ("acme.example", None),
        ("", None),
    ] {
        let found = policy.route(host).map(|route| route.service.0.as_str());
        assert_eq!(found, service, "{host}");
    }
    for (index, route) in policy.routes().iter().enumerate() {
        assert_eq!(route.index, index);
    }
}

#[test]
fn denials_by_where_it_comes_from() {
    let asked = Asked::new(
        r#"deny = { countries = ["XX"], asns = ["AS64500"], cidrs = ["192.0.2.0/24", "2001:db8::/32"] }
        allow = { cidrs = ["192.0.2.7"], asns = ["AS64501"] }"#,
    );
    let at = |client: &str, country: Option<&[u8; 2]>, asn| {
        let facts = Facts { country: country.copied(), asn, ..facts(client) };
        asked.refusal(&facts, 0).map(|refusal| (refusal.status, refusal.limit))
    };
    assert_eq!(at("203.0.113.1", None, None), None);
    assert_eq!(at("203.0.113.1", Some(b"NL"), Some(1)), None);
    assert_eq!(at("203.0.113.1", Some(b"XX"), None), Some((403, Limit::DeniedCountry)));
    assert_eq!(at("203.0.113.1", Some(b"XX"), Some(64_501)), None);
    assert_eq!(at("203.0.113.1", Some(b"NL"), Some(64_500)), Some((403, Limit::DeniedAsn)));
    assert_eq!(at("192.0.2.6", None, None), Some((403, Limit::DeniedCidr)));
    assert_eq!(at("192.0.2.7", None, None), None);
    assert_eq!(at("::ffff:192.0.2.6", None, None), Some((403, Limit::DeniedCidr)));
    assert_eq!(at("2001:db8:5::1", None, None), Some((403, Limit::DeniedCidr)));
    assert_eq!(at("2001:db9::1", None, None), None);
    // A caller of ours is never shut out by where it runs; the client for whom it asks is.
    let caller = asked.policy.caller("192.0.2.6".parse().unwrap(), Some(b"long secret")).unwrap();
    assert_eq!(asked.limit(&Facts { identity: Identity::Caller(caller), ..facts("192.0.2.6") }, 0), None);
    let known = Facts { identity: Identity::Recognized(5), country: Some(*b"XX"), ..facts("203.0.113.1") };
    assert_eq!(asked.limit(&known, 0), Some(Limit::DeniedCountry));
}

#[test]
fn a_denial_ends_by_itself_and_holds_where_it_was_meant() {
    let denials = vec![
        denial(1, DenyTarget::Country("XX".to_owned()), None, 3_600),
        denial(2, DenyTarget::Cidr("198.51.100.0/24".parse().unwrap()), Some("api"), 3_600),
        // Inside a wider one that lasts longer.
        denial(3, DenyTarget::Cidr("203.0.113.0/24".parse().unwrap()), None, 600),
        denial(4, DenyTarget::Cidr("203.0.113.128/25".parse().unwrap()), None, 60),
        denial(5, DenyTarget::Asn(64_500), None, -1),
    ];
    let policy = policy("", denials);
    let meters = Meters::new(100, 7);
    let denied = |host: &str, facts: &Facts<'_>, secs: u64| {
        let verdict = policy.route(host).unwrap().judge(facts, &meters, Tick(secs * SEC), 0);
        matches!(verdict, Verdict::Refuse(Refusal { status: 403, .. }))
    };
    let (auth, api) = ("auth.acme.example", "api.acme.example");
    let country = Facts { country: Some(*b"XX"), ..facts("192.0.2.1") };
    assert!(denied(auth, &country, 3_599) && !denied(auth, &country, 3_600));
    assert!(!denied(auth, &facts("198.51.100.1"), 0) && denied(api, &facts("198.51.100.1"), 0));
    assert!(denied(auth, &facts("203.0.113.200"), 599) && !denied(auth, &facts("203.0.113.200"), 600));
    assert!(denied(auth, &facts("203.0.113.1"), 599));
    assert!(!denied(auth, &Facts { asn: Some(64_500), ..facts("192.0.2.1") }, 0));
}

#[test]
fn callers_are_found_by_token_or_address() {
    let policy = policy("", Vec::new());
    let found = |peer: &str, token: Option<&[u8]>| {
        policy.caller(peer.parse().unwrap(), token).map(|caller| caller.id.0.as_str())
    };
    assert_eq!(found("203.0.113.1", Some(b"long secret")), Some("auth-web"));
    assert_eq!(found("203.0.113.1", Some(b"long secreT")), None);
    assert_eq!(found("203.0.113.1", Some(b"")), None);
    assert_eq!(found("203.0.113.1", None), None);
    assert_eq!(found("10.1.2.3", None), Some("batch"));
    assert_eq!(found("10.9.0.3", None), Some("nightly"));
    assert_eq!(found("10.9.0.3", Some(b"long secret")), Some("auth-web"));
}

#[test]
fn clients_and_subnets_have_separate_limits() {
    let asked = Asked::new(
        r#"limit.client = { rate = "1/s", burst = 3 }
        limit.subnet = { rate = "1/s", burst = 7 }"#,
    );
    assert_eq!(asked.passes(&facts("203.0.113.1"), 10), 3);
    assert_eq!(asked.limit(&facts("203.0.113.1"), 0), Some(Limit::Client));
    assert_eq!(asked.passes(&facts("203.0.113.2"), 10), 3);
    // One is left to the network; what is refused by the network is not charged to the client.
    assert_eq!(asked.passes(&facts("203.0.113.3"), 10), 1);
    assert_eq!(asked.limit(&facts("203.0.113.3"), 0), Some(Limit::Subnet));
    assert_eq!(asked.limit(&facts("203.0.113.3"), SEC), None);
    assert_eq!(asked.limit(&facts("203.0.113.3"), 2 * SEC), None);
    // Another network, and a recognized client in this one.
    assert_eq!(asked.passes(&facts("203.0.112.3"), 10), 3);
    assert_eq!(asked.passes(&Facts { identity: Identity::Recognized(9), ..facts("203.0.113.3") }, 10), 3);
    // IPv6: a client is a /64, a network is a /48.
    assert_eq!(asked.passes(&facts("2001:db8:1:1::1"), 2), 2);
    assert_eq!(asked.passes(&facts("2001:db8:1:1::2"), 5), 1);
    assert_eq!(asked.passes(&facts("2001:db8:1:2::2"), 5), 3);
    assert_eq!(asked.passes(&facts("2001:db8:1:3::2"), 5), 1);
    assert_eq!(asked.passes(&facts("2001:db8:2:3::2"), 5), 3);
    // A whole autonomous system is none of them: its networks have what is theirs, each.
    let system = |client: &str| Facts { asn: Some(64_500), ..facts(client) };
    for client in ["198.51.100.1", "198.51.101.1", "198.51.102.1"] {
        assert_eq!(asked.passes(&system(client), 5), 3, "{client}");
    }
}

#[test]
fn an_autonomous_system_has_a_limit_of_its_own_where_the_config_declares_one() {
    const SUBNET: &str = r#"limit.subnet = { rate = "1/s", burst = 4 }"#;
    const ASN: &str = r#"limit.asn = { rate = "1/s", burst = 10 }"#;
    let ours = |client: &str| Facts { asn: Some(64_500), ..facts(client) };
    let (both, none) = (format!("{SUBNET}\n{ASN}"), String::new());
    for (limits, passed, refused) in [
        // Each /24 its four, all of them ten.
        (both.as_str(), [4, 4, 2, 0], Some(Limit::Asn)),
        (ASN, [6, 4, 0, 0], Some(Limit::Asn)),
        (SUBNET, [4, 4, 4, 4], Some(Limit::Subnet)),
        (none.as_str(), [6, 6, 6, 6], None),
    ] {
        let asked = Asked::new(limits);
        let clients = ["198.51.100.1", "198.51.101.1", "2001:db8:7::1", "203.0.113.1"];
        assert_eq!(clients.map(|client| asked.passes(&ours(client), 6)), passed, "{limits}");
        assert_eq!(asked.limit(&ours(clients[3]), 0), refused, "{limits}");
        // Neither those of another system nor those whose system is not known.
        let other = Facts { asn: Some(64_501), ..facts("192.0.2.1") };
        for free in [other, facts("192.0.3.1")] {
            assert_eq!(asked.limit(&free, 0), None, "{limits} {free:?}");
        }
    }
    // What the system refuses is charged neither to the network nor to the client.
    let asked = Asked::new(&format!("{both}\nlimit.client = {{ rate = \"1/s\", burst = 3 }}"));
    for client in ["198.51.100.1", "198.51.101.1", "198.51.102.1", "198.51.103.1"] {
        asked.passes(&ours(client), 3);
    }
    assert_eq!(asked.limit(&ours("198.51.104.1"), 0), Some(Limit::Asn));
    assert_eq!(asked.passes(&facts("198.51.104.1"), 5), 3);
    // A recognized client has a limit of its own.
    assert_eq!(asked.passes(&Facts { identity: Identity::Recognized(9), ..ours("198.51.105.1") }, 5), 3);
    let refusal = asked.refusal(&ours("198.51.105.1"), 0).unwrap();
    assert_eq!(
        (refusal.status, refusal.limit.as_str(), refusal.quota.map(|q| q.burst)),
        (429, "asn", Some(10))
    );
}

#[test]
fn newly_recognized_client_is_bound_by_the_limit_of_its_address_as_well() {
    let limits = "limit.client = { rate = \"1/s\", burst = 5 }\nlimit.subnet = { rate = \"1/m\", burst = 1 }";
    let asked = Asked::new(limits);
    let newly = |number| Facts { identity: Identity::NewlyRecognized(number), ..facts("203.0.113.1") };
    // Another number is no other limit, while it is new.
    assert_eq!([1, 2, 3].map(|number| asked.passes(&newly(number), 3)), [3, 2, 0]);
    assert_eq!(asked.limit(&newly(4), 0), Some(Limit::Client));
    let known = Facts { identity: Identity::Recognized(2), ..facts("203.0.113.1") };
    assert_eq!(asked.passes(&known, 5), 3, "its own limit, charged before as well");
    assert_eq!(
        asked.passes(&Facts { identity: Identity::NewlyRecognized(5), ..facts("203.0.113.2") }, 9),
        5,
        "no limit of the network"
    );
}

#[test]
fn caller_counts_neither_as_client_nor_as_subnet() {
    let policy = policy("", Vec::new());
    let meters = Meters::new(100, 7);
    let api = policy.route("api.acme.example").unwrap();
    let caller = policy.caller("203.0.113.1".parse().unwrap(), Some(b"long secret")).unwrap();
    let itself = Facts { identity: Identity::Caller(caller), ..facts("203.0.113.1") };
    let verdict = |facts: &Facts<'_>| api.judge(facts, &meters, Tick(0), 0);
    assert!(matches!(verdict(&itself), Verdict::Pass { class: Class::Recognized, .. }));
    assert!(matches!(verdict(&itself), Verdict::Pass { .. }));
    assert!(matches!(verdict(&itself), Verdict::Refuse(Refusal { status: 429, limit: Limit::Caller, .. })));
    // From wherever it asks.
    let moved = Facts { address: "198.51.100.1".parse().unwrap(), ..itself };
    assert!(matches!(verdict(&moved), Verdict::Refuse(_)));
    // A thousand clients through one caller, none of them in its way.
    for client in 0..1_000 {
        let address = format!("2001:db8:{client:x}::1").parse().unwrap();
        let facts = Facts {
            address,
            identity: Identity::Recognized(client),
            forwarded_class: Some(Class::Recognized),
            ..itself
        };
        assert!(matches!(verdict(&facts), Verdict::Pass { class: Class::Recognized, .. }));
    }
}

#[test]
fn service_limit_leaves_room_for_better_classes() {
    let asked = Asked::new(r#"limit.service = { rate = "100/s", burst = 100 }"#);
    let mut first = 0;
    for client in 0..200 {
        first += asked.passes(&facts(&format!("203.0.{client}.1")), 1);
    }
    assert_eq!(first, 50);
    assert_eq!(asked.limit(&facts("203.0.1.1"), 0), Some(Limit::Service));
    let known = Facts { identity: Identity::Recognized(1), ..facts("203.0.113.1") };
    assert_eq!(asked.passes(&known, 100), 43);
}

#[test]
fn quota_has_remaining_and_reset() {
    let asked = Asked::new(r#"limit.client = { rate = "2/s", burst = 4 }"#);
    let mut left = Vec::new();
    for _ in 0..4 {
        let Verdict::Pass { quota: Some(quota), .. } = asked.judge(&facts("203.0.113.1"), 0) else {
            panic!()
        };
        assert_eq!((quota.limit, quota.burst, quota.window_secs), (Limit::Client, 4, 2));
        left.push((quota.remaining, quota.reset_secs));
    }
    assert_eq!(left, [(3, 1), (2, 1), (1, 2), (0, 2)]);
    let refusal = asked.refusal(&facts("203.0.113.1"), 0).unwrap();
    assert_eq!((refusal.status, refusal.limit), (429, Limit::Client));
    assert_eq!(refusal.quota.map(|quota| quota.remaining), Some(0));
    // Half a second until one fits, and up to a quarter of it and a second more.
    let route = asked.policy.route("auth.acme.example").unwrap();
    for (chance, millis) in [(0, 500), (u64::MAX / 2, 1_062), (u64::MAX, 1_624)] {
        let Verdict::Refuse(refusal) = route.judge(&facts("203.0.113.1"), &asked.meters, Tick(0), chance)
        else {
            panic!()
        };
        assert_eq!(refusal.retry_after.map(|after| after.as_millis()), Some(millis));
    }
}

#[test]
fn ranks() {
    let asked = Asked::new(r#"priority_paths = ["/health", "/pay/*"]"#);
    let first = facts("203.0.113.1");
    let bot = Facts { agent: Some(b"Googlebot/2.1 (+http://www.google.com/bot.html)"), ..first };
    let known = Facts { identity: Identity::Recognized(1), ..bot };
    assert_eq!(asked.class(&first), Class::FirstTime);
    assert_eq!(asked.class(&bot), Class::Bot);
    assert_eq!(asked.class(&known), Class::Recognized);
    assert_eq!(asked.class(&Facts { path: "/health", ..bot }), Class::Priority);
    assert_eq!(asked.class(&Facts { path: "/pay/card", ..first }), Class::Priority);
    assert_eq!(asked.class(&Facts { path: "/pay/../login", ..first }), Class::FirstTime);
    // What came in as something stays it from hop to hop, whatever our own client calls itself.
    let ours = Facts { agent: Some(b"node-fetch"), ..first };
    for class in [Class::Priority, Class::FirstTime, Class::Bot] {
        assert_eq!(asked.class(&Facts { forwarded_class: Some(class), ..ours }), class);
    }
    // Being known is shown by a number, not by a rank.
    assert_eq!(asked.class(&Facts { forwarded_class: Some(Class::Recognized), ..ours }), Class::FirstTime);
}

#[test]
fn matching_response_recognizes_the_client() {
    let asked =
        Asked::new(r#"recognize = { method = "POST", path = "/login", status = [200, 303], for = "30d" }"#);
    let route = asked.policy.route("auth.acme.example").unwrap();
    let month = Some(Duration::from_secs(30 * 86_400));
    for (method, path, status, lasting) in [
        ("POST", "/login", 200, month),
        ("POST", "/login", 303, month),
        ("POST", "/login", 401, None),
        ("GET", "/login", 200, None),
        ("POST", "/login/", 200, None),
    ] {
        assert_eq!(route.recognizes(method, path, status), lasting, "{method} {path} {status}");
    }
}
