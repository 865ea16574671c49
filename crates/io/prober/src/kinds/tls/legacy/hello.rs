//! A ClientHello of TLS 1.2, written by hand. RFC 5246, section 7.4.1.2.

use rustls::pki_types::ServerName;

/// The offered versions, suites and groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kinds::tls) enum Offer {
    /// Everything that known servers require.
    All,
    /// Only what the TLS library supports.
    Ours,
}

/// TLS 1.2 suites that the TLS library supports.
pub(super) const OUR_SUITES: [u16; 6] = [0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8];
/// Supported groups: X25519, P-256, P-384.
pub(super) const OUR_GROUPS: [u16; 3] = [0x001d, 0x0017, 0x0018];
/// Supported signatures: ECDSA P-256 and P-384, Ed25519, RSA-PSS and PKCS #1 from SHA-256 on.
const OUR_SIGNATURES: [u16; 9] = [0x0403, 0x0503, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601];

/// Unsupported suites, best first.
pub(super) const OTHER_SUITES: [(u16, &str); 31] = [
    (0xc0ad, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM"),
    (0xc0ac, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"),
    (0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0xccaa, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
    (0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
    (0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    (0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    (0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    (0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    (0x006b, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"),
    (0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"),
    (0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
    (0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384"),
    (0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    (0xc09d, "TLS_RSA_WITH_AES_256_CCM"),
    (0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256"),
    (0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256"),
    (0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"),
    (0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"),
    (0x0084, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA"),
    (0x0041, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA"),
    (0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0005, "TLS_RSA_WITH_RC4_128_SHA"),
    (0x0004, "TLS_RSA_WITH_RC4_128_MD5"),
];
/// P-521, X448, secp256k1, the Brainpool curves, finite fields.
const OTHER_GROUPS: [u16; 8] = [0x0019, 0x001e, 0x0016, 0x001a, 0x001b, 0x001c, 0x0100, 0x0101];
/// ECDSA P-521, Ed448, RSA-PSS with its own keys, SHA-224 and SHA-1.
const OTHER_SIGNATURES: [u16; 9] = [0x0603, 0x0808, 0x0809, 0x080a, 0x080b, 0x0303, 0x0301, 0x0203, 0x0201];

/// A record with the hello.
pub(super) fn write(offer: Offer, name: &ServerName<'_>, random: [u8; 32]) -> Vec<u8> {
    let (mut suites, mut groups, mut signatures) =
        (OUR_SUITES.to_vec(), OUR_GROUPS.to_vec(), OUR_SIGNATURES.to_vec());
    if offer == Offer::All {
        suites.extend(OTHER_SUITES.map(|(suite, _)| suite));
        groups.extend(OTHER_GROUPS);
        signatures.extend(OTHER_SIGNATURES);
    }
    // Whether a renegotiation would be secure: some servers refuse clients without it (RFC 5746).
    suites.push(0x00ff);

    let mut extensions = Vec::new();
    if let ServerName::DnsName(name) = name {
        let entry = [&[0][..], &long(name.as_ref().as_bytes())].concat();
        extensions.extend(extension(0x0000, &long(&entry)));
    }
    extensions.extend(extension(0x000a, &long(&pairs(&groups))));
    extensions.extend(extension(0x000b, &[1, 0]));
    extensions.extend(extension(0x000d, &long(&pairs(&signatures))));
    // Extended master secret (RFC 7627), which some servers insist on.
    extensions.extend(extension(0x0017, &[]));

    let mut hello = vec![3, 3];
    hello.extend(random);
    hello.push(0);
    hello.extend(long(&pairs(&suites)));
    hello.extend([1, 0]);
    hello.extend(long(&extensions));

    let length = u32::try_from(hello.len()).unwrap_or(0).to_be_bytes();
    let message = [&[1][..], &length[1..], &hello].concat();
    [&[22, 3, 1][..], &long(&message)].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &long(data)].concat()
}

fn pairs(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// With its length in two bytes before it. All that is written here is far shorter than that allows.
fn long(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], data].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Our library as the judge of what we write.
    #[test]
    fn a_server_of_our_library_understands_it() {
        for offer in [Offer::All, Offer::Ours] {
            let name = ServerName::try_from("shop.acme.com").unwrap();
            let bytes = write(offer, &name, [7; 32]);
            let mut acceptor = rustls::server::Acceptor::default();
            acceptor.read_tls(&mut bytes.as_slice()).unwrap();
            let accepted =
                acceptor.accept().unwrap_or_else(|(error, _)| panic!("{offer:?}: {error}")).unwrap();
            let hello = accepted.client_hello();
            assert_eq!(hello.server_name(), Some("shop.acme.com"));
            let suites: Vec<u16> = hello.cipher_suites().iter().map(|suite| u16::from(*suite)).collect();
            assert!(OUR_SUITES.iter().all(|suite| suites.contains(suite)));
            assert_eq!(suites.contains(&0xc014), offer == Offer::All);
        }
    }

    /// So that a suite that the library learns is no longer called beyond it.
    #[test]
    fn what_is_called_ours_is_what_the_library_has() {
        let provider = rustls::crypto::ring::default_provider();
        let mut suites: Vec<u16> = provider
            .cipher_suites
            .iter()
            .filter(|suite| suite.tls13().is_none())
            .map(|suite| u16::from(suite.suite()))
            .collect();
        let mut ours = OUR_SUITES.to_vec();
        suites.sort_unstable();
        ours.sort_unstable();
        assert_eq!(suites, ours);
        let groups: Vec<u16> = provider.kx_groups.iter().map(|group| u16::from(group.name())).collect();
        assert_eq!(groups, OUR_GROUPS);
    }
}
