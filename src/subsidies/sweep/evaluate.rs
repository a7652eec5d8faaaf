//! The evaluation of some subjects: pure, and for a thread of its own.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::codes::divisions::Division;
use crate::kernel::ids::SubjectId;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::subsidies::v1::Verdict;
use crate::subsidies::application::TakenUntil;
use crate::subsidies::blind::Blind;
use crate::subsidies::book::{Book, Published};
use crate::subsidies::claimed::{About, Look, Taken, is_claimed_with};
use crate::subsidies::domain::{Day, Definition, Facts, Value};
use crate::subsidies::evaluator::rule::Trace;
use crate::subsidies::population::body::{Body, Kept};
use crate::subsidies::population::standing::{FOREVER, Standing, Stood};
use crate::subsidies::sweep::plan::{Plan, Planned};
use crate::subsidies::wire;

/// A subject, opened.
#[derive(Debug)]
pub struct Subject {
    /// Its number.
    pub id: SubjectId,
    /// Whom it is.
    pub about: About,
    /// Token of its division.
    pub division: String,
    /// The population's revision at which its claims moved last.
    pub touched: i64,
    /// Its facts.
    pub body: Body,
    /// How it stood before.
    pub standing: Standing,
}

/// What was found for a programme.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many subjects have each verdict, and the sums of least and greatest amounts, by the verdict's number.
    pub counts: [(i64, i64, i64); 7],
    /// Subjects that became eligible.
    pub gained: i64,
    /// Subjects that are no longer.
    pub lost: i64,
    /// Subjects that could not be evaluated.
    pub failed: i64,
}

/// A subject and a programme.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// Place of the subject among those that were evaluated.
    pub subject: usize,
    /// Place of the programme in the plan.
    pub programme: usize,
}

/// What was found for some subjects.
#[derive(Debug, Default)]
pub struct Found {
    /// Places of the subjects that stand otherwise than before.
    pub moved: BTreeSet<usize>,
    /// Programme by programme, in the order of the plan.
    pub tallies: Vec<Tally>,
    /// Evaluations that were made.
    pub evaluations: i64,
    /// Evaluations that were not needed.
    pub spared: i64,
    /// Who is to get an offer.
    pub due: Vec<Pair>,
    /// Who is no longer eligible for what was offered.
    pub lapsed: Vec<Pair>,
    /// Who was found to be taken that was not before.
    pub taken: Vec<Pair>,
    /// What is not settled until it is known what is claimed already, in the order in which that is asked.
    open: Vec<(Pair, Stood)>,
}

/// Evaluates subjects, and says in each how it stands as far as facts tell it; what is claimed already is to be looked up, and then
/// [`Found::settle`] says the rest.
#[must_use]
pub fn evaluate(plan: &Plan, blind: &Blind, subjects: &mut [Subject]) -> (Found, Look) {
    let mut found =
        Found { tallies: vec![Tally::default(); plan.programmes.len()], ..Found::default() };
    let mut look = Look::default();
    let mut places = Places::new(plan);
    for (index, subject) in subjects.iter_mut().enumerate() {
        let place = places.of(&subject.division);
        let wanted: Vec<bool> =
            plan.programmes.iter().map(|it| it.concerns(&subject.body, subject.touched)).collect();
        let facts = wanted.contains(&true).then(|| facts((&plan.book, plan.day), &subject.body));
        for (number, planned) in plan.programmes.iter().enumerate() {
            let holds = place.as_ref().is_some_and(|it| it.holds.get(number) == Some(&true));
            let facts = facts.as_ref().filter(|_| wanted.get(number) == Some(&true));
            let (Some(facts), Some(place)) = (facts, &place) else {
                found.spared += i64::from(holds);
                continue;
            };
            let pair = Pair { subject: index, programme: number };
            if !holds {
                found.leave(plan, subject, pair);
                continue;
            }
            found.evaluations += 1;
            let stood = answer(planned, facts, place.division);
            match (stood.filter(|it| is_claimed_with(verdict_of(*it))), &planned.keyed) {
                (Some(stood), Some(keyed)) => {
                    look.ask(found.open.len(), (keyed, blind), facts, &subject.about);
                    found.open.push((pair, stood));
                }
                _ => found.stand(plan, subject, pair, stood),
            }
        }
    }
    (found, look)
}

impl Found {
    /// Says how those stand who were open until it was known what is taken.
    pub fn settle(&mut self, plan: &Plan, subjects: &mut [Subject], taken: &Taken) {
        for (place, (pair, stood)) in std::mem::take(&mut self.open).into_iter().enumerate() {
            let Some(subject) = subjects.get_mut(pair.subject) else { continue };
            let stood = match taken.get(&place) {
                None => stood,
                Some(until) => Stood {
                    verdict: number_of(Verdict::ExcludedByClaim),
                    taken_until: Some(match until {
                        TakenUntil::Day(day) => Day::of(*day),
                        TakenUntil::Forever => FOREVER,
                    }),
                    ..stood
                },
            };
            self.stand(plan, subject, pair, Some(stood));
        }
    }

    /// Says that a subject is where a programme does not hold.
    fn leave(&mut self, plan: &Plan, subject: &mut Subject, pair: Pair) {
        let Some(planned) = plan.programmes.get(pair.programme) else { return };
        let Some(before) = subject.standing.forget(planned.published.programme) else { return };
        self.moved.insert(pair.subject);
        if let Some(tally) = self.tallies.get_mut(pair.programme) {
            tally.lost += i64::from(is_eligible(before));
        }
        if before.offered {
            self.lapsed.push(pair);
        }
    }

    /// Says how a subject stands; `None`: nobody knows.
    fn stand(&mut self, plan: &Plan, subject: &mut Subject, pair: Pair, stood: Option<Stood>) {
        let Some(planned) = plan.programmes.get(pair.programme) else { return };
        let Some(tally) = self.tallies.get_mut(pair.programme) else { return };
        let programme = planned.published.programme;
        let was_offered = subject.standing.of(programme).is_some_and(|it| it.offered);
        let is_taken = stood.is_some_and(|it| it.taken_until.is_some());
        // What is accepted is claimed: whoever has had an offer gets no second one when the claim ends.
        let stood = stood.map(|it| {
            let offered = was_offered && (is_eligible(it) || is_taken);
            Stood { offered, ..it }
        });
        let before = match stood {
            Some(stood) => subject.standing.put(stood),
            None => subject.standing.forget(programme),
        };
        tally.count(before, stood);
        if before != stood {
            self.moved.insert(pair.subject);
        }
        if planned.offers && stood.is_some_and(|it| is_eligible(it) && !it.offered) {
            self.due.push(pair);
        }
        if was_offered && stood.is_some_and(|it| !it.offered) {
            self.lapsed.push(pair);
        }
        if is_taken && before.is_none_or(|it| it.taken_until.is_none()) {
            self.taken.push(pair);
        }
    }
}

/// Returns how a subject stands; `None` when an expression fails, which is no verdict.
fn answer(planned: &Planned, facts: &Facts, division: &'static Division) -> Option<Stood> {
    let published = &planned.published;
    let answer = published.compiled.determine(facts, Some(division), Trace::Off).ok()?;
    let (least, greatest) = answer.amount.map_or((0, 0), |it| (it.least, it.greatest));
    Some(Stood {
        programme: published.programme,
        edition: published.edition,
        verdict: number_of(answer.verdict),
        least,
        greatest,
        offered: false,
        taken_until: None,
    })
}

/// Returns the number of a verdict as it is kept.
fn number_of(verdict: Verdict) -> u8 {
    u8::try_from(i32::from(verdict)).unwrap_or_default()
}

/// Returns the verdict of how a subject stands.
fn verdict_of(stood: Stood) -> Verdict {
    Verdict::try_from(i32::from(stood.verdict)).unwrap_or_default()
}

/// Returns whether somebody is eligible.
#[must_use]
pub fn is_eligible(stood: Stood) -> bool {
    verdict_of(stood) == Verdict::Eligible
}

impl Tally {
    fn count(&mut self, before: Option<Stood>, now: Option<Stood>) {
        let (was, is) = (before.is_some_and(is_eligible), now.is_some_and(is_eligible));
        self.gained += i64::from(is && !was);
        self.lost += i64::from(was && !is);
        let Some(now) = now else {
            self.failed += 1;
            return;
        };
        if let Some((count, least, greatest)) = self.counts.get_mut(usize::from(now.verdict)) {
            *count += 1;
            *least = least.saturating_add(now.least);
            *greatest = greatest.saturating_add(now.greatest);
        }
    }
}

/// Returns what is known of a subject on a day: facts that are not retired and not stale, and those that the hub states.
#[must_use]
pub fn facts((book, day): (&Book, Day), body: &Body) -> Facts {
    let kept = body.facts.iter().filter_map(|kept| {
        let definition = fresh((book, day), kept)?;
        Some((Arc::clone(&definition.name), kept.value.clone()?))
    });
    let stated = book.moving().iter().map(|name| (Arc::clone(name), Value::Day(day)));
    kept.chain(stated).collect()
}

/// A division, and which programmes of a plan hold there.
#[derive(Clone)]
struct Place {
    division: &'static Division,
    holds: Arc<[bool]>,
}

/// Divisions that were looked up before.
struct Places<'a> {
    plan: &'a Plan,
    known: HashMap<String, Option<Place>>,
}

impl<'a> Places<'a> {
    fn new(plan: &'a Plan) -> Self {
        Self { plan, known: HashMap::new() }
    }

    /// Returns the place of a token; `None` for one that is in no list any more.
    fn of(&mut self, token: &str) -> Option<Place> {
        if let Some(known) = self.known.get(token) {
            return known.clone();
        }
        let place = wire::division_of_token(token).map(|division| {
            let programmes = self.plan.programmes.iter();
            let holds = programmes.map(|it| it.published.compiled.holds_in(division)).collect();
            Place { division, holds }
        });
        self.known.insert(token.to_owned(), place.clone());
        place
    }
}

/// Returns what is known of a subject on a day and is read by a programme, with where it comes from. What the hub states by itself is
/// left out.
#[must_use]
pub fn stated((book, day): (&Book, Day), published: &Published, body: &Body) -> Vec<pb::Fact> {
    let kept = body.facts.iter().filter_map(|kept| {
        let definition = fresh((book, day), kept)?;
        published.compiled.facts.binary_search(&definition.name).ok()?;
        let provenance = pb::Provenance {
            basis: i32::from(kept.basis),
            reference: kept.reference.to_string(),
            established_on: kept.established_on.to_string(),
            ..Default::default()
        };
        Some(pb::Fact {
            name: definition.name.to_string(),
            value: Some(wire::fact::rendered(kept.value.as_ref()?)),
            provenance: Some(provenance),
        })
    });
    kept.collect()
}

/// Returns a kept fact's definition; `None` when it was retired, or what is kept is too old to be relied on.
fn fresh<'a>((book, day): (&'a Book, Day), kept: &Kept) -> Option<&'a Arc<Definition>> {
    let definition = book.fact_of(kept.fact)?;
    let days = definition.fresh_for_days;
    let is_stale = days > 0 && kept.established_on.plus(days) < day;
    (!is_stale).then_some(definition)
}
