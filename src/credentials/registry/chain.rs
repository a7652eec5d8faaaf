//! Keys that certificates name (`x5c`, RFC 7515, section 4.1.6), by the authorities that the registry has for an issuer.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::credentials::registry::entry::{Holding, Issuer, IssuerKey, KeyUse};
use crate::credentials::registry::trust::KeyRefusal;
use crate::credentials::sdjwt::CLOCK_SKEW;
use crate::credentials::sdjwt::chain;
use crate::credentials::sdjwt::key::PublicKey;

/// A key that a chain of certificates names.
#[derive(Clone, Debug)]
pub struct ChainKey {
    /// The authority that the chain leads to.
    pub authority: Arc<IssuerKey>,
    /// The key.
    pub public: PublicKey,
}

impl Issuer {
    /// Returns the key of a chain of certificates, DER, the signer's own first. The chain must lead to an authority of the issuer and
    /// must have been valid when it signed; the signer's certificate must be made out for the issuer's identifier.
    ///
    /// # Errors
    ///
    /// It does not, or the authority did not count then.
    pub fn key_of_chain(
        &self,
        x5c: &[Vec<u8>],
        key_use: KeyUse,
        at: OffsetDateTime,
        known_since: Option<OffsetDateTime>,
    ) -> Result<ChainKey, KeyRefusal> {
        let mut refusal = KeyRefusal::Chain;
        for authority in self.keys.iter().filter(|key| key.holding == Holding::Authority) {
            let der = authority.authority.as_deref().unwrap_or_default();
            // Times in credentials are whole seconds, and clocks differ: certificates may be that much younger.
            let found = self
                .leads_to(der, x5c, at)
                .or_else(|| self.leads_to(der, x5c, at.saturating_add(CLOCK_SKEW)));
            let Some(public) = found else { continue };
            let counts = if authority.key_use.serves(key_use) {
                authority.counts(at, known_since)
            } else {
                Err(KeyRefusal::Unfit)
            };
            match counts {
                Ok(()) => return Ok(ChainKey { authority: Arc::clone(authority), public }),
                Err(why) => refusal = why,
            }
        }
        Err(refusal)
    }

    fn leads_to(&self, der: &[u8], x5c: &[Vec<u8>], at: OffsetDateTime) -> Option<PublicKey> {
        let (_, authority) = X509Certificate::from_der(der).ok()?;
        // What verifies chains does not look at the times of an anchor.
        let validity = authority.validity();
        let is_within = (validity.not_before.timestamp()..=validity.not_after.timestamp())
            .contains(&at.unix_timestamp());
        let anchor = chain::anchor(der).ok().filter(|_| is_within)?;
        chain::leaf_key(x5c, &[anchor], Some(&self.identifier), at).ok()
    }
}

/// Reads the certificate of an authority, PEM, as DER; `None` when it is none, or there are several.
#[must_use]
pub fn authority(pem: &str) -> Option<Vec<u8>> {
    let mut found = CertificateDer::pem_slice_iter(pem.as_bytes());
    let (one, more) = (found.next()?.ok()?, found.next());
    let (rest, certificate) = X509Certificate::from_der(&one).ok()?;
    let is_sound = more.is_none() && rest.is_empty() && certificate.is_ca();
    (is_sound && chain::anchor(&one).is_ok()).then(|| one.to_vec())
}

/// Returns the certificate of an authority as PEM.
#[must_use]
pub fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
