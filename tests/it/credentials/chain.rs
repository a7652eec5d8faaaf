//! Certificate chains: the key of a credential's `x5c`, if the chain leads from an anchor to its issuer.

use peshub::credentials::domain::Algorithm;
use peshub::credentials::sdjwt::chain;
use peshub::credentials::sdjwt::key::{PublicKey, SecretKey};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
    SanType, SignatureAlgorithm,
};
use time::{Duration, OffsetDateTime};

use crate::credentials::maker::NOW;

const ISS: &str = "https://bureau.example/issuers/skills";

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(NOW).unwrap()
}

/// An authority.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = now() - Duration::days(1_000);
    params.not_after = now() + Duration::days(1_000);
    params
}

impl Authority {
    fn root(name: &str, algorithm: &'static SignatureAlgorithm) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        Self { issuer: CertifiedIssuer::self_signed(authority_params(name), key).unwrap() }
    }

    fn below(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        Self { issuer: CertifiedIssuer::signed_by(params, key, self.issuer()).unwrap() }
    }

    fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    fn der(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    /// Certifies an issuer's key.
    fn certify(&self, params: &CertificateParams, algorithm: &'static SignatureAlgorithm) -> Leaf {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let certificate = params.signed_by(&key, self.issuer()).unwrap();
        Leaf { der: certificate.der().to_vec(), key }
    }
}

struct Leaf {
    der: Vec<u8>,
    key: KeyPair,
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn leaf_params(names: Vec<SanType>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "issuer");
    params.subject_alt_names = names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.not_before = now() - Duration::days(10);
    params.not_after = now() + Duration::days(10);
    params
}

fn check(
    x5c: &[&[u8]],
    anchors: &[&Authority],
    iss: Option<&str>,
    at: OffsetDateTime,
) -> Result<PublicKey, String> {
    let x5c: Vec<Vec<u8>> = x5c.iter().map(|it| it.to_vec()).collect();
    let anchors: Vec<_> = anchors.iter().map(|it| chain::anchor(&it.der()).unwrap()).collect();
    chain::leaf_key(&x5c, &anchors, iss, at).map_err(|defect| {
        assert_eq!((defect.check, defect.clause), ("key.chain", "SD-JWT VC 2.5"));
        defect.detail
    })
}

#[test]
fn a_chain_leads_from_an_anchor_to_the_key() {
    let root = Authority::root("root", &PKCS_ECDSA_P384_SHA384);
    let middle = root.below(authority_params("middle"));
    for (algorithm, own) in
        [(&PKCS_ECDSA_P256_SHA256, Algorithm::Es256), (&PKCS_ED25519, Algorithm::EdDsa)]
    {
        let leaf = middle.certify(&leaf_params(vec![uri(ISS)]), algorithm);
        let key = check(&[&leaf.der, &middle.der()], &[&root], Some(ISS), now()).unwrap();
        assert_eq!(key.algorithm(), own);
        let secret = SecretKey::of_pkcs8(&leaf.key.serialize_der()).unwrap();
        assert_eq!(secret.public(), &key);
        // With the anchor at its end, and by an anchor in the middle, all the same.
        check(&[&leaf.der, &middle.der(), &root.der()], &[&root], Some(ISS), now()).unwrap();
        check(&[&leaf.der], &[&middle], Some(ISS), now()).unwrap();
        check(&[&leaf.der, &middle.der()], &[&root], None, now()).unwrap();
    }
}

#[test]
fn a_chain_that_leads_elsewhere_is_refused() {
    let root = Authority::root("root", &PKCS_ECDSA_P256_SHA256);
    let other = Authority::root("root", &PKCS_ECDSA_P256_SHA256);
    let middle = root.below(authority_params("middle"));
    let leaf = middle.certify(&leaf_params(vec![uri(ISS)]), &PKCS_ECDSA_P256_SHA256);
    let (der, above) = (leaf.der.as_slice(), middle.der());
    let refused = |x5c: &[&[u8]], anchors: &[&Authority], at, says: &str| {
        let found = check(x5c, anchors, Some(ISS), at).unwrap_err();
        assert_eq!(found, says);
    };
    refused(&[], &[&root], now(), "there is no chain");
    refused(&[der], &[&root], now(), "the chain leads to no anchor");
    refused(&[der, &above], &[], now(), "the chain leads to no anchor");
    // An authority of the same name that is another one.
    let says = check(&[der, &above], &[&other], Some(ISS), now()).unwrap_err();
    assert!(says.contains("signature") || says.contains("anchor"), "{says}");
    refused(&[b"no certificate", &above], &[&root], now(), "the first is no certificate");
    refused(&[der, &above], &[&root], now() + Duration::days(11), "a certificate has expired");
    let early = now() - Duration::days(11);
    refused(&[der, &above], &[&root], early, "a certificate's time has not come");
    refused(&[&above, &root.der()], &[&root], now(), "the first certificate is an authority's");
    refused(
        &[der, &above, der, der, der, der, der, der, der],
        &[&root],
        now(),
        "the chain is longer than is taken",
    );
    let large = vec![0x30; 20_000];
    refused(&[der, &large], &[&root], now(), "the chain is longer than is taken");
    let before_1970 = OffsetDateTime::from_unix_timestamp(-1).unwrap();
    refused(&[der, &above], &[&root], before_1970, "that was before 1970");
    // Every byte of a certificate is signed, or stands in the signature, or changes how both are read.
    for at in 0..der.len() {
        let mut changed = der.to_vec();
        changed[at] ^= 1;
        assert!(check(&[&changed, &above], &[&root], Some(ISS), now()).is_err(), "byte {at}");
    }
    // Who holds a leaf is no authority.
    let key = KeyPair::generate().unwrap();
    let false_authority = Issuer::from_ca_cert_der(&der.to_vec().into(), leaf.key).unwrap();
    let forged = leaf_params(vec![uri(ISS)]).signed_by(&key, &false_authority).unwrap();
    assert!(check(&[forged.der(), der, &above], &[&root], Some(ISS), now()).is_err());
}

#[test]
fn a_certificate_names_its_issuer() {
    let root = Authority::root("root", &PKCS_ECDSA_P256_SHA256);
    let named = |names: Vec<SanType>, iss: &str| {
        let leaf = root.certify(&leaf_params(names), &PKCS_ECDSA_P256_SHA256);
        check(&[&leaf.der], &[&root], Some(iss), now()).is_ok()
    };
    let check = |names: Vec<SanType>, iss: &str, expected| {
        assert_eq!(named(names.clone(), iss), expected, "{names:?} {iss}");
    };
    check(vec![uri(ISS)], ISS, true);
    check(vec![uri("https://other.example"), uri(ISS)], ISS, true);
    check(vec![uri("https://bureau.example")], ISS, false);
    check(vec![uri(ISS)], "https://bureau.example/issuers/skills/", false);
    check(vec![dns("bureau.example")], ISS, true);
    check(vec![dns("BUREAU.example")], ISS, true);
    check(vec![dns("bureau.example")], "https://bureau.example:8443/a", true);
    check(vec![dns("bureau.example")], "https://bureau.example", true);
    check(vec![dns("bureau.example")], "http://bureau.example/issuers/skills", false);
    check(vec![dns("bureau.example")], "https://evil.example/bureau.example", false);
    check(vec![dns("bureau.example")], "https://bureau.example@evil.example/", false);
    check(vec![dns("bureau.example")], "https://bureau.example.evil.example/", false);
    check(vec![dns("bureau.example")], "https://sub.bureau.example/", false);
    check(vec![dns("bureau.example")], "https://bureau.example:443@evil.example/", false);
    check(vec![dns("*.example")], ISS, false);
    check(vec![dns("*.bureau.example")], "https://skills.bureau.example/", false);
    check(vec![dns("bureau.example")], "urn:bureau.example", false);
    check(Vec::new(), ISS, false);
}

#[test]
fn a_certificate_of_tls_is_none_of_an_issuer() {
    let root = Authority::root("root", &PKCS_ECDSA_P256_SHA256);
    let with = |purposes: Vec<ExtendedKeyUsagePurpose>| {
        let mut params = leaf_params(vec![uri(ISS)]);
        params.extended_key_usages = purposes;
        let leaf = root.certify(&params, &PKCS_ECDSA_P256_SHA256);
        check(&[&leaf.der], &[&root], Some(ISS), now())
    };
    let (server, client) =
        (ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth);
    let own = ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 4, 1, 55_555, 1]);
    with(vec![own.clone()]).unwrap();
    with(vec![client.clone(), own]).unwrap();
    with(vec![ExtendedKeyUsagePurpose::Any]).unwrap();
    for purposes in [vec![server.clone()], vec![client.clone()], vec![server, client]] {
        assert_eq!(with(purposes).unwrap_err(), "a certificate is one of TLS");
    }
}
