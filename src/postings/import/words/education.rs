//! Education: `本科及以上`, `学历不限`, `bachelor degree`, `Gymnasial utbildning`.

use crate::pb::peshub::postings::v1::EducationLevel;
use crate::postings::import::words::texts;

/// Words for each level; the first that a text holds counts, so longer words stand before shorter
/// ones that are part of them.
const WORDS: [(&str, EducationLevel); 62] = [
    ("学历不限", EducationLevel::Any),
    ("不限学历", EducationLevel::Any),
    ("no requirements", EducationLevel::Any),
    ("inga krav", EducationLevel::Any),
    ("eftergymnasial utbildning två år", EducationLevel::ShortTertiary),
    ("eftergymnasial utbildning kortare", EducationLevel::ShortTertiary),
    ("yrkeshögskol", EducationLevel::ShortTertiary),
    ("gymnasial", EducationLevel::UpperSecondary),
    ("gymnasie", EducationLevel::UpperSecondary),
    ("grundskol", EducationLevel::LowerSecondary),
    ("förgymnasial", EducationLevel::LowerSecondary),
    ("forskarutbildning", EducationLevel::Doctor),
    ("universitet", EducationLevel::Bachelor),
    ("högskol", EducationLevel::Bachelor),
    ("kandidat", EducationLevel::Bachelor),
    ("magister", EducationLevel::Master),
    ("civilingenjör", EducationLevel::Master),
    ("博士", EducationLevel::Doctor),
    ("doctor", EducationLevel::Doctor),
    ("doktor", EducationLevel::Doctor),
    ("phd", EducationLevel::Doctor),
    ("ph.d", EducationLevel::Doctor),
    ("大专", EducationLevel::ShortTertiary),
    ("专科", EducationLevel::ShortTertiary),
    ("高职", EducationLevel::ShortTertiary),
    ("高技", EducationLevel::ShortTertiary),
    ("associate degree", EducationLevel::ShortTertiary),
    ("associate's degree", EducationLevel::ShortTertiary),
    ("short-cycle", EducationLevel::ShortTertiary),
    ("本科", EducationLevel::Bachelor),
    ("学士", EducationLevel::Bachelor),
    ("统招", EducationLevel::Bachelor),
    ("bachelor", EducationLevel::Bachelor),
    ("licence universitaire", EducationLevel::Bachelor),
    ("硕士", EducationLevel::Master),
    ("研究生", EducationLevel::Master),
    ("mba", EducationLevel::Master),
    ("master", EducationLevel::Master),
    ("postgraduate", EducationLevel::Master),
    ("中专", EducationLevel::Vocational),
    ("中技", EducationLevel::Vocational),
    ("中职", EducationLevel::Vocational),
    ("技校", EducationLevel::Vocational),
    ("职高", EducationLevel::Vocational),
    ("vocational", EducationLevel::Vocational),
    ("professional certificate", EducationLevel::Vocational),
    ("yrkesutbildning", EducationLevel::Vocational),
    ("fagbrev", EducationLevel::Vocational),
    ("高中", EducationLevel::UpperSecondary),
    ("high school", EducationLevel::UpperSecondary),
    ("highschool", EducationLevel::UpperSecondary),
    ("upper secondary", EducationLevel::UpperSecondary),
    ("secondary school", EducationLevel::UpperSecondary),
    ("videregående", EducationLevel::UpperSecondary),
    ("初中", EducationLevel::LowerSecondary),
    ("lower secondary", EducationLevel::LowerSecondary),
    ("compulsory school", EducationLevel::LowerSecondary),
    ("小学", EducationLevel::Primary),
    ("primary", EducationLevel::Primary),
    ("degree", EducationLevel::Bachelor),
    ("高等学校", EducationLevel::ShortTertiary),
    ("大学", EducationLevel::Bachelor),
];

/// Reads a text; of several levels, the first that is named counts.
pub(crate) fn read(text: &str) -> Option<EducationLevel> {
    let plain = texts::plain(text);
    if matches!(plain.as_str(), "不限" | "无" | "any" | "none" | "无要求") {
        return Some(EducationLevel::Any);
    }
    WORDS
        .iter()
        .filter_map(|(word, level)| plain.find(word).map(|at| (at, level)))
        // Of two that begin at one place, the one that stands first in the table.
        .min_by_key(|(at, _)| *at)
        .map(|(_, level)| *level)
}

/// Returns the level of a code of ISCED 2011 or of the European Qualifications Framework.
pub(crate) fn of_level(scheme: &str, code: &str) -> Option<EducationLevel> {
    let code = code.trim();
    let is_eqf = scheme.to_ascii_lowercase().contains("eqf");
    Some(match (code.chars().find(char::is_ascii_digit)?, is_eqf) {
        ('1', false) => EducationLevel::Primary,
        ('2', _) => EducationLevel::LowerSecondary,
        ('3', _) => EducationLevel::UpperSecondary,
        ('4', _) => EducationLevel::Vocational,
        ('5', _) => EducationLevel::ShortTertiary,
        ('6', _) => EducationLevel::Bachelor,
        ('7', _) => EducationLevel::Master,
        ('8', _) => EducationLevel::Doctor,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::pb::peshub::postings::v1::EducationLevel::{
        self, Any, Bachelor, Doctor, LowerSecondary, Master, Primary, ShortTertiary,
        UpperSecondary, Vocational,
    };
    use crate::postings::import::words::education::{of_level, read};

    #[test]
    fn education_is_read_as_boards_write_it() {
        check("本科", Some(Bachelor));
        check("统招本科", Some(Bachelor));
        check("本科及以上", Some(Bachelor));
        check("以内本科", Some(Bachelor));
        check("5个月,本科", Some(Bachelor));
        check("大专", Some(ShortTertiary));
        check("大专及以上", Some(ShortTertiary));
        check("大专或本科", Some(ShortTertiary));
        check("硕士及以上", Some(Master));
        check("博士", Some(Doctor));
        check("中专/中技", Some(Vocational));
        check("高中", Some(UpperSecondary));
        check("初中及以下", Some(LowerSecondary));
        check("小学", Some(Primary));
        check("学历不限", Some(Any));
        check("不限", Some(Any));
        check("1-3年学历不限", Some(Any));
        check("bachelor degree", Some(Bachelor));
        check("High School", Some(UpperSecondary));
        check("Master's degree", Some(Master));
        check("associate degree", Some(ShortTertiary));
        check("Gymnasial utbildning", Some(UpperSecondary));
        check("Förgymnasial utbildning", Some(LowerSecondary));
        check("Eftergymnasial utbildning två år eller längre\nData", Some(ShortTertiary));
        check("Universitet/Högskolestudier", Some(Bachelor));
    }

    #[test]
    fn what_is_no_level_is_left_as_text() {
        for text in ["", "3-5年", "经验不限", "应届生"] {
            check(text, None);
        }
    }

    #[test]
    fn levels_are_known_by_number() {
        assert_eq!(of_level("ISCED2011", "6"), Some(Bachelor));
        assert_eq!(of_level("EQF", "4"), Some(Vocational));
        assert_eq!(of_level("EQF", "1"), None);
        assert_eq!(of_level("", "x"), None);
    }

    fn check(text: &str, expected: Option<EducationLevel>) {
        assert_eq!(read(text), expected, "{text}");
    }
}
