//! Reading other people's files of postings.
//!
//! An importer is a client: it turns a file, or a folder of files, into the changes that
//! `SyncPostings` takes, one record at a time, so that a file of any size fits. A record that
//! cannot be read is a [`Reject`] that says where and why; the records after it are read all the
//! same. What had to be interpreted, cut or left out of a record that was taken is a [`Note`].
//!
//! How records are cut out of a file is in [`pieces`], what a record means in one module a format.
//! All of them fill a [`draft::Draft`], which holds the limits of the contract.
//!
//! **Invariant:** an [`Item`] has no violation of the contract, whatever the file held.

use std::path::{Path, PathBuf};

use crate::kernel::fields;
use crate::pb::peshub::common::v1::FindingCode;
use crate::pb::peshub::postings::v1::PostingChange;

pub mod error;
pub mod mapping;

mod draft;
mod folder;
mod hr_xml;
mod input;
mod job_tech;
mod occupations;
mod pieces;
mod places;
mod refusal;
mod rows;
mod schema_org;
mod tree;
mod values;
mod words;

use crate::postings::import::draft::Read;
use crate::postings::import::error::ImportError;
use crate::postings::import::input::Input;
use crate::postings::import::mapping::Mapping;
use crate::postings::import::pieces::{Cutter, Cutting};
use crate::postings::import::refusal::Refusal;

/// A record that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Where the record is: `jobs.csv:1042`, `ads.json#3`.
    pub locator: String,
    /// What to send.
    pub change: PostingChange,
    /// What was interpreted, cut or left out.
    pub fixes: Vec<Note>,
}

/// Something in a record that was not taken as it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Path of the field within the posting: `pay`, `workplaces[0].division`.
    pub field: String,
    /// What it is about.
    pub code: FindingCode,
    /// What was done, for a person.
    pub done: String,
    /// What the file says, cut to [`fields::GIVEN_CHARS_MAX`] characters.
    pub given: String,
}

/// A record that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Where the record is.
    pub locator: String,
    /// The source's own id, where it could be read.
    pub external_id: Option<String>,
    /// Path of the field within the posting; empty for the record as a whole.
    pub field: String,
    /// What it is about.
    pub code: FindingCode,
    /// What was expected, for a person.
    pub expected: String,
    /// What the file says, cut to [`fields::GIVEN_CHARS_MAX`] characters.
    pub given: String,
}

/// What to know for reading.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Name of the [`Format`]; told from the content when absent.
    pub format: Option<String>,
    /// Which column is which field; needed for CSV, unused elsewhere.
    pub mapping: Option<Mapping>,
    /// Country (ISO 3166-1 alpha-2) of places of which the file does not say it.
    pub country: Option<String>,
    /// Language (BCP 47) of postings of which the file does not say it.
    pub language: Option<String>,
}

/// A format that can be read.
#[derive(Debug)]
pub struct Format {
    /// Name, for [`Options::format`].
    pub name: &'static str,
    /// Endings of the names of such files, in the order of likelihood.
    pub extensions: &'static [&'static str],
    /// Whether the beginning of a file looks like it.
    pub sniff: fn(&[u8]) -> bool,
    cutting: Cutting,
    reader: fn(&Options) -> Option<Box<dyn RecordReader>>,
}

/// What a record of a format means.
pub(crate) trait RecordReader: std::fmt::Debug {
    /// Reads the header of a file that has one.
    ///
    /// # Errors
    /// The names of columns that are missing.
    fn header(&mut self, _record: &[u8]) -> Result<(), Vec<String>> {
        Ok(())
    }

    /// Reads one record; absent when it is something else than a posting, which is not wrong.
    ///
    /// # Errors
    /// Why the record cannot be taken.
    fn read(&mut self, record: &[u8]) -> Result<Option<Read>, Refusal>;
}

/// All formats, the surest to recognise first.
pub const FORMATS: &[Format] =
    &[hr_xml::FORMAT, job_tech::FORMAT, schema_org::FORMAT, rows::FORMAT];

/// Opens a file, or all files of a folder and the folders in it, in the order of their names.
///
/// In a folder, files of no known format are left out; [`Import::skipped`] names them.
///
/// # Errors
/// When there is nothing to read, or not in the way that the options ask for.
pub fn open(path: &Path, options: Options) -> Result<Import, ImportError> {
    if let Some(name) = &options.format
        && !FORMATS.iter().any(|format| format.name == name)
    {
        return Err(ImportError::NoSuchFormat { name: name.clone() });
    }
    let files = folder::files(path)?;
    let total_bytes = files.iter().map(|file| file.bytes).sum();
    let mut import = Import {
        files: files.into_iter(),
        is_folder: path.is_dir(),
        options,
        current: None,
        progress: Progress { total_bytes, ..Progress::default() },
        read_before: 0,
        skipped: Vec::new(),
    };
    // The first file is opened now, so that what is wrong with all of them is said at once.
    import.advance()?;
    if import.current.is_none() {
        return Err(ImportError::NothingToRead { path: path.to_owned() });
    }
    Ok(import)
}

/// How far an import is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read, over all files.
    pub read_bytes: u64,
    /// Bytes of all files, as they were when opened.
    pub total_bytes: u64,
    /// Records taken.
    pub items: u64,
    /// Records not taken.
    pub rejects: u64,
}

/// The records of a file or folder, one after the other.
#[derive(Debug)]
pub struct Import {
    files: std::vec::IntoIter<folder::File>,
    is_folder: bool,
    options: Options,
    current: Option<Current>,
    progress: Progress,
    read_before: u64,
    skipped: Vec<PathBuf>,
}

#[derive(Debug)]
struct Current {
    format: &'static Format,
    name: String,
    input: Input,
    cutter: Box<dyn Cutter>,
    reader: Box<dyn RecordReader>,
}

impl Import {
    /// Returns how far the import is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let here = self.current.as_ref().map_or(0, |current| current.input.read_bytes());
        Progress { read_bytes: self.read_before.saturating_add(here), ..self.progress }
    }

    /// Returns the name of the format of the file that is being read.
    #[must_use]
    pub fn format(&self) -> Option<&'static str> {
        self.current.as_ref().map(|current| current.format.name)
    }

    /// Returns the files of a folder that were left out, because they are of no known format.
    #[must_use]
    pub fn skipped(&self) -> &[PathBuf] {
        &self.skipped
    }

    fn close(&mut self) {
        if let Some(current) = self.current.take() {
            self.read_before = self.read_before.saturating_add(current.input.read_bytes());
        }
    }

    /// Opens the next file that can be read.
    fn advance(&mut self) -> Result<(), ImportError> {
        for file in self.files.by_ref() {
            match Current::open(&file, &self.options) {
                Ok(current) => {
                    self.current = Some(current);
                    return Ok(());
                }
                Err(ImportError::UnknownFormat { path } | ImportError::NoMapping { path })
                    if self.is_folder =>
                {
                    self.skipped.push(path);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads the next record of the current file; absent at its end, empty if it is no posting.
    fn next_here(&mut self) -> Option<Result<Option<Item>, Reject>> {
        let current = self.current.as_mut()?;
        let Some(piece) = current.cutter.next(&mut current.input) else {
            let failure = current.input.take_failure()?;
            return Some(Err(Refusal::malformed(&failure, "").at(current.name.clone())));
        };
        let locator = format!("{}{}", current.name, piece.place);
        let read =
            piece.bytes.and_then(|bytes| current.reader.read(&bytes)?.map(sound).transpose());
        Some(match read {
            Ok(Some(read)) => Ok(Some(Item { locator, change: read.change, fixes: read.notes })),
            Ok(None) => Ok(None),
            Err(refusal) => Err(refusal.at(locator)),
        })
    }
}

impl Iterator for Import {
    type Item = Result<Item, Reject>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.current.is_none() {
                if let Err(error) = self.advance() {
                    self.progress.rejects = self.progress.rejects.saturating_add(1);
                    return Some(Err(error.reject()));
                }
                self.current.as_ref()?;
            }
            let Some(next) = self.next_here() else {
                self.close();
                continue;
            };
            let count = match &next {
                Ok(Some(_)) => &mut self.progress.items,
                Err(_) => &mut self.progress.rejects,
                Ok(None) => continue,
            };
            *count = count.saturating_add(1);
            return next.transpose();
        }
    }
}

impl Current {
    fn open(file: &folder::File, options: &Options) -> Result<Self, ImportError> {
        let path = &file.path;
        let unreadable = |source| ImportError::Unreadable { path: path.clone(), source };
        let mut input = Input::open(path).map_err(unreadable)?;
        let beginning = input.beginning().map_err(unreadable)?;
        let by_extension = of_extension(path);
        let format = match &options.format {
            Some(name) => FORMATS.iter().find(|format| format.name == name),
            None => recognise(by_extension, beginning, options.mapping.is_some()),
        };
        let lines = pieces::are_lines(path, beginning);
        if let Some(hint) = input::foreign_encoding(beginning)
            && format.or(by_extension).is_some()
        {
            return Err(ImportError::Encoding { path: path.clone(), hint: hint.to_owned() });
        }
        let Some(format) = format else {
            return Err(ImportError::UnknownFormat { path: path.clone() });
        };
        let Some(mut reader) = (format.reader)(options) else {
            return Err(ImportError::NoMapping { path: path.clone() });
        };
        let mut cutter = format.cutting.cutter(options, lines);
        if matches!(format.cutting, Cutting::Rows)
            && let Some(first) = cutter.next(&mut input)
            && let Ok(bytes) = first.bytes
        {
            reader
                .header(&bytes)
                .map_err(|columns| ImportError::MissingColumns { path: path.clone(), columns })?;
        }
        Ok(Self { format, name: file.name.clone(), input, cutter, reader })
    }
}

/// Returns the first format whose files have such names.
fn of_extension(path: &Path) -> Option<&'static Format> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    FORMATS.iter().find(|format| format.extensions.contains(&extension.as_str()))
}

/// Returns the format that the beginning of a file looks like; only CSV is told by its name.
fn recognise(
    by_extension: Option<&'static Format>,
    beginning: &[u8],
    has_mapping: bool,
) -> Option<&'static Format> {
    let of_content = FORMATS.iter().find(|format| (format.sniff)(beginning));
    let is_table = |format: &&Format| has_mapping && format.cutting == Cutting::Rows;
    of_content.or(by_extension.filter(is_table))
}

/// Holds a change against the contract; what a reader overlooked must not reach the hub.
fn sound(read: Read) -> Result<Read, Refusal> {
    match fields::check(&read.change).into_iter().next() {
        None => Ok(read),
        Some(violation) => Err(Refusal::of(violation, &read.change.external_id)),
    }
}

#[cfg(test)]
mod tests;
