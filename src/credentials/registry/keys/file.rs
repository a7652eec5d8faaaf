//! Keys that lie in the hub's key directory: `issuer-NAME-LABEL.pem`, PKCS #8, put there by whoever runs the hub. The issuer's name is
//! a part of the file's, so that no other issuer can be given the key.

use std::path::PathBuf;

use futures_util::future::BoxFuture;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use crate::credentials::domain::Algorithm;
use crate::credentials::registry::entry::{Held, IssuerKey};
use crate::credentials::registry::keys::{KeyName, KeyProvider, Provided};
use crate::credentials::sdjwt::key::SecretKey;
use crate::platform::keys::KeyError;

/// Name of the provider.
pub const NAME: &str = "file";

/// Keys in a directory.
#[derive(Debug)]
pub struct FileKeys {
    dir: PathBuf,
}

impl FileKeys {
    /// Returns the keys of a directory.
    #[must_use]
    pub const fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    async fn read(&self, file: &str) -> Result<SecretKey, KeyError> {
        let path = self.dir.join(file);
        let pem = match tokio::fs::read(&path).await {
            Ok(pem) => Zeroizing::new(pem),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(KeyError::Unknown { id: file.to_owned() });
            }
            Err(source) => return Err(KeyError::File { path, source }),
        };
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).ok();
        let key = der.and_then(|der| SecretKey::of_pkcs8(der.secret_pkcs8_der()).ok());
        key.ok_or(KeyError::Form { path })
    }
}

/// Returns the file of a key. Names are of lower-case letters, digits and hyphens, so that none leads out of the directory.
fn file(name: KeyName<'_>) -> Option<String> {
    let is_plain = |text: &str| {
        let plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
        !text.is_empty() && text.bytes().all(plain)
    };
    let is_sound = is_plain(name.issuer) && is_plain(name.label);
    is_sound.then(|| format!("issuer-{}-{}.pem", name.issuer, name.label))
}

impl KeyProvider for FileKeys {
    fn name(&self) -> &'static str {
        NAME
    }

    fn provide<'a>(
        &'a self,
        name: KeyName<'a>,
        algorithm: Option<Algorithm>,
    ) -> BoxFuture<'a, Result<Provided, KeyError>> {
        Box::pin(async move {
            let unknown = || KeyError::Unknown { id: name.label.to_owned() };
            let file = file(name).ok_or_else(unknown)?;
            let secret = self.read(&file).await?;
            if algorithm.is_some_and(|algorithm| algorithm != secret.algorithm()) {
                return Err(unknown());
            }
            let held = Held { provider: NAME.to_owned(), handle: file.into_bytes() };
            Ok(Provided { public: secret.public().clone(), held })
        })
    }

    fn sign<'a>(
        &'a self,
        key: &'a IssuerKey,
        message: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, KeyError>> {
        Box::pin(async move {
            let unknown = || KeyError::Unknown { id: key.key_id.clone() };
            let handle = key.held.as_ref().map(|held| held.handle.as_slice());
            let file = handle.and_then(|handle| std::str::from_utf8(handle).ok());
            let secret = self.read(file.ok_or_else(unknown)?).await?;
            // Another key in its file signs nothing.
            if key.public.as_ref() != Some(secret.public()) {
                return Err(unknown());
            }
            secret.sign(message).map_err(|_| KeyError::Randomness)
        })
    }
}
