//! Puts a posting together.

use prost_types::Timestamp;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::pb::peshub::common::v1::{Division, DivisionScheme, Occupation, OccupationScheme};
use crate::pb::peshub::postings::v1::{
    ApplicationMethod, ContractTerm, EducationLevel, EmploymentType, GeoPoint, Pay, Posting,
    Requirements, Schedule, Shift, Skill, SourceLink, TargetGroup, Validity, WorkMode, Workplace,
};
use crate::samples::draw;
use crate::samples::employers;
use crate::samples::fields::{self, Experience, Field, Profile};
use crate::samples::jobs::{self, Job};
use crate::samples::pay;
use crate::samples::places::{self, City, Place};
use crate::samples::texts::{self, Terms};

/// The day the generated postings are published at the latest: 2026-06-01, since time is given.
const PUBLISHED_UNTIL_S: i64 = 1_780_272_000;
const DAY_S: i64 = 86_400;

/// Postings in a thousand that still carry a retired division code.
const RETIRED_PERMILLE: u32 = 30;
const SECOND_WORKPLACE_PERMILLE: u32 = 40;
const ONLY_REMOTE_PERMILLE: u32 = 60;
const LOCATION_PERMILLE: u32 = 350;
const LINK_PERMILLE: u32 = 700;

const STREETS: &[&str] = &[
    "人民路",
    "解放路",
    "建设大道",
    "和平街",
    "工业一路",
    "科技园路",
    "学府路",
    "滨河路",
    "新华街",
    "中山路",
    "创业路",
    "迎宾大道",
];

/// Draws a posting: what it is about from `facts`, how it is told from `wording`.
pub(crate) fn posting(facts: &mut StdRng, wording: &mut StdRng, seed: u64) -> Posting {
    let (Some(job), Some(city)) = (jobs::draw(facts), places::city(facts)) else {
        return Posting::default();
    };
    let retired = draw::happens(facts, RETIRED_PERMILLE).then(|| places::retired(facts)).flatten();
    let (place, city) = retired.unwrap_or_else(|| (draw::pick(facts, &city.counties), city));
    let profile = job.field.profile();
    let experience = draw::weighted(facts, profile.experience, Experience::Any);
    let education = draw::weighted(facts, profile.education, EducationLevel::Any);
    let employment = draw::weighted(facts, profile.employment, EmploymentType::FullTime);
    let percent = profile.pay_percent * city.pay_percent / 100;
    let pay = pay::draw(facts, experience, percent, employment);
    let employer = employers::draw(facts, seed, city, job.field);
    let workplaces = workplaces(facts, place, city);
    let openings = draw::by_quantiles(facts, [1, 1, 3, 8, 25]).clamp(1, 200);

    let experienced = matches!(experience, Experience::ThreeToFive | Experience::FiveToTen);
    let title = texts::title(wording, job, experienced);
    let schedule_text = draw::pick(wording, profile.schedules);
    let experience_text = experience.months().2;
    let terms = Terms {
        education: fields::education_text(education),
        experience: experience_text,
        pay: &pay.text,
        schedule: schedule_text,
        place: workplaces.first().map_or("远程", |workplace| workplace.address.as_str()),
    };
    let description = texts::description(wording, &title, job, profile, &terms);
    Posting {
        description,
        language: "zh-Hans".to_owned(),
        employer: Some(employer),
        work_mode: work_mode(wording, job.field, workplaces.is_empty()).into(),
        occupations: occupations(wording, job),
        employment_types: vec![employment.into()],
        contract_term: contract_term(employment).into(),
        schedule: Some(schedule(wording, profile, employment, schedule_text)),
        openings: i32::try_from(openings).ok(),
        requirements: Some(requirements(wording, job, education, experience)),
        benefits: texts::benefits(wording),
        target_groups: target_groups(wording, job.field, experience),
        application: application(wording),
        validity: Some(validity(wording)),
        links: links(wording),
        source_category: profile.industry.to_owned(),
        starts_on: starts_on(wording, employment),
        title,
        workplaces,
        pay: Some(pay).filter(|pay: &Pay| *pay != Pay::default()),
        translations: Vec::new(),
        lineage: Vec::new(),
        department: String::new(),
    }
}

fn workplaces(rng: &mut StdRng, place: Place, city: &City) -> Vec<Workplace> {
    let mut found = vec![workplace(rng, place, city)];
    if draw::happens(rng, SECOND_WORKPLACE_PERMILLE) {
        let second = draw::pick(rng, &city.counties);
        if second != place {
            found.push(workplace(rng, second, city));
        }
    }
    found
}

/// Returns a workplace at an invented address of a division.
pub(crate) fn workplace(rng: &mut StdRng, place: Place, city: &City) -> Workplace {
    let (street, number) = (draw::pick(rng, STREETS), rng.random_range(1..400));
    // Cities without counties are named once.
    let town = if place.name.starts_with(city.name) { "" } else { city.name };
    Workplace {
        division: Some(Division {
            scheme: DivisionScheme::Gbt2260.into(),
            code: place.code.to_owned(),
            name: String::new(),
        }),
        address: format!("{town}{}{street}{number}号", place.name),
        postal_code: String::new(),
        location: draw::happens(rng, LOCATION_PERMILLE).then(|| location(rng, city)).flatten(),
        town: city.name.to_owned(),
    }
}

/// Returns a point within some 15 km of the city's centre.
fn location(rng: &mut StdRng, city: &City) -> Option<GeoPoint> {
    // Put together as text: the house has no arithmetic on real numbers.
    let mut degrees = |hundredths: i64| {
        let at = hundredths * 1_000 + rng.random_range(-15_000..15_000);
        format!("{}.{:05}", at / 100_000, at % 100_000).parse().ok()
    };
    let (latitude, longitude) = city.centre;
    Some(GeoPoint { latitude: degrees(latitude)?, longitude: degrees(longitude)? })
}

fn work_mode(rng: &mut StdRng, field: Field, no_workplace: bool) -> WorkMode {
    let at_a_desk = matches!(field, Field::Technology | Field::Media | Field::Commerce);
    match (no_workplace, at_a_desk && draw::happens(rng, ONLY_REMOTE_PERMILLE)) {
        (true, _) => WorkMode::Remote,
        (false, true) => WorkMode::Hybrid,
        (false, false) => WorkMode::OnSite,
    }
}

fn occupations(rng: &mut StdRng, job: &Job) -> Vec<Occupation> {
    let of = |scheme: OccupationScheme, code: &str| Occupation {
        scheme: scheme.into(),
        code: code.to_owned(),
        name: String::new(),
    };
    let mut found = vec![of(OccupationScheme::Csco2022, job.csco)];
    if draw::happens(rng, 350) {
        found.push(of(OccupationScheme::Isco08, job.isco));
    }
    found
}

const fn contract_term(employment: EmploymentType) -> ContractTerm {
    match employment {
        EmploymentType::Task | EmploymentType::Freelance => ContractTerm::Project,
        EmploymentType::Unspecified | EmploymentType::Gig | EmploymentType::PartTime => {
            ContractTerm::Unspecified
        }
        EmploymentType::FullTime
        | EmploymentType::Apprenticeship
        | EmploymentType::Dispatch
        | EmploymentType::Temporary
        | EmploymentType::Seasonal
        | EmploymentType::Internship => ContractTerm::Fixed,
    }
}

fn schedule(
    rng: &mut StdRng,
    profile: &Profile,
    employment: EmploymentType,
    text: &str,
) -> Schedule {
    let hours = match employment {
        EmploymentType::PartTime | EmploymentType::Gig => Some((8, 24)),
        EmploymentType::FullTime => Some((40, 48)),
        EmploymentType::Unspecified
        | EmploymentType::Temporary
        | EmploymentType::Seasonal
        | EmploymentType::Task
        | EmploymentType::Apprenticeship
        | EmploymentType::Internship
        | EmploymentType::Dispatch
        | EmploymentType::Freelance => None,
    };
    Schedule {
        hours_per_week_min: hours.map(|(least, _)| least),
        hours_per_week_max: hours.map(|(_, most)| most),
        shifts: vec![draw::weighted(rng, profile.shifts, Shift::Day).into()],
        text: text.to_owned(),
    }
}

fn requirements(
    rng: &mut StdRng,
    job: &Job,
    education: EducationLevel,
    experience: Experience,
) -> Requirements {
    let (least, most, words) = experience.months();
    let count = rng.random_range(2..=4);
    let skill = |name: &str, required| Skill {
        name: name.to_owned(),
        scheme: String::new(),
        code: String::new(),
        required,
    };
    let skills = draw::some_of(rng, job.skills, count).into_iter();
    // Rules that really set an age: who may drive heavy lorries, who may work as a guard.
    let age = match job.csco {
        "4-02-02-02" => Some((22, "机动车驾驶证申领和使用规定")),
        "4-07-05-01" => Some((18, "保安服务管理条例第十六条")),
        _ => None,
    };
    Requirements {
        education: education.into(),
        education_text: fields::education_text(education).to_owned(),
        experience_months_min: least,
        experience_months_max: most,
        experience_text: words.to_owned(),
        skills: skills.enumerate().map(|(index, name)| skill(name, index == 0)).collect(),
        licences: job.licences.iter().map(|licence| (*licence).to_owned()).collect(),
        age_min: age.map(|(least, _)| least),
        age_basis: age.map_or_else(String::new, |(_, basis)| basis.to_owned()),
        ..Requirements::default()
    }
}

fn target_groups(rng: &mut StdRng, field: Field, experience: Experience) -> Vec<i32> {
    let group = match field {
        _ if experience == Experience::Graduate => Some(TargetGroup::Graduates),
        Field::Production | Field::Construction | Field::Farm if draw::happens(rng, 250) => {
            Some(TargetGroup::MigrantWorkers)
        }
        Field::Property if draw::happens(rng, 150) => Some(TargetGroup::Veterans),
        _ => None,
    };
    let any = [
        (15, TargetGroup::RegisteredUnemployed),
        (10, TargetGroup::HardToPlace),
        (8, TargetGroup::Disabled),
    ];
    let mut groups: Vec<i32> = group.into_iter().map(i32::from).collect();
    groups.extend(
        any.iter().filter(|(share, _)| draw::happens(rng, *share)).map(|(_, of)| i32::from(*of)),
    );
    groups
}

fn application(rng: &mut StdRng) -> Option<ApplicationMethod> {
    draw::happens(rng, 600).then(|| ApplicationMethod {
        text: "在线投递".to_owned(),
        reference: format!("R{:06}", rng.random_range(0..1_000_000)),
        ..ApplicationMethod::default()
    })
}

fn validity(rng: &mut StdRng) -> Validity {
    let published = PUBLISHED_UNTIL_S - rng.random_range(0..60 * DAY_S);
    let at = |seconds| Timestamp { seconds, nanos: 0 };
    let days = rng.random_range(1..=6) * 15;
    Validity {
        published_at: Some(at(published)),
        closes_at: draw::happens(rng, 800).then(|| at(published + days * DAY_S)),
    }
}

fn links(rng: &mut StdRng) -> Vec<SourceLink> {
    draw::happens(rng, LINK_PERMILLE)
        .then(|| SourceLink {
            // A name that no registry gives out (RFC 2606).
            url: format!("https://jobs.example/p/{:012x}", rng.random_range(0..1_u64 << 48)),
            label: String::new(),
        })
        .into_iter()
        .collect()
}

fn starts_on(rng: &mut StdRng, employment: EmploymentType) -> String {
    let dated = matches!(employment, EmploymentType::Seasonal | EmploymentType::Temporary);
    if !dated {
        return String::new();
    }
    format!("2026-{:02}-{:02}", rng.random_range(6..=9), rng.random_range(1..=28))
}
