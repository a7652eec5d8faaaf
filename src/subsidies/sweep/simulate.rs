//! What a programme would change that is not published: all of a population held against it and against the edition in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::codes::divisions::Division;
use crate::kernel::fault::Fault;
use crate::kernel::fields::Rule;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::subsidies::v1::Verdict;
use crate::platform::permit::Permit;
use crate::subsidies::book::{Book, Published};
use crate::subsidies::domain::{Day, Facts};
use crate::subsidies::error::SubsidyError;
use crate::subsidies::evaluator::rule::Trace;
use crate::subsidies::population::commands::Keeper;
use crate::subsidies::programme::CompiledProgramme;
use crate::subsidies::store::sweep::Span;
use crate::subsidies::sweep::evaluate::{Subject, facts};
use crate::subsidies::sweep::queries::population;
use crate::subsidies::sweep::reading::Reader;
use crate::subsidies::wire::{self, division_message, violation};

/// Subjects of a step.
const STEP: i64 = 4_000;

/// What goes out.
pub type Outgoing = Result<pb::SimulateProgrammeResponse, Fault>;

/// What a programme would change in a division.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Effect {
    subjects: i64,
    eligible: (i64, i64),
    winners: i64,
    losers: i64,
    cost: (i64, i64),
    needs_facts: i64,
    failed: i64,
}

/// What is compared.
#[derive(Debug)]
struct Comparison {
    book: Arc<Book>,
    day: Day,
    draft: CompiledProgramme,
    in_force: Option<Arc<Published>>,
}

/// Effects by the token of the division.
type Effects = BTreeMap<String, Effect>;

/// Simulates a programme and tells how far it is.
pub async fn serve(
    keeper: Arc<Keeper>,
    permit: Permit,
    (request, now): (pb::SimulateProgrammeRequest, OffsetDateTime),
    draining: CancellationToken,
    answers: mpsc::Sender<Outgoing>,
) {
    let outcome = tokio::select! {
        outcome = simulate(&keeper, &permit, (request, now), &answers) => outcome,
        () = draining.cancelled() => Err(SubsidyError::ShuttingDown.into()),
        () = answers.closed() => return,
    };
    // Nobody listens any more when this fails.
    answers.send(outcome).await.unwrap_or_default();
}

async fn simulate(
    keeper: &Arc<Keeper>,
    permit: &Permit,
    (request, now): (pb::SimulateProgrammeRequest, OffsetDateTime),
    answers: &mpsc::Sender<Outgoing>,
) -> Outgoing {
    let of = population(keeper, permit, &request.population).await?;
    let day = match request.day.as_str() {
        "" => Some(Day::of(now.date())),
        text => Day::read(text),
    };
    let Some(day) = day else {
        let expected = "a day `YYYY-MM-DD` of the years 1900 to 2200";
        let wrong = violation("day", Rule::BadFormat, expected, &request.day);
        return Err(SubsidyError::Invalid(vec![wrong]).into());
    };
    let book = keeper.programmes.refresh().await?;
    let sent = request.programme.unwrap_or_default();
    let catalogue = Arc::clone(book.catalogue());
    let name = sent.name.clone();
    let compiled =
        tokio::task::spawn_blocking(move || CompiledProgramme::compile(&sent, &catalogue));
    let compiled = compiled.await.map_err(Fault::internal)?;
    let draft =
        compiled.map_err(|findings| SubsidyError::Refused { name: name.clone(), findings })?;
    let in_force = book.programme(&name).map(Arc::clone);
    let comparison = Arc::new(Comparison { book, day, draft, in_force });
    let span = Span { population: of.id, after: 0, last: i64::MAX, since: -1, most: STEP };
    let mut reader = Reader { keeper: Arc::clone(keeper), span };
    let (mut effects, mut seen) = (Effects::new(), 0);
    let mut reading = reader.next().await?;
    while let Some(chunk) = reading {
        let compared = Arc::clone(&comparison);
        let work = chunk.with(move |opened| Ok(compared.effects(&opened.subjects)));
        let (found, read) = tokio::join!(work, reader.next());
        reading = read?;
        for (token, effect) in found? {
            seen += effect.subjects;
            effects.entry(token).or_default().add(effect);
        }
        let progress = pb::SimulateProgrammeResponse {
            seen,
            subjects: of.subjects.max(seen),
            ..Default::default()
        };
        if answers.send(Ok(progress)).await.is_err() {
            break;
        }
    }
    Ok(comparison.result(&effects, seen))
}

impl Comparison {
    fn effects(&self, subjects: &[Subject]) -> Effects {
        let mut effects = Effects::new();
        for subject in subjects {
            let Some(division) = wire::division_of_token(&subject.division) else { continue };
            let facts = facts((&self.book, self.day), &subject.body);
            let before = self.in_force.as_ref().map(|it| &it.compiled);
            let before = before.map(|it| answer(it, &facts, division));
            let after = answer(&self.draft, &facts, division);
            effects.entry(subject.division.clone()).or_default().count(before, after);
        }
        effects
    }

    fn result(&self, effects: &Effects, seen: i64) -> pb::SimulateProgrammeResponse {
        let mut total = Effect::default();
        for effect in effects.values() {
            total.add(*effect);
        }
        let divisions = effects.iter().map(|(token, effect)| {
            let division = wire::division_of_token(token).map(division_message);
            pb::DivisionEffect { division, ..effect.rendered() }
        });
        pb::SimulateProgrammeResponse {
            seen,
            subjects: seen,
            done: true,
            compared_with: self.in_force.as_ref().map_or(0, |it| it.edition),
            currency: self.draft.currency.to_string(),
            total: Some(total.rendered()),
            divisions: divisions.collect(),
        }
    }
}

/// How a subject stands: the verdict, and the least amount where it is eligible.
#[derive(Clone, Copy)]
enum Answer {
    /// The programme does not hold where the subject is.
    Elsewhere,
    Eligible(i64),
    Other(Verdict),
    Failed,
}

fn answer(programme: &CompiledProgramme, facts: &Facts, division: &'static Division) -> Answer {
    if !programme.holds_in(division) {
        return Answer::Elsewhere;
    }
    match programme.determine(facts, Some(division), Trace::Off) {
        Ok(it) if it.verdict == Verdict::Eligible => {
            Answer::Eligible(it.amount.map_or(0, |range| range.least))
        }
        Ok(it) => Answer::Other(it.verdict),
        Err(_) => Answer::Failed,
    }
}

impl Answer {
    const fn amount(self) -> Option<i64> {
        match self {
            Self::Eligible(amount) => Some(amount),
            Self::Elsewhere | Self::Other(_) | Self::Failed => None,
        }
    }
}

impl Effect {
    fn count(&mut self, before: Option<Answer>, after: Answer) {
        self.subjects += 1;
        let (before, is_failed) =
            (before.and_then(Answer::amount), matches!(after, Answer::Failed));
        self.failed += i64::from(is_failed);
        self.needs_facts += i64::from(matches!(after, Answer::Other(Verdict::NeedsFacts)));
        let after = after.amount();
        self.eligible.0 += i64::from(before.is_some());
        self.eligible.1 += i64::from(after.is_some());
        self.cost.0 = self.cost.0.saturating_add(before.unwrap_or_default());
        self.cost.1 = self.cost.1.saturating_add(after.unwrap_or_default());
        // Whoever gets nothing stands below whoever is eligible for 0.
        self.winners += i64::from(after > before);
        self.losers += i64::from(after < before);
    }

    fn add(&mut self, other: Self) {
        self.subjects += other.subjects;
        self.eligible.0 += other.eligible.0;
        self.eligible.1 += other.eligible.1;
        self.winners += other.winners;
        self.losers += other.losers;
        self.cost.0 = self.cost.0.saturating_add(other.cost.0);
        self.cost.1 = self.cost.1.saturating_add(other.cost.1);
        self.needs_facts += other.needs_facts;
        self.failed += other.failed;
    }

    fn rendered(self) -> pb::DivisionEffect {
        pb::DivisionEffect {
            division: None,
            subjects: self.subjects,
            eligible_before: self.eligible.0,
            eligible_after: self.eligible.1,
            winners: self.winners,
            losers: self.losers,
            cost_before: self.cost.0,
            cost_after: self.cost.1,
            needs_facts_after: self.needs_facts,
            failed_after: self.failed,
        }
    }
}
