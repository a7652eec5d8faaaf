//! A folder for the data of one run.

use std::io;
use std::path::{Path, PathBuf};

/// A folder that is removed afterwards if nobody named it.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    is_ours: bool,
}

impl Place {
    /// Takes the named folder, or makes one for temporary files.
    pub(super) fn new(named: Option<PathBuf>, what: &str) -> io::Result<Self> {
        let is_ours = named.is_none();
        let temporary =
            || std::env::temp_dir().join(format!("peshub-{what}-{}", std::process::id()));
        let path = named.unwrap_or_else(temporary);
        std::fs::create_dir_all(&path)?;
        Ok(Self { path, is_ours })
    }

    /// Returns where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_ours
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!("{} stays: {error}", self.path.display());
        }
    }
}
