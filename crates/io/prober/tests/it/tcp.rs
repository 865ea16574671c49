//! Does anybody accept a connection?

use crate::{config, server};
use prober::Prober;
use types::AddressSeen;
use types::config::ProbeKind;
use types::fault::Fault;
use types::probe_result::{Answer, ProbeResult};

async fn ask(host: &str, port: u16) -> ProbeResult {
    let mut config = config::bare();
    config.site.allow_private.push("::1/128".parse().unwrap());
    let probe = config::probe("tcp", ProbeKind::Tcp { host: host.to_owned(), port });
    Prober::new(&config).unwrap().run(&probe).await
}

#[tokio::test]
async fn who_accepts_is_told() {
    let address = server::listen(|stream| async move { drop(stream) }).await;
    let by_name = ask("db.localhost", address.port()).await;
    assert_eq!(by_name.answer, Answer::Tcp { address });
    assert!(by_name.phases.dns.is_some() && by_name.phases.connect.is_some(), "{:?}", by_name.phases);

    let by_address = ask("127.0.0.1", address.port()).await;
    assert_eq!(by_address.answer, Answer::Tcp { address });
    assert_eq!(by_address.addresses, [AddressSeen { address: address.ip(), fault: None }]);
    assert!(by_address.phases.dns.is_none(), "an address needs no looking up");
}

#[tokio::test]
async fn nobody_is_refused() {
    let (_refuses, nobody) = server::nobody();
    let sample = ask("127.0.0.1", nobody.port()).await;
    assert_eq!(sample.answer, Answer::Failed(Fault::Refused));
    let seen = AddressSeen { address: nobody.ip(), fault: Some(Fault::Refused) };
    assert_eq!(sample.addresses, [seen], "the address that failed comes along");
}

#[tokio::test]
async fn an_address_written_in_the_config_was_meant() {
    let address = server::listen(|stream| async move { drop(stream) }).await;
    let mut config = config::bare();
    config.site.allow_private.clear();
    let prober = Prober::new(&config).unwrap();
    for (host, allowed) in [("127.0.0.1", true), ("db.localhost", false)] {
        let probe = config::probe("tcp", ProbeKind::Tcp { host: host.to_owned(), port: address.port() });
        let sample = prober.run(&probe).await;
        assert_eq!(matches!(sample.answer, Answer::Tcp { .. }), allowed, "{sample:?}");
        assert_eq!(
            matches!(sample.answer, Answer::Failed(Fault::PrivateAddress { .. })),
            !allowed,
            "{sample:?}"
        );
    }
}
