//! Kinds of employment: `FULL_TIME`, `全职`, `Heltid, tillsvidare`.

use crate::pb::peshub::postings::v1::{ContractTerm, EmploymentType};
use crate::postings::import::words::texts;

/// What a text says of employment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Employment {
    pub(crate) kind: Option<EmploymentType>,
    pub(crate) term: Option<ContractTerm>,
}

/// Beginnings of words for each kind, in lower case and without marks between words.
const KINDS: [(&str, EmploymentType); 45] = [
    ("fulltime", EmploymentType::FullTime),
    ("full time", EmploymentType::FullTime),
    ("heltid", EmploymentType::FullTime),
    ("全职", EmploymentType::FullTime),
    ("parttime", EmploymentType::PartTime),
    ("part time", EmploymentType::PartTime),
    ("deltid", EmploymentType::PartTime),
    ("兼职", EmploymentType::PartTime),
    ("seasonal", EmploymentType::Seasonal),
    ("säsong", EmploymentType::Seasonal),
    ("sesong", EmploymentType::Seasonal),
    ("sommarjobb", EmploymentType::Seasonal),
    ("季节", EmploymentType::Seasonal),
    ("temporary", EmploymentType::Temporary),
    ("temp", EmploymentType::Temporary),
    ("vikariat", EmploymentType::Temporary),
    ("visstid", EmploymentType::Temporary),
    ("临时", EmploymentType::Temporary),
    ("短期", EmploymentType::Temporary),
    ("intern", EmploymentType::Internship),
    ("internship", EmploymentType::Internship),
    ("praktik", EmploymentType::Internship),
    ("trainee", EmploymentType::Internship),
    ("实习", EmploymentType::Internship),
    ("apprentic", EmploymentType::Apprenticeship),
    ("lärling", EmploymentType::Apprenticeship),
    ("学徒", EmploymentType::Apprenticeship),
    ("contractor", EmploymentType::Freelance),
    ("freelance", EmploymentType::Freelance),
    ("frilans", EmploymentType::Freelance),
    ("self employed", EmploymentType::Freelance),
    ("自由职业", EmploymentType::Freelance),
    ("per diem", EmploymentType::Temporary),
    ("perdiem", EmploymentType::Temporary),
    ("on call", EmploymentType::Gig),
    ("oncall", EmploymentType::Gig),
    ("behovsanställning", EmploymentType::Gig),
    ("gig", EmploymentType::Gig),
    ("零工", EmploymentType::Gig),
    ("灵活用工", EmploymentType::Gig),
    ("task", EmploymentType::Task),
    ("计件", EmploymentType::Task),
    ("dispatch", EmploymentType::Dispatch),
    ("派遣", EmploymentType::Dispatch),
    ("temporary agency", EmploymentType::Dispatch),
];

/// Beginnings of words for how long a contract lasts.
const TERMS: [(&str, ContractTerm); 16] = [
    ("permanent", ContractTerm::Permanent),
    ("tillsvidare", ContractTerm::Permanent),
    ("fast", ContractTerm::Permanent),
    ("direct hire", ContractTerm::Permanent),
    ("directhire", ContractTerm::Permanent),
    ("长期", ContractTerm::Permanent),
    ("fixed term", ContractTerm::Fixed),
    ("fixedterm", ContractTerm::Fixed),
    ("tidsbegränsad", ContractTerm::Fixed),
    ("vikariat", ContractTerm::Fixed),
    ("visstid", ContractTerm::Fixed),
    ("temporary", ContractTerm::Fixed),
    ("engasjement", ContractTerm::Fixed),
    ("6 månader eller längre", ContractTerm::Fixed),
    ("seasonal", ContractTerm::Fixed),
    ("project", ContractTerm::Project),
];

/// Reads a text that names one kind; a list is read part by part.
pub(crate) fn read(text: &str) -> Employment {
    let plain = texts::plain(text).replace(['_', '-'], " ");
    // `Tillsvidare- eller tidsbegränsad` is not decided.
    let is_open = plain.contains(" eller tidsbegränsad") || plain.contains("tillsvidare/");
    let kind = starting(&plain, &KINDS);
    let term = starting(&plain, &TERMS).filter(|_| !is_open);
    Employment { kind, term }
}

/// Returns the parts of a list of kinds.
pub(crate) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ';', '/', '|', '，', '、', '；'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

/// Finds the longest of the beginnings that a text has.
fn starting<T: Copy>(plain: &str, table: &[(&str, T)]) -> Option<T> {
    table
        .iter()
        .filter(|(word, _)| plain.starts_with(word))
        .max_by_key(|(word, _)| word.len())
        .map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use crate::postings::import::words::employment::{parts, read};

    #[test]
    fn kinds_of_employment_are_read_in_any_spelling() {
        check("FULL_TIME", "FullTime -");
        check("full-time", "FullTime -");
        check("FullTime", "FullTime -");
        check("Full time", "FullTime -");
        check("全职", "FullTime -");
        check("CONTRACTOR", "Freelance -");
        check("TEMPORARY", "Temporary Fixed");
        check("INTERN", "Internship -");
        check("Internship", "Internship -");
        check("PER_DIEM", "Temporary -");
        check("Heltidsjobb (förstajobb)", "FullTime -");
        check("Deltidsjobb", "PartTime -");
        check("Säsongsarbete", "Seasonal -");
        check("Tillsvidareanställd", "- Permanent");
        check("Tillsvidare- eller tidsbegränsad anställning", "- -");
        check("DirectHire", "- Permanent");
        check("OTHER", "- -");
        check("", "- -");
    }

    #[test]
    fn a_list_falls_into_parts() {
        assert_eq!(parts("Heltid,Tillsvidareanställd").count(), 2);
        assert_eq!(parts(" , ").count(), 0);
    }

    fn check(text: &str, expected: &str) {
        let employment = read(text);
        let kind = employment.kind.map_or("-".to_owned(), |kind| format!("{kind:?}"));
        let term = employment.term.map_or("-".to_owned(), |term| format!("{term:?}"));
        assert_eq!(format!("{kind} {term}"), expected, "{text}");
    }
}
