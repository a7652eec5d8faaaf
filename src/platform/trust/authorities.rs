//! The authorities of one trust domain, and what they have revoked.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, Error, RootCertStore};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

/// `id-ce-issuingDistributionPoint`: which part of an authority's certificates a list is about.
const SCOPE: &str = "2.5.29.28";
/// How long before its end, at most, a list or an authority is warned of, in seconds; a quarter of its life if that is less.
const LIST_WARNING: i64 = 7 * 24 * 3_600;
const AUTHORITY_WARNING: i64 = 30 * 24 * 3_600;

/// When something must have been replaced. Seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// The file.
    pub file: String,
    /// Whether it is a revocation list; an authority otherwise.
    pub is_list: bool,
    /// Since when it counts.
    pub begin: i64,
    /// From when it does not count any more.
    pub at: i64,
}

impl Deadline {
    fn new(file: &str, is_list: bool, begin: i64, at: i64) -> Self {
        Self { file: file.to_owned(), is_list, begin, at }
    }

    /// Returns whether a person should see to it: so many seconds before its end, or in the last quarter of its life if that is less.
    #[must_use]
    pub fn is_near(&self, now: i64, ahead: i64) -> bool {
        now >= self.at - ahead.min((self.at - self.begin) / 4)
    }

    /// Returns whether a person should see to it, as the hub itself warns.
    #[must_use]
    pub fn is_due(&self, now: i64) -> bool {
        self.is_near(now, if self.is_list { LIST_WARNING } else { AUTHORITY_WARNING })
    }
}

/// One authority with the revocation lists that count for it.
///
/// Each has a verifier of its own: authorities that renewed their key under their old name would otherwise be held against each
/// other's lists.
#[derive(Debug)]
struct Authority {
    verifier: Arc<dyn ClientCertVerifier>,
    /// Seconds since 1970, both inclusive.
    valid: std::ops::RangeInclusive<i64>,
}

/// The authorities of one trust domain.
#[derive(Debug, Default)]
pub struct Authorities {
    list: Vec<Authority>,
    deadlines: BTreeSet<Deadline>,
}

impl Authorities {
    /// Reads authorities and revocation lists, each a file's name and content.
    ///
    /// # Errors
    ///
    /// The file that is not what it should be, and why.
    pub fn read(
        authorities: &[(&str, &[u8])],
        lists: &[(&str, &[u8])],
    ) -> Result<Self, (String, String)> {
        let mut certificates = Vec::new();
        for (file, content) in authorities {
            let of_file = |why| ((*file).to_owned(), why);
            let found = CertificateDer::pem_slice_iter(content).collect::<Result<Vec<_>, _>>();
            let found = found.ok().filter(|found| !found.is_empty());
            let found =
                found.ok_or_else(|| of_file("is no PEM file of certificates".to_owned()))?;
            certificates.extend(found.into_iter().map(|certificate| (*file, certificate)));
        }
        let mut revocations = Vec::new();
        for (file, content) in lists {
            let of_file = |why: &str| ((*file).to_owned(), why.to_owned());
            for der in ders(content).ok_or_else(|| of_file("is no revocation list"))? {
                let list = List::read(der).ok_or_else(|| of_file("is no revocation list"))?;
                revocations.push((*file, list));
            }
        }
        let mut used = vec![false; revocations.len()];
        let mut read = Self::default();
        for (file, certificate) in &certificates {
            read.add(file, certificate, (&revocations, &mut used))
                .map_err(|why| ((*file).to_owned(), why))?;
        }
        let of_nobody = revocations.iter().zip(used).find(|(_, used)| !used);
        if let Some(((file, _), _)) = of_nobody {
            let why = "has the name of one of the authorities and not its signature";
            return Err(((*file).to_owned(), why.to_owned()));
        }
        Ok(read)
    }

    /// Adds an authority with those of the lists that count for it, and marks them.
    fn add(
        &mut self,
        file: &str,
        certificate: &CertificateDer<'static>,
        (lists, used): (&[(&str, List)], &mut [bool]),
    ) -> Result<(), String> {
        let (_, parsed) = X509Certificate::from_der(certificate)
            .map_err(|_| "has a certificate that cannot be read".to_owned())?;
        if !parsed.is_ca() {
            return Err("has a certificate that is no authority's".to_owned());
        }
        let newest = newest(&parsed, lists, used);
        let validity = parsed.validity();
        let (begin, end) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        self.deadlines.insert(Deadline::new(file, false, begin, end));
        self.deadlines.extend(newest.iter().filter_map(|(file, list)| {
            Some(Deadline::new(file, true, list.age.1, list.next_update?))
        }));
        let lists = newest.into_iter().map(|(_, list)| list.der.clone()).collect();
        self.list.push(Authority { verifier: verifier(certificate, lists)?, valid: begin..=end });
        Ok(())
    }

    /// Returns when its authorities and lists must have been replaced.
    pub fn deadlines(&self) -> impl Iterator<Item = &Deadline> {
        self.deadlines.iter()
    }

    /// Returns whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Sees whether one of them vouches for a certificate and has not revoked it.
    ///
    /// # Errors
    ///
    /// None does, the certificate's time is not now, or it is revoked.
    pub fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let mut because = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        for authority in self.list.iter().filter(|it| it.valid.contains(&seconds)) {
            match authority.verifier.verify_client_cert(leaf, intermediates, now) {
                Ok(_) => return Ok(()),
                // What an authority says of its own certificates tells more than that a certificate is not its own.
                Err(error) if is_strange(&because) => because = error,
                Err(_) => {}
            }
        }
        Err(because)
    }
}

/// Returns whether a certificate was refused because another authority made it.
fn is_strange(error: &Error) -> bool {
    let strange = [CertificateError::UnknownIssuer, CertificateError::BadSignature];
    matches!(error, Error::InvalidCertificate(why) if strange.contains(why))
}

/// Returns the lists that count for an authority, the newest of each issuer and part, and marks those that can count at all.
fn newest<'a>(
    authority: &X509Certificate<'_>,
    lists: &'a [(&'a str, List)],
    used: &mut [bool],
) -> Vec<(&'a str, &'a List)> {
    let mut newest = HashMap::new();
    for ((file, list), used) in lists.iter().zip(used) {
        let is_named = list.issuer == authority.subject().as_raw();
        if is_named && !list.is_signed_by(authority) {
            continue;
        }
        // A list under another name may be that of an authority in between, whose certificate comes with the client's.
        *used = true;
        let about = (list.issuer.as_slice(), list.scope.as_slice());
        let other: &mut (&str, &List) = newest.entry(about).or_insert((file, list));
        if list.age() > other.1.age() {
            *other = (file, list);
        }
    }
    newest.into_values().collect()
}

fn verifier(
    certificate: &CertificateDer<'static>,
    lists: Vec<CertificateRevocationListDer<'static>>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).map_err(|error| format!("cannot be used: {error}"))?;
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .with_crls(lists)
        .allow_unknown_revocation_status()
        .enforce_revocation_expiration()
        .build()
        .map_err(|error| format!("cannot be used with its revocation lists: {error}"))
}

/// Returns the lists of a file, which may be PEM or DER.
fn ders(content: &[u8]) -> Option<Vec<CertificateRevocationListDer<'static>>> {
    if content.starts_with(&[0x30]) {
        return Some(vec![content.to_vec().into()]);
    }
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(content).collect();
    found.ok().filter(|found| !found.is_empty())
}

/// A revocation list.
#[derive(Debug)]
struct List {
    der: CertificateRevocationListDer<'static>,
    /// The issuer's name, encoded.
    issuer: Vec<u8>,
    /// Which part of its certificates the list is about, encoded; empty when all.
    scope: Vec<u8>,
    /// Its number, and when it was made, in seconds since 1970.
    age: (Vec<u8>, i64),
    /// Until when it counts, in seconds since 1970.
    next_update: Option<i64>,
}

impl List {
    fn read(der: CertificateRevocationListDer<'static>) -> Option<Self> {
        let (rest, list) = CertificateRevocationList::from_der(&der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let scope = list.extensions().iter().find(|it| it.oid.to_id_string() == SCOPE);
        let number = list.extensions().iter().find_map(|it| match it.parsed_extension() {
            ParsedExtension::CRLNumber(number) => Some(number.to_bytes_be()),
            _ => None,
        });
        let issuer = list.issuer().as_raw().to_vec();
        let scope = scope.map(|scope| scope.value.to_vec()).unwrap_or_default();
        let age = (number.unwrap_or_default(), list.last_update().timestamp());
        let next_update = list.next_update().map(|at| at.timestamp());
        Some(Self { der, issuer, scope, age, next_update })
    }

    /// Returns what grows from one list to the next.
    fn age(&self) -> (i64, usize, &[u8]) {
        let (number, made_at) = &self.age;
        (*made_at, number.len(), number)
    }

    fn is_signed_by(&self, authority: &X509Certificate<'_>) -> bool {
        CertificateRevocationList::from_der(&self.der)
            .is_ok_and(|(_, list)| list.verify_signature(authority.public_key()).is_ok())
    }
}
