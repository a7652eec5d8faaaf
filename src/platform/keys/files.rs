//! The files of a key directory.
//!
//! `master-ID.key` and `index-ID.key` hold 32 random bytes each, base64. `current.toml` says which are in use. A new key is made
//! first and put to use later, so that every replica has it by then.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::platform::keys::KeyError;
use crate::platform::keys::sealing::{DataKey, KEY_BYTES};
use crate::platform::keys::vault::KeyIds;

/// Says which keys are in use.
const CURRENT: &str = "current.toml";

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// Wraps other keys.
    Master,
    /// Makes digests by which workers are found.
    Index,
}

impl KeyUse {
    /// Returns its name in file names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Index => "index",
        }
    }

    fn file(self, dir: &Path, id: &str) -> PathBuf {
        dir.join(format!("{}-{id}.key", self.name()))
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Current {
    master: String,
    index: String,
}

/// All keys of a directory.
pub struct Ring {
    /// Master keys by id.
    pub masters: BTreeMap<String, DataKey>,
    /// Index keys by id.
    pub indexes: BTreeMap<String, hmac::Key>,
    current: Current,
}

impl Ring {
    /// Reads a directory.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or a key that is in use is not there.
    pub fn read(dir: &Path) -> Result<Self, KeyError> {
        let missing = |what| KeyError::Missing { path: dir.to_owned(), what };
        let current = read_current(dir)?.ok_or(missing("master and index key"))?;
        let failed = |source| KeyError::File { path: dir.to_owned(), source };
        let (mut masters, mut indexes) = (BTreeMap::new(), BTreeMap::new());
        for entry in std::fs::read_dir(dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            match named(&path) {
                Some((KeyUse::Master, id)) => {
                    masters.insert(id, read_key(&path)?);
                }
                Some((KeyUse::Index, id)) => {
                    let key = hmac::Key::new(hmac::HMAC_SHA256, read_key(&path)?.bytes());
                    indexes.insert(id, key);
                }
                None => {}
            }
        }
        if !masters.contains_key(&current.master) {
            return Err(missing("master key of the id in current.toml"));
        }
        if !indexes.contains_key(&current.index) {
            return Err(missing("index key of the id in current.toml"));
        }
        Ok(Self { masters, indexes, current })
    }

    /// Returns which keys there are.
    #[must_use]
    pub fn ids(&self) -> KeyIds {
        KeyIds {
            current_master: self.current.master.clone(),
            masters: self.masters.keys().cloned().collect(),
            current_index: self.current.index.clone(),
            indexes: self.indexes.keys().cloned().collect(),
        }
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("current", &self.current).finish_non_exhaustive()
    }
}

/// Makes a master and an index key and puts them to use, unless the directory has some in use.
///
/// # Errors
///
/// A file cannot be written.
pub fn create_if_missing(dir: &Path) -> Result<(), KeyError> {
    if read_current(dir)?.is_some() {
        return Ok(());
    }
    let (master, index) = (add(dir, KeyUse::Master)?, add(dir, KeyUse::Index)?);
    // Somebody else may have come first; then theirs count, and these two stay unused.
    create(&dir.join(CURRENT), &text_of(&Current { master, index }))?;
    Ok(())
}

/// Makes a key, which is not in use yet, and returns its id.
///
/// # Errors
///
/// The file cannot be written, or the machine gives no randomness.
pub fn add(dir: &Path, kind: KeyUse) -> Result<String, KeyError> {
    let mut name = [0; 8];
    aws_lc_rs::rand::fill(&mut name).map_err(|_| KeyError::Randomness)?;
    let id = format!("{:016x}", u64::from_be_bytes(name));
    let key = DataKey::random()?;
    let text = Zeroizing::new(format!("{}\n", STANDARD.encode(key.bytes())));
    create(&kind.file(dir, &id), &text)?;
    Ok(id)
}

/// Puts a key to use. Every replica must have it by now.
///
/// # Errors
///
/// There is no such key, or the directory cannot be written to.
pub fn put_to_use(dir: &Path, kind: KeyUse, id: &str) -> Result<(), KeyError> {
    read_key(&kind.file(dir, id))?;
    let missing = KeyError::Missing { path: dir.to_owned(), what: "keys in use" };
    let current = read_current(dir)?.ok_or(missing)?;
    let current = match kind {
        KeyUse::Master => Current { master: id.to_owned(), ..current },
        KeyUse::Index => Current { index: id.to_owned(), ..current },
    };
    replace(&dir.join(CURRENT), &text_of(&current))
}

/// Writes a file that only its owner can read, whole or not at all, unless it is there. Returns whether it was written.
///
/// # Errors
///
/// It cannot be written.
pub fn create(path: &Path, text: &str) -> Result<bool, KeyError> {
    let beside = write_beside(path, text)?;
    let linked = std::fs::hard_link(&beside, path);
    let removed = std::fs::remove_file(&beside);
    match linked.and(removed) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(source) => Err(KeyError::File { path: path.to_owned(), source }),
    }
}

/// Writes a file that only its owner can read, whole or not at all, in place of the one that is there.
///
/// # Errors
///
/// It cannot be written.
pub fn replace(path: &Path, text: &str) -> Result<(), KeyError> {
    let beside = write_beside(path, text)?;
    std::fs::rename(&beside, path)
        .map_err(|source| KeyError::File { path: path.to_owned(), source })
}

fn write_beside(path: &Path, text: &str) -> Result<PathBuf, KeyError> {
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| KeyError::Randomness)?;
    let beside = path.with_extension(format!("{:016x}.new", u64::from_be_bytes(random)));
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    match written {
        Ok(()) => Ok(beside),
        Err(source) => Err(KeyError::File { path: beside, source }),
    }
}

fn named(path: &Path) -> Option<(KeyUse, String)> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".key")?;
    let (kind, id) = stem.split_once('-')?;
    let is_id =
        |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
    if id.is_empty() || id.len() > 40 || !id.bytes().all(is_id) {
        return None;
    }
    match kind {
        "master" => Some((KeyUse::Master, id.to_owned())),
        "index" => Some((KeyUse::Index, id.to_owned())),
        _ => None,
    }
}

fn read_key(path: &Path) -> Result<DataKey, KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    let text = Zeroizing::new(std::fs::read(path).map_err(failed)?);
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    let length = STANDARD.decode_slice_unchecked(text.trim_ascii(), bytes.as_mut_slice()).ok();
    let key = length.filter(|length| *length == KEY_BYTES).and_then(|_| DataKey::of_bytes(&*bytes));
    key.ok_or_else(|| KeyError::Form { path: path.to_owned() })
}

fn read_current(dir: &Path) -> Result<Option<Current>, KeyError> {
    let path = dir.join(CURRENT);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(KeyError::File { path, source }),
    };
    toml::from_str(&text).map(Some).map_err(|_| KeyError::Form { path })
}

fn text_of(current: &Current) -> String {
    format!(
        "# Which keys are in use; `peshub keys use` changes it.\nmaster = \"{}\"\nindex = \"{}\"\n",
        current.master, current.index
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use crate::platform::keys::KeyError;
    use crate::platform::keys::files::{self, KeyUse, Ring};

    #[test]
    fn a_directory_gets_its_keys_once_and_only_its_owner_reads_them() {
        let dir = tempfile::tempdir().unwrap();
        files::create_if_missing(dir.path()).unwrap();
        let first = Ring::read(dir.path()).unwrap().ids();
        files::create_if_missing(dir.path()).unwrap();
        assert_eq!(Ring::read(dir.path()).unwrap().ids(), first);
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
        }
    }

    #[test]
    fn many_that_begin_at_once_end_with_one_key_in_use() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| files::create_if_missing(dir.path()).unwrap());
            }
        });
        Ring::read(dir.path()).unwrap();
    }

    #[test]
    fn a_new_key_is_there_before_it_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        files::create_if_missing(dir.path()).unwrap();
        let before = Ring::read(dir.path()).unwrap().ids();
        let id = files::add(dir.path(), KeyUse::Master).unwrap();
        let added = Ring::read(dir.path()).unwrap().ids();
        assert_eq!(added.current_master, before.current_master);
        assert!(added.masters.contains(&id));
        files::put_to_use(dir.path(), KeyUse::Master, &id).unwrap();
        let used = Ring::read(dir.path()).unwrap().ids();
        assert_eq!((used.current_master, used.current_index), (id, before.current_index));
        let none = files::put_to_use(dir.path(), KeyUse::Index, "0000000000000000");
        assert!(matches!(none, Err(KeyError::File { .. })));
    }

    #[test]
    fn a_directory_without_the_key_that_is_in_use_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Ring::read(dir.path()), Err(KeyError::Missing { .. })));
        files::create_if_missing(dir.path()).unwrap();
        let id = Ring::read(dir.path()).unwrap().ids().current_index;
        let path = dir.path().join(format!("index-{id}.key"));
        std::fs::write(&path, "too short\n").unwrap();
        assert!(matches!(Ring::read(dir.path()), Err(KeyError::Form { .. })));
        std::fs::remove_file(path).unwrap();
        assert!(matches!(Ring::read(dir.path()), Err(KeyError::Missing { .. })));
    }
}
