//! The DNS tree through a resolver and around it.

use super::small;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{RData, RecordType};
use std::collections::BTreeSet;
use std::net::SocketAddrV4;
use std::time::Duration;
use testbed::ExpiredName;
use testbed::names::{name, walk};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn ask(server: SocketAddrV4, asked: &str, kind: RecordType) -> Message {
    let query = Query::query(name(asked).unwrap(), kind);
    let mut last = None;
    for _ in 0..10 {
        match tokio::time::timeout(Duration::from_secs(5), walk::ask(server, &query, true)).await {
            Ok(Ok(reply)) => return reply,
            other => last = Some(other),
        }
    }
    panic!("{server} does not answer {asked}: {last:?}");
}

fn addresses(reply: &Message) -> Vec<String> {
    reply
        .answers
        .iter()
        .filter_map(|r| match &r.data {
            RData::A(a) => Some(a.0.to_string()),
            _ => None,
        })
        .collect()
}

/// What the parent says, asked from the root down as mainstay does.
async fn delegation(fixture: &ExpiredName, zone: &str) -> BTreeSet<String> {
    let root = fixture.root();
    let at = |address| SocketAddrV4::new(address, root.port);
    let top = ask(at(root.address), zone, RecordType::NS).await;
    let glue = top.additionals.iter().find_map(|r| match &r.data {
        RData::A(a) => Some(a.0),
        _ => None,
    });
    let parent = ask(at(glue.expect("glue for the top-level domain")), zone, RecordType::NS).await;
    let servers = parent.authorities.iter().filter_map(|r| match &r.data {
        RData::NS(server) => Some(server.0.to_ascii().trim_end_matches('.').to_owned()),
        _ => None,
    });
    servers.collect()
}

fn pair(domain: &str) -> BTreeSet<String> {
    [format!("ns1.{domain}"), format!("ns2.{domain}")].into()
}

#[tokio::test]
async fn every_name_resolves_from_the_root_down() {
    let (fixture, _folder) = small(|_| {}).await;
    let resolver = fixture.resolver().address();
    let service = addresses(&ask(resolver, "auth.acme.app", RecordType::A).await);
    assert_eq!(service.len(), 1);
    for tenant in ["demo", "north", "south", "east", "west", "NoRtH", "anybody"] {
        assert_eq!(addresses(&ask(resolver, &format!("{tenant}.acme.app"), RecordType::A).await), service);
    }
    let well = addresses(&ask(resolver, "hello.acme.io", RecordType::A).await);
    assert!(well.len() == 1 && well != service, "{well:?}");
    assert_eq!(addresses(&ask(resolver, "ns1.dnshost.example", RecordType::A).await).len(), 1);
    assert_eq!(delegation(&fixture, "acme.app").await, pair("dnshost.example"));
    assert_eq!(delegation(&fixture, "acme.io").await, pair("dnshost.example"));
    let nothing = ask(resolver, "nobody.acme.io", RecordType::A).await;
    assert_eq!(nothing.metadata.response_code, ResponseCode::NXDomain);
    let no_such_kind = ask(resolver, "hello.acme.io", RecordType::AAAA).await;
    assert_eq!((no_such_kind.metadata.response_code, no_such_kind.answers.len()), (ResponseCode::NoError, 0));
    assert_eq!(no_such_kind.authorities.len(), 1);
}

#[tokio::test]
async fn parent_changes_immediately_and_resolver_after_expiry() {
    let (fixture, _folder) = small(|settings| {
        settings.answer_ttl = Duration::from_secs(6);
        settings.delegation_ttl = Duration::from_secs(6);
        settings.parking_ttl = Duration::from_secs(2);
    })
    .await;
    let resolver = fixture.resolver().address();
    let warmed = fixture.warm().await.unwrap();
    let before = addresses(&ask(resolver, "demo.acme.app", RecordType::A).await);
    let fault = fixture.swap();
    assert_eq!(delegation(&fixture, "acme.app").await, pair("expired-parking.example"));

    let until = fixture.cached_until().unwrap();
    assert!(until <= types::time::later(warmed, Duration::from_secs(6)), "{until} {warmed}");
    let cached = ask(resolver, "demo.acme.app", RecordType::A).await;
    // A machine that stood still for six seconds has seen the answer run out; then there is nothing to compare.
    if jiff::Timestamp::now() < until {
        assert_eq!(addresses(&cached), before);
        assert!(cached.answers[0].ttl < 6, "the TTL counts down");
    }
    let expired = fixture.caches_expired(super::TIMEOUT).await.unwrap();
    assert!(expired >= until && expired > fault);
    let parked = addresses(&ask(resolver, "demo.acme.app", RecordType::A).await);
    assert!(parked.len() == 1 && parked != before, "{parked:?}");
    let well = ask(resolver, "hello.acme.io", RecordType::A).await;
    assert_eq!(addresses(&well).len(), 1);

    fixture.renew();
    assert_eq!(delegation(&fixture, "acme.app").await, pair("dnshost.example"));
    fixture.caches_expired(super::TIMEOUT).await.unwrap();
    assert_eq!(addresses(&ask(resolver, "demo.acme.app", RecordType::A).await), before);
}

#[tokio::test]
async fn name_on_hold_is_not_in_the_zone() {
    let (fixture, _folder) = small(|_| {}).await;
    fixture.hold();
    let reply = ask(fixture.resolver().address(), "demo.acme.app", RecordType::A).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(delegation(&fixture, "acme.app").await, BTreeSet::new());
}

#[tokio::test]
async fn resolver_supports_tcp_and_survives_malformed_queries() {
    let (fixture, _folder) = small(|_| {}).await;
    let resolver = fixture.resolver().address();
    let garbage = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for bytes in [&b""[..], b"x", &[0xff; 300]] {
        garbage.send_to(bytes, resolver).await.unwrap();
    }
    let mut request = Message::query();
    request.add_query(Query::query(name("east.acme.app").unwrap(), RecordType::A));
    let bytes = request.to_vec().unwrap();
    let mut stream = TcpStream::connect(resolver).await.unwrap();
    stream.write_u16(bytes.len().try_into().unwrap()).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let mut reply = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut reply).await.unwrap();
    assert_eq!(addresses(&Message::from_vec(&reply).unwrap()).len(), 1);
}
