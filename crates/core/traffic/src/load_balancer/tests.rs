//! Unit test of retries during an overload; it sets the private state of the load balancer.

use super::*;

/// Three servers, and twelve clients that are asked for.
fn balancer() -> (LoadBalancer, Vec<Permit>) {
    let servers = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"];
    let pool = config::Pool { initial_concurrency: 12, ..testkit::edge::pool("api", &servers) };
    let mut balancer = LoadBalancer::new(&pool, Tick(0), 5);
    let permits = (0..12).map(|client| {
        let arrival = Arrival {
            class: Class::Recognized,
            client,
            subnet: client,
            own: false,
            deadline: Duration::from_secs(1),
        };
        match balancer.arrive(Tick(0), arrival) {
            Admission::Go(permit) => permit,
            other => panic!("{other:?}"),
        }
    });
    let permits = permits.collect();
    (balancer, permits)
}

/// On trial the pool's limit is low while nothing is known against the servers.
#[test]
fn retry_keeps_its_place_until_overload_is_known() {
    let until = Tick(2_000_000);
    let table = [
        (Overload::Calm, true),
        (Overload::Trial(until), true),
        (Overload::Known { since: Tick(0), until }, false),
    ];
    for (overload, granted) in table {
        let (mut balancer, mut permits) = balancer();
        balancer.overload = overload;
        balancer.concurrency = Concurrency::new(4, Tick(0));
        let (failed, first) = (permits.pop().unwrap(), Tick(1_000));
        assert_eq!(balancer.may_retry(&failed), granted, "{overload:?}");
        let before = failed.server();
        let again = balancer.retry(first, failed, Outcome::Failed(Failure::Reset));
        assert_eq!(again.is_some(), granted, "{overload:?}");
        assert!(again.as_ref().is_none_or(|again| again.server() != before));
        for permit in permits.into_iter().chain(again) {
            balancer.done(first, permit, Outcome::Left);
        }
        assert_eq!(balancer.inflight, 0);
    }
}
