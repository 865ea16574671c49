//! Suffixes with registrations outside an ICANN registry: `uk.com`, `co.ua`, `eu.org`.
//!
//! The public suffix list has them in its private part, together with suffixes without registrations (`github.io`). A
//! name below one of these is a registration with an expiry date, name servers and a WHOIS or RDAP server. Further ones
//! can be configured (`registry.suffixes`).

/// Registry of a suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reseller {
    /// The suffix, in lower case without dots around it.
    pub suffix: &'static str,
    /// Whether CentralNic runs it, whose RDAP addresses follow a rule.
    is_centralnic: bool,
    /// The WHOIS server.
    pub whois: &'static str,
}

impl Reseller {
    /// The RDAP base URL.
    #[must_use]
    pub fn rdap(&self) -> Option<String> {
        self.is_centralnic.then(|| format!("https://rdap.centralnic.com/{}/", self.suffix))
    }
}

const CENTRALNIC: [&str; 33] = [
    "ae.org",
    "africa.com",
    "ar.com",
    "br.com",
    "cn.com",
    "co.com",
    "co.nl",
    "co.no",
    "com.de",
    "com.se",
    "de.com",
    "eu.com",
    "gb.com",
    "gb.net",
    "gr.com",
    "hu.com",
    "hu.net",
    "in.net",
    "jp.net",
    "jpn.com",
    "kr.com",
    "mex.com",
    "no.com",
    "qc.com",
    "ru.com",
    "sa.com",
    "se.net",
    "uk.com",
    "uk.net",
    "us.com",
    "uy.com",
    "za.bz",
    "za.com",
];

const OTHERS: [(&str, &str); 10] = [
    ("biz.ua", "whois.biz.ua"),
    ("co.ua", "whois.co.ua"),
    ("com.ru", "whois.flexireg.net"),
    ("eu.org", "whois.eu.org"),
    ("in.ua", "whois.in.ua"),
    ("msk.ru", "whois.flexireg.net"),
    ("pp.ru", "whois.nic.net.ru"),
    ("pp.ua", "whois.pp.ua"),
    ("ru.net", "whois.flexireg.net"),
    ("spb.ru", "whois.flexireg.net"),
];

/// Who sells names below exactly this suffix.
#[must_use]
pub fn of(suffix: &str) -> Option<Reseller> {
    let known = CENTRALNIC.iter().find(|known| **known == suffix);
    let centralnic =
        known.map(|suffix| Reseller { suffix, is_centralnic: true, whois: "whois.centralnic.com" });
    centralnic.or_else(|| {
        let (suffix, whois) = OTHERS.iter().find(|(known, _)| *known == suffix)?;
        Some(Reseller { suffix, is_centralnic: false, whois })
    })
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn resellers_have_their_servers() {
        let uk = of("uk.com").map(|reseller| (reseller.rdap(), reseller.whois));
        assert_eq!(
            uk,
            Some((Some("https://rdap.centralnic.com/uk.com/".to_owned()), "whois.centralnic.com"))
        );
        assert_eq!(
            of("eu.org").map(|reseller| (reseller.rdap(), reseller.whois)),
            Some((None, "whois.eu.org"))
        );
        assert_eq!(of("github.io"), None);
        assert_eq!(of("com"), None);
    }
}
