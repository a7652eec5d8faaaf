//! The trust directory as files: one folder for each trust domain.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::platform::trust::TrustError;

/// Largest file; a revocation list of some hundred thousand certificates fits.
const FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Most bytes of all files together.
const ALL_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Most trust domains, and most files of one.
const ENTRIES_MAX: usize = 1_000;

/// What stands in the folders of the trust domains: trust domain, file name, content.
pub type Files = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

/// Reads a trust directory. What begins with a dot is passed over: Kubernetes keeps the past and the present of a mounted
/// volume there, and changes over from one to the other by a link.
///
/// # Errors
///
/// Something cannot be read, or is larger than anything that belongs there.
pub fn read(dir: &Path) -> Result<Files, TrustError> {
    let (mut files, mut bytes) = (Files::new(), 0);
    for (domain, path) in entries(dir)? {
        if path.is_dir() {
            let content = read_domain(&path)?;
            bytes += content.values().map(Vec::len).sum::<usize>();
            files.insert(domain, content);
        }
        if bytes > ALL_BYTES_MAX {
            return Err(TrustError::TooMuch { path: dir.to_owned() });
        }
    }
    Ok(files)
}

fn read_domain(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>, TrustError> {
    let mut files = BTreeMap::new();
    for (name, path) in entries(dir)? {
        if path.is_file() {
            files.insert(name, read_file(&path)?);
        }
    }
    Ok(files)
}

/// Reads one file that is not too large.
///
/// # Errors
///
/// It cannot be read, or is larger than 32 MiB.
pub fn read_file(path: &Path) -> Result<Vec<u8>, TrustError> {
    let failed = |source| TrustError::Read { path: path.to_owned(), source };
    let mut content = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut content).map_err(failed)?;
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(TrustError::TooMuch { path: path.to_owned() });
    }
    Ok(content)
}

fn entries(dir: &Path) -> Result<Vec<(String, PathBuf)>, TrustError> {
    let failed = |source| TrustError::Read { path: dir.to_owned(), source };
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.filter(|name| !name.starts_with('.'));
        entries.extend(name.map(|name| (name, path)));
        if entries.len() > ENTRIES_MAX {
            return Err(TrustError::TooMuch { path: dir.to_owned() });
        }
    }
    Ok(entries)
}
