//! What the occupations of one field of work have in common.

use crate::pb::peshub::postings::v1::{EducationLevel, EmploymentType, Shift};

mod table;

/// A field of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Technology,
    Engineering,
    Construction,
    Commerce,
    Office,
    Education,
    Care,
    Media,
    Hospitality,
    Logistics,
    Gig,
    Property,
    Production,
    Farm,
}

/// How much experience is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Experience {
    Any,
    Graduate,
    UnderOne,
    OneToThree,
    ThreeToFive,
    FiveToTen,
    FromTen,
}

impl Experience {
    /// Returns the months asked for and the words of it.
    pub(crate) const fn months(self) -> (Option<i32>, Option<i32>, &'static str) {
        match self {
            Self::Any => (None, None, "经验不限"),
            Self::Graduate => (Some(0), Some(0), "应届毕业生"),
            Self::UnderOne => (Some(0), Some(12), "1年以内"),
            Self::OneToThree => (Some(12), Some(36), "1-3年"),
            Self::ThreeToFive => (Some(36), Some(60), "3-5年"),
            Self::FiveToTen => (Some(60), Some(120), "5-10年"),
            Self::FromTen => (Some(120), None, "10年以上"),
        }
    }
}

/// What the postings of a field look like. Shares are weights, not percentages.
#[derive(Debug)]
pub(crate) struct Profile {
    /// Code of GB/T 4754-2017, division level.
    pub(crate) industry_code: &'static str,
    /// The industry in a platform's words.
    pub(crate) industry: &'static str,
    /// What an employer of the field has in its name.
    pub(crate) name_parts: &'static [&'static str],
    /// What applicants must bring, in sentences.
    pub(crate) demands: &'static [&'static str],
    /// Pay in per cent of that of technology.
    pub(crate) pay_percent: i64,
    /// Education asked for.
    pub(crate) education: &'static [(u32, EducationLevel)],
    /// Experience asked for.
    pub(crate) experience: &'static [(u32, Experience)],
    /// Kinds of employment.
    pub(crate) employment: &'static [(u32, EmploymentType)],
    /// Shifts worked.
    pub(crate) shifts: &'static [(u32, Shift)],
    /// The schedule in words.
    pub(crate) schedules: &'static [&'static str],
}

impl Field {
    /// Returns what the postings of the field look like.
    pub(crate) const fn profile(self) -> &'static Profile {
        match self {
            Self::Technology => &table::TECHNOLOGY,
            Self::Engineering => &table::ENGINEERING,
            Self::Construction => &table::CONSTRUCTION,
            Self::Commerce => &table::COMMERCE,
            Self::Office => &table::OFFICE,
            Self::Education => &table::EDUCATION,
            Self::Care => &table::CARE,
            Self::Media => &table::MEDIA,
            Self::Hospitality => &table::HOSPITALITY,
            Self::Logistics => &table::LOGISTICS,
            Self::Gig => &table::GIG,
            Self::Property => &table::PROPERTY,
            Self::Production => &table::PRODUCTION,
            Self::Farm => &table::FARM,
        }
    }
}

/// Returns the name of a level of education in a platform's words.
pub(crate) const fn education_text(level: EducationLevel) -> &'static str {
    match level {
        EducationLevel::Unspecified | EducationLevel::Any => "学历不限",
        EducationLevel::Primary => "小学及以上",
        EducationLevel::LowerSecondary => "初中及以上",
        EducationLevel::UpperSecondary => "高中及以上",
        EducationLevel::Vocational => "中专/中技及以上",
        EducationLevel::ShortTertiary => "大专及以上",
        EducationLevel::Bachelor => "本科及以上",
        EducationLevel::Master => "硕士及以上",
        EducationLevel::Doctor => "博士",
    }
}
