//! How postings change.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::pb::peshub::postings::v1::{Pay, Posting};
use crate::samples::draw;
use crate::samples::facts;
use crate::samples::places::{self, City, Place};

const DAY_S: i64 = 86_400;
/// Sentences that employers add; at least two, so that one can follow the other.
const ADDITIONS: [&str; 4] = [
    "补充说明：近期面试改为线上进行。",
    "补充说明：岗位增加，欢迎推荐。",
    "补充说明：住宿条件已改善，四人间带空调。",
    "补充说明：入职满三个月发放一次性奖励。",
];

/// Returns the posting as its employer changed it.
pub(crate) fn edit(rng: &mut StdRng, posting: &Posting) -> Posting {
    let mut edited = posting.clone();
    let done = match rng.random_range(0..100) {
        0..40 => edited.pay.as_mut().is_some_and(raise),
        40..60 => postpone(&mut edited),
        60..80 => {
            let openings = edited.openings.unwrap_or(1);
            edited.openings = Some(openings % 200 + rng.random_range(1..=5));
            // Modulo and addition can meet the old number again at one place only.
            edited.openings != posting.openings
        }
        _ => false,
    };
    if !done {
        add_text(rng, &mut edited);
    }
    edited
}

fn raise(pay: &mut Pay) -> bool {
    let (Some(min), Some(max)) = (pay.min_minor, pay.max_minor) else { return false };
    let step = (min / 20).max(100);
    pay.min_minor = Some(min + step);
    pay.max_minor = Some(max + 2 * step);
    true
}

fn postpone(posting: &mut Posting) -> bool {
    let closes_at = posting.validity.as_mut().and_then(|validity| validity.closes_at.as_mut());
    closes_at.is_some_and(|at| {
        at.seconds += 15 * DAY_S;
        true
    })
}

/// Puts a sentence at the end, in place of one that was put there before.
fn add_text(rng: &mut StdRng, posting: &mut Posting) {
    let mut text = posting.description.as_str();
    let mut former = None;
    for (index, addition) in ADDITIONS.iter().enumerate() {
        if let Some(rest) = text.strip_suffix(addition) {
            text = rest;
            former = Some(index);
            break;
        }
    }
    let next = match former {
        Some(index) => index + 1 + draw::below(rng, ADDITIONS.len() - 1),
        None => draw::below(rng, ADDITIONS.len()),
    };
    let addition = ADDITIONS.get(next % ADDITIONS.len()).copied().unwrap_or_default();
    posting.description = format!("{text}{addition}");
}

/// Returns the posting with its first workplace in another division: as often as not within the city.
pub(crate) fn move_division(rng: &mut StdRng, posting: &Posting) -> Posting {
    let mut moved = posting.clone();
    let division = posting.workplaces.first().and_then(|workplace| workplace.division.as_ref());
    let code = division.map_or("", |division| division.code.as_str());
    let Some((place, city)) = elsewhere(rng, code) else { return moved };
    let workplace = facts::workplace(rng, place, city);
    match moved.workplaces.first_mut() {
        Some(first) => *first = workplace,
        None => moved.workplaces.push(workplace),
    }
    moved
}

fn elsewhere(rng: &mut StdRng, code: &str) -> Option<(Place, &'static City)> {
    let here = places::current(code);
    if draw::happens(rng, 500)
        && let Some(city) = places::city_of(here)
        && let Some(place) = other_county(rng, city, here)
    {
        return Some((place, city));
    }
    let city = places::city(rng)?;
    if let Some(place) = other_county(rng, city, here) {
        return Some((place, city));
    }
    // A city that is one division, and the posting is there: any city with counties will do.
    let city = places::city_of("110101")?;
    other_county(rng, city, here).map(|place| (place, city))
}

/// Returns a county of the city that is not `here`.
fn other_county(rng: &mut StdRng, city: &'static City, here: &str) -> Option<Place> {
    let others = city.counties.iter().filter(|county| county.code != here);
    let index = draw::below(rng, others.clone().count());
    others.copied().nth(index)
}
