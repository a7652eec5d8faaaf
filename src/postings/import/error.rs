//! Why a file, or all of them, cannot be read.

use std::path::PathBuf;

use crate::pb::peshub::common::v1::FindingCode;
use crate::postings::import::{FORMATS, Reject};

/// Why nothing can be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file or folder cannot be opened or read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no such format.
    #[error("there is no format {name:?}; there are {}", names())]
    NoSuchFormat {
        /// What was asked for.
        name: String,
    },
    /// The content is of no known format.
    #[error("the format of {} is none of {}; a table (csv) needs --mapping", path.display(), names())]
    UnknownFormat {
        /// Which file.
        path: PathBuf,
    },
    /// The text is not UTF-8.
    #[error("{} is not UTF-8: {hint}", path.display())]
    Encoding {
        /// Which file.
        path: PathBuf,
        /// What it looks like and what to do.
        hint: String,
    },
    /// CSV was met without a mapping.
    #[error("{} is CSV, which needs a mapping of columns to fields", path.display())]
    NoMapping {
        /// Which file.
        path: PathBuf,
    },
    /// The header of a CSV file lacks columns that the mapping reads.
    #[error("{} has no column {}", path.display(), columns.join(", "))]
    MissingColumns {
        /// Which file.
        path: PathBuf,
        /// The columns.
        columns: Vec<String>,
    },
    /// A folder has no file of a known format.
    #[error("{} has no file of a known format", path.display())]
    NothingToRead {
        /// Which folder.
        path: PathBuf,
    },
}

impl ImportError {
    /// Returns the reject that stands for a file of which nothing can be read.
    pub(crate) fn reject(&self) -> Reject {
        let path = match self {
            Self::Unreadable { path, .. }
            | Self::UnknownFormat { path }
            | Self::Encoding { path, .. }
            | Self::NoMapping { path }
            | Self::MissingColumns { path, .. }
            | Self::NothingToRead { path } => path.display().to_string(),
            Self::NoSuchFormat { name } => name.clone(),
        };
        Reject {
            locator: path,
            external_id: None,
            field: String::new(),
            code: FindingCode::Malformed,
            expected: self.to_string(),
            given: String::new(),
        }
    }
}

fn names() -> String {
    FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join(", ")
}
