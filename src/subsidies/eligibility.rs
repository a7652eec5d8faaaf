//! Checks: what is known of a subject, held against programmes. Nothing is kept, and nothing is read from the database but what is claimed
//! already by somebody who is named ([`named`]).

pub mod named;
pub mod stream;

use std::sync::Arc;

use crate::codes::divisions::Division;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::subsidies::book::{Book, Programmes, Published};
use crate::subsidies::claimed::{self, Taken};
use crate::subsidies::domain::{Day, Value};
use crate::subsidies::error::SubsidyError;
use crate::subsidies::evaluator::rule::Trace;
use crate::subsidies::programme::canonical::Encoded;
use crate::subsidies::programme::question;
use crate::subsidies::wire::determination::{Around, render};
use crate::subsidies::wire::fact::Stated;
use crate::subsidies::wire::{eligibility as wire, fact};

/// How much an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The verdict, the amount, and what to ask for.
    Verdict,
    /// Also the criteria.
    Criteria,
    /// Also how the amount came about.
    Derivation,
}

/// A programme that is asked about, by name, with the number of an edition; 0: the one in force.
pub type Choice = (String, i64);

/// What somebody asks.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Where.
    pub division: &'static Division,
    /// Which programmes; empty: all that are in force there.
    pub choices: Vec<Choice>,
    /// How much the answer says.
    pub detail: Detail,
    /// As of which day.
    pub day: Day,
    /// Whether to look for the day on which the verdict turns.
    pub look_ahead: bool,
    /// Whether to rank the facts that are missing.
    pub rank_questions: bool,
}

/// What subjects are held against.
#[derive(Clone, Debug)]
pub struct Terms {
    asked: Asked,
    book: Arc<Book>,
    programmes: Vec<Arc<Published>>,
}

/// What a subject is answered.
pub type Answered = (Vec<pb::Determination>, Vec<pb::Question>);

impl Terms {
    /// Finds what is asked about.
    ///
    /// # Errors
    ///
    /// `PROGRAMME_NOT_FOUND`, `PROGRAMME_EDITION_NOT_FOUND`, or the database fails.
    pub async fn find(programmes: &Programmes, asked: Asked) -> Result<Self, SubsidyError> {
        let book = programmes.present();
        let mut found = Vec::new();
        for (name, edition) in &asked.choices {
            let in_force = book.programme(name);
            found.push(match (in_force, *edition) {
                (Some(it), 0) => Arc::clone(it),
                (None, 0) => return Err(SubsidyError::ProgrammeNotFound { name: name.clone() }),
                (_, number) => {
                    let none =
                        || SubsidyError::EditionNotFound { name: format!("{name}/{number}") };
                    programmes.edition(name, number).await?.ok_or_else(none)?
                }
            });
        }
        if asked.choices.is_empty() {
            found = book.in_force(asked.division).map(Arc::clone).collect();
        }
        Ok(Self { asked, book, programmes: found })
    }

    /// Returns whether a check takes so long that it needs a thread for computing.
    #[must_use]
    pub const fn is_dear(&self) -> bool {
        self.asked.look_ahead
    }

    /// Reads what is stated of a subject, and adds what the hub states.
    fn stated(&self, sent: &[pb::Fact]) -> Result<Stated, SubsidyError> {
        let day = self.asked.day;
        wire::states_no_day(sent, &self.book)?;
        let mut stated = fact::stated(sent, self.book.catalogue(), day, "facts")
            .map_err(SubsidyError::FactUnknown)?;
        for name in self.book.moving() {
            stated.facts.insert(Arc::clone(name), Value::Day(day));
        }
        Ok(stated)
    }

    /// Checks a subject; `taken` says what is claimed already, by the places of the programmes.
    ///
    /// # Errors
    ///
    /// `FACT_UNKNOWN`, `FIELDS_INVALID`, or `EVALUATION_FAILED`.
    pub fn check(&self, sent: &[pb::Fact], taken: &Taken) -> Result<Answered, SubsidyError> {
        let Asked { division, detail, day, look_ahead, rank_questions, .. } = self.asked;
        let stated = self.stated(sent)?;
        let encoded = Encoded::of(&stated.facts);
        let trace = match detail {
            Detail::Verdict => Trace::Off,
            Detail::Criteria => Trace::Reads,
            Detail::Derivation => Trace::On,
        };
        let mut rendered = Vec::with_capacity(self.programmes.len());
        let mut answers = Vec::new();
        for (place, published) in self.programmes.iter().enumerate() {
            let compiled = &published.compiled;
            let failed = |error| wire::failed(compiled, &error);
            let answer =
                compiled.determine(&stated.facts, Some(division), trace).map_err(failed)?;
            let (mut turns_on, mut last_day_to_file) = (None, None);
            if look_ahead {
                let failed = |error| wire::failed(compiled, &error);
                turns_on = compiled.turns_on(&stated.facts, Some(division), day).map_err(failed)?;
                last_day_to_file = compiled.last_day_to_file(&stated.facts, day).map_err(failed)?;
            }
            let around = Around {
                edition: published.edition,
                edition_sha256: &published.sha256,
                facts: &encoded,
                rests_on: &stated.rests_on,
                turns_on,
                last_day_to_file,
            };
            let mut determination = render(compiled, &answer, around);
            if detail == Detail::Verdict {
                determination.criteria = Vec::new();
            }
            let is_taken = claimed::exclude(&mut determination, taken.get(&place));
            rendered.push(determination);
            if rank_questions && !is_taken {
                answers.push((compiled, answer));
            }
        }
        let ranked = question::rank(answers.iter().map(|(compiled, answer)| (*compiled, answer)));
        let programmes = || answers.iter().map(|(compiled, _)| *compiled);
        let questions = ranked.iter().map(|it| wire::question(it, programmes())).collect();
        Ok((rendered, questions))
    }
}
