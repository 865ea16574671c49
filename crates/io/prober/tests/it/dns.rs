//! The parent, every name server and every resolver asked about one domain.

use crate::config;
use crate::dns_world::{self as world, Behave, Net, Zone, a, cname, listen, ns, packet, silent, soa};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Record;
use prober::Prober;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use types::config::{Config, ProbeKind};
use types::probe_result::DnsSeen;
use types::{Answer, Resource};

const ROOT: &str = "127.0.0.11";
const TOP: &str = "127.0.0.12";
const ONE: &str = "127.0.0.13";
const TWO: &str = "127.0.0.14";
const PARKING: &str = "127.0.0.15";
const RESOLVER: &str = "127.0.0.16";

fn root() -> Zone {
    let glue = [a("a.nic.test", TOP), a("ns.nic.example", TOP)];
    Zone::new(".", [vec![ns("test", "a.nic.test"), ns("example", "ns.nic.example")], glue.to_vec()].concat())
}

fn healthy() -> Vec<Record> {
    vec![
        ns("acme.test", "ns1.acme.test"),
        ns("acme.test", "NS2.acme.test"),
        a("ns1.acme.test", ONE),
        a("ns2.acme.test", TWO),
    ]
}

fn acme(serial: u32, address: &str) -> Vec<Record> {
    vec![soa("acme.test", serial), a("www.acme.test", address), a("www.acme.test", "2001:db8::1")]
}

fn config(net: &Net) -> Config {
    let mut config = config::bare();
    config.dns.port = net.port;
    config.dns.roots = vec![ROOT.parse().unwrap()];
    config.dns.resolvers = vec![net.at(RESOLVER)];
    config
}

async fn ask(prober: &Prober, zone: &str, names: &[&str]) -> DnsSeen {
    let ask =
        ProbeKind::Dns { zone: zone.to_owned(), names: names.iter().map(|&name| name.to_owned()).collect() };
    let mut probe = config::probe("dns", ask);
    probe.about = Resource::dns(zone);
    probe.timeout = Duration::from_secs(20);
    let sample = prober.run(&probe).await;
    assert!(sample.phases.dns.is_some() && sample.phases.total > Duration::ZERO);
    match sample.answer {
        Answer::Dns(seen) => seen,
        other => panic!("{other:?}"),
    }
}

/// What was seen, a line each.
fn described(seen: &DnsSeen) -> String {
    let mut text = match &seen.delegation {
        Ok(servers) => format!("delegated to {servers:?}\n"),
        Err(fault) => format!("delegation: {fault}\n"),
    };
    for said in &seen.servers {
        let address = said.address.map_or("-".to_owned(), |address| address.to_string());
        let serial = said.soa.as_ref().map_or_else(ToString::to_string, ToString::to_string);
        let _ = write!(text, "{} {address} | {serial}", said.server);
        for name in &said.names {
            let _ = match name {
                Ok(found) => write!(text, " | {found:?}"),
                Err(fault) => write!(text, " | {fault}"),
            };
        }
        text.push('\n');
    }
    for said in &seen.resolvers {
        let _ = match &said.addresses {
            Ok(found) => writeln!(text, "resolver {} {found:?} for {:?} s", said.name, said.ttl_secs),
            Err(fault) => writeln!(text, "resolver {} {fault}", said.name),
        };
    }
    text
}

#[tokio::test]
async fn parent_servers_and_resolvers_are_asked_and_a_moved_delegation_shows_at_once() {
    let (root, top) = (root(), Zone::new("test", healthy()));
    let one = Zone::new("acme.test", acme(7, "192.0.2.1"));
    let two = Zone::new("acme.test", acme(6, "192.0.2.1"));
    let parking = Zone::new("acme.test", vec![soa("acme.test", 1), a("www.acme.test", "192.0.2.99")]);
    let net = listen(vec![
        (ROOT, root.server()),
        (TOP, top.server()),
        (ONE, one.server()),
        (TWO, two.server()),
        (PARKING, parking.server()),
        (RESOLVER, world::resolver(acme(7, "192.0.2.1"))),
    ])
    .await;
    let prober = Prober::new(&config(&net)).unwrap();
    let names = ["www.acme.test", "gone.acme.test"];
    insta::assert_snapshot!(described(&ask(&prober, "acme.test", &names).await), @r#"
    delegated to {"ns1.acme.test", "ns2.acme.test"}
    ns1.acme.test 127.0.0.13 | 7 | {192.0.2.1, 2001:db8::1} | does not exist (NXDOMAIN)
    ns2.acme.test 127.0.0.14 | 6 | {192.0.2.1, 2001:db8::1} | does not exist (NXDOMAIN)
    resolver www.acme.test {192.0.2.1, 2001:db8::1} for Some(77) s
    resolver gone.acme.test does not exist (NXDOMAIN)
    "#);

    let root_before = root.asked();
    top.set(vec![ns("acme.test", "ns1.parking.example"), a("ns1.parking.example", PARKING)]);
    // The glue of a name outside the parent's own zone is not believed, and our resolver does not know the name.
    insta::assert_snapshot!(described(&ask(&prober, "acme.test", &names[..1]).await), @r#"
    delegated to {"ns1.parking.example"}
    ns1.parking.example - | does not answer | does not answer
    resolver www.acme.test {192.0.2.1, 2001:db8::1} for Some(77) s
    "#);
    top.set(vec![ns("acme.test", "ns1.parking.test"), a("ns1.parking.test", PARKING)]);
    insta::assert_snapshot!(described(&ask(&prober, "acme.test", &names[..1]).await), @r#"
    delegated to {"ns1.parking.test"}
    ns1.parking.test 127.0.0.15 | 1 | {192.0.2.99}
    resolver www.acme.test {192.0.2.1, 2001:db8::1} for Some(77) s
    "#);
    top.set(Vec::new());
    insta::assert_snapshot!(described(&ask(&prober, "acme.test", &[]).await), @"delegation: is not delegated by its parent zone");
    assert_eq!(root.asked(), root_before, "the way down is kept; only the parent is asked afresh");
}

#[tokio::test]
async fn every_way_in_which_a_server_can_fail_has_its_name() {
    let good = Zone::new("acme.test", acme(7, "192.0.2.1"));
    let garbage: Behave = Arc::new(|question, _| {
        let mut bytes = world::reply(question).to_vec().unwrap();
        bytes[7] = 9; // nine answers, none there
        vec![bytes]
    });
    let another: Behave = Arc::new(|question, _| {
        let mut reply = world::reply(question);
        reply.metadata.id = question.metadata.id.wrapping_add(1);
        packet(&reply)
    });
    let no_authority: Behave = {
        let good = good.clone();
        Arc::new(move |question, _| {
            let mut answer = good.answer(question);
            answer.metadata.authoritative = false;
            packet(&answer)
        })
    };
    let upwards: Behave = Arc::new(|question, _| {
        let mut reply = world::reply(question);
        reply.add_authority(ns(".", "a.root-servers.net"));
        packet(&reply)
    });
    let circle = Zone::new(
        "acme.test",
        vec![
            soa("acme.test", 7),
            cname("www.acme.test", "w.acme.test"),
            cname("w.acme.test", "www.acme.test"),
        ],
    );
    let kinds: Vec<(&str, &str, Behave)> = vec![
        ("another-id", "127.0.0.21", another),
        ("circle", "127.0.0.22", circle.server()),
        ("garbage", "127.0.0.23", garbage),
        ("good", "127.0.0.24", good.server()),
        ("lame", "127.0.0.25", world::code(ResponseCode::Refused)),
        ("no-authority", "127.0.0.26", no_authority),
        ("not-implemented", "127.0.0.27", world::code(ResponseCode::NotImp)),
        ("nxdomain", "127.0.0.28", world::code(ResponseCode::NXDomain)),
        ("servfail", "127.0.0.29", world::code(ResponseCode::ServFail)),
        ("silent", "127.0.0.30", silent()),
        ("upwards", "127.0.0.31", upwards),
    ];
    let mut records = Vec::new();
    for (kind, place, _) in &kinds {
        records.push(ns("acme.test", &format!("{kind}.acme.test")));
        records.push(a(&format!("{kind}.acme.test"), place));
    }
    let mut servers: Vec<(&str, Behave)> =
        kinds.iter().map(|(_, place, behave)| (*place, Arc::clone(behave))).collect();
    servers.extend([
        (ROOT, root().server()),
        (TOP, Zone::new("test", records).server()),
        (RESOLVER, silent()),
    ]);
    let net = listen(servers).await;
    let prober = Prober::new(&config(&net)).unwrap();
    let seen = ask(&prober, "acme.test", &["www.acme.test"]).await;
    insta::assert_snapshot!(described(&seen));
}

#[tokio::test]
async fn a_parent_that_leads_nowhere_is_told_and_bounded() {
    // Each answer points back up, sideways, or to itself.
    let myself: Behave = Arc::new(|question, _| {
        let mut reply = world::reply(question);
        reply.add_authority(ns("test", "a.nic.test"));
        reply.add_additional(a("a.nic.test", TOP));
        packet(&reply)
    });
    let deeper: Behave = Arc::new(|question, _| {
        // Ever deeper, as deep as the question allows, to servers that do the same.
        let mut reply = world::reply(question);
        let asked = question.queries[0].name().clone();
        for labels in 2..asked.iter().len() {
            let cut = asked.trim_to(labels).to_ascii();
            reply.add_authority(ns(&cut, "b.nic.test"));
        }
        reply.add_additional(a("b.nic.test", ONE));
        packet(&reply)
    });
    let servers = |top: Behave| {
        vec![(ROOT, root().server()), (TOP, top), (ONE, silent()), (RESOLVER, world::resolver(Vec::new()))]
    };
    for (top, expected) in [
        (myself, "delegation: answers without authority\n"),
        (deeper, "delegation: does not answer\n"),
        (silent(), "delegation: does not answer\n"),
        (world::code(ResponseCode::Refused), "delegation: refuses to answer for the zone (REFUSED)\n"),
        (world::code(ResponseCode::ServFail), "delegation: fails (SERVFAIL)\n"),
    ] {
        let net = listen(servers(top)).await;
        let prober = Prober::new(&config(&net)).unwrap();
        assert_eq!(described(&ask(&prober, "a.b.c.acme.test", &[]).await), expected);
    }
    let net = listen(vec![(ROOT, silent()), (RESOLVER, world::resolver(acme(7, "192.0.2.1")))]).await;
    let prober = Prober::new(&config(&net)).unwrap();
    let seen = ask(&prober, "acme.test", &["www.acme.test"]).await;
    assert_eq!(
        described(&seen),
        "delegation: does not answer\nresolver www.acme.test {192.0.2.1, 2001:db8::1} for Some(77) s\n"
    );
}

#[tokio::test]
async fn one_dead_parent_server_is_passed_over() {
    let mut records = root().records.lock().unwrap().clone();
    records.extend([ns("test", "0.nic.test"), a("0.nic.test", ONE)]);
    let net = listen(vec![
        (ROOT, Zone::new(".", records).server()),
        (ONE, silent()),
        (TOP, Zone::new("test", vec![ns("acme.test", "ns.acme.test")]).server()),
        (RESOLVER, world::resolver(Vec::new())),
    ])
    .await;
    let prober = Prober::new(&config(&net)).unwrap();
    let seen = ask(&prober, "acme.test", &[]).await;
    assert_eq!(seen.delegation.unwrap().into_iter().collect::<Vec<_>>(), ["ns.acme.test"]);
}

#[tokio::test]
async fn aliases_leave_the_zone_and_parts_of_it_lie_elsewhere() {
    let zone = vec![
        soa("acme.test", 7),
        cname("shop.acme.test", "acme.cdn.example"),
        cname("lost.acme.test", "gone.cdn.example"),
        ns("deep.acme.test", "ns.deep.acme.test"),
        a("ns.deep.acme.test", TWO),
        a("acme.test", "192.0.2.1"),
    ];
    let deep = Zone::new("deep.acme.test", vec![a("www.deep.acme.test", "192.0.2.5")]);
    let top = Zone::new("test", vec![ns("acme.test", "ns1.acme.test"), a("ns1.acme.test", ONE)]);
    let known = vec![a("acme.cdn.example", "192.0.2.80")];
    let net = listen(vec![
        (ROOT, root().server()),
        (TOP, top.server()),
        (ONE, Zone::new("acme.test", zone).server()),
        (TWO, deep.server()),
        (RESOLVER, world::resolver(known)),
    ])
    .await;
    let prober = Prober::new(&config(&net)).unwrap();
    let mut seen =
        ask(&prober, "acme.test", &["shop.acme.test", "lost.acme.test", "www.deep.acme.test", "acme.test"])
            .await;
    seen.resolvers.clear();
    insta::assert_snapshot!(described(&seen), @r#"
    delegated to {"ns1.acme.test"}
    ns1.acme.test 127.0.0.13 | 7 | {192.0.2.80} | does not exist (NXDOMAIN) | {192.0.2.5} | {192.0.2.1}
    "#);
}

#[tokio::test]
async fn servers_at_inner_addresses_are_left_alone_unless_the_config_allows_them() {
    let top = Zone::new("test", healthy());
    let one = Zone::new("acme.test", acme(7, "192.0.2.1"));
    let net = listen(vec![
        (ROOT, root().server()),
        (TOP, top.server()),
        (ONE, one.server()),
        (RESOLVER, world::resolver(Vec::new())),
    ])
    .await;
    let mut config = config(&net);
    // The parent's servers may be asked, the zone's own may not.
    config.site.allow_private = vec![format!("{TOP}/32").parse().unwrap()];
    let prober = Prober::new(&config).unwrap();
    let seen = ask(&prober, "acme.test", &["www.acme.test"]).await;
    assert!(seen.delegation.is_ok() && seen.servers.len() == 2);
    assert!(seen.servers.iter().all(|said| said.soa == Err(types::fault::DnsFault::Silent)));
    assert_eq!(one.asked(), 0);
}

/// The same walk through servers that others wrote.
#[tokio::test]
async fn servers_of_another_make_are_understood() {
    use hickory_server::Server;
    use hickory_server::net::runtime::TokioRuntimeProvider;
    use hickory_server::store::in_memory::InMemoryZoneHandler;
    use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};

    let serve = |apex: &str, records: Vec<Record>| {
        let apex = world::name(apex);
        let mut zone = InMemoryZoneHandler::<TokioRuntimeProvider>::empty(
            apex.clone(),
            ZoneType::Primary,
            AxfrPolicy::Deny,
        );
        for record in records {
            assert!(zone.upsert_mut(record, 0));
        }
        let mut catalog = Catalog::new();
        catalog.upsert(apex.into(), vec![Arc::new(zone)]);
        Server::new(catalog)
    };
    // These refer without glue: every server's name is looked up at our resolver.
    let root_records = vec![soa(".", 1), ns("test", "a.nic.example")];
    let top_records =
        vec![soa("test", 1), ns("acme.test", "ns1.host.example"), ns("acme.test", "ns2.host.example")];
    let known = vec![a("a.nic.example", TOP), a("ns1.host.example", ONE), a("ns2.host.example", TWO)];
    let mut servers = Vec::new();
    let net = listen(vec![
        (RESOLVER, world::resolver(known)),
        (TWO, Zone::new("acme.test", acme(7, "192.0.2.1")).server()),
    ])
    .await;
    for (place, mut server) in [
        (ROOT, serve(".", root_records)),
        (TOP, serve("test", top_records)),
        (ONE, serve("acme.test", acme(7, "192.0.2.1"))),
    ] {
        server.register_socket(tokio::net::UdpSocket::bind(net.at(place)).await.unwrap());
        servers.push(server);
    }
    let prober = Prober::new(&config(&net)).unwrap();
    let mut seen = ask(&prober, "acme.test", &["www.acme.test", "gone.acme.test"]).await;
    seen.resolvers.clear();
    insta::assert_snapshot!(described(&seen), @r#"
    delegated to {"ns1.host.example", "ns2.host.example"}
    ns1.host.example 127.0.0.13 | 7 | {192.0.2.1, 2001:db8::1} | does not exist (NXDOMAIN)
    ns2.host.example 127.0.0.14 | 7 | {192.0.2.1, 2001:db8::1} | does not exist (NXDOMAIN)
    "#);
    let gone = ask(&prober, "gone.test", &[]).await;
    assert_eq!(gone.delegation, Err(types::fault::DnsFault::NotDelegated));
}

#[tokio::test]
async fn many_zones_at_once_ask_the_roots_once() {
    let records = (0..50).flat_map(|n| {
        let zone = format!("z{n}.test");
        [ns(&zone, &format!("ns.{zone}")), a(&format!("ns.{zone}"), ONE)]
    });
    let (root, top) = (root(), Zone::new("test", records.collect()));
    let net = listen(vec![
        (ROOT, root.server()),
        (TOP, top.server()),
        (ONE, world::code(ResponseCode::Refused)),
        (RESOLVER, world::resolver(Vec::new())),
    ])
    .await;
    let prober = Prober::new(&config(&net)).unwrap();
    let zones: Vec<String> = (0..50).map(|n| format!("z{n}.test")).collect();
    let seen = futures_util::future::join_all(zones.iter().map(|zone| ask(&prober, zone, &[]))).await;
    assert!(seen.iter().all(|seen| seen.delegation.as_ref().is_ok_and(|servers| servers.len() == 1)));
    assert_eq!(root.asked(), 1);
    assert_eq!(top.asked(), 50);
}
