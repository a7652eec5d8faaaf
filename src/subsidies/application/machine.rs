//! From where an application goes where, and what it keeps there: pure.

use time::Date;

use crate::kernel::ids::Revision;

/// Where an application stands: `peshub.subsidies.v1.ApplicationState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Filed; the bureau is to act.
    Submitted,
    /// The applicant is to show something.
    EvidenceRequested,
    /// Not decided until it is known whether the programme goes on.
    Held,
    /// Offered without an application.
    Offered,
    /// Granted.
    Granted,
    /// Refused.
    Refused,
    /// Paid.
    Paid,
    /// To be decided anew.
    Appealed,
    /// Paid, and some of it claimed back.
    ClawedBack,
    /// Taken back.
    Withdrawn,
}

impl State {
    /// Every state, in the order of their numbers in the contract, from 1.
    pub const ALL: [Self; 10] = [
        Self::Submitted,
        Self::EvidenceRequested,
        Self::Held,
        Self::Offered,
        Self::Granted,
        Self::Refused,
        Self::Paid,
        Self::Appealed,
        Self::ClawedBack,
        Self::Withdrawn,
    ];

    /// Returns the number that stands in the database and in the contract.
    #[must_use]
    pub fn number(self) -> i16 {
        let place = Self::ALL.iter().position(|it| *it == self).unwrap_or_default();
        i16::try_from(place).unwrap_or_default().saturating_add(1)
    }

    /// Returns the state with a number, or `None`.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
    }

    /// Returns how it is called in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Submitted => "SUBMITTED",
            Self::EvidenceRequested => "EVIDENCE_REQUESTED",
            Self::Held => "HELD",
            Self::Offered => "OFFERED",
            Self::Granted => "GRANTED",
            Self::Refused => "REFUSED",
            Self::Paid => "PAID",
            Self::Appealed => "APPEALED",
            Self::ClawedBack => "CLAWED_BACK",
            Self::Withdrawn => "WITHDRAWN",
        }
    }
}

/// What somebody does with an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The applicant gives evidence.
    Provide,
    /// The applicant takes it back, or declines an offer.
    Withdraw,
    /// The payee accepts an offer.
    Accept,
    /// The applicant appeals.
    Appeal,
    /// The bureau asks for evidence.
    RequestEvidence,
    /// The bureau sets it aside.
    Hold,
    /// The bureau takes it up again.
    Resume,
    /// The bureau grants.
    Grant,
    /// The bureau refuses.
    Refuse,
    /// The bureau has paid.
    Pay,
    /// The bureau claims back.
    ClawBack,
    /// The hub sees that a credential that it rests on does not stand any more.
    Reopen,
    /// The hub sees that whoever it was offered to is no longer eligible.
    Lapse,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 13] = [
        Self::Provide,
        Self::Withdraw,
        Self::Accept,
        Self::Appeal,
        Self::RequestEvidence,
        Self::Hold,
        Self::Resume,
        Self::Grant,
        Self::Refuse,
        Self::Pay,
        Self::ClawBack,
        Self::Reopen,
        Self::Lapse,
    ];
}

/// What an application has of a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Nothing.
    #[default]
    Nothing,
    /// It is kept for the application.
    Reserved,
    /// It is granted.
    Committed,
    /// It is paid.
    Paid,
}

impl Stage {
    /// Every stage, in the order of their numbers in the database, from 0.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Reserved, Self::Committed, Self::Paid];

    /// Returns the number that stands in the database.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::Nothing => 0,
            Self::Reserved => 1,
            Self::Committed => 2,
            Self::Paid => 3,
        }
    }

    /// Returns the stage with a number, or `None`.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// What decides whether a step can be taken.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Where it stands.
    pub state: State,
    /// What it has of a budget.
    pub stage: Stage,
    /// How often it has changed.
    pub revision: Revision,
    /// Until which day the applicant is to answer, inclusive.
    pub answer_by: Option<Date>,
    /// The last day on which the decision can be appealed, inclusive; `None`: not limited.
    pub appeal_by: Option<Date>,
}

/// Why a step cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It has changed since it was read.
    Changed,
    /// No such step leads from where it stands.
    State,
    /// The time for it is over.
    Late,
    /// The time for it has not come.
    Early,
}

/// Returns where a step leads, for who has read the application at `expected`; `None` where that is not asked (the hub itself).
///
/// # Errors
///
/// The step cannot be taken.
pub fn next(
    standing: &Standing,
    step: Step,
    expected: Option<Revision>,
    today: Date,
) -> Result<State, Refused> {
    if expected.is_some_and(|expected| expected != standing.revision) {
        return Err(Refused::Changed);
    }
    let to = leads_to(standing.state, standing.stage, step).ok_or(Refused::State)?;
    let is_over = |day: Option<Date>| day.is_some_and(|day| today > day);
    match step {
        Step::Accept if is_over(standing.answer_by) => Err(Refused::Late),
        Step::Appeal if is_over(standing.appeal_by) => Err(Refused::Late),
        // Whoever was asked has the time that was set; evidence after it counts as long as nothing is decided.
        Step::Refuse
            if standing.state == State::EvidenceRequested && !is_over(standing.answer_by) =>
        {
            Err(Refused::Early)
        }
        Step::Provide
        | Step::Withdraw
        | Step::Accept
        | Step::Appeal
        | Step::RequestEvidence
        | Step::Hold
        | Step::Resume
        | Step::Grant
        | Step::Refuse
        | Step::Pay
        | Step::ClawBack
        | Step::Reopen
        | Step::Lapse => Ok(to),
    }
}

/// Returns where a step leads from a state, or `None`. An appeal of who was paid is against a clawback: a grant lifts that, a refusal
/// leaves it.
fn leads_to(state: State, share: Stage, step: Step) -> Option<State> {
    let is_paid = share == Stage::Paid;
    let to = match (state, step) {
        (State::Submitted | State::EvidenceRequested, Step::Provide)
        | (State::Held, Step::Resume) => State::Submitted,
        (State::Submitted | State::EvidenceRequested, Step::Hold)
        | (State::Held, Step::Provide | Step::Reopen) => State::Held,
        (State::Granted | State::Refused | State::ClawedBack, Step::Appeal)
        | (State::Appealed, Step::Provide | Step::Reopen) => State::Appealed,
        (
            State::Submitted
            | State::EvidenceRequested
            | State::Held
            | State::Offered
            | State::Granted,
            Step::Withdraw,
        )
        | (State::Offered, Step::Lapse) => State::Withdrawn,
        (State::Submitted | State::EvidenceRequested, Step::RequestEvidence | Step::Reopen)
        | (State::Granted, Step::Reopen) => State::EvidenceRequested,
        (State::Appealed, Step::Grant) if is_paid => State::Paid,
        (State::Appealed, Step::Refuse) if is_paid => State::ClawedBack,
        (State::Offered, Step::Accept) | (State::Submitted | State::Appealed, Step::Grant) => {
            State::Granted
        }
        (
            State::Submitted | State::EvidenceRequested | State::Offered | State::Appealed,
            Step::Refuse,
        ) => State::Refused,
        (State::Granted, Step::Pay) | (State::Paid, Step::Reopen) => State::Paid,
        (State::Paid | State::ClawedBack, Step::ClawBack) | (State::ClawedBack, Step::Reopen) => {
            State::ClawedBack
        }
        _ => return None,
    };
    Some(to)
}

/// Returns what an application in a state has of its budget, which had `before` of it.
#[must_use]
pub const fn stage(state: State, before: Stage) -> Stage {
    match state {
        State::Submitted | State::EvidenceRequested | State::Held | State::Offered => {
            Stage::Reserved
        }
        State::Granted => Stage::Committed,
        State::Paid | State::ClawedBack => Stage::Paid,
        State::Appealed => before,
        State::Refused | State::Withdrawn => Stage::Nothing,
    }
}

/// Returns whether an application in a state keeps what it has claimed.
#[must_use]
pub const fn keeps_claims(state: State) -> bool {
    !matches!(state, State::Refused | State::Withdrawn)
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use crate::kernel::ids::Revision;
    use crate::subsidies::application::machine::{
        Refused, Stage, Standing, State, Step, keeps_claims, next, stage,
    };

    fn standing(state: State) -> Standing {
        let share = match state {
            State::Paid | State::ClawedBack => Stage::Paid,
            State::Granted => Stage::Committed,
            State::Refused | State::Withdrawn | State::Appealed => Stage::Nothing,
            State::Submitted | State::EvidenceRequested | State::Held | State::Offered => {
                Stage::Reserved
            }
        };
        Standing { state, stage: share, revision: Revision(7), answer_by: None, appeal_by: None }
    }

    /// The guide's table.
    const TABLE: &[(State, &[(Step, State)])] = &[
        (
            State::Submitted,
            &[
                (Step::Provide, State::Submitted),
                (Step::Withdraw, State::Withdrawn),
                (Step::RequestEvidence, State::EvidenceRequested),
                (Step::Hold, State::Held),
                (Step::Grant, State::Granted),
                (Step::Refuse, State::Refused),
                (Step::Reopen, State::EvidenceRequested),
            ],
        ),
        (
            State::EvidenceRequested,
            &[
                (Step::Provide, State::Submitted),
                (Step::Withdraw, State::Withdrawn),
                (Step::RequestEvidence, State::EvidenceRequested),
                (Step::Hold, State::Held),
                (Step::Reopen, State::EvidenceRequested),
            ],
        ),
        (
            State::Held,
            &[
                (Step::Provide, State::Held),
                (Step::Withdraw, State::Withdrawn),
                (Step::Resume, State::Submitted),
                (Step::Reopen, State::Held),
            ],
        ),
        (
            State::Offered,
            &[
                (Step::Withdraw, State::Withdrawn),
                (Step::Accept, State::Granted),
                (Step::Refuse, State::Refused),
                (Step::Lapse, State::Withdrawn),
            ],
        ),
        (
            State::Granted,
            &[
                (Step::Withdraw, State::Withdrawn),
                (Step::Appeal, State::Appealed),
                (Step::Pay, State::Paid),
                (Step::Reopen, State::EvidenceRequested),
            ],
        ),
        (State::Refused, &[(Step::Appeal, State::Appealed)]),
        (State::Paid, &[(Step::ClawBack, State::ClawedBack), (Step::Reopen, State::Paid)]),
        (
            State::Appealed,
            &[
                (Step::Provide, State::Appealed),
                (Step::Grant, State::Granted),
                (Step::Refuse, State::Refused),
                (Step::Reopen, State::Appealed),
            ],
        ),
        (
            State::ClawedBack,
            &[
                (Step::Appeal, State::Appealed),
                (Step::ClawBack, State::ClawedBack),
                (Step::Reopen, State::ClawedBack),
            ],
        ),
        (State::Withdrawn, &[]),
    ];

    #[test]
    fn every_state_has_the_steps_that_the_guide_lists_and_no_other() {
        assert_eq!(TABLE.len(), State::ALL.len());
        let today = date!(2026 - 11 - 23);
        for (state, steps) in TABLE {
            // Without a day the time that was set is never over: a refusal for want of evidence waits for it.
            for step in Step::ALL {
                let found = next(&standing(*state), step, Some(Revision(7)), today);
                let expected = steps.iter().find(|it| it.0 == step).map(|it| it.1);
                let expected = match (*state, step) {
                    (State::EvidenceRequested, Step::Refuse) => Err(Refused::Early),
                    _ => expected.ok_or(Refused::State),
                };
                assert_eq!(found, expected, "{state:?} {step:?}");
            }
        }
    }

    #[test]
    fn of_two_who_act_on_what_they_read_one_is_told_that_it_has_moved() {
        let today = date!(2026 - 11 - 23);
        for state in State::ALL {
            for step in Step::ALL {
                let found = next(&standing(state), step, Some(Revision(6)), today);
                assert_eq!(found, Err(Refused::Changed), "{state:?} {step:?}");
            }
        }
    }

    #[test]
    fn days_are_inclusive() {
        let (before, last, after) =
            (date!(2026 - 11 - 22), date!(2026 - 11 - 23), date!(2026 - 11 - 24));
        let check = |state, step, today, expected| {
            let standing =
                Standing { answer_by: Some(last), appeal_by: Some(last), ..standing(state) };
            assert_eq!(next(&standing, step, None, today), expected, "{state:?} {step:?} {today}");
        };
        for today in [before, last] {
            check(State::Offered, Step::Accept, today, Ok(State::Granted));
            check(State::Refused, Step::Appeal, today, Ok(State::Appealed));
            check(State::EvidenceRequested, Step::Refuse, today, Err(Refused::Early));
        }
        check(State::Offered, Step::Accept, after, Err(Refused::Late));
        check(State::Refused, Step::Appeal, after, Err(Refused::Late));
        check(State::EvidenceRequested, Step::Refuse, after, Ok(State::Refused));
        // Late evidence counts as long as nothing is decided.
        check(State::EvidenceRequested, Step::Provide, after, Ok(State::Submitted));
    }

    #[test]
    fn an_appeal_of_who_was_paid_is_about_the_clawback() {
        let today = date!(2026 - 11 - 23);
        let paid = Standing { stage: Stage::Paid, ..standing(State::Appealed) };
        assert_eq!(next(&paid, Step::Grant, None, today), Ok(State::Paid));
        assert_eq!(next(&paid, Step::Refuse, None, today), Ok(State::ClawedBack));
    }

    #[test]
    fn what_ends_without_a_grant_frees_what_it_took_and_nothing_else_does() {
        for state in State::ALL {
            let is_over = matches!(state, State::Refused | State::Withdrawn);
            assert_eq!(keeps_claims(state), !is_over, "{state:?}");
            assert_eq!(stage(state, Stage::Committed) == Stage::Nothing, is_over, "{state:?}");
            assert_eq!(
                stage(State::Appealed, stage(state, Stage::Paid)),
                stage(state, Stage::Paid)
            );
        }
    }

    #[test]
    fn numbers_are_those_of_the_contract() {
        for state in State::ALL {
            assert_eq!(State::of_number(state.number()), Some(state));
            let theirs = crate::pb::peshub::subsidies::v1::ApplicationState::try_from(i32::from(
                state.number(),
            ));
            let theirs = theirs.unwrap().as_str_name();
            assert_eq!(theirs, format!("APPLICATION_STATE_{}", state.name()));
        }
        assert_eq!((State::of_number(0), State::of_number(11)), (None, None));
        for stage in Stage::ALL {
            assert_eq!(Stage::of_number(stage.number()), Some(stage));
        }
    }
}
