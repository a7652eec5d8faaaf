//! The certificate that a connection was made with. It was verified in the handshake, and is verified again whenever what the hub
//! believes has changed.

use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error};
use time::{Duration, OffsetDateTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::platform::trust::Trust;
use crate::platform::trust::name;

/// How long a verification counts while trust stays as it is. Authorities in between and revocation lists expire, too.
const VERIFIED: Duration = Duration::seconds(30);

/// Why a certificate does not count any more, in words that follow "the certificate of this connection".
pub type Why = &'static str;

/// The certificate of a connection.
#[derive(Debug)]
pub struct PeerCertificate {
    chain: Vec<CertificateDer<'static>>,
    uri: String,
    sha256: [u8; 32],
    serial: String,
    not_after: i64,
    verified: Mutex<Option<Verified>>,
}

#[derive(Clone, Copy, Debug)]
struct Verified {
    epoch: u64,
    at: OffsetDateTime,
    outcome: Result<(), Why>,
}

impl PeerCertificate {
    /// Reads a chain, the client's own certificate first. `None` when it has not exactly one URI name, and that a sound one.
    #[must_use]
    pub fn read(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let leaf = chain.first()?;
        let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
        let uri = single_name(&parsed)?.to_owned();
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest::digest(&digest::SHA256, leaf).as_ref());
        Some(Self {
            uri,
            sha256,
            serial: parsed.raw_serial_as_string(),
            not_after: parsed.validity().not_after.timestamp(),
            chain: chain.iter().map(|it| it.clone().into_owned()).collect(),
            verified: Mutex::default(),
        })
    }

    /// Returns its one URI name.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Returns the SHA-256 of the certificate, which bound tokens name (`x5t#S256`).
    #[must_use]
    pub const fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// Returns its serial number, hexadecimal.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// Sees whether it still counts.
    ///
    /// # Errors
    ///
    /// It was revoked, has expired, or nobody whom the hub believes vouches for it now.
    pub fn stands(&self, trust: &Trust, now: OffsetDateTime) -> Result<(), Why> {
        if now.unix_timestamp() > self.not_after {
            return Err("has expired");
        }
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let known = verified.filter(|it| it.epoch == trust.epoch() && now - it.at < VERIFIED);
        if let Some(known) = known {
            return known.outcome;
        }
        let outcome = self.verify(trust, now);
        *verified = Some(Verified { epoch: trust.epoch(), at: now, outcome });
        outcome
    }

    fn verify(&self, trust: &Trust, now: OffsetDateTime) -> Result<(), Why> {
        let (leaf, intermediates) = self.chain.split_first().ok_or("is not there")?;
        let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        trust.verify(leaf, intermediates, now).map_err(|error| why(&error))
    }
}

fn why(error: &Error) -> Why {
    match error {
        Error::InvalidCertificate(CertificateError::Revoked) => "was revoked",
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "has expired",
        Error::InvalidCertificate(
            CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. },
        ) => "cannot be checked, because the revocation list of its authority is out of date",
        _ => "is from an authority that is not believed any more",
    }
}

/// Returns the one URI name of a certificate, if it has one and that is sound.
#[must_use]
pub fn single_name<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a str> {
    match name::uri_names(certificate).as_slice() {
        [uri] => name::trust_domain(uri).map(|_| *uri),
        _ => None,
    }
}
