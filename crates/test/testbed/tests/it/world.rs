//! The whole world, before, during and after.

use super::{PATIENCE, small, until};
use drill::{Act, Script, Step};
use hyper::StatusCode;
use std::time::Duration;

#[tokio::test]
async fn visitors_meet_the_parking_certificate_when_the_cache_has_run_out() {
    let (world, _folder) = small(|settings| {
        settings.answer_ttl = Duration::from_secs(2);
        settings.delegation_ttl = Duration::from_secs(2);
        settings.parking_ttl = Duration::from_secs(1);
        settings.visitors_every = Some(Duration::from_millis(20));
    })
    .await;
    for host in ["auth.acme.app", "demo.acme.app", "hello.acme.io"] {
        let (status, body) = world.browse(host).await.unwrap();
        assert_eq!((status, &body[..]), (StatusCode::OK, &b"ok\n"[..]), "{host}");
    }
    world.swap();
    world.caches_expired(PATIENCE).await.unwrap();
    let refused = world.browse("demo.acme.app").await.unwrap_err().to_string();
    assert!(refused.contains("not valid for name"), "{refused}");
    assert_eq!(world.browse("hello.acme.io").await.unwrap().0, StatusCode::OK);

    // Newcomers meet the parking page from the first moment.
    until("a visitor who was not served", async || {
        let first = world.visited().first;
        (first.asked > first.served).then_some(())
    })
    .await;

    world.renew();
    world.caches_expired(PATIENCE).await.unwrap();
    assert_eq!(world.browse("demo.acme.app").await.unwrap().0, StatusCode::OK);
    let served = world.visited().first.served;
    until("newcomers served again", async || (world.visited().first.served > served).then_some(())).await;
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
async fn a_world_that_is_dropped_is_gone() {
    let (world, _folder) = small(|_| {}).await;
    let resolver = world.resolver().address();
    drop(world);
    until("the address to be free", async || tokio::net::UdpSocket::bind(resolver).await.ok()).await;
}

#[tokio::test]
async fn it_can_do_whatever_the_script_asks() {
    let (world, _folder) = small(|_| {}).await;
    let script = Script::parse(include_str!("../../../../../drills/expired-name.drill")).unwrap();
    for step in &script.steps {
        if let Step::Act { act, .. } = step {
            world.act(act).await.unwrap_or_else(|error| panic!("{act}: {error}"));
        }
    }
    for act in [Act::Hold, Act::PhoneFails, Act::PhoneHangs, Act::PhoneWorks] {
        world.act(&act).await.unwrap();
    }
    let witness = world.witness();
    assert_eq!((witness.asked, witness.keys.len()), (None, 0));
    assert_eq!(witness.caches_expire_at, world.cached_until());
}

#[tokio::test]
async fn its_config_is_sound() {
    let (world, folder) = small(|_| {}).await;
    let text = world.config_toml(&folder.path().join("data"), "127.0.0.1:18080".parse().unwrap());
    let read =
        config::read(&text, "mainstay.toml", folder.path()).unwrap_or_else(|p| panic!("{p:?}\n{text}"));
    assert_eq!(read.config.services.len(), 3);
    assert_eq!(read.config.dns.port, world.root().port);
    assert!(read.config.probes.len() >= 7, "{:?}", read.config.probes.keys());
    assert!(read.config.domains.len() < 3);
}
