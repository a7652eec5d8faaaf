//! Programmes and catalogues of facts as files, in YAML: what `peshub programmes` reads and writes.
//!
//! The form is the contract's with three shorter ways of saying things: texts are objects by language, parameters objects by name, and
//! cases say in what they differ from `base`. A value that has the form of a day, `YYYY-MM-DD`, is one.

mod catalogue;
mod form;
mod reading;
mod writing;

use crate::pb::peshub::subsidies::v1 as pb;

/// Largest file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why a file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is no YAML, or not of the form.
    #[error("{0}")]
    Form(String),
    /// It is larger than is read.
    #[error("it is larger than {FILE_BYTES_MAX} bytes")]
    TooLarge,
    /// It cannot be written.
    #[error("it cannot be written as YAML: {0}")]
    Writing(String),
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, FileError> {
    if text.len() > FILE_BYTES_MAX {
        return Err(FileError::TooLarge);
    }
    serde_saphyr::from_str(text).map_err(|error| FileError::Form(error.to_string()))
}

/// Reads a programme.
///
/// # Errors
///
/// It is none.
pub fn read(text: &str) -> Result<pb::Programme, FileError> {
    reading::programme(parsed(text)?)
}

/// Writes a programme.
///
/// # Errors
///
/// It cannot be written.
pub fn write(programme: &pb::Programme) -> Result<String, FileError> {
    serde_saphyr::to_string(&writing::programme(programme))
        .map_err(|error| FileError::Writing(error.to_string()))
}

/// Reads a catalogue of facts.
///
/// # Errors
///
/// It is none.
pub fn read_facts(text: &str) -> Result<Vec<pb::FactDefinition>, FileError> {
    Ok(catalogue::facts(parsed(text)?))
}

/// Reads what is stated of somebody, `name: value` each, as cases have it. What rests on something is
/// `name: {value: VALUE, basis: credential, reference: ENTRY_ID}`; also `established_on` and `sha256`.
///
/// # Errors
///
/// It is no such list.
pub fn read_values(text: &str) -> Result<Vec<pb::Fact>, FileError> {
    reading::stated(parsed(text)?)
}

/// Reads a SHA-256 of 64 hexadecimal digits.
#[must_use]
pub fn digest(text: &str) -> Option<Vec<u8>> {
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    };
    let read: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
    read.filter(|bytes| bytes.len() == 32 && text.len() == 64)
}

#[cfg(test)]
mod tests {
    use crate::json::programme::{read, read_facts, read_values, write};
    use crate::pb::peshub::subsidies::v1 as pb;

    const TEXT: &str = "
name: se.example
titles: {en: An example, sv: Bidrag}
payee: employer
unit: hire
currency: SEK
divisions: [SE, SE-AB, '330106']
select: hire.date
after_end: hold
hold_source: an act
rounding: half-up
once_per:
- {key: [worker, hire.date], window: calendar-years, length: 2, source: an act}
exclusive_with:
- {programme: se.other, key: [worker]}
deadlines:
- {id: form, filed_on: form.date, expression: form.date <= hire.date}
parameters: {amount: 100, share: {value: 50, meaning: in percent}}
versions:
- name: '2025'
  from: 2025-01-01
  to: 2025-12-31
  source: an act
  criteria:
  - id: adult
    expression: worker.age >= 18
    texts: {en: Is of age.}
    evidence: [passport]
  amount: param.amount
overlays:
- division: SE-AB
  parameters: {amount: 200}
  source: another act
base: {hire.date: 2025-02-03, worker.age: 20, hire.kind: part, hire.codes: [1, 2], worker.new: true}
cases:
- {id: plain, verdict: eligible, version: '2025', amount: 100, why: an adult}
- {id: young, set: {worker.age: 17}, unset: [hire.kind], verdict: not-eligible, failed: [adult], division: SE-AB}
";

    #[test]
    fn what_is_written_is_read_again() {
        let programme = read(TEXT).unwrap();
        assert_eq!(programme.versions[0].criteria[0].evidence, ["passport"]);
        assert_eq!(programme.cases[1].facts.len(), 4);
        assert_eq!(programme.cases[1].verdict(), pb::Verdict::NotEligible);
        assert_eq!(programme.divisions[2].scheme, 1);
        let again = write(&programme).unwrap();
        assert_eq!(read(&again).unwrap(), programme, "{again}");
    }

    #[test]
    fn what_the_form_does_not_have_is_refused_with_its_place() {
        for (was, is, said) in [
            ("payee: employer", "payee: nobody", "nobody"),
            ("unit: hire", "units: hire", "units"),
            ("amount: 100, share", "amount: 1.5, share", "parameters"),
            ("verdict: eligible", "verdict: perhaps", "perhaps"),
        ] {
            let text = TEXT.replace(was, is);
            assert_ne!(text, TEXT);
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains("line"), "{error}");
            assert!(error.contains(said) || error.contains("variant"), "{said}: {error}");
        }
    }

    #[test]
    fn a_catalogue_is_read() {
        let text = "
facts:
- name: worker.age
  kind: int
  meaning: Completed years of age.
  unit: year
  least: 0
  greatest: 130
  evidence: [passport]
  claims: [{type: passport, claim: age}]
  source: an act
  about: worker
- {name: claim.date, kind: date, meaning: The day of the claim., source: an act, stated_by_hub: true}
- {name: hire.codes, kind: list, items: int, max_items: 5, meaning: Codes of the job., source: an act}
";
        let facts = read_facts(text).unwrap();
        assert_eq!(facts.len(), 3);
        assert!(facts[0].about_worker && facts[1].stated_by_hub);
        assert_eq!(facts[2].item_kind(), pb::FactKind::Int);
    }

    #[test]
    fn what_is_stated_may_say_on_what_it_rests() {
        let text = "
worker.age: 20
worker.certified: {value: true, basis: credential, reference: entry-1}
hire.date: {value: 2025-07-10, basis: document, established_on: 2025-07-11, sha256: DIGEST}
";
        let digest = "0a".repeat(32);
        let facts = read_values(&text.replace("DIGEST", &digest)).unwrap();
        let said: Vec<_> = facts
            .iter()
            .map(|it| (it.name.as_str(), it.provenance.clone().unwrap_or_default()))
            .map(|(name, it)| (name, it.basis(), it.reference, it.established_on, it.sha256.len()))
            .collect();
        let text = String::from;
        let expected = [
            ("hire.date", pb::FactBasis::Document, text(""), text("2025-07-11"), 32),
            ("worker.age", pb::FactBasis::Unspecified, text(""), text(""), 0),
            ("worker.certified", pb::FactBasis::Credential, text("entry-1"), text(""), 0),
        ];
        assert_eq!(said, expected);
        assert!(facts[1].provenance.is_none());
        for wrong in [
            "a.b: {value: 1}",
            "a.b: {basis: document}",
            "a.b: {value: 1, basis: hearsay}",
            "a.b: {value: 1, basis: document, sha256: 0a}",
            "a.b: {value: 1, basis: document, because: x}",
        ] {
            assert!(read_values(wrong).is_err(), "{wrong}");
        }
    }
}
