//! Pools behind other load balancers.

use crate::{problems, valid};
use insta::assert_snapshot;
use types::config::{BalancerAddress, BalancerKind, ProbeKind, SecretRef};
use types::{PoolId, ProbeId, Resource};

const SERVICE: &str = "[service.api]\nhosts = [\"api.acme.com\"]\ndepends_on = [\"pool.api\"]\n[pool.api]\n";

#[test]
fn pool_is_asked_and_the_hosts_of_its_service_depend_on_it() {
    let config = valid(&format!(
        "{SERVICE}from = \"kubernetes:https://10.0.0.1:6443\"\nbackend = \"shop/api\"\nmin_healthy = 4\ntoken = \"env:TOKEN\"\n\
         ca_file = \"ca.pem\"\nmembers = [\"b\", \"a\", \"b\"]\n"
    ))
    .config;
    assert!(config.pools.is_empty(), "the edge has no such pool");
    let pool = &config.external_pools[&PoolId::from("api")];
    assert_eq!(pool.balancer.kind, BalancerKind::Kubernetes);
    assert_eq!(pool.balancer.at, BalancerAddress::Url("https://10.0.0.1:6443".into()));
    assert_eq!(pool.balancer.token, Some(SecretRef::Env("TOKEN".into())));
    assert_eq!(
        (pool.backend.as_deref(), pool.min_healthy, pool.members.len()),
        (Some("shop/api"), Some(4), 2)
    );
    let probe = &config.probes[&ProbeId::from("pool.api")];
    assert_eq!(probe.kind, ProbeKind::Pool { name: "api".into() });
    assert_eq!((probe.about.clone(), probe.interval.as_secs()), (Resource::pool("api"), 2));
    for above in [Resource::service("api"), Resource::host("api.acme.com")] {
        assert!(config.graph.depends_directly_on(&above, &Resource::pool("api")), "{above}");
    }
}

#[test]
fn keys_that_do_not_fit_together_are_reported() {
    let table = [
        "from = \"haproxy:http://ana:hunter2@10.0.0.2/stats;csv\"",
        "from = \"nginx:http://10.0.0.2/api\"",
        "from = \"haproxy:http://10.0.0.2/stats;csv\"\nservers = [\"10.0.0.1:80\"]\nhealth = { path = \"/\" }",
        "from = \"prometheus:http://10.0.0.2/metrics\"\nbackend = \"api\"",
        "from = \"haproxy:unix:/run/haproxy.sock\"\nlogin = \"env:LOGIN\"\nca_file = \"ca.pem\"\nmetric = \"up\"",
        "from = \"kubernetes:http://10.0.0.2\"\ntoken = \"env:TOKEN\"",
        "from = \"envoy:http://10.0.0.2\"\ntoken = \"env:TOKEN\"\nlogin = \"env:LOGIN\"",
        "backend = \"api\"",
    ];
    let said: Vec<String> = table.iter().map(|keys| problems(&format!("{SERVICE}{keys}\n"))).collect();
    let said = said.join("\n--\n");
    assert!(!said.contains("hunter2"), "{said}");
    assert_snapshot!(said);
}
