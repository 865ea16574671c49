//! Parsing of the monitored parts of an X.509 certificate. RFC 5280.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use text::{escape, hex};
use types::Time;
use types::probe_result::Certificate;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name};

/// RSA keys below this many bits are weak, as browsers and CAs have held since 2014.
const RSA_BITS_MIN: usize = 2048;
/// Elliptic curves below this many bits are weak.
const EC_BITS_MIN: usize = 256;

/// One certificate as served.
#[derive(Clone, Debug)]
pub(super) struct ParsedCertificate {
    /// Its reported fields.
    pub(super) reported: Certificate,
    /// Subject as encoded; two names are one when their bytes are.
    pub(super) subject: Vec<u8>,
    /// Issuer as encoded.
    pub(super) issuer: Vec<u8>,
    /// Serial number as encoded, sign byte included.
    pub(super) serial: Vec<u8>,
    /// Common name of the subject: reported for a certificate without alternative names.
    pub(super) common_name: Option<String>,
    /// Whether its key is too weak.
    pub(super) weak: bool,
}

impl ParsedCertificate {
    /// Whether it names itself as its issuer.
    pub(super) fn self_issued(&self) -> bool {
        self.subject == self.issuer
    }
}

/// Reads one certificate; `None` when it is not one.
pub(super) fn read(der: &[u8]) -> Option<ParsedCertificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let (key, weak) = key(certificate.public_key());
    Some(ParsedCertificate {
        reported: Certificate {
            subject: rfc4514(certificate.subject()),
            issuer: rfc4514(certificate.issuer()),
            names: names(&certificate),
            not_before: time(certificate.validity().not_before.timestamp()),
            not_after: time(certificate.validity().not_after.timestamp()),
            key,
        },
        subject: certificate.subject().as_raw().to_vec(),
        issuer: certificate.issuer().as_raw().to_vec(),
        serial: certificate.raw_serial().to_vec(),
        common_name: certificate
            .subject()
            .iter_common_name()
            .next()
            .and_then(|name| name.as_str().ok())
            .map(|name| escape::hidden(name).into_owned()),
        weak,
    })
}

/// An instant; the end of time for a date that no calendar holds.
fn time(seconds: i64) -> Time {
    Time::from_second(seconds).unwrap_or(if seconds < 0 { Time::MIN } else { Time::MAX })
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    extension
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(escape::hidden(name).into_owned()),
            GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
            _ => None,
        })
        .collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(|four| IpAddr::V4(Ipv4Addr::from(four)))
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(|sixteen| IpAddr::V6(Ipv6Addr::from(sixteen))))
        .ok()
}

/// Kind and size of a key, and whether that is too weak.
fn key(info: &SubjectPublicKeyInfo<'_>) -> (String, bool) {
    match info.parsed() {
        Ok(PublicKey::RSA(rsa)) => {
            let leading = rsa.modulus.iter().take_while(|byte| **byte == 0).count();
            let bits = 8 * (rsa.modulus.len() - leading);
            (format!("RSA {bits}"), bits < RSA_BITS_MIN)
        }
        Ok(PublicKey::EC(point)) => {
            let curve = info.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
            let known = curve.map(|oid| oid.to_id_string()).and_then(|oid| curve_of(&oid));
            let (name, bits) = known
                .map_or_else(|| (point.key_size().to_string(), point.key_size()), |(n, b)| (n.into(), b));
            (format!("EC {name}"), bits < EC_BITS_MIN)
        }
        Ok(PublicKey::DSA(_)) => ("DSA".to_owned(), true),
        _ => match info.algorithm.algorithm.to_id_string().as_str() {
            "1.3.101.112" => ("Ed25519".to_owned(), false),
            "1.3.101.113" => ("Ed448".to_owned(), false),
            other => (format!("key of kind {other}"), false),
        },
    }
}

fn curve_of(oid: &str) -> Option<(&'static str, usize)> {
    Some(match oid {
        "1.2.840.10045.3.1.1" => ("P-192", 192),
        "1.3.132.0.33" => ("P-224", 224),
        "1.2.840.10045.3.1.7" => ("P-256", 256),
        "1.3.132.0.10" => ("secp256k1", 256),
        "1.3.132.0.34" => ("P-384", 384),
        "1.3.132.0.35" => ("P-521", 521),
        _ => return None,
    })
}

/// A distinguished name as RFC 4514 writes it: most specific part first.
fn rfc4514(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    let parts: Vec<_> = name.iter().collect();
    for (place, part) in parts.iter().rev().enumerate() {
        for (inner, attribute) in part.iter().enumerate() {
            if inner > 0 {
                text.push('+');
            } else if place > 0 {
                text.push(',');
            }
            let oid = attribute.attr_type().to_id_string();
            match (short(&oid), attribute.as_str()) {
                (Some(word), Ok(value)) => {
                    text.push_str(word);
                    text.push('=');
                    push_escaped(&mut text, value);
                }
                (_, Ok(value)) => {
                    text.push_str(&oid);
                    text.push('=');
                    push_escaped(&mut text, value);
                }
                (_, Err(_)) => {
                    text.push_str(&oid);
                    text.push_str("=#");
                    text.push_str(&hex::encode(attribute.as_slice()));
                }
            }
        }
    }
    text
}

/// Short words for attribute types: those of RFC 4514, section 3, and the e-mail address of old certificates.
fn short(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return None,
    })
}

fn push_escaped(text: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (place, letter) in value.chars().enumerate() {
        let special = matches!(letter, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
            || (letter == '#' && place == 0)
            || (letter == ' ' && (place == 0 || place == last));
        if letter.is_control() {
            let mut bytes = [0; 4];
            for byte in letter.encode_utf8(&mut bytes).bytes() {
                let _ = write!(text, "\\{byte:02x}");
            }
        } else {
            if special {
                text.push('\\');
            }
            text.push(letter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn made(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["acme.com".to_owned()]).unwrap();
        change(&mut params);
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn names_and_keys_are_reported() {
        let der = made(|params| {
            params.subject_alt_names.push(rcgen::SanType::IpAddress("10.0.0.1".parse().unwrap()));
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(rcgen::DnType::CountryName, "EE");
            params.distinguished_name.push(rcgen::DnType::OrganizationName, "Acme, \"Inc\"");
            params.distinguished_name.push(rcgen::DnType::CommonName, "#acme.com");
        });
        let read = read(&der).unwrap();
        insta::assert_snapshot!(read.reported.subject, @r#"CN=\#acme.com,O=Acme\, \"Inc\",C=EE"#);
        assert_eq!(read.reported.names, ["acme.com", "10.0.0.1"]);
        assert_eq!(read.reported.key, "EC P-256");
        assert!(read.self_issued() && !read.weak);
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        let mut text = String::new();
        push_escaped(&mut text, "a\u{1b}[31mb");
        assert_eq!(text, "a\\1b[31mb");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = read(&bytes);
        }

        #[test]
        fn no_broken_certificate_panics(place in 0usize..1000, flip in 1u8.., cut in 0usize..1000) {
            static DER: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
            let mut der = DER.get_or_init(|| made(|_| {})).clone();
            let place = place % der.len();
            der[place] ^= flip;
            let _ = read(&der);
            der.truncate(cut % der.len());
            let _ = read(&der);
        }
    }
}
