//! CA files, good and bad.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs;
use std::path::PathBuf;
use tls_roots::{Roots, RootsError, client_config};

fn pem() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&key).unwrap().pem()
}

#[test]
fn extra_roots_come_after_the_public_ones() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.pem"), folder.path().join("two.pem"));
    fs::write(&one, pem()).unwrap();
    fs::write(&two, format!("{}{}", pem(), pem())).unwrap();
    let public = Roots::public();
    let all = Roots::load(&[one, two]).unwrap();
    assert_eq!(all.anchors().len(), public.anchors().len() + 3);
    assert_eq!(&all.anchors()[..public.anchors().len()], public.anchors());
    assert_eq!((all.extra().len(), public.extra().len()), (3, 0));
    assert!(client_config(all.store().clone()).is_ok());
}

#[test]
fn bad_ca_file_is_reported_and_the_good_ones_are_usable() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.pem");
    fs::write(&good, pem()).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let not_a_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases: [(PathBuf, &str); 4] = [
        (folder.path().join("absent.pem"), "cannot be read"),
        (file("empty.pem", "no certificate here"), "has no certificate"),
        (file("torn.pem", "-----BEGIN CERTIFICATE-----\nAAAA"), "cannot be used as a root"),
        (file("wrong.pem", not_a_certificate), "cannot be used as a root"),
    ];
    for (bad, wanted) in cases {
        let fault: RootsError = Roots::load(&[good.clone(), bad.clone()]).unwrap_err();
        let message = fault.to_string();
        assert!(message.contains(wanted) && message.contains(&bad.display().to_string()), "{message}");
        let (usable, faults) = Roots::load_usable(&[bad, good.clone()]);
        assert_eq!((usable.extra().len(), faults), (1, vec![fault]));
    }
}
