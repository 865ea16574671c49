//! Verification of a chain as served. Finds every fault, not only the first one.

use super::certificate::{self, ParsedCertificate};
use super::ocsp;
use super::recorder::Presented;
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};
use std::net::SocketAddr;
use std::time::Duration;
use tls_roots::Roots;
use types::Time;
use types::fault::TlsFault;
use types::probe_result::TlsSeen;
use webpki::{EndEntityCert, KeyUsage};

/// Certificates reported of one chain; usual chains have two to four.
const CHAIN_MAX: usize = 16;

/// The verified server: address, name and time.
pub(super) struct Target<'a> {
    pub(super) address: SocketAddr,
    pub(super) name: &'a ServerName<'static>,
    pub(super) said: &'a str,
    pub(super) now: Time,
    pub(super) algorithms: &'a [&'a dyn SignatureVerificationAlgorithm],
}

/// Finds the faults of a presented chain. `unsigned`: the server did not prove possession of the leaf's key.
pub(super) fn verify(roots: &Roots, asked: &Target<'_>, presented: &Presented, unsigned: bool) -> TlsSeen {
    let reads: Vec<Option<ParsedCertificate>> =
        presented.chain.iter().take(CHAIN_MAX).map(|der| certificate::read(der)).collect();
    let mut spare = Vec::new();
    let mut faults = match (presented.chain.split_first(), reads.first()) {
        (Some((leaf, rest)), Some(Some(read))) => {
            let chain: Vec<&ParsedCertificate> = reads.iter().flatten().collect();
            let path = Path { roots, leaf, rest, chain: &chain, algorithms: asked.algorithms };
            let needed = match roots.extra().contains(leaf) {
                true => Some(Vec::new()),
                false => path.best(asked.now),
            };
            // Where no path can be verified, every certificate may be the one that is at fault.
            let counts = |place: usize| {
                place == 0
                    || needed.as_ref().is_none_or(|all| {
                        presented.chain.get(place).is_some_and(|der| all.iter().any(|one| **one == **der))
                    })
            };
            let kept = reads.iter().enumerate().filter(|(_, read)| read.is_some()).map(|(place, _)| place);
            spare =
                kept.enumerate().filter(|(_, place)| !counts(*place)).map(|(offered, _)| offered).collect();
            let used: Vec<&ParsedCertificate> = reads
                .iter()
                .enumerate()
                .filter(|(place, _)| counts(*place))
                .filter_map(|(_, read)| read.as_ref())
                .collect();
            let mut faults = dates(read, asked.now);
            faults.extend(name(leaf, read, asked.name));
            faults.extend(keys(&used));
            if ocsp::says_revoked(&presented.staple, &read.serial) {
                faults.push(TlsFault::Revoked);
            }
            if needed.is_none() {
                faults.extend(path.faults(asked.now, &faults));
            }
            faults
        }
        _ => vec![other("it cannot be read")],
    };
    if unsigned && !faults.iter().any(|fault| matches!(fault, TlsFault::WeakKey { .. })) {
        faults.push(other("the server does not hold its key"));
    }
    // The order of the type is from faults that every client refuses to those that only strict ones refuse.
    faults.sort();
    faults.dedup();
    TlsSeen {
        address: asked.address,
        name: asked.said.to_owned(),
        chain: reads.into_iter().flatten().map(|read| read.reported).collect(),
        faults,
        spare,
        outdated: None,
    }
}

fn other(why: &str) -> TlsFault {
    TlsFault::Other { why: why.to_owned() }
}

fn dates(leaf: &ParsedCertificate, now: Time) -> Vec<TlsFault> {
    let mut faults = Vec::new();
    if now > leaf.reported.not_after {
        faults.push(TlsFault::Expired { since: leaf.reported.not_after });
    }
    if now < leaf.reported.not_before {
        faults.push(TlsFault::NotYetValid { from: leaf.reported.not_before });
    }
    faults
}

fn name(leaf: &CertificateDer<'_>, read: &ParsedCertificate, asked: &ServerName<'_>) -> Option<TlsFault> {
    // A leaf that the verifier cannot parse is a fault of the path.
    let leaf = EndEntityCert::try_from(leaf).ok()?;
    leaf.verify_is_valid_for_subject_name(asked).err()?;
    let mut presented = read.reported.names.clone();
    if presented.is_empty() {
        presented.extend(read.common_name.clone());
    }
    Some(TlsFault::WrongName { presented })
}

/// Weak keys of the served certificates except a root, whose key is not used.
fn keys(chain: &[&ParsedCertificate]) -> Vec<TlsFault> {
    let counts = |(place, read): &(usize, &&ParsedCertificate)| *place == 0 || !read.self_issued();
    chain
        .iter()
        .enumerate()
        .filter(counts)
        .filter(|(_, read)| read.weak)
        .map(|(_, read)| TlsFault::WeakKey { key: read.reported.key.clone() })
        .collect()
}

/// The path from the leaf to a root.
struct Path<'a> {
    roots: &'a Roots,
    leaf: &'a CertificateDer<'a>,
    rest: &'a [CertificateDer<'a>],
    chain: &'a [&'a ParsedCertificate],
    algorithms: &'a [&'a dyn SignatureVerificationAlgorithm],
}

impl Path<'_> {
    /// The faults of the path. The verifier stops at the first invalid date, so it runs again for a time at which the
    /// dates are valid, so that an expired certificate of an unknown authority is reported as both.
    fn faults(&self, now: Time, known: &[TlsFault]) -> Vec<TlsFault> {
        let mut faults = Vec::new();
        let Err(error) = self.verify(now) else { return faults };
        let dated =
            known.iter().any(|f| matches!(f, TlsFault::Expired { .. } | TlsFault::NotYetValid { .. }));
        let error = match error {
            webpki::Error::CertExpired { not_after, .. } => {
                if !dated {
                    faults.push(TlsFault::Expired { since: instant(not_after) });
                }
                let all_valid = self.chain.iter().map(|read| read.reported.not_after).min();
                all_valid.and_then(|at| self.verify(at).err())
            }
            webpki::Error::CertNotValidYet { not_before, .. } => {
                if !dated {
                    faults.push(TlsFault::NotYetValid { from: instant(not_before) });
                }
                let all_valid = self.chain.iter().map(|read| read.reported.not_before).max();
                all_valid.and_then(|at| self.verify(at).err())
            }
            error => Some(error),
        };
        let weak = known.iter().any(|fault| matches!(fault, TlsFault::WeakKey { .. }));
        faults.extend(error.and_then(|error| self.named(&error, weak)));
        faults
    }

    fn verify(&self, at: Time) -> Result<(), webpki::Error> {
        self.through(self.rest, at).map(drop)
    }

    /// The intermediates of the path that is valid for longest; `None` when no path is valid
    /// now. A verifier takes the first path, which may lead over an old cross-signature.
    fn best(&self, now: Time) -> Option<Vec<CertificateDer<'static>>> {
        let mut best = self.through(self.rest, now).ok()?;
        let mut rest = self.rest.to_vec();
        loop {
            let ends = |der: &CertificateDer<'_>| certificate::read(der).map(|read| read.reported.not_after);
            let Some(until) = best.iter().filter_map(ends).min() else { return Some(best) };
            // Each round takes at least one certificate away.
            rest.retain(|der| ends(der).is_some_and(|end| end > until));
            match self.through(&rest, now) {
                Ok(longer) => best = longer,
                Err(_) => return Some(best),
            }
        }
    }

    /// Verifies with these intermediates. Returns the used ones.
    fn through(
        &self,
        rest: &[CertificateDer<'_>],
        at: Time,
    ) -> Result<Vec<CertificateDer<'static>>, webpki::Error> {
        let secs = u64::try_from(at.as_second()).unwrap_or(0);
        let leaf = EndEntityCert::try_from(self.leaf)?;
        let path = leaf.verify_for_usage(
            self.algorithms,
            self.roots.anchors(),
            rest,
            UnixTime::since_unix_epoch(Duration::from_secs(secs)),
            KeyUsage::server_auth(),
            None,
            None,
        )?;
        Ok(path.intermediate_certificates().map(|cert| cert.der().into_owned()).collect())
    }

    fn named(&self, error: &webpki::Error, weak: bool) -> Option<TlsFault> {
        use webpki::Error as E;
        Some(match error {
            // Reported already, or a duplicate under another name.
            E::CertExpired { .. } | E::CertNotValidYet { .. } => return None,
            E::UnknownIssuer | E::CaUsedAsEndEntity => self.rootless(error),
            E::InvalidSignatureForPublicKey
            | E::UnsupportedSignatureAlgorithmContext(_)
            | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
                if weak =>
            {
                return None;
            }
            E::InvalidSignatureForPublicKey => match self.rootless(error) {
                TlsFault::IncompleteChain { .. } => other("its issuer's key did not sign it"),
                fault => fault,
            },
            E::UnsupportedSignatureAlgorithmContext(_)
            | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
            | E::SignatureAlgorithmMismatch => {
                other("it is signed in a way that is no longer accepted, such as SHA-1")
            }
            E::CertDistrusted => other("its key is known to be compromised"),
            E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => {
                other("it is not meant for servers (no serverAuth among its usages)")
            }
            E::NameConstraintViolation => other("an authority above it may not issue for this name"),
            E::PathLenConstraintViolated | E::EndEntityUsedAsCa => {
                other("a certificate above it may not issue certificates")
            }
            E::UnsupportedCertVersion => other("it is older than X.509 version 3"),
            E::UnsupportedCriticalExtension => other("it has an unknown critical extension"),
            E::BadDer | E::BadDerTime | E::TrailingData(_) | E::MalformedExtensions => {
                other("it cannot be read")
            }
            error => TlsFault::Other { why: format!("{error:?}") },
        })
    }

    /// Why there is no path to a root: follows the issuers as far as the served certificates lead.
    fn rootless(&self, error: &webpki::Error) -> TlsFault {
        let Some((leaf, rest)) = self.chain.split_first() else { return other("there is none") };
        if leaf.self_issued() {
            return TlsFault::SelfSigned;
        }
        if *error == webpki::Error::CaUsedAsEndEntity {
            return other("it is the certificate of an authority, not of a server");
        }
        let mut last = leaf;
        // Each step uses another certificate up, so that a circle of cross-signatures ends too.
        for _ in rest {
            match rest.iter().find(|read| read.subject == last.issuer) {
                Some(issuer) if !last.self_issued() => last = issuer,
                _ => break,
            }
        }
        if last.self_issued() {
            TlsFault::UntrustedRoot { root: last.reported.subject.clone() }
        } else {
            TlsFault::IncompleteChain { missing: last.reported.issuer.clone() }
        }
    }
}

fn instant(at: UnixTime) -> Time {
    i64::try_from(at.as_secs()).ok().and_then(|secs| Time::from_second(secs).ok()).unwrap_or(Time::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::OnceLock;

    fn look(chain: Vec<Vec<u8>>, staple: Vec<u8>) -> TlsSeen {
        static ROOTS: OnceLock<Roots> = OnceLock::new();
        let roots = ROOTS.get_or_init(Roots::public);
        let provider = rustls::crypto::ring::default_provider();
        let name = ServerName::try_from("acme.com").unwrap();
        let asked = Target {
            address: "127.0.0.1:443".parse().unwrap(),
            name: &name,
            said: "acme.com",
            now: "2026-11-22T00:00:00Z".parse().unwrap(),
            algorithms: provider.signature_verification_algorithms.all,
        };
        let chain = chain.into_iter().map(CertificateDer::from).collect();
        verify(roots, &asked, &Presented { chain, staple }, false)
    }

    fn chain() -> &'static Vec<Vec<u8>> {
        static CHAIN: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
        CHAIN.get_or_init(|| {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            let root = params.self_signed(&key).unwrap();
            let issuer = rcgen::Issuer::new(params, key);
            let key = rcgen::KeyPair::generate().unwrap();
            let leaf = rcgen::CertificateParams::new(vec!["acme.com".to_owned()]).unwrap();
            let leaf = leaf.signed_by(&key, &issuer).unwrap();
            vec![leaf.der().to_vec(), root.der().to_vec()]
        })
    }

    #[test]
    fn what_cannot_be_read_is_a_fault_and_never_content() {
        for chain in [vec![], vec![vec![]], vec![vec![0x30, 0x82]]] {
            assert_eq!(look(chain, Vec::new()).faults, [other("it cannot be read")]);
        }
    }

    #[test]
    fn a_circle_of_issuers_ends() {
        // Each names the other as its issuer.
        let make = |own: &str, issuer: &str| {
            let named = |name: &str| {
                let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
                params.distinguished_name.push(rcgen::DnType::CommonName, name);
                params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
                params
            };
            let above = rcgen::Issuer::new(named(issuer), rcgen::KeyPair::generate().unwrap());
            named(own).signed_by(&rcgen::KeyPair::generate().unwrap(), &above).unwrap().der().to_vec()
        };
        let leaf = {
            let mut params = rcgen::CertificateParams::new(vec!["acme.com".to_owned()]).unwrap();
            params.distinguished_name.push(rcgen::DnType::CommonName, "acme.com");
            let mut above = rcgen::CertificateParams::new(Vec::new()).unwrap();
            above.distinguished_name.push(rcgen::DnType::CommonName, "one");
            let above = rcgen::Issuer::new(above, rcgen::KeyPair::generate().unwrap());
            params.signed_by(&rcgen::KeyPair::generate().unwrap(), &above).unwrap().der().to_vec()
        };
        let seen = look(vec![leaf, make("one", "two"), make("two", "one")], Vec::new());
        assert!(!seen.faults.is_empty(), "{seen:?}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            chain in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..4),
            staple in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            prop_assert!(!look(chain, staple).faults.is_empty());
        }

        #[test]
        fn no_broken_chain_panics_or_contents(which in 0usize..2, place in 0usize..1000, flip in 1u8..) {
            let mut chain = chain().clone();
            let place = place % chain[which].len();
            chain[which][place] ^= flip;
            // Its root is unknown, so that whatever else is broken it is never content.
            prop_assert!(!look(chain, Vec::new()).faults.is_empty());
        }
    }
}
