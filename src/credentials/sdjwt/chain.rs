//! The key of a certificate chain (`x5c`), if it leads from an anchor to the issuer (SD-JWT VC, section 2.5; RFC 5280).

use std::time::Duration;

use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use time::OffsetDateTime;
use webpki::{
    EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage,
    RequiredEkuNotFoundContext, aws_lc_rs,
};

use crate::credentials::sdjwt::bounds::{CERTIFICATE_BYTES_MAX, CERTIFICATES_MAX};
use crate::credentials::sdjwt::defect::{Defect, KEY_CHAIN};
use crate::credentials::sdjwt::key::PublicKey;

/// By what authorities may sign certificates.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    aws_lc_rs::ECDSA_P256_SHA256,
    aws_lc_rs::ECDSA_P256_SHA384,
    aws_lc_rs::ECDSA_P384_SHA256,
    aws_lc_rs::ECDSA_P384_SHA384,
    aws_lc_rs::ED25519,
    aws_lc_rs::RSA_PKCS1_2048_8192_SHA256,
    aws_lc_rs::RSA_PKCS1_2048_8192_SHA384,
    aws_lc_rs::RSA_PKCS1_2048_8192_SHA512,
];

/// Purposes that make a certificate one of TLS: server and client (RFC 5280, section 4.2.1.12).
const TLS_PURPOSES: [&[usize]; 2] = [&[1, 3, 6, 1, 5, 5, 7, 3, 1], &[1, 3, 6, 1, 5, 5, 7, 3, 2]];

/// Any purpose (RFC 5280, section 4.2.1.12), in DER.
const ANY_PURPOSE: &[u8] = &[0x55, 0x1d, 0x25, 0x00];

/// Takes certificates that say no purpose, or another one than those of TLS: who may run a server may not for that reason issue.
struct NotOnlyTls;

impl ExtendedKeyUsageValidator for NotOnlyTls {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        let mut present = Vec::new();
        for purpose in purposes {
            present.push(purpose?.to_decoded_oid());
        }
        let is_tls = |it: &Vec<usize>| TLS_PURPOSES.contains(&it.as_slice());
        if present.is_empty() || !present.iter().all(is_tls) {
            return Ok(());
        }
        let required = KeyUsage::required(ANY_PURPOSE);
        Err(Error::RequiredEkuNotFoundContext(RequiredEkuNotFoundContext { required, present }))
    }
}

/// Reads an anchor: the certificate of an authority, in DER.
///
/// # Errors
///
/// It is no certificate.
pub fn anchor(certificate: &[u8]) -> Result<TrustAnchor<'static>, Defect> {
    let certificate = CertificateDer::from(certificate);
    let anchor = webpki::anchor_from_trusted_cert(&certificate);
    anchor.map(|it| it.to_owned()).map_err(|_| KEY_CHAIN.failed("an anchor is no certificate"))
}

/// Returns the key of the first certificate of a chain, if the chain leads to an anchor at an instant, and the certificate is made out
/// for the issuer: `iss` is one of its URI names, or an https address at one of its DNS names. Wildcards name no issuer.
///
/// # Errors
///
/// It does not.
pub fn leaf_key(
    x5c: &[Vec<u8>],
    anchors: &[TrustAnchor<'_>],
    iss: Option<&str>,
    at: OffsetDateTime,
) -> Result<PublicKey, Defect> {
    let wrong = |what: &str| KEY_CHAIN.failed(what);
    if x5c.len() > CERTIFICATES_MAX || x5c.iter().any(|it| it.len() > CERTIFICATE_BYTES_MAX) {
        return Err(wrong("the chain is longer than is taken"));
    }
    let chain: Vec<_> = x5c.iter().map(|it| CertificateDer::from(it.as_slice())).collect();
    let (leaf, above) = chain.split_first().ok_or_else(|| wrong("there is no chain"))?;
    let leaf = EndEntityCert::try_from(leaf).map_err(|_| wrong("the first is no certificate"))?;
    let seconds = u64::try_from(at.unix_timestamp()).map_err(|_| wrong("that was before 1970"))?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let path = leaf.verify_for_usage(ALGORITHMS, anchors, above, at, NotOnlyTls, None, None);
    path.map_err(|error| wrong(says(&error)))?;
    if let Some(iss) = iss {
        let is_named = leaf.valid_uri_names().any(|name| name == iss)
            || host(iss).is_some_and(|host| {
                leaf.valid_dns_names()
                    .any(|name| !name.starts_with('*') && name.eq_ignore_ascii_case(host))
            });
        if !is_named {
            return Err(wrong("the certificate is made out for somebody else"));
        }
    }
    let key = leaf.subject_public_key_info();
    PublicKey::of_spki(&key).map_err(|_| wrong("the key is neither of P-256 nor of Ed25519"))
}

/// Returns the host of an https address.
fn host(iss: &str) -> Option<&str> {
    let rest = iss.strip_prefix("https://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    if authority.contains('@') {
        return None;
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    if host.is_empty() { None } else { Some(host) }
}

fn says(error: &Error) -> &'static str {
    match error {
        Error::CertExpired { .. } => "a certificate has expired",
        Error::CertNotValidYet { .. } => "a certificate's time has not come",
        Error::UnknownIssuer => "the chain leads to no anchor",
        Error::CaUsedAsEndEntity => "the first certificate is an authority's",
        Error::InvalidSignatureForPublicKey => "a certificate's signature does not hold",
        Error::RequiredEkuNotFoundContext(_) => "a certificate is one of TLS",
        Error::NameConstraintViolation => "an authority may not sign for that name",
        _ => "the chain does not hold",
    }
}
