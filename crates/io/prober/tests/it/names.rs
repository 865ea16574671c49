//! From a name to its addresses, at resolvers that are honest, broken or hostile.

use crate::config;
use crate::dns_world::{self as world, Behave, Net, Via, a, cname, listen, packet, reply, silent};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use prober::Names;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use types::Fault;

/// Ranges that stand for public addresses here. Nothing connects to them.
const DOCUMENTATION: [&str; 2] = ["192.0.2.0/24", "2001:db8::/32"];

fn names(net: &Net, places: &[&str], inner: &[&str]) -> Names {
    let mut config = config::bare();
    config.dns.resolvers = places.iter().map(|place| net.at(place)).collect();
    config.site.allow_private = DOCUMENTATION.iter().chain(inner).map(|net| net.parse().unwrap()).collect();
    Names::new(&config)
}

async fn described(names: &Names, host: &str) -> String {
    match names.look_up(host).await {
        Ok(found) => found.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" "),
        Err(fault) => fault.to_string().replace(|c: char| c.is_ascii_digit(), "#"),
    }
}

#[tokio::test]
async fn a_name_leads_to_its_addresses_or_to_the_reason_why_not() {
    let records = vec![
        a("both.acme.test", "192.0.2.1"),
        a("both.acme.test", "2001:db8::1"),
        a("six.acme.test", "2001:db8::6"),
        cname("alias.acme.test", "both.acme.test"),
        cname("dangling.acme.test", "nowhere.acme.test"),
        cname("circle.acme.test", "round.acme.test"),
        cname("round.acme.test", "circle.acme.test"),
        a("inner.acme.test", "192.0.2.7"),
        a("inner.acme.test", "10.0.0.7"),
        a("only-inner.acme.test", "10.0.0.7"),
        a("mapped.acme.test", "::ffff:127.0.0.1"),
    ];
    let net = listen(vec![("127.0.0.1", world::resolver(records))]).await;
    let names = names(&net, &["127.0.0.1"], &[]);
    for (host, expected) in [
        ("both.acme.test", "192.0.2.1 2001:db8::1"),
        ("BOTH.Acme.test.", "192.0.2.1 2001:db8::1"),
        ("six.acme.test", "2001:db8::6"),
        ("alias.acme.test", "192.0.2.1 2001:db8::1"),
        ("gone.acme.test", "does not resolve: no such name or no address"),
        ("dangling.acme.test", "does not resolve: no such name or no address"),
        ("not a name..", "does not resolve: no such name or no address"),
        ("circle.acme.test", "cannot be resolved: the CNAME records of circle.acme.test lead in a circle"),
        ("inner.acme.test", "192.0.2.7"),
        (
            "only-inner.acme.test",
            "resolves to the private address ##.#.#.#, which `site.allow_private` does not include",
        ),
        (
            "mapped.acme.test",
            "resolves to the private address ::ffff:###.#.#.#, which `site.allow_private` does not include",
        ),
        (
            "localhost",
            "resolves to the private address ###.#.#.#, which `site.allow_private` does not include",
        ),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
    ] {
        assert_eq!(described(&names, host).await, expected, "{host}");
    }
    assert_eq!(names.alias("Alias.acme.test").as_deref(), Some("both.acme.test"));
    assert_eq!(names.alias("both.acme.test"), None);
}

#[tokio::test]
async fn inner_addresses_that_the_config_allows_are_fine() {
    let net = listen(vec![("127.0.0.1", world::resolver(vec![a("db.acme.test", "10.0.0.7")]))]).await;
    let names = names(&net, &["127.0.0.1"], &["10.0.0.0/24"]);
    assert_eq!(described(&names, "db.acme.test").await, "10.0.0.7");
    assert!(names.allows("10.0.0.9".parse().unwrap()) && !names.allows("10.0.1.9".parse().unwrap()));
}

#[tokio::test]
async fn a_failing_ipv6_does_not_fail_a_name_that_has_ipv4() {
    let honest = world::resolver(vec![a("both.acme.test", "192.0.2.1")]);
    let half = |other: Behave| -> Behave {
        let honest = Arc::clone(&honest);
        Arc::new(move |question, via| {
            let six = question.queries[0].query_type() == RecordType::AAAA;
            if six { other(question, via) } else { honest(question, via) }
        })
    };
    let net =
        listen(vec![("127.0.0.1", half(world::code(ResponseCode::ServFail))), ("127.0.0.2", half(silent()))])
            .await;
    for place in ["127.0.0.1", "127.0.0.2"] {
        let names = names(&net, &[place], &[]);
        assert_eq!(described(&names, "both.acme.test").await, "192.0.2.1", "{place}");
    }
}

#[tokio::test]
async fn next_resolver_is_queried_when_one_fails_and_the_last_reason_is_reported() {
    let net = listen(vec![
        ("127.0.0.1", silent()),
        ("127.0.0.2", world::code(ResponseCode::ServFail)),
        ("127.0.0.3", world::resolver(vec![a("www.acme.test", "192.0.2.1")])),
    ])
    .await;
    let good = names(&net, &["127.0.0.1", "127.0.0.2", "127.0.0.3"], &[]);
    assert_eq!(described(&good, "www.acme.test").await, "192.0.2.1");
    let bad = names(&net, &["127.0.0.1"], &[]);
    let said = described(&bad, "www.acme.test").await;
    assert!(
        said.starts_with("cannot be resolved: the resolver") && said.ends_with("does not answer"),
        "{said}"
    );
    let bad = names(&net, &["127.0.0.2"], &[]);
    let said = described(&bad, "www.acme.test").await;
    assert!(said.ends_with("fails (SERVFAIL)"), "{said}");
}

#[tokio::test]
async fn a_truncated_answer_is_fetched_over_tcp_and_an_old_server_without_the_extension() {
    let honest = world::resolver(vec![a("www.acme.test", "192.0.2.1")]);
    let cutting: Behave = {
        let honest = Arc::clone(&honest);
        Arc::new(move |question, via| match via {
            Via::Tcp => honest(question, via),
            Via::Udp => {
                let mut cut = reply(question);
                cut.metadata.truncation = true;
                packet(&cut)
            }
        })
    };
    let old: Behave = Arc::new(move |question, via| {
        let refuse = world::code(ResponseCode::FormErr);
        if question.edns.is_some() { refuse(question, via) } else { honest(question, via) }
    });
    let net = listen(vec![("127.0.0.1", cutting), ("127.0.0.2", old)]).await;
    for place in ["127.0.0.1", "127.0.0.2"] {
        assert_eq!(described(&names(&net, &[place], &[]), "www.acme.test").await, "192.0.2.1", "{place}");
    }
}

#[tokio::test]
async fn forged_answers_are_passed_over_and_the_true_one_counts() {
    let honest = world::resolver(vec![a("www.acme.test", "192.0.2.1")]);
    let forged = world::resolver(vec![a("www.acme.test", "203.0.113.66")]);
    let flooded: Behave = Arc::new(move |question, via| {
        let mut strange = question.clone();
        strange.metadata.id = question.metadata.id.wrapping_add(1);
        let mut packets = forged(&strange, via);
        strange.metadata.id = question.metadata.id;
        strange.queries[0].set_name(world::name("other.acme.test"));
        packets.extend(forged(&strange, via));
        packets.push(b"no".to_vec());
        packets.extend(honest(question, via));
        packets
    });
    let lying: Behave = Arc::new(|question, _| {
        let mut reply = reply(question);
        reply.metadata.id = question.metadata.id.wrapping_add(7);
        packet(&reply)
    });
    let net = listen(vec![("127.0.0.1", flooded), ("127.0.0.2", lying)]).await;
    assert_eq!(described(&names(&net, &["127.0.0.1"], &[]), "www.acme.test").await, "192.0.2.1");
    let said = described(&names(&net, &["127.0.0.2"], &[]), "www.acme.test").await;
    assert!(said.ends_with("answers with garbage: answers with the id of another question"), "{said}");
}

#[tokio::test]
async fn lookups_of_one_name_that_overlap_are_asked_once_and_nothing_is_kept() {
    let asked = Arc::new(AtomicUsize::new(0));
    let honest = world::resolver(vec![a("www.acme.test", "192.0.2.1")]);
    let counting: Behave = {
        let asked = Arc::clone(&asked);
        Arc::new(move |question, via| {
            asked.fetch_add(1, Ordering::SeqCst);
            honest(question, via)
        })
    };
    let net = listen(vec![("127.0.0.1", counting)]).await;
    let names = names(&net, &["127.0.0.1"], &[]);
    let all = (0..50).map(|_| names.look_up("www.acme.test"));
    let found = futures_util::future::join_all(all).await;
    assert!(found.iter().all(|found| found.as_ref().is_ok_and(|found| found.len() == 1)));
    assert_eq!(asked.load(Ordering::SeqCst), 2, "one question for each family");
    names.look_up("www.acme.test").await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 4, "a later lookup asks afresh");
}

#[tokio::test]
async fn a_lookup_given_up_by_one_goes_on_for_the_others() {
    let net = listen(vec![("127.0.0.1", silent())]).await;
    let names = Arc::new(names(&net, &["127.0.0.1"], &[]));
    let first = tokio::spawn({
        let names = Arc::clone(&names);
        async move { names.look_up("www.acme.test").await }
    });
    let second = tokio::spawn({
        let names = Arc::clone(&names);
        async move { names.look_up("www.acme.test").await }
    });
    tokio::task::yield_now().await;
    first.abort();
    assert!(matches!(second.await.unwrap(), Err(Fault::NameUnanswered { .. })));
}
