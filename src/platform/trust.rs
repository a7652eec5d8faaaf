//! Whom the hub believes: trust domains, each with its own authorities, revocation lists and issuers of tokens.
//!
//! What stands in the trust directory becomes a [`Trust`], which never changes. When the files change, another one takes its
//! place as a whole; when they cannot be read or are not sound, the one that was there stays. A certificate is held against the
//! authorities of the domain that its own name says, and no others: the authority of one province cannot speak for another.

pub mod authorities;
pub mod certificate;
pub mod folder;
pub mod issuer;
pub mod keys;
pub mod name;
pub mod verifier;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::kernel::clock::SharedClock;
use crate::platform::trust::authorities::{Authorities, Deadline};
use crate::platform::trust::folder::Files;
use crate::platform::trust::issuer::Issuer;

/// How often files are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The file of a domain that names its issuers of tokens.
const ISSUERS_FILE: &str = "tokens.toml";

/// Why there is no sound trust in a directory.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file or folder cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file or folder is larger than what belongs there.
    #[error("{} is larger than anything that belongs there", path.display())]
    TooMuch {
        /// Which.
        path: PathBuf,
    },
    /// A folder's name is no trust domain.
    #[error("the folder {domain} has not the name of a trust domain: letters a-z, digits, . - _")]
    Name {
        /// The folder.
        domain: String,
    },
    /// A folder vouches for nobody.
    #[error("the trust domain {domain} has neither ca*.pem nor {ISSUERS_FILE}")]
    Empty {
        /// Which.
        domain: String,
    },
    /// A file is not what it should be.
    #[error("{domain}/{file} {why}")]
    File {
        /// Whose.
        domain: String,
        /// Which.
        file: String,
        /// What is wrong with it.
        why: String,
    },
}

/// A trust domain.
#[derive(Debug)]
struct Domain {
    authorities: Authorities,
    issuers: Vec<Arc<Issuer>>,
}

/// Whom the hub believes at one time.
#[derive(Debug)]
pub struct Trust {
    epoch: u64,
    domains: Arc<BTreeMap<String, Domain>>,
    hub_tokens: bool,
}

impl Trust {
    /// Makes trust of files. `before` lends what it fetched from elsewhere.
    fn read(files: &Files, hub_tokens: bool, before: Option<&Self>) -> Result<Self, TrustError> {
        let mut domains = BTreeMap::new();
        for (name, content) in files {
            if !name::is_trust_domain(name) {
                return Err(TrustError::Name { domain: name.clone() });
            }
            domains.insert(name.clone(), Domain::read(name, content, before)?);
        }
        let trust = Self { epoch: 1, domains: Arc::new(domains), hub_tokens };
        let issuers: Vec<_> = trust.issuers().collect();
        for (index, issuer) in issuers.iter().enumerate() {
            if issuers.iter().skip(index + 1).any(|other| other.name() == issuer.name()) {
                let why = format!("names the issuer {}, which has been named", issuer.name());
                let domain = issuer.domain().to_owned();
                return Err(TrustError::File { domain, file: ISSUERS_FILE.to_owned(), why });
            }
        }
        Ok(trust)
    }

    /// Returns the number of this trust; it grows with each change.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns whether nobody could call.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty() && !self.hub_tokens
    }

    /// Returns whether tokens count that the hub made itself.
    #[must_use]
    pub const fn takes_hub_tokens(&self) -> bool {
        self.hub_tokens
    }

    /// Returns whether a connection without a client certificate can be of use.
    #[must_use]
    pub fn takes_tokens(&self) -> bool {
        self.hub_tokens || self.issuers().next().is_some()
    }

    /// Returns the issuers of tokens.
    pub fn issuers(&self) -> impl Iterator<Item = &Arc<Issuer>> {
        self.domains.values().flat_map(|domain| &domain.issuers)
    }

    /// Sees whether a certificate has one sound URI name, and the authorities of the trust domain in it vouch for it.
    ///
    /// # Errors
    ///
    /// The certificate is not believed.
    pub fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let (_, parsed) = X509Certificate::from_der(leaf)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let domain = certificate::single_name(&parsed)
            .and_then(name::trust_domain)
            .ok_or(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))?;
        let domain = self
            .domains
            .get(domain)
            .ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        domain.authorities.verify(leaf, intermediates, now)
    }

    /// Returns when what must have been replaced, by trust domain.
    pub fn deadlines(&self) -> impl Iterator<Item = (&str, &Deadline)> {
        self.domains.iter().flat_map(|(domain, it)| {
            it.authorities.deadlines().map(|deadline| (domain.as_str(), deadline))
        })
    }

    /// Returns what a person should see to at some time, in seconds since 1970, and whether it is too late already.
    fn concerns(&self, now: i64) -> BTreeMap<String, bool> {
        let due = self.deadlines().filter(|(_, deadline)| deadline.is_due(now));
        due.map(|(domain, Deadline { file, is_list, at, .. })| {
            let what = if *is_list { "a revocation list" } else { "an authority" };
            if *at <= now {
                let text = format!(
                    "{what} in {domain}/{file} is out of date: no certificate counts that depends on it"
                );
                (text, true)
            } else {
                let days = (at - now) / (24 * 3_600);
                let text = format!("{what} in {domain}/{file} will be out of date in {days} days: replace it");
                (text, false)
            }
        })
        .collect()
    }

    /// Returns what there is, for the log.
    fn summary(&self) -> String {
        let names: Vec<_> = self.domains.keys().map(String::as_str).collect();
        let issuers = self.issuers().count();
        format!("{} trust domains ({}), {issuers} issuers of tokens", names.len(), names.join(", "))
    }
}

impl Domain {
    fn read(
        domain: &str,
        files: &BTreeMap<String, Vec<u8>>,
        before: Option<&Trust>,
    ) -> Result<Self, TrustError> {
        let failed = |(file, why)| TrustError::File { domain: domain.to_owned(), file, why };
        let some = |is_one: fn(&str) -> bool| -> Vec<(&str, &[u8])> {
            let found = files.iter().filter(|(name, _)| is_one(name));
            found.map(|(name, content)| (name.as_str(), content.as_slice())).collect()
        };
        let authorities =
            Authorities::read(&some(is_authorities), &some(is_list)).map_err(failed)?;
        let issuers = match files.get(ISSUERS_FILE) {
            Some(content) => issuer::read(domain, content, files, before)
                .map_err(|why| failed((ISSUERS_FILE.to_owned(), why)))?,
            None => Vec::new(),
        };
        if authorities.is_empty() && issuers.is_empty() {
            return Err(TrustError::Empty { domain: domain.to_owned() });
        }
        Ok(Self { authorities, issuers })
    }
}

fn is_authorities(file: &str) -> bool {
    file.starts_with("ca") && file.ends_with(".pem")
}

fn is_list(file: &str) -> bool {
    file.ends_with(".crl") || (file.starts_with("crl") && file.ends_with(".pem"))
}

/// The trust of a hub: what it is now, and where it comes from. Clones share it.
#[derive(Clone, Debug)]
pub struct SharedTrust(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    present: ArcSwap<Trust>,
    /// Where it is read from, and what stood there at the start.
    folder: Option<(PathBuf, Files)>,
    changed: watch::Sender<u64>,
    /// Held by whoever puts another trust in its place.
    publishing: Mutex<()>,
}

impl SharedTrust {
    /// Reads a trust directory, or takes none: then only the hub's own tokens can count.
    ///
    /// # Errors
    ///
    /// The directory cannot be read or is not sound.
    pub fn open(folder: Option<&Path>, hub_tokens: bool) -> Result<Self, TrustError> {
        let files = folder.map(folder::read).transpose()?.unwrap_or_default();
        let trust = Trust::read(&files, hub_tokens, None)?;
        tracing::info!("believing {}", trust.summary());
        Ok(Self::of(trust, folder.map(|folder| (folder.to_owned(), files))))
    }

    /// Returns the trust in files that never change.
    ///
    /// # Errors
    ///
    /// They are not sound.
    pub fn fixed(files: &Files, hub_tokens: bool) -> Result<Self, TrustError> {
        Ok(Self::of(Trust::read(files, hub_tokens, None)?, None))
    }

    fn of(trust: Trust, folder: Option<(PathBuf, Files)>) -> Self {
        let changed = watch::Sender::new(trust.epoch);
        let (present, publishing) = (ArcSwap::from_pointee(trust), Mutex::default());
        Self(Arc::new(Shared { present, folder, changed, publishing }))
    }

    /// Returns whom the hub believes now.
    #[must_use]
    pub fn present(&self) -> Arc<Trust> {
        self.0.present.load_full()
    }

    /// Returns what tells of every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Looks at the directory once a second until told to stop. What is not sound is said once, and changes nothing.
    pub async fn follow(self, clock: SharedClock, stop: CancellationToken) {
        let Some(mut looker) = Looker::new(self) else { return };
        loop {
            let now = clock.now().unix_timestamp();
            let looking = tokio::task::spawn_blocking(move || {
                looker.look();
                looker.tell_concerns(now);
                looker
            });
            looker = match looking.await {
                Ok(looker) => looker,
                Err(error) => {
                    tracing::error!("the trust directory is not looked at any more: {error}");
                    return;
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Says that keys have changed which were fetched, so that what was verified with the old ones is verified again.
    fn keys_changed(&self) {
        let _publishing = self.0.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        let present = self.present();
        self.replace(Trust { domains: Arc::clone(&present.domains), ..*present });
    }

    fn publish(&self, trust: Trust) {
        tracing::info!("the trust directory has changed; believing {}", trust.summary());
        if trust.is_empty() {
            tracing::error!("the trust directory is empty; nobody can call");
        }
        let _publishing = self.0.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        self.replace(trust);
    }

    fn replace(&self, trust: Trust) {
        let epoch = self.present().epoch + 1;
        self.0.present.store(Arc::new(Trust { epoch, ..trust }));
        self.0.changed.send_replace(epoch);
    }
}

/// Sees whether the directory has changed.
#[derive(Debug)]
struct Looker {
    trust: SharedTrust,
    folder: PathBuf,
    /// What stood there last time, sound or not.
    seen: Files,
    /// What was said about a directory that cannot be read.
    unreadable: Option<String>,
    /// What was said about deadlines.
    concerns: BTreeMap<String, bool>,
}

impl Looker {
    fn new(trust: SharedTrust) -> Option<Self> {
        let (folder, seen) = trust.0.folder.clone()?;
        Some(Self { trust, folder, seen, unreadable: None, concerns: BTreeMap::new() })
    }

    /// Looks once, and returns what is wrong with what is there if that was not said before.
    fn look(&mut self) -> Option<String> {
        let outcome = match self.read() {
            Ok(files) => {
                self.unreadable = None;
                files.map_or(Ok(()), |files| self.take_up(files))
            }
            Err(error) => {
                let why = explain(&error);
                let is_said = self.unreadable.as_ref() == Some(&why);
                self.unreadable = Some(why);
                if is_said { Ok(()) } else { Err(error) }
            }
        };
        let why = outcome.err().map(|error| explain(&error))?;
        let folder = self.folder.display();
        tracing::error!("trust stays as it was, for what is in {folder} now is not sound: {why}");
        Some(why)
    }

    /// Says what a person should see to, once.
    fn tell_concerns(&mut self, now: i64) {
        let concerns = self.trust.present().concerns(now);
        for (concern, is_late) in &concerns {
            match is_late {
                _ if self.concerns.contains_key(concern) => {}
                true => tracing::error!("{concern}"),
                false => tracing::warn!("{concern}"),
            }
        }
        self.concerns = concerns;
    }

    /// Returns what stands there if it is something else than before.
    fn read(&self) -> Result<Option<Files>, TrustError> {
        let files = folder::read(&self.folder)?;
        // Whoever writes several files may be in the middle of it; what stands still is taken.
        let is_new = files != self.seen && files == folder::read(&self.folder)?;
        Ok(is_new.then_some(files))
    }

    fn take_up(&mut self, files: Files) -> Result<(), TrustError> {
        let before = self.trust.present();
        let read = Trust::read(&files, before.hub_tokens, Some(&before));
        self.seen = files;
        self.trust.publish(read?);
        Ok(())
    }
}

fn explain(error: &TrustError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

#[cfg(test)]
mod tests;
