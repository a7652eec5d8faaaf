use std::collections::{HashMap, HashSet};

use prost::Message;

use crate::codes::{divisions, occupations};
use crate::kernel::fields;
use crate::pb::peshub::common::v1::{FindingCode, OccupationScheme};
use crate::pb::peshub::postings::v1::{EducationLevel, EmploymentType, Posting};
use crate::samples::{Generator, current_division, is_retired_division, jobs, places};

const MANY: usize = 10_000;

fn postings(seed: u64, platform_index: u32, count: usize) -> Vec<(String, Posting)> {
    let mut generator = Generator::new(seed, platform_index);
    (0..count).map(|_| generator.posting()).collect()
}

fn division(posting: &Posting) -> &str {
    &posting.workplaces[0].division.as_ref().unwrap().code
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let encode = |seed, platform_index| {
        let mut generator = Generator::new(seed, platform_index);
        let mut bytes = Vec::new();
        for _ in 0..500 {
            let (id, posting) = generator.posting();
            bytes.extend(id.into_bytes());
            bytes.extend(posting.encode_to_vec());
            bytes.extend(generator.edit(&posting).encode_to_vec());
            bytes.extend(generator.move_division(&posting).encode_to_vec());
            bytes.extend(generator.spoil(posting).0.encode_to_vec());
        }
        bytes
    };
    assert!(encode(7, 0) == encode(7, 0));
    assert!(encode(7, 0) != encode(8, 0));
    assert!(encode(7, 0) != encode(7, 1));
}

#[test]
fn every_posting_keeps_the_contract_and_ids_do_not_repeat() {
    let mut generator = Generator::new(1, 2);
    let mut ids = HashSet::new();
    for _ in 0..MANY {
        let (id, posting) = generator.posting();
        assert!(ids.insert(id));
        let edited = generator.edit(&posting);
        let moved = generator.move_division(&edited);
        for posting in [&posting, &edited, &moved] {
            let found = fields::check(posting);
            assert!(found.is_empty(), "{found:?}");
            assert!(!posting.title.is_empty() && !posting.workplaces.is_empty());
            if let Some(pay) = &posting.pay {
                assert!(pay.min_minor <= pay.max_minor, "{pay:?}");
                assert!(pay.min_minor.is_none_or(|least| least > 0), "{pay:?}");
            }
        }
        assert_ne!(posting, edited);
        let codes = [&edited, &moved].map(|posting| current_division(division(posting)).to_owned());
        assert_ne!(codes[0], codes[1]);
    }
}

#[test]
fn edits_of_edits_still_change_something() {
    let mut generator = Generator::new(3, 0);
    let (_, mut posting) = generator.posting();
    for _ in 0..1_000 {
        let edited = generator.edit(&posting);
        assert_ne!(edited, posting);
        assert!(fields::check(&edited).is_empty());
        posting = edited;
    }
}

#[test]
fn spoiled_records_break_what_they_say() {
    let mut generator = Generator::new(5, 1);
    let mut kinds: HashMap<FindingCode, u32> = HashMap::new();
    for _ in 0..2_000 {
        let (_, posting) = generator.posting();
        let (spoiled, code) = generator.spoil(posting);
        let broken = fields::check(&spoiled);
        // The contract's own checks see these; the others are for whoever knows the code lists.
        let seen = matches!(
            code,
            FindingCode::TooLong
                | FindingCode::Required
                | FindingCode::OutOfRange
                | FindingCode::BadFormat
        );
        assert_eq!(broken.len(), usize::from(seen), "{code:?} {broken:?}");
        *kinds.entry(code).or_default() += 1;
    }
    assert_eq!(kinds.len(), 8, "{kinds:?}");
}

#[test]
fn figures_are_those_of_real_postings() {
    let all: Vec<Posting> = postings(11, 0, MANY).into_iter().map(|(_, posting)| posting).collect();
    let share = |test: &dyn Fn(&Posting) -> bool| {
        all.iter().filter(|posting| test(posting)).count() * 1_000 / all.len()
    };
    let major =
        |digit: char| share(&|posting: &Posting| posting.occupations[0].code.starts_with(digit));
    assert!((430..465).contains(&major('4')), "{}", major('4'));
    assert!((385..418).contains(&major('2')), "{}", major('2'));
    assert!((95..118).contains(&major('6')), "{}", major('6'));

    let first_tier = share(&|posting| {
        ["11", "31", "4401", "4403"].iter().any(|prefix| division(posting).starts_with(prefix))
    });
    assert!((180..450).contains(&first_tier), "{first_tier}");
    let retired = share(&|posting| is_retired_division(division(posting)));
    assert!((24..37).contains(&retired), "{retired}");
    let gig = share(&|posting| posting.employment_types == [i32::from(EmploymentType::Gig)]);
    assert!((5..60).contains(&gig), "{gig}");
    let seasonal =
        share(&|posting| posting.employment_types == [i32::from(EmploymentType::Seasonal)]);
    assert!(seasonal > 0, "{seasonal}");
    let negotiable =
        share(&|posting| posting.pay.as_ref().is_some_and(|pay| pay.min_minor.is_none()));
    assert!((36..53).contains(&negotiable), "{negotiable}");

    let software: Vec<&Posting> =
        all.iter().filter(|posting| posting.occupations[0].code == "2-02-10-03").collect();
    let bachelor = software
        .iter()
        .filter(|posting| {
            posting.requirements.as_ref().unwrap().education == i32::from(EducationLevel::Bachelor)
        })
        .count();
    assert!((68..80).contains(&(bachelor * 100 / software.len())));

    let mut lengths: Vec<usize> =
        all.iter().map(|posting| posting.description.chars().count()).collect();
    lengths.sort_unstable();
    assert!((200..450).contains(&lengths[MANY / 2]), "{}", lengths[MANY / 2]);
    let mut sizes: Vec<usize> = all.iter().map(Message::encoded_len).collect();
    sizes.sort_unstable();
    assert!((800..1_700).contains(&sizes[MANY / 2]), "{}", sizes[MANY / 2]);
    println!(
        "first tier {first_tier}‰, gig {gig}‰, seasonal {seasonal}‰, \
         characters {:?}, bytes {:?}",
        [5, 25, 50, 75, 95].map(|percent| lengths[MANY * percent / 100]),
        [5, 25, 50, 75, 95].map(|percent| sizes[MANY * percent / 100]),
    );
}

#[test]
fn platforms_share_some_postings_in_other_words() {
    let of = |platform_index| -> HashMap<(String, String), String> {
        postings(21, platform_index, 5_000)
            .into_iter()
            .map(|(_, posting)| {
                let employer = posting.employer.unwrap().name;
                let place = posting.workplaces[0].address.clone();
                ((employer, place), posting.description)
            })
            .collect()
    };
    let (first, second) = (of(0), of(1));
    let common: Vec<_> = first.iter().filter(|(key, _)| second.contains_key(*key)).collect();
    assert!((90..130).contains(&common.len()), "{}", common.len());
    assert!(common.iter().filter(|(key, text)| second[*key] == **text).count() < 5);
}

#[test]
fn every_code_is_what_the_code_lists_have() {
    for job in jobs::all() {
        let known = |scheme, code| matches!(occupations::resolve(scheme, code), occupations::Resolution::Known(found) if found.code() == code);
        assert!(known(occupations::Scheme::Csco2022, job.csco), "{}", job.csco);
        assert!(known(occupations::Scheme::Isco08, job.isco), "{}", job.isco);
    }
    for (code, current) in places::every_code() {
        let resolution = divisions::resolve(divisions::Scheme::GbT2260, code);
        let found = resolution.division().map(divisions::Division::code);
        assert_eq!(found, Some(current), "{code}");
        let is_retired = matches!(resolution, divisions::Resolution::Replaced { .. });
        assert_eq!(is_retired, code != current, "{code}");
        assert_eq!(is_retired_division(code), code != current, "{code}");
    }
    assert!(places::every_code().count() > 1_000);
}

#[test]
fn every_job_has_words_and_every_scheme_is_named() {
    for job in jobs::all() {
        assert!(
            job.titles.len() > 1 && job.duties.len() > 2 && job.skills.len() > 1,
            "{}",
            job.csco
        );
    }
    let (_, posting) = Generator::new(1, 0).posting();
    assert_eq!(posting.occupations[0].scheme, i32::from(OccupationScheme::Csco2022));
}
