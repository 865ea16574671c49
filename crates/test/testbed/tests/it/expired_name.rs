//! The whole fixture, before, during and after.

use super::{TIMEOUT, small, until};
use drill::{Act, Script, Step};
use hyper::StatusCode;
use std::time::Duration;

#[tokio::test]
async fn clients_receive_the_parking_certificate_after_the_cache_expired() {
    let (fixture, _folder) = small(|settings| {
        settings.answer_ttl = Duration::from_secs(2);
        settings.delegation_ttl = Duration::from_secs(2);
        settings.parking_ttl = Duration::from_secs(1);
        settings.client_interval = Some(Duration::from_millis(20));
    })
    .await;
    for host in ["auth.acme.app", "demo.acme.app", "hello.acme.io"] {
        let (status, body) = fixture.browse(host).await.unwrap();
        assert_eq!((status, &body[..]), (StatusCode::OK, &b"ok\n"[..]), "{host}");
    }
    fixture.swap();
    fixture.caches_expired(TIMEOUT).await.unwrap();
    let refused = fixture.browse("demo.acme.app").await.unwrap_err().to_string();
    assert!(refused.contains("not valid for name"), "{refused}");
    assert_eq!(fixture.browse("hello.acme.io").await.unwrap().0, StatusCode::OK);

    // First-time clients reach the parking page immediately.
    until("a client that was not served", async || {
        let first = fixture.clients().first;
        (first.asked > first.served).then_some(())
    })
    .await;

    fixture.renew();
    fixture.caches_expired(TIMEOUT).await.unwrap();
    assert_eq!(fixture.browse("demo.acme.app").await.unwrap().0, StatusCode::OK);
    let served = fixture.clients().first.served;
    until("first-time clients served again", async || {
        (fixture.clients().first.served > served).then_some(())
    })
    .await;
}

#[tokio::test]
async fn two_worlds_stand_side_by_side() {
    let ((one, _a), (two, _b)) = tokio::join!(small(|_| {}), small(|_| {}));
    assert_ne!(one.resolver().address(), two.resolver().address());
    one.hold();
    assert_eq!(two.browse("demo.acme.app").await.unwrap().0, StatusCode::OK);
    let strangers = one.browse("demo.acme.app").await.unwrap_err();
    assert_eq!(strangers.kind(), std::io::ErrorKind::NotFound);
    assert_eq!((one.cached_until() == one.fault_at(), two.fault_at()), (true, None));
}

#[tokio::test]
async fn dropped_fixture_releases_its_addresses() {
    let (fixture, _folder) = small(|_| {}).await;
    let resolver = fixture.resolver().address();
    drop(fixture);
    until("the address to be free", async || tokio::net::UdpSocket::bind(resolver).await.ok()).await;
}

#[tokio::test]
async fn it_can_do_whatever_the_script_asks() {
    let (fixture, _folder) = small(|_| {}).await;
    let script = Script::parse(include_str!("../../../../../drills/expired-name.drill")).unwrap();
    for step in &script.steps {
        if let Step::Act { act, .. } = step {
            fixture.act(act).await.unwrap_or_else(|error| panic!("{act}: {error}"));
        }
    }
    for act in [Act::Hold, Act::PhoneFails, Act::PhoneHangs, Act::PhoneWorks] {
        fixture.act(&act).await.unwrap();
    }
    let witness = fixture.observations();
    assert_eq!((witness.asked, witness.keys.len()), (None, 0));
    assert_eq!(witness.caches_expire_at, fixture.cached_until());
}

#[tokio::test]
async fn its_config_is_sound() {
    let (fixture, folder) = small(|_| {}).await;
    let text = fixture.config_toml(&folder.path().join("data"), "127.0.0.1:18080".parse().unwrap());
    let read =
        config::read(&text, "mainstay.toml", folder.path()).unwrap_or_else(|p| panic!("{p:?}\n{text}"));
    assert_eq!(read.config.services.len(), 5);
    assert_eq!(read.config.dns.port, fixture.root().port);
    assert!(read.config.probes.len() >= 7, "{:?}", read.config.probes.keys());
    assert!(read.config.domains.len() < 3);
}
