//! CSV, read as a [mapping](crate::postings::import::mapping) says.

use std::collections::HashMap;
use std::io::{Cursor, SeekFrom};

use crate::pb::peshub::common::v1::FindingCode;
use crate::postings::import::draft::{Draft, Id, Read};
use crate::postings::import::mapping::{Field, Mapping, OnMissing, Target};
use crate::postings::import::pieces::Cutting;
use crate::postings::import::refusal::Refusal;
use crate::postings::import::words::{digest, texts};
use crate::postings::import::{Format, RecordReader};

mod fields;
mod workplaces;

/// CSV with a mapping.
pub(crate) const FORMAT: Format = Format {
    name: "csv",
    extensions: &["csv", "tsv", "txt"],
    // Any text could be CSV; its extension and a mapping tell.
    sniff: |_| false,
    cutting: Cutting::Rows,
    reader: |options| {
        let mapping = options.mapping.clone()?;
        let parser = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(mapping.delimiter())
            .from_reader(Cursor::default());
        Some(Box::new(Reader { mapping, columns: HashMap::new(), width: 0, parser }))
    },
};

#[derive(Debug)]
struct Reader {
    mapping: Mapping,
    columns: HashMap<String, usize>,
    width: usize,
    parser: csv::Reader<Cursor<Vec<u8>>>,
}

/// A row with the names of its columns.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    columns: &'a HashMap<String, usize>,
    values: &'a csv::StringRecord,
}

impl Row<'_> {
    /// Returns the text in a column.
    pub(crate) fn text(&self, column: &str) -> &str {
        let index = self.columns.get(column).copied();
        index.and_then(|index| self.values.get(index)).unwrap_or_default()
    }
}

impl Reader {
    fn values(&mut self, record: &[u8]) -> Result<csv::StringRecord, Refusal> {
        let mut values = csv::StringRecord::new();
        let given = || String::from_utf8_lossy(record.get(..400).unwrap_or(record)).into_owned();
        // A parser is worth keeping: making one costs more than a row.
        *self.parser.get_mut() = Cursor::new(record.to_vec());
        let start = self.parser.seek_raw(SeekFrom::Start(0), csv::Position::new());
        match start.and_then(|()| self.parser.read_record(&mut values)) {
            Ok(_) => Ok(values),
            Err(error) if matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) => {
                Err(Refusal::malformed("text in UTF-8", given().trim()))
            }
            Err(error) => Err(Refusal::malformed(&format!("a row: {error}"), given().trim())),
        }
    }

    fn external_id(&self, row: &Row<'_>) -> String {
        let id = &self.mapping.external_id;
        let clean = |column: &String| texts::line(row.text(column)).text;
        let mut parts: Vec<String> = id.columns.iter().map(clean).collect();
        if !id.digest_of.is_empty() {
            let texts: Vec<String> = id.digest_of.iter().map(clean).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            parts.push(digest(&texts));
        }
        // An id of which the columns are empty is none.
        if parts.iter().any(String::is_empty) { String::new() } else { parts.join(":") }
    }
}

impl RecordReader for Reader {
    fn header(&mut self, record: &[u8]) -> Result<(), Vec<String>> {
        let header = self.values(record).unwrap_or_default();
        self.width = header.len();
        self.columns = header
            .iter()
            .enumerate()
            .map(|(index, name)| (texts::line(name).text, index))
            .collect();
        let missing: Vec<String> = self
            .mapping
            .columns()
            .into_iter()
            .filter(|column| !self.columns.contains_key(*column))
            .map(str::to_owned)
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(missing) }
    }

    fn read(&mut self, record: &[u8]) -> Result<Option<Read>, Refusal> {
        let values = self.values(record)?;
        if values.len() != self.width {
            let expected = format!("{} columns, as the header has", self.width);
            let given = format!(
                "{} columns: {}",
                values.len(),
                values.iter().collect::<Vec<_>>().join(",")
            );
            return Err(Refusal::malformed(&expected, &given));
        }
        let row = Row { columns: &self.columns, values: &values };
        let external_id = self.external_id(&row);
        let mut draft = Draft::default();
        draft.language(self.mapping.language());
        for field in &self.mapping.fields {
            read_field(&mut draft, &self.mapping, field, &row)
                .map_err(|refusal| Refusal { external_id: Some(external_id.clone()), ..refusal })?;
        }
        let id = if external_id.is_empty() { Id::Missing } else { Id::Given(&external_id) };
        draft.finish(id).map(Some)
    }
}

fn read_field(
    draft: &mut Draft,
    mapping: &Mapping,
    field: &Field,
    row: &Row<'_>,
) -> Result<(), Refusal> {
    let texts = texts_of(mapping, field, row);
    let is_read = fields::read(draft, mapping, field, &texts, row);
    if is_read {
        return Ok(());
    }
    if let Some(default) = &field.default {
        let done = format!("set to {default:?}: nothing was said");
        draft.note(name(field.to), FindingCode::Required, &done, &given(field, row));
        fields::read(draft, mapping, field, std::slice::from_ref(default), row);
        return Ok(());
    }
    match field.on_missing {
        OnMissing::Skip => Ok(()),
        OnMissing::Note => {
            let given = given(field, row);
            draft.note(name(field.to), FindingCode::Required, "left out: nothing was said", &given);
            Ok(())
        }
        OnMissing::Reject => {
            let expected = format!("a value in {} that can be read", field.from.join(" or "));
            let given = given(field, row);
            let code = match field.to {
                _ if texts.is_empty() => FindingCode::Required,
                Target::Workplace => FindingCode::DivisionUnknown,
                _ => FindingCode::BadFormat,
            };
            Err(Refusal::new(name(field.to), code, &expected, &given))
        }
    }
}

fn given(field: &Field, row: &Row<'_>) -> String {
    let texts: Vec<String> =
        field.from.iter().map(|column| texts::line(row.text(column)).text).collect();
    texts.join(" | ").trim_matches([' ', '|']).to_owned()
}

/// Returns the texts of a field's columns, cleaned as the mapping says, without those that say
/// nothing.
fn texts_of(mapping: &Mapping, field: &Field, row: &Row<'_>) -> Vec<String> {
    if let Some(constant) = &field.constant {
        return vec![constant.clone()];
    }
    let texts = field.from.iter().filter_map(|column| {
        let text = cleaned(field, row.text(column))?;
        Some(mapping.looked_up(field.lookup.as_deref(), &text))
    });
    match &field.join {
        Some(separator) => {
            let joined = texts.collect::<Vec<_>>().join(separator);
            if joined.is_empty() { Vec::new() } else { vec![joined] }
        }
        None => texts.collect(),
    }
}

fn cleaned(field: &Field, text: &str) -> Option<String> {
    let mut text = text.trim();
    if field.not_containing.iter().any(|word| text.contains(word.as_str())) {
        return None;
    }
    for mark in field.until.iter().filter(|mark| !mark.is_empty()) {
        text = text.split(mark.as_str()).next().unwrap_or_default().trim();
    }
    let mut text = text.to_owned();
    for word in field.without.iter().filter(|word| !word.is_empty()) {
        text = text.replace(word.as_str(), "");
    }
    let is_too_long = field.chars_max.is_some_and(|max| text.chars().count() > max);
    (!text.trim().is_empty() && !is_too_long).then(|| text.trim().to_owned())
}

/// Returns the path of a field within the posting.
pub(crate) const fn name(target: Target) -> &'static str {
    match target {
        Target::Title => "title",
        Target::Description => "description",
        Target::EmployerName => "employer.name",
        Target::EmployerLegalId => "employer.legal_ids",
        Target::EmployerSize => "employer.size",
        Target::EmployerIndustry => "employer.industry",
        Target::EmployerOwnership => "employer.ownership",
        Target::EmployerUrl => "employer.url",
        Target::EmployerDescription => "employer.description",
        Target::Department => "department",
        Target::SourceCategory => "source_category",
        Target::Workplace => "workplaces",
        Target::WorkplaceAddress => "workplaces.address",
        Target::WorkplacePostalCode => "workplaces.postal_code",
        Target::WorkMode => "work_mode",
        Target::Occupation => "occupations",
        Target::EmploymentType => "employment_types",
        Target::Schedule => "schedule.text",
        Target::Pay => "pay",
        Target::Openings => "openings",
        Target::Education => "requirements.education",
        Target::Experience => "requirements.experience",
        Target::Skills => "requirements.skills",
        Target::RequirementsText => "requirements.text",
        Target::Benefits => "benefits",
        Target::ApplicationUrl => "application.url",
        Target::ApplicationEmail => "application.email",
        Target::ApplicationText => "application.text",
        Target::PublishedAt => "validity.published_at",
        Target::ClosesAt => "validity.closes_at",
        Target::UpdatedAt => "source_updated_at",
        Target::StartsOn => "starts_on",
        Target::Link => "links",
    }
}
