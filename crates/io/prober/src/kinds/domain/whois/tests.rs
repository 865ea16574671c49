//! WHOIS texts of the common formats.

use super::*;
use proptest::prelude::*;

const VERISIGN: &str = "\
   Domain Name: ACME.COM\r
   Registry Domain ID: 1_DOMAIN_COM-VRSN\r
   Registrar WHOIS Server: whois.registrar.example\r
   Registrar URL: http://www.registrar.example\r
   Updated Date: 2026-01-02T03:04:05Z\r
   Creation Date: 2001-06-10T12:00:00Z\r
   Registry Expiry Date: 2027-06-10T12:00:00Z\r
   Registrar: Example Registrar, Inc.\r
   Registrar IANA ID: 9999\r
   Domain Status: clientHold https://icann.org/epp#clientHold\r
   Domain Status: autoRenewPeriod https://icann.org/epp#autoRenewPeriod\r
   Name Server: NS1.DNSHOST.EXAMPLE\r
   Name Server: NS2.DNSHOST.EXAMPLE\r
   DNSSEC: unsigned\r
>>> Last update of whois database: 2026-11-22T00:00:00Z <<<\r
\r
NOTICE: The expiration date displayed in this record is the date the registrar's sponsorship expires.\r
";

const RU: &str = "\
% TCI Whois Service. Terms of use:
domain:        ACME.RU
nserver:       ns1.acme.ru. 192.0.2.1, 2001:db8::1
nserver:       ns2.dnshost.example.
state:         REGISTERED, DELEGATED, VERIFIED
org:           Acme
registrar:     EXAMPLE-RU
created:       2001-06-10T12:00:00Z
paid-till:     2027-06-10T21:00:00Z
free-date:     2027-07-12
source:        TCI
";

const EU: &str = "\
% The WHOIS service offered by EURid
Domain: acme.eu
Script: LATIN

Registrant:
        NOT DISCLOSED!
        Visit www.eurid.eu for the web-based WHOIS.

Technical:
        Organisation: Somebody Else
        Language: en

Registrar:
        Name: Example Registrar
        Website: https://registrar.example

Name servers:
        ns1.dnshost.example
        ns2.acme.eu (192.0.2.2)

Please visit www.eurid.eu for more info.
";

const GG: &str = "\
Domain:
     acme.gg

Domain Status:
     Active
     Transfer Prohibited by Registrar

Registrar:
     Example Registrar (http://www.registrar.example)

Relevant dates:
     Registered on 30th April 2003 at 00:00:00.000
     Registry fee due on 30th April each year

Registration status:
     Registered until cancelled

Name servers:
     ns1.dnshost.example
     ns2.dnshost.example
";

const FI: &str = "\
domain.............: acme.fi
status.............: Registered
created............: 1.1.2001 00:00:00
expires............: 10.6.2027 00:00:00

Nameservers

nserver............: ns1.dnshost.example [OK]

Registrar

registrar..........: Example Oy
";

const JP: &str = "\
[ JPRS database provides information on network administration. ]
Domain Information:
[Domain Name]                   ACME.JP
[Registrant]                    Acme
[Name Server]                   ns1.dnshost.example
[Created on]                    2001/06/10
[Expires on]                    2027/06/30
[Status]                        Active
";

const UK_TWO_DATES: &str = "\
Domain name: acme.example
Registrar: Example [Tag = EX]
Expiry date: 10-Jun-2027
Registrar Registration Expiration Date: 2026-12-01T00:00:00Z
Name servers:
    ns1.dnshost.example
";

fn described(text: &str, domain: &str) -> String {
    match read(text, domain) {
        Err(why) => why.to_string(),
        Ok(registration) => {
            let all = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(", ");
            let at = |time: Option<Time>| time.map_or("-".to_owned(), |time| time.to_string());
            format!(
                "{} | {} | {} | {} | {}",
                at(registration.expires),
                all(&registration.statuses),
                all(&registration.name_servers),
                registration.registrar.unwrap_or_default(),
                at(registration.database_updated)
            )
        }
    }
}

#[test]
fn the_common_forms_are_read() {
    let all = [
        described(VERISIGN, "acme.com"),
        described(RU, "acme.ru"),
        described(EU, "acme.eu"),
        described(GG, "acme.gg"),
        described(FI, "acme.fi"),
        described(JP, "acme.jp"),
        described(UK_TWO_DATES, "acme.example"),
    ];
    insta::assert_snapshot!(all.join("\n"), @r"
    2027-06-10T12:00:00Z | auto renew period, client hold | ns1.dnshost.example, ns2.dnshost.example | Example Registrar, Inc. | 2026-11-22T00:00:00Z
    2027-06-10T21:00:00Z | delegated, registered, verified | ns1.acme.ru, ns2.dnshost.example | EXAMPLE-RU | -
    - |  | ns1.dnshost.example, ns2.acme.eu | Example Registrar | -
    - | active, registered until cancelled, transfer prohibited by registrar | ns1.dnshost.example, ns2.dnshost.example | Example Registrar (http://www.registrar.example) | -
    2027-06-10T00:00:00Z | registered | ns1.dnshost.example | Example Oy | -
    2027-06-30T00:00:00Z | active | ns1.dnshost.example |  | -
    2026-12-01T00:00:00Z |  | ns1.dnshost.example | Example [Tag = EX] | -
    ");
}

#[test]
fn missing_entry_and_unreadable_text_differ() {
    let absent = "it has no entry for the domain";
    let useless = "it answers with nothing that can be used";
    for (text, said) in [
        ("No match for \"ACME.COM\".\r\n>>> Last update of whois database: 2026-11-22T00:00:00Z <<<", absent),
        ("Domain: acme.com\nStatus: AVAILABLE\n", absent),
        ("acme.com: no entries found.", absent),
        ("", useless),
        ("Quota exceeded, try again later", useless),
        ("<html><title>hello</title></html>", useless),
        // An answer about another domain.
        ("Domain Name: OTHER.COM\nRegistry Expiry Date: 2027-06-10T12:00:00Z\n", useless),
    ] {
        assert_eq!(described(text, "acme.com"), said, "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(\\PC|[\r\n\t]){0,400}") {
        let _ = read(&text, "acme.com");
    }

    #[test]
    fn no_text_of_its_own_kind_makes_it_panic(
        lines in prop::collection::vec("( {0,4})(Expiry Date|status|nserver|Registrar|\\[Expires on\\])?[:.\\]]{0,3}[ -~é]{0,40}", 0..30),
    ) {
        let _ = read(&lines.join("\n"), "acme.com");
    }
}

#[test]
fn dates_are_found_under_the_keys_of_many_registries() {
    for (text, meant) in [
        (
            "[ JPRS database ]\r\na. [Domain Name]                EXAMPLE.JP\r\n[State]                         Connected (2027/03/31)\r\n",
            "2027-03-31",
        ),
        (
            "[ドメイン名]                    EXAMPLE.JP\n[有効期限]                      2027/03/31\n[状態]                          Active\n",
            "2027-03-31",
        ),
        ("[Domain Name]   EXAMPLE.JP\n[Expires on]    2027/03/31\n[Status]  Active\n", "2027-03-31"),
        ("Domain Name: example.jp\n   Record expires on 2027-03-31 (YYYY-MM-DD)\n", "2027-03-31"),
        ("Domain: example.jp\nExpires (dd/mm/yyyy): 31/03/2027\n", "2027-03-31"),
        ("Le domaine example.jp\nDate d'expiration: 2027-03-31\n", "2027-03-31"),
        ("domain: example.jp\nFecha de vencimiento: 31-03-2027\n", "2027-03-31"),
        ("Domain Name: example.jp\nExp date: 31 Mar 2027\nRegistrar: REDACTED FOR PRIVACY\n", "2027-03-31"),
        ("domain: example.jp\nexpires............: 31.3.2027 00:00:00\n", "2027-03-31"),
    ] {
        let registration = read(text, "example.jp").unwrap();
        assert_eq!(
            registration.expires.map(|at| at.to_string()),
            Some(format!("{meant}T00:00:00Z")),
            "{text}"
        );
    }
    let redacted = "Domain Name: EXAMPLE.JP\nRegistry Expiry Date: REDACTED FOR PRIVACY\nDomain Status: ok\n";
    assert_eq!(read(redacted, "example.jp").unwrap().expires, None);
}
