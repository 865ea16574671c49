//! STARTTLS, TLS and sign-in with a real SMTP server.

use crate::instance::until;
use crate::relay::{ACCOUNT, PASSWORD, Relay, Tls};
use notify::Outlet;
use std::fs;
use std::path::Path;
use subscribers::{Answer, Mail};
use types::Time;
use types::config::ChannelKind;

/// An outlet to a relay, by the configuration of a team. The name of the relay is replaced by its address: a name that leads to
/// this machine, other than `localhost`, is not on every machine.
fn outlet(relay: &Relay, scheme: &str, certificate: &Path, password: &Path) -> Outlet {
    let text = format!(
        r#"
[site]
name = "Test"
url = "https://status.acme.net"
extra_ca_files = ["{}"]
[status_page]
subscribers = {{ mail = "mail" }}
[channel.mail]
smtp = "{scheme}://{ACCOUNT}@relay.acme.net:{}"
from = "Acme status <status@acme.net>"
secret = "file:{}"
"#,
        certificate.display(),
        relay.address.port(),
        password.display()
    );
    let mut config = config::read(&text, "mainstay.toml", Path::new("/")).unwrap().config;
    for channel in config.channels.values_mut() {
        let ChannelKind::Mail { server, .. } = &mut channel.kind else { continue };
        server.host = "127.0.0.1".to_owned();
    }
    Outlet::new(&config).unwrap()
}

fn secret(folder: &Path, text: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join("password");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn send(outlet: &Outlet) -> Answer {
    let mail = Mail {
        subject: "Investigating: Sign-in is failing".to_owned(),
        text: "Sign-in is failing.".to_owned(),
        html: "<p>Sign-in is failing.</p>".to_owned(),
        id: "update-1.1".to_owned(),
        thread: None,
        unsubscribe: Some("https://status.acme.net/subscriptions/T/unsubscribe".to_owned()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let sending = outlet.mail("ana@example.com", &mail, Time::UNIX_EPOCH, std::future::ready(true));
    runtime.block_on(sending).unwrap()
}

#[test]
fn mail_is_encrypted_and_signed_in_with_both_kinds_of_tls() {
    let folder = tempfile::tempdir().unwrap();
    let password = secret(folder.path(), PASSWORD);
    for (scheme, tls) in [("smtp", Tls::Offered), ("smtps", Tls::FromStart)] {
        let relay = Relay::secure(tls);
        let answer = send(&outlet(&relay, scheme, &relay.certificate(), &password));
        assert_eq!(answer, Answer::Accepted, "{scheme}: {}", relay.log());
        let mail = until("the mail", || relay.delivered().pop());
        // RFC 3848: extended SMTP with TLS (s) and sign-in (a).
        assert!(mail.header("Received").contains("esmtpsa"), "{scheme}: {}", mail.text);
        assert!(relay.log().contains(&format!("A=plain:{ACCOUNT}")), "{scheme}: {}", relay.log());
    }
}

#[test]
fn wrong_password_unknown_certificate_and_plain_text_send_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (right, other) = (Relay::secure(Tls::Offered), Relay::secure(Tls::Offered));
    let plain = Relay::secure(Tls::None);
    let password = secret(folder.path(), PASSWORD);
    for (relay, certificate, why) in [
        // The relay has another certificate than the one that is trusted.
        (&right, other.certificate(), "certificate"),
        // It offers no STARTTLS: the password is not sent in plain text.
        (&plain, plain.certificate(), "STARTTLS"),
    ] {
        let answer = send(&outlet(relay, "smtp", &certificate, &password));
        let Answer::Unavailable(said) = answer else { panic!("{why}: {answer:?}") };
        assert!(said.contains(why), "{said}");
        assert!(!relay.log().contains("plain authenticator"), "{}", relay.log());
    }
    let wrong = secret(folder.path(), "wrong");
    let answer = send(&outlet(&right, "smtp", &right.certificate(), &wrong));
    let Answer::Unavailable(said) = answer else { panic!("{answer:?}") };
    assert!(said.contains("535") && !said.contains("wrong"), "{said}");
    until("the refusal in the log", || right.log().contains("authenticator failed").then_some(()));
    assert_eq!(right.count() + other.count() + plain.count(), 0);
}
