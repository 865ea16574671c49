//! `[notices]`: the team as a recipient.

use crate::{problems, valid, warnings};
use insta::assert_snapshot;
use jiff::civil::time;
use types::config::Notices;
use types::notification::Contact;

const CHANNELS: &str = r#"
[channel.chat]
webhook = "https://chat.acme.net/hook"
secret = "env:CHAT_KEY"
[channel.ntfy]
ntfy = "https://ntfy.sh"
[channel.mail]
smtp = "smtps://relay.acme.net"
from = "ops@acme.net"
"#;

fn contact(text: &str) -> Contact {
    let (channel, address) = text.split_once(':').unwrap_or((text, ""));
    Contact { channel: channel.into(), address: address.to_owned() }
}

fn with(section: &str) -> String {
    format!("{CHANNELS}[notices]\n{section}\n")
}

#[test]
fn section_is_read_with_its_defaults() {
    let usual = Notices {
        to: vec![contact("chat:ops")],
        digest: Some(time(8, 30, 0, 0)),
        digest_without_news: false,
        hourly: true,
        quiet_hours: None,
    };
    let every_key = "to = [\"chat:ops\", \"ntfy:ops\", \"mail:team@acme.net\"]\ndigest = \"07:00\"\n\
                     digest_without_news = true\nhourly = false\nquiet_hours = \"22:00-07:00\"";
    for (section, expected) in [
        ("to = [\"chat:ops\"]", usual.clone()),
        ("to = [\"chat:ops\"]\ndigest = false", Notices { digest: None, ..usual.clone() }),
        (
            every_key,
            Notices {
                to: vec![contact("chat:ops"), contact("ntfy:ops"), contact("mail:team@acme.net")],
                digest: Some(time(7, 0, 0, 0)),
                digest_without_news: true,
                hourly: false,
                quiet_hours: Some((time(22, 0, 0, 0), time(7, 0, 0, 0))),
            },
        ),
    ] {
        assert_eq!(valid(&with(section)).config.notices, Some(expected), "{section}");
    }
    assert_eq!(valid(CHANNELS).config.notices, None);
}

#[test]
fn invalid_notices_are_reported() {
    assert_snapshot!(problems(&with("")), @r#"mainstay.toml:10:1: notices lacks `to` (for example: to = ["ntfy:acme-ops"])"#);
    assert_snapshot!(problems(&with("to = []\ndigest = true\nquiet_hours = \"22:00-22:00\"\nhourly = \"yes\"")), @r#"
    mainstay.toml:11:6: `to` is empty (for example: to = ["ntfy:acme-ops"])
    mainstay.toml:12:10: `true` is not a time of day (for example: digest = "08:30")
    mainstay.toml:13:15: it begins and ends at the same time (leave `quiet_hours` out to send notices at any hour)
    mainstay.toml:14:10: `hourly` must be true or false, not text (for example: hourly = false)
    "#);
    assert_snapshot!(problems(&with("to = \"chat:ops\"\ndigest = \"8:30\"")), @r#"
    mainstay.toml:11:6: `to` must be a list, each a contact, CHANNEL:ADDRESS: "ntfy:ana", not text (write it as a list: to = ["chat:ops"])
    mainstay.toml:12:10: `8:30` is not a time of day (for example: digest = "08:30")
    "#);
    assert_snapshot!(
        problems(&with("to = [\"caht:ops\", \"call:+3725550100\", \"ntfy:a b\", \"mail:ops\"]")),
        @r#"
    mainstay.toml:11:7: unknown channel `caht` (did you mean `chat`?)
    mainstay.toml:11:19: notices wake no one: `call` rings a phone (a chat, an ntfy topic, a webhook or a mailing list: to = ["chat:ops"])
    mainstay.toml:11:39: `a b` is not an ntfy topic (letters, digits, - and _ after the colon: "ntfy:ana")
    mainstay.toml:11:51: `ops` is not an e-mail address (for example: "mail:ana@acme.net")
    "#
    );
    assert_snapshot!(problems(&with("to = [\"chat:ops\", \"ntfy:ops\", \"chat:ops\"]")), @r#"mainstay.toml:11:31: `chat:ops` is in `to` twice (remove one of them)"#);
    assert_snapshot!(
        problems(&with("to = [\"chat:ops\"]\ndigest = \"06:30\"\nquiet_hours = \"22:00-07:00\"")),
        @r#"mainstay.toml:12:1: the digest at 06:30 is within the quiet hours (a time from 07:00 on: digest = "07:00")"#
    );
    assert_snapshot!(problems(&with("to = [\"chat:ops\"]\nquiet_hours = \"08:00-09:00\"")), @r#"mainstay.toml:12:1: the digest at 08:30 is within the quiet hours (a time from 09:00 on: digest = "09:00")"#);
    assert_snapshot!(problems(&with("to = [\"chat:ops\"]\ndigest = false\ndigest_without_news = true")), @r#"mainstay.toml:13:1: `digest_without_news` has no effect: there is no digest (give it a time, digest = "08:30", or remove `digest_without_news`)"#);
    assert_snapshot!(problems(&with("to = [\"chat:ops\"]\ndigests = \"08:30\"")), @r#"mainstay.toml:12:1: unknown key `digests` in notices (did you mean `digest`?)"#);
}

#[test]
fn channel_of_the_team_is_used() {
    assert_snapshot!(warnings(&with("to = [\"chat:ops\", \"mail:team@acme.net\"]")), @r#"mainstay.toml:5:10: channel `ntfy` is not used (add it to a person: contacts = ["ntfy:ana"])"#);
}
