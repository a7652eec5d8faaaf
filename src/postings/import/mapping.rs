//! What the columns of a CSV file mean.
//!
//! A mapping is a file in TOML, so that a new source is a file, not code. It is checked whole when
//! it is loaded: a name that is misspelt is found before the first row.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::pb::peshub::postings::v1::{EmploymentType, PayUnit};
use crate::postings::import::words::dates::Zone;
use crate::postings::import::words::pay::Habits;
use crate::postings::import::{occupations, places};

/// What the columns of a CSV file mean.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// What the mapping is called.
    name: String,
    #[serde(default = "comma")]
    delimiter: char,
    /// Language of the postings, BCP 47.
    #[serde(default)]
    language: String,
    /// Country of the places, where it is not China.
    #[serde(default = "china")]
    country: String,
    /// Where the clock stands that times without an offset were read from.
    #[serde(default = "utc")]
    utc_offset: String,
    pub(crate) external_id: ExternalId,
    #[serde(rename = "field")]
    pub(crate) fields: Vec<Field>,
    /// Tables that a field may look its text up in.
    #[serde(default)]
    lookup: BTreeMap<String, BTreeMap<String, String>>,
}

/// How the id of a row is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExternalId {
    /// Columns that the id begins with, joined by colons.
    #[serde(default)]
    pub(crate) columns: Vec<String>,
    /// Columns of which a digest is added, for files that have no ids.
    #[serde(default)]
    pub(crate) digest_of: Vec<String>,
}

/// How one field of a posting is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Field {
    pub(crate) to: Target,
    /// Columns; the first whose text can be read counts, or all with `join`.
    #[serde(default)]
    pub(crate) from: Vec<String>,
    /// A text in place of columns.
    #[serde(rename = "const")]
    pub(crate) constant: Option<String>,
    /// What stands between the texts of several columns.
    pub(crate) join: Option<String>,
    /// What a list is split at.
    #[serde(default)]
    pub(crate) separators: Vec<String>,
    /// Marks from which on a text is left out.
    #[serde(default)]
    pub(crate) until: Vec<String>,
    /// Words that are taken out of a text.
    #[serde(default)]
    pub(crate) without: Vec<String>,
    /// A text that holds one of these says nothing.
    #[serde(default)]
    pub(crate) not_containing: Vec<String>,
    /// A text that is longer says nothing.
    pub(crate) chars_max: Option<usize>,
    /// Table that the text is looked up in; one that is not there stays as it is.
    pub(crate) lookup: Option<String>,
    /// A text for rows in which the columns say nothing.
    pub(crate) default: Option<String>,
    #[serde(default)]
    pub(crate) on_missing: OnMissing,
    /// Pay: unit of amounts without one.
    unit: Option<Unit>,
    /// Pay: unit of amounts in 万 without one.
    unit_of_wan: Option<Unit>,
    /// Pay: ISO 4217 code.
    currency: Option<String>,
    /// Pay: columns of the lowest and the highest amount, where the text says nothing.
    pub(crate) bounds: Option<[String; 2]>,
    /// Pay: what the amounts in the bounds are in; 1,000 for thousands.
    #[serde(default = "one")]
    pub(crate) factor: i64,
    /// Occupations and legal ids: the list that codes are from.
    pub(crate) list: Option<String>,
}

/// What happens to a row in which a field says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnMissing {
    /// Nothing.
    #[default]
    Skip,
    /// It is noted.
    Note,
    /// The row is refused.
    Reject,
}

/// A field of a posting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) enum Target {
    #[serde(rename = "title")]
    Title,
    #[serde(rename = "description")]
    Description,
    #[serde(rename = "employer.name")]
    EmployerName,
    #[serde(rename = "employer.legal_id")]
    EmployerLegalId,
    #[serde(rename = "employer.size")]
    EmployerSize,
    #[serde(rename = "employer.industry")]
    EmployerIndustry,
    #[serde(rename = "employer.ownership")]
    EmployerOwnership,
    #[serde(rename = "employer.url")]
    EmployerUrl,
    #[serde(rename = "employer.description")]
    EmployerDescription,
    #[serde(rename = "department")]
    Department,
    #[serde(rename = "source_category")]
    SourceCategory,
    #[serde(rename = "workplace")]
    Workplace,
    #[serde(rename = "workplace.address")]
    WorkplaceAddress,
    #[serde(rename = "workplace.postal_code")]
    WorkplacePostalCode,
    #[serde(rename = "work_mode")]
    WorkMode,
    #[serde(rename = "occupation")]
    Occupation,
    #[serde(rename = "employment_type")]
    EmploymentType,
    #[serde(rename = "schedule")]
    Schedule,
    #[serde(rename = "pay")]
    Pay,
    #[serde(rename = "openings")]
    Openings,
    #[serde(rename = "requirements.education")]
    Education,
    #[serde(rename = "requirements.experience")]
    Experience,
    #[serde(rename = "requirements.skills")]
    Skills,
    #[serde(rename = "requirements.text")]
    RequirementsText,
    #[serde(rename = "benefits")]
    Benefits,
    #[serde(rename = "application.url")]
    ApplicationUrl,
    #[serde(rename = "application.email")]
    ApplicationEmail,
    #[serde(rename = "application.text")]
    ApplicationText,
    #[serde(rename = "published_at")]
    PublishedAt,
    #[serde(rename = "closes_at")]
    ClosesAt,
    #[serde(rename = "updated_at")]
    UpdatedAt,
    #[serde(rename = "starts_on")]
    StartsOn,
    #[serde(rename = "link")]
    Link,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    Hour,
    Day,
    Week,
    Month,
    Year,
    Piece,
    Task,
}

impl Unit {
    const fn pay_unit(self) -> PayUnit {
        match self {
            Self::Hour => PayUnit::Hour,
            Self::Day => PayUnit::Day,
            Self::Week => PayUnit::Week,
            Self::Month => PayUnit::Month,
            Self::Year => PayUnit::Year,
            Self::Piece => PayUnit::Piece,
            Self::Task => PayUnit::Task,
        }
    }
}

/// Why a mapping cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// It is no TOML, or has names that a mapping has not.
    #[error("the mapping cannot be read: {0}")]
    Malformed(#[from] toml::de::Error),
    /// What it says does not fit together.
    #[error("the mapping cannot be used: {}", .0.join("; "))]
    Unsound(Vec<String>),
}

impl Mapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// When it is no TOML, or its parts do not fit together; all that is wrong is said.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let mapping: Self = toml::from_str(text)?;
        let problems = mapping.problems();
        if problems.is_empty() { Ok(mapping) } else { Err(MappingError::Unsound(problems)) }
    }

    /// Returns what the mapping is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn delimiter(&self) -> u8 {
        u8::try_from(self.delimiter).unwrap_or(b',')
    }

    pub(crate) fn language(&self) -> &str {
        &self.language
    }

    pub(crate) fn country(&self) -> Option<&'static str> {
        places::country_of(&self.country)
    }

    pub(crate) fn zone(&self) -> Zone {
        Zone::parse(&self.utc_offset).unwrap_or(Zone::UTC)
    }

    /// Returns what a text stands for in a table; the text itself where it is not there.
    pub(crate) fn looked_up(&self, table: Option<&str>, text: &str) -> String {
        let found = table.and_then(|table| self.lookup.get(table)?.get(text.trim()));
        found.map_or(text, String::as_str).to_owned()
    }

    /// Returns all columns that are read, each once.
    pub(crate) fn columns(&self) -> Vec<&str> {
        let ids = self.external_id.columns.iter().chain(&self.external_id.digest_of);
        let fields = self
            .fields
            .iter()
            .flat_map(|field| field.from.iter().chain(field.bounds.iter().flatten()));
        let mut columns: Vec<&str> = ids.chain(fields).map(String::as_str).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |is_sound: bool, problem: String| {
            if !is_sound {
                problems.push(problem);
            }
        };
        let id = &self.external_id;
        check(
            !id.columns.is_empty() || !id.digest_of.is_empty(),
            "external_id needs columns or digest_of".to_owned(),
        );
        check(self.delimiter.is_ascii(), "delimiter must be one ASCII character".to_owned());
        check(
            Zone::parse(&self.utc_offset).is_some(),
            format!("utc_offset {:?} is not of the form +08:00", self.utc_offset),
        );
        check(self.country().is_some(), format!("country {:?} is not of ISO 3166-1", self.country));
        for target in [Target::Title, Target::EmployerName, Target::Workplace] {
            let is_there = self.fields.iter().any(|field| field.to == target);
            check(is_there, format!("there is no field for {target:?}"));
        }
        for (index, field) in self.fields.iter().enumerate() {
            let at = format!("field {} ({:?})", index.saturating_add(1), field.to);
            check(
                field.from.is_empty() == field.constant.is_some(),
                format!("{at} needs either from or const"),
            );
            if let Some(table) = &field.lookup {
                check(self.lookup.contains_key(table), format!("{at}: no table lookup.{table}"));
            }
            for problem in field.problems() {
                check(false, format!("{at}: {problem}"));
            }
        }
        problems
    }
}

impl Field {
    pub(crate) fn habits(&self) -> Habits {
        let unit = self.unit.map_or(PayUnit::Unspecified, Unit::pay_unit);
        Habits {
            unit,
            unit_of_wan: self.unit_of_wan.map_or(unit, Unit::pay_unit),
            currency: self.currency.clone().unwrap_or_default(),
        }
    }

    fn problems(&self) -> Vec<&'static str> {
        let mut problems = Vec::new();
        let is_pay = self.to == Target::Pay;
        let has_pay = self.unit.is_some() || self.unit_of_wan.is_some() || self.bounds.is_some();
        let is_currency = self
            .currency
            .as_ref()
            .is_some_and(|text| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()));
        if is_pay != is_currency {
            problems
                .push("pay needs a currency of three capital letters, and nothing else has one");
        }
        if has_pay && !is_pay {
            problems.push("unit, unit_of_wan and bounds belong to pay");
        }
        if !(1..=1_000_000).contains(&self.factor) {
            problems.push("factor must be 1 to 1,000,000");
        }
        match (self.to, self.list.as_deref()) {
            (Target::Occupation, Some(list)) if occupations::is_list(list) => {}
            (Target::Occupation, _) => {
                problems.push("list must be csco-2022, isco-08, esco or onet-soc");
            }
            (Target::EmployerLegalId, Some(list)) if (2..=40).contains(&list.len()) => {}
            (Target::EmployerLegalId, _) => problems.push("list must name the register"),
            (_, Some(_)) => problems.push("list belongs to occupation and employer.legal_id"),
            (_, None) => {}
        }
        problems
    }
}

/// Returns a kind of employment by its name in the contract: `FULL_TIME`.
pub(crate) fn employment_type(name: &str) -> Option<EmploymentType> {
    EmploymentType::from_str_name(&format!("EMPLOYMENT_TYPE_{}", name.trim().to_ascii_uppercase()))
        .filter(|kind| *kind != EmploymentType::Unspecified)
}

const fn comma() -> char {
    ','
}

const fn one() -> i64 {
    1
}

fn china() -> String {
    "CN".to_owned()
}

fn utc() -> String {
    "Z".to_owned()
}
