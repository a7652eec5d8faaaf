//! The form of a file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A programme.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Programme {
    pub(super) name: String,
    pub(super) titles: BTreeMap<String, String>,
    pub(super) payee: Payee,
    pub(super) unit: String,
    pub(super) currency: String,
    pub(super) divisions: Vec<String>,
    pub(super) select: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) after_end: AfterEnd,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) hold_source: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) rounding: Rounding,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) once_per: Vec<OncePer>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) exclusive_with: Vec<ExclusiveWith>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) deadlines: Vec<Deadline>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) discretionary: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) proactive: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) appeal_days: i32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) budget_source: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) parameters: BTreeMap<String, Parameter>,
    pub(super) versions: Vec<Version>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) overlays: Vec<Overlay>,
    /// Facts that every case begins with.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) base: BTreeMap<String, Known>,
    #[serde(default)]
    pub(super) cases: Vec<Case>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Payee {
    Worker,
    #[default]
    Employer,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AfterEnd {
    #[default]
    Refuse,
    Hold,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Rounding {
    #[default]
    Down,
    HalfUp,
    Up,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Window {
    Forever,
    CalendarYears,
    Months,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OncePer {
    pub(super) key: Vec<String>,
    pub(super) window: Window,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) length: i32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) source: String,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExclusiveWith {
    pub(super) programme: String,
    pub(super) key: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) source: String,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deadline {
    pub(super) id: String,
    pub(super) filed_on: String,
    pub(super) expression: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) source: String,
}

/// A parameter: its value, or its value with what it says.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Parameter {
    Value(i64),
    Said { value: i64, meaning: String },
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Version {
    pub(super) name: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) source: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) parameters: BTreeMap<String, Parameter>,
    pub(super) criteria: Vec<Criterion>,
    pub(super) amount: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) clawback: String,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Criterion {
    pub(super) id: String,
    pub(super) expression: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) texts: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) source: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) evidence: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Overlay {
    pub(super) division: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) version: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) parameters: BTreeMap<String, Parameter>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) widened: Vec<Criterion>,
    pub(super) source: String,
}

/// A value.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Known {
    Truth(bool),
    Number(i64),
    Text(String),
    List(Vec<Known>),
}

/// What is stated of somebody: a value, or one with what it rests on.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Stated {
    Plain(Known),
    Grounded(Grounded),
}

/// A value, and what it rests on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grounded {
    pub(super) value: Known,
    pub(super) basis: Basis,
    #[serde(default)]
    pub(super) reference: String,
    #[serde(default)]
    pub(super) established_on: String,
    /// Hexadecimal digits.
    #[serde(default)]
    pub(super) sha256: String,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Basis {
    Declared,
    Document,
    Credential,
    Register,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    Eligible,
    NotEligible,
    NeedsFacts,
    Held,
    NoVersion,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) id: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) division: String,
    /// Facts that are other than in `base`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) set: BTreeMap<String, Known>,
    /// Facts of `base` that are unknown.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) unset: Vec<String>,
    pub(super) verdict: Verdict,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) version: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) amount: Option<i64>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) failed: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) ask: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) why: String,
}
