//! The development certificate authority: makes the certificates of a hub that is tried out. Never for production.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use time::{Duration, OffsetDateTime};

/// Trust domain of development identities.
pub const TRUST_DOMAIN: &str = "dev.peshub";

/// Why a certificate cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A name cannot stand in a certificate, or a key cannot be made.
    #[error("a certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
    /// A file cannot be written.
    #[error("{} cannot be written", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A certificate and its key, PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

/// A certificate authority that lives as long as the process; a new start makes a new one.
pub struct DevelopmentCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
    now: OffsetDateTime,
}

impl DevelopmentCa {
    /// Makes an authority whose certificates are valid for 30 days from `now`.
    ///
    /// # Errors
    ///
    /// No key can be made.
    pub fn new(now: OffsetDateTime) -> Result<Self, PkiError> {
        let mut params = parameters("peshub development CA", now);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self { issuer, now })
    }

    /// Returns the authority's own certificate, PEM.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// Makes the certificate of a server on this machine.
    ///
    /// # Errors
    ///
    /// No key can be made.
    pub fn server(&self) -> Result<Identity, PkiError> {
        let mut params = parameters("peshub", self.now);
        params.subject_alt_names = vec![
            SanType::DnsName("localhost".try_into()?),
            SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into()),
            SanType::IpAddress(std::net::Ipv6Addr::LOCALHOST.into()),
        ];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// Makes the certificate of a participant, with [`participant_uri`] as its one name.
    ///
    /// # Errors
    ///
    /// No key can be made, or the name cannot stand in a URI.
    pub fn participant(&self, name: &str) -> Result<Identity, PkiError> {
        self.client(name, &[participant_uri(name)])
    }

    /// Makes the certificate of a client with any URI names.
    ///
    /// # Errors
    ///
    /// No key can be made, or a name cannot stand in a certificate.
    pub fn client(&self, common_name: &str, uris: &[String]) -> Result<Identity, PkiError> {
        let mut params = parameters(common_name, self.now);
        for uri in uris {
            params.subject_alt_names.push(SanType::URI(uri.clone().try_into()?));
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Identity, PkiError> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

impl std::fmt::Debug for DevelopmentCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DevelopmentCa").finish_non_exhaustive()
    }
}

/// Returns the URI name of a participant's certificate in development.
#[must_use]
pub fn participant_uri(name: &str) -> String {
    format!("spiffe://{TRUST_DOMAIN}/participant/{name}")
}

fn parameters(common_name: &str, now: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    params.not_before = now - Duration::minutes(5);
    params.not_after = now + Duration::days(30);
    params
}

/// Writes a file that only its owner can read.
///
/// # Errors
///
/// The file cannot be written.
pub fn write_private(path: &Path, text: &str) -> Result<(), PkiError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| PkiError::File { path: path.to_owned(), source })
}
