//! Every address behind a name is asked.

use crate::config;
use crate::dns_world::{self as world, a, cname, listen};
use prober::Prober;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use types::config::ProbeKind;
use types::probe_result::{Answer, ProbeResult};

/// Servers on 127.0.0.2 and so on, all on one port; each answers with its status code, and 0 means one that never does.
async fn servers(statuses: &[u16]) -> u16 {
    let first = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = first.local_addr().unwrap().port();
    let mut listeners = vec![first];
    for n in 1..statuses.len() {
        listeners.push(TcpListener::bind(format!("127.0.0.{}:{port}", n + 2)).await.unwrap());
    }
    for (listener, status) in listeners.into_iter().zip(statuses.to_vec()) {
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4096]).await;
                    if status == 0 {
                        std::future::pending::<()>().await;
                    }
                    let head =
                        format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                    let _ = stream.write_all(head.as_bytes()).await;
                });
            }
        });
    }
    port
}

async fn ask(addresses: &[&str], ask: impl Fn(u16) -> ProbeKind, port: u16) -> ProbeResult {
    let mut records: Vec<_> = addresses.iter().map(|address| a("lb.acme.test", address)).collect();
    records.push(cname("www.acme.test", "lb.acme.test"));
    let net = listen(vec![("127.0.0.1", world::resolver(records))]).await;
    let mut config = config::bare();
    config.dns.resolvers = vec![net.at("127.0.0.1")];
    config.site.allow_private.push("fe80::/10".parse().unwrap());
    Prober::new(&config).unwrap().run(&config::probe("x", ask(port))).await
}

fn http(port: u16) -> ProbeKind {
    config::get(format!("http://www.acme.test:{port}/"))
}

fn described(sample: &ProbeResult) -> String {
    let answer = match &sample.answer {
        Answer::Http(seen) => seen.status.to_string(),
        Answer::Tcp { .. } => "open".to_owned(),
        Answer::Failed(fault) => fault.as_str().to_owned(),
        other => format!("{other:?}"),
    };
    let each = sample.addresses.iter().map(|seen| {
        let fault = seen.fault.as_ref().map_or("well", |fault| fault.as_str());
        format!(", {} {fault}", seen.address)
    });
    format!("{answer}{}", each.collect::<String>())
}

#[tokio::test]
async fn localhost_answers_when_one_of_its_addresses_does() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let prober = Prober::new(&config::bare()).unwrap();
    let tcp = config::probe("x", ProbeKind::Tcp { host: "db.localhost".to_owned(), port });
    assert_eq!(described(&prober.run(&tcp).await), "open, 127.0.0.1 well");
    drop(listener);
    assert!(described(&prober.run(&tcp).await).starts_with("refused, 127.0.0.1 refused"));
}

#[tokio::test]
async fn each_address_is_reported_and_a_healthy_one_decides() {
    let port = servers(&[200, 500]).await;
    for (addresses, by_http, by_tcp) in [
        (&["127.0.0.2"][..], "200, 127.0.0.2 well", "open, 127.0.0.2 well"),
        (
            &["127.0.0.2", "127.0.0.3"],
            "200, 127.0.0.2 well, 127.0.0.3 status",
            "open, 127.0.0.2 well, 127.0.0.3 well",
        ),
        (
            &["127.0.0.2", "127.0.0.9"],
            "200, 127.0.0.2 well, 127.0.0.9 refused",
            "open, 127.0.0.2 well, 127.0.0.9 refused",
        ),
        (
            &["127.0.0.8", "127.0.0.9"],
            "refused, 127.0.0.8 refused, 127.0.0.9 refused",
            "refused, 127.0.0.8 refused, 127.0.0.9 refused",
        ),
        (&["127.0.0.2", "fe80::1"], "200, 127.0.0.2 well", "open, 127.0.0.2 well"),
        (
            &["10.1.2.3", "127.0.0.2", "64:ff9b::a00:1"],
            "200, 127.0.0.2 well, 10.1.2.3 private-address, 64:ff9b::a00:1 private-address",
            "open, 127.0.0.2 well, 10.1.2.3 private-address, 64:ff9b::a00:1 private-address",
        ),
        (&["10.1.2.3"], "private-address", "private-address"),
    ] {
        let sample = ask(addresses, http, port).await;
        assert_eq!(described(&sample), by_http);
        assert_eq!(sample.alias.as_deref(), Some("lb.acme.test"));
        assert!(sample.phases.dns.is_some() && !sample.phases.total.is_zero());
        let tcp = |port| ProbeKind::Tcp { host: "www.acme.test".to_owned(), port };
        assert_eq!(described(&ask(addresses, tcp, port).await), by_tcp);
    }
}

#[tokio::test]
async fn an_address_that_never_answers_costs_neither_the_time_limit_nor_the_times_of_the_others() {
    let port = servers(&[200, 0]).await;
    let began = std::time::Instant::now();
    let sample = ask(&["127.0.0.2", "127.0.0.3"], http, port).await;
    assert_eq!(described(&sample), "200, 127.0.0.2 well, 127.0.0.3 unreachable");
    assert!(began.elapsed().as_secs() < 9, "the time limit is ten seconds");
    assert!(sample.phases.total.as_secs() < 3, "{:?}", sample.phases);
}
