//! A certificate authority: its key, the certificates and the revocation lists that it signs.

use std::fmt::Write as _;
use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use crate::platform::pki::{Identity, PkiError};

/// How long before now a certificate begins: the clocks of two machines may differ.
const CLOCK_SKEW: Duration = Duration::minutes(5);
/// Length of a serial number, in bytes.
const SERIAL_BYTES: usize = 16;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// A participant's client.
    Client,
    /// A hub's listener.
    Server,
}

/// What is to stand in a certificate.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The common name, for people.
    pub common_name: String,
    /// URI names.
    pub uris: Vec<String>,
    /// Names of machines.
    pub hosts: Vec<String>,
    /// Addresses of machines.
    pub addresses: Vec<IpAddr>,
    /// What it is for.
    pub usage: Usage,
    /// From when it counts.
    pub not_before: OffsetDateTime,
    /// Until when it counts.
    pub not_after: OffsetDateTime,
}

impl Profile {
    /// Returns the profile of a client with URI names, which counts from now for some time.
    #[must_use]
    pub fn client(
        common_name: &str,
        uris: &[String],
        now: OffsetDateTime,
        lasts: Duration,
    ) -> Self {
        Self {
            common_name: common_name.to_owned(),
            uris: uris.to_vec(),
            hosts: Vec::new(),
            addresses: Vec::new(),
            usage: Usage::Client,
            not_before: now - CLOCK_SKEW,
            not_after: now + lasts,
        }
    }
}

/// A certificate that was issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate and its key.
    pub identity: Identity,
    /// Its serial number, hexadecimal.
    pub serial: String,
}

/// An entry of a revocation list.
#[derive(Clone, Debug)]
pub struct Revoked {
    /// The serial number, hexadecimal.
    pub serial: String,
    /// When it was revoked.
    pub at: OffsetDateTime,
}

/// A revocation list that is to be signed.
#[derive(Clone, Debug)]
pub struct ListProfile {
    /// Its number; a later list has a higher one.
    pub number: u64,
    /// When it is made.
    pub this_update: OffsetDateTime,
    /// When the next one is there at the latest.
    pub next_update: OffsetDateTime,
    /// What it revokes.
    pub revoked: Vec<Revoked>,
}

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    key: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes an authority that signs certificates of a trust domain, not those of other authorities.
    ///
    /// # Errors
    ///
    /// No key can be made.
    pub fn create(
        common_name: &str,
        trust_domain: &str,
        now: OffsetDateTime,
        lasts: Duration,
    ) -> Result<Self, PkiError> {
        let mut params = parameters(common_name, now - CLOCK_SKEW, now + lasts)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.subject_alt_names =
            vec![SanType::URI(format!("spiffe://{trust_domain}").try_into()?)];
        let pair = KeyPair::generate()?;
        let key = pair.serialize_pem();
        let certificate = params.self_signed(&pair)?.pem();
        Ok(Self { issuer: Issuer::new(params, pair), certificate, key })
    }

    /// Returns the authority with a certificate and key, PEM.
    ///
    /// # Errors
    ///
    /// They are not PEM, or not a certificate and its key.
    pub fn open(certificate: &str, key: &str) -> Result<Self, PkiError> {
        let issuer = Issuer::from_ca_cert_pem(certificate, KeyPair::from_pem(key)?)?;
        Ok(Self { issuer, certificate: certificate.to_owned(), key: key.to_owned() })
    }

    /// Returns its own certificate, PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Returns its private key, PEM.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Makes a certificate and its key.
    ///
    /// # Errors
    ///
    /// No key can be made, or a name cannot stand in a certificate.
    pub fn issue(&self, profile: &Profile) -> Result<Issued, PkiError> {
        let (from, until) = (profile.not_before, profile.not_after);
        let mut params = parameters(&profile.common_name, from, until)?;
        for uri in &profile.uris {
            params.subject_alt_names.push(SanType::URI(uri.clone().try_into()?));
        }
        for host in &profile.hosts {
            params.subject_alt_names.push(SanType::DnsName(host.clone().try_into()?));
        }
        let addresses = profile.addresses.iter().map(|address| SanType::IpAddress(*address));
        params.subject_alt_names.extend(addresses);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match profile.usage {
            Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
            Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        params.use_authority_key_identifier_extension = true;
        let serial = params.serial_number.as_ref().map(SerialNumber::to_bytes).unwrap_or_default();
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let identity = Identity { certificate: certificate.pem(), key: key.serialize_pem() };
        Ok(Issued { identity, serial: hexadecimal(&serial) })
    }

    /// Signs a revocation list, PEM.
    ///
    /// # Errors
    ///
    /// A serial number is none.
    pub fn revocation_list(&self, profile: &ListProfile) -> Result<String, PkiError> {
        let revoked = profile.revoked.iter().map(|revoked| {
            let serial = bytes(&revoked.serial)
                .ok_or_else(|| PkiError::Serial { serial: revoked.serial.clone() })?;
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from_slice(&serial),
                revocation_time: revoked.at,
                reason_code: None,
                invalidity_date: None,
            })
        });
        let params = CertificateRevocationListParams {
            this_update: profile.this_update,
            next_update: profile.next_update,
            crl_number: SerialNumber::from(profile.number),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect::<Result<_, PkiError>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(params.signed_by(&self.issuer)?.pem()?)
    }
}

fn parameters(
    common_name: &str,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    params.not_before = not_before;
    params.not_after = not_after;
    params.serial_number = Some(fresh_serial()?);
    Ok(params)
}

/// Makes a random serial number: positive, of the same length always.
fn fresh_serial() -> Result<SerialNumber, PkiError> {
    let mut bytes = [0; SERIAL_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| PkiError::Randomness)?;
    let [first, ..] = &mut bytes;
    *first = *first & 0x3f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        // Writing into a String cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let is_hexadecimal =
        text.len().is_multiple_of(2) && text.bytes().all(|it| it.is_ascii_hexdigit());
    let pair = |at| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<_>> = (0..text.len()).step_by(2).map(pair).collect();
    bytes.filter(|bytes| is_hexadecimal && !bytes.is_empty())
}
