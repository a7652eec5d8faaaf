//! The files of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::postings::import::ImportError;

/// Most folders within each other that are looked into; links could make a circle.
const DEPTH_MAX: usize = 16;

/// A file to read.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// Path as seen from where reading began, for locators.
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

/// Returns the file itself, or all files in a folder and the folders in it, by name.
pub(crate) fn files(path: &Path) -> Result<Vec<File>, ImportError> {
    let mut files = Vec::new();
    if path.is_dir() {
        collect(path, path, DEPTH_MAX, &mut files)?;
    } else {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        files.push(file(path, name)?);
    }
    Ok(files)
}

fn collect(
    root: &Path,
    folder: &Path,
    depth: usize,
    files: &mut Vec<File>,
) -> Result<(), ImportError> {
    let unreadable = |source| ImportError::Unreadable { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path());
    }
    // The order in which a file system lists names is no order.
    paths.sort();
    for path in paths {
        let is_hidden =
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_hidden {
            continue;
        }
        if path.is_dir() {
            if let Some(depth) = depth.checked_sub(1) {
                collect(root, &path, depth, files)?;
            }
        } else {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            files.push(file(&path, name)?);
        }
    }
    Ok(())
}

fn file(path: &Path, name: String) -> Result<File, ImportError> {
    let metadata = fs::metadata(path)
        .map_err(|source| ImportError::Unreadable { path: path.to_owned(), source })?;
    Ok(File { path: path.to_owned(), name, bytes: metadata.len() })
}
