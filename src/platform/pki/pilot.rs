//! A certificate authority in a directory, for pilots: files and nothing else, without a second person, a module for the key, or a
//! log that others can check.
//!
//! `ca.pem` and `ca.key.pem` are the authority, `index.jsonl` has a line for each certificate that was issued, `crl.pem` is the
//! revocation list. Each file is replaced as a whole, and a certificate is written after its line: a process that is
//! killed leaves at most a line of a certificate that nobody has.

use std::fs::File;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::ParsedExtension;

use crate::platform::pki::authority::{Authority, Issued, ListProfile, Profile, Revoked, Usage};
use crate::platform::pki::{PkiError, write_private};
use crate::platform::trust::name;

/// The authority's certificate, as it goes into a trust directory.
pub const CERTIFICATE: &str = "ca.pem";
/// The revocation list, as it goes into a trust directory.
pub const LIST: &str = "crl.pem";
const KEY: &str = "ca.key.pem";
const INDEX: &str = "index.jsonl";
const LOCK: &str = "lock";

/// A certificate that was issued, as a line of the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The serial number, hexadecimal.
    pub serial: String,
    /// The names in the certificate: one URI, or hosts and addresses.
    pub names: Vec<String>,
    /// `client` or `server`.
    pub usage: String,
    /// When it was issued, RFC 3339.
    pub issued_at: String,
    /// Until when it counts, RFC 3339.
    pub expires_at: String,
    /// Where the certificate was written.
    pub file: PathBuf,
    /// When it was revoked, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
}

/// Who or what a certificate is for.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A participant's client: what follows the trust domain in its name, or the whole name.
    Client(String),
    /// A hub's listener: names and addresses of its machine.
    Server {
        /// Names.
        hosts: Vec<String>,
        /// Addresses.
        addresses: Vec<IpAddr>,
    },
}

/// Files of a certificate and its key.
#[derive(Clone, Debug)]
pub struct Written {
    /// The certificate.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// Its line in the index.
    pub entry: Entry,
}

/// A pilot's authority. Whoever else wants to work in its directory waits as long as this lives.
#[derive(Debug)]
pub struct Pilot {
    dir: PathBuf,
    authority: Authority,
    trust_domain: String,
    /// Locked until it is dropped.
    _lock: File,
}

impl Pilot {
    /// Makes an authority in a directory.
    ///
    /// # Errors
    ///
    /// There is one, the name is no trust domain, or a file cannot be written.
    pub fn create(
        dir: &Path,
        trust_domain: &str,
        now: OffsetDateTime,
        lasts: Duration,
    ) -> Result<Self, PkiError> {
        if !name::is_trust_domain(trust_domain) {
            let (name, trust_domain) = (trust_domain.to_owned(), trust_domain.to_owned());
            return Err(PkiError::Name { name, trust_domain });
        }
        make_private(dir)?;
        let lock = lock(dir)?;
        let certificate = dir.join(CERTIFICATE);
        if certificate.exists() {
            return Err(PkiError::Taken { path: certificate });
        }
        let common_name = format!("Pilot authority of {trust_domain}");
        let authority = Authority::create(&common_name, trust_domain, now, lasts)?;
        write_private(&dir.join(KEY), authority.key())?;
        write_private(&certificate, authority.certificate())?;
        let trust_domain = trust_domain.to_owned();
        Ok(Self { dir: dir.to_owned(), authority, trust_domain, _lock: lock })
    }

    /// Opens the authority of a directory.
    ///
    /// # Errors
    ///
    /// There is none, or its files cannot be read.
    pub fn open(dir: &Path) -> Result<Self, PkiError> {
        let certificate = dir.join(CERTIFICATE);
        let text = read(&certificate)?;
        let lock = lock(dir)?;
        let key = read(&dir.join(KEY))?;
        let authority = Authority::open(&text, &key)?;
        let trust_domain = trust_domain_of(&text).ok_or_else(|| PkiError::Form {
            path: certificate,
            why: "it has no trust domain".to_owned(),
        })?;
        Ok(Self { dir: dir.to_owned(), authority, trust_domain, _lock: lock })
    }

    /// Returns the trust domain that it is for.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// Returns everything that was issued, in order.
    ///
    /// # Errors
    ///
    /// The index cannot be read.
    pub fn index(&self) -> Result<Vec<Entry>, PkiError> {
        let path = self.dir.join(INDEX);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = read(&path)?;
        let entries = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        entries.map_err(|error| PkiError::Form { path, why: error.to_string() })
    }

    /// Issues a certificate. Without `file`, it is written into the directory, under its last name.
    ///
    /// # Errors
    ///
    /// The name is none of the trust domain, or a file is there or cannot be written.
    pub fn issue(
        &self,
        subject: &Subject,
        file: Option<&Path>,
        now: OffsetDateTime,
        lasts: Duration,
    ) -> Result<Written, PkiError> {
        let profile = self.profile(subject, now, lasts)?;
        let certificate = match file {
            Some(file) => file.to_owned(),
            None => {
                let folder = self.dir.join("issued");
                make_private(&folder)?;
                folder.join(format!("{}.pem", profile.common_name))
            }
        };
        if certificate.exists() {
            return Err(PkiError::Taken { path: certificate });
        }
        self.write(&profile, certificate, now)
    }

    /// Issues a certificate again, with the same names and a new key, over its files. The old one counts until its time is over.
    ///
    /// # Errors
    ///
    /// There is none, or a file cannot be written.
    pub fn renew(
        &self,
        what: &str,
        now: OffsetDateTime,
        lasts: Duration,
    ) -> Result<Written, PkiError> {
        let index = self.index()?;
        let entry = index.iter().rev().find(|entry| entry.is(what));
        let entry = entry.ok_or_else(|| PkiError::Unknown { what: what.to_owned() })?;
        let subject = match (entry.usage.as_str(), entry.names.as_slice()) {
            ("client", [uri]) => Subject::Client(uri.clone()),
            _ => {
                let (addresses, hosts): (Vec<_>, Vec<_>) = entry
                    .names
                    .iter()
                    .map(|name| name.parse().map_err(|_| name.clone()))
                    .partition(Result::is_ok);
                let hosts = hosts.into_iter().filter_map(Result::err).collect();
                Subject::Server { hosts, addresses: addresses.into_iter().flatten().collect() }
            }
        };
        let profile = self.profile(&subject, now, lasts)?;
        self.write(&profile, entry.file.clone(), now)
    }

    /// Revokes certificates, by serial number or file, and writes the revocation list.
    ///
    /// # Errors
    ///
    /// One was not issued here, or a file cannot be written. Then none is revoked.
    pub fn revoke(
        &self,
        what: &[String],
        now: OffsetDateTime,
        list_lasts: Duration,
    ) -> Result<Vec<Entry>, PkiError> {
        let mut index = self.index()?;
        let mut revoked = Vec::new();
        for what in what {
            // A file that was renewed names the certificate that is in it now.
            let entry = index.iter_mut().rev().find(|entry| entry.is(what));
            let entry = entry.ok_or_else(|| PkiError::Unknown { what: what.clone() })?;
            entry.revoked_at.get_or_insert_with(|| written(now));
            revoked.push(entry.clone());
        }
        self.write_index(&index)?;
        self.write_list(now, list_lasts)?;
        Ok(revoked)
    }

    /// Writes the revocation list anew. Returns its file.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write_list(&self, now: OffsetDateTime, lasts: Duration) -> Result<PathBuf, PkiError> {
        let path = self.dir.join(LIST);
        let number = if path.exists() { number_of(&path)?.saturating_add(1) } else { 1 };
        let index = self.index()?;
        let revoked = index.into_iter().filter_map(|entry| {
            let at = OffsetDateTime::parse(&entry.revoked_at?, &Rfc3339).ok()?;
            Some(Revoked { serial: entry.serial, at })
        });
        let profile = ListProfile {
            number,
            this_update: now,
            next_update: now + lasts,
            revoked: revoked.collect(),
        };
        write_private(&path, &self.authority.revocation_list(&profile)?)?;
        Ok(path)
    }

    fn profile(
        &self,
        subject: &Subject,
        now: OffsetDateTime,
        lasts: Duration,
    ) -> Result<Profile, PkiError> {
        match subject {
            Subject::Client(name) => {
                let whole = || format!("spiffe://{}/{name}", self.trust_domain);
                let uri = if name.contains("://") { name.clone() } else { whole() };
                if name::trust_domain(&uri) != Some(&self.trust_domain) {
                    let trust_domain = self.trust_domain.clone();
                    return Err(PkiError::Name { name: uri, trust_domain });
                }
                let last = uri.rsplit('/').next().unwrap_or_default().to_owned();
                Ok(Profile::client(&last, &[uri], now, lasts))
            }
            Subject::Server { hosts, addresses } => {
                let address = addresses.first().map(IpAddr::to_string);
                let first = hosts.first().cloned().or(address);
                let first = first.ok_or_else(|| PkiError::Name {
                    name: "a server without a host".to_owned(),
                    trust_domain: self.trust_domain.clone(),
                })?;
                Ok(Profile {
                    hosts: hosts.clone(),
                    addresses: addresses.clone(),
                    usage: Usage::Server,
                    ..Profile::client(&first, &[], now, lasts)
                })
            }
        }
    }

    fn write(
        &self,
        profile: &Profile,
        certificate: PathBuf,
        now: OffsetDateTime,
    ) -> Result<Written, PkiError> {
        let key = certificate.with_extension("key.pem");
        let Issued { identity, serial } = self.authority.issue(profile)?;
        let addresses = profile.addresses.iter().map(IpAddr::to_string);
        let names = profile.uris.iter().chain(&profile.hosts).cloned().chain(addresses);
        let entry = Entry {
            serial,
            names: names.collect(),
            usage: if profile.usage == Usage::Client { "client" } else { "server" }.to_owned(),
            issued_at: written(now),
            expires_at: written(profile.not_after),
            file: std::path::absolute(&certificate).unwrap_or_else(|_| certificate.clone()),
            revoked_at: None,
        };
        let mut index = self.index()?;
        index.push(entry.clone());
        self.write_index(&index)?;
        write_private(&key, &identity.key)?;
        write_private(&certificate, &identity.certificate)?;
        Ok(Written { certificate, key, entry })
    }

    fn write_index(&self, index: &[Entry]) -> Result<(), PkiError> {
        let path = self.dir.join(INDEX);
        let lines = index.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
        let lines =
            lines.map_err(|error| PkiError::Form { path: path.clone(), why: error.to_string() })?;
        let text: String = lines.into_iter().map(|line| line + "\n").collect();
        write_private(&path, &text)
    }
}

impl Entry {
    /// Returns whether it is meant by a serial number or a file.
    fn is(&self, what: &str) -> bool {
        let path = std::path::absolute(what).ok();
        self.serial.eq_ignore_ascii_case(&what.replace(':', ""))
            || path.as_ref() == Some(&self.file)
    }
}

/// Makes a directory that only its owner can enter, unless there is one.
fn make_private(dir: &Path) -> Result<(), PkiError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| failed(dir, source))
}

fn lock(dir: &Path) -> Result<File, PkiError> {
    let path = dir.join(LOCK);
    let file = File::options().create(true).write(true).truncate(false).open(&path);
    let file = file.map_err(|source| failed(&path, source))?;
    file.lock().map_err(|source| failed(&path, source))?;
    Ok(file)
}

fn read(path: &Path) -> Result<String, PkiError> {
    std::fs::read_to_string(path).map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: std::io::Error) -> PkiError {
    PkiError::File { path: path.to_owned(), source }
}

fn written(at: OffsetDateTime) -> String {
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}

fn trust_domain_of(certificate: &str) -> Option<String> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(certificate.as_bytes()).ok()?;
    let parsed = pem.parse_x509().ok()?;
    let names = name::uri_names(&parsed);
    Some(names.first()?.strip_prefix("spiffe://")?.to_owned())
}

/// Returns the number of a revocation list.
fn number_of(path: &Path) -> Result<u64, PkiError> {
    let form = || PkiError::Form {
        path: path.to_owned(),
        why: "it is no list of this authority".to_owned(),
    };
    let text = read(path)?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(text.as_bytes()).map_err(|_| form())?;
    let (_, list) = x509_parser::parse_x509_crl(&pem.contents).map_err(|_| form())?;
    let number = list.extensions().iter().find_map(|it| match it.parsed_extension() {
        ParsedExtension::CRLNumber(number) => u64::try_from(number.clone()).ok(),
        _ => None,
    });
    number.ok_or_else(form)
}
