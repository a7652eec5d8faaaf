//! How a programme comes into force: facts are defined, a draft is stored, reviewed, and published by somebody else.

pub mod drafts;
pub mod facts;
pub mod queries;
pub mod thinking;

use crate::kernel::fields::{Rule, Violation};
use crate::kernel::ids::{ParticipantId, SystemId};
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::permit::Permit;
use crate::subsidies::wire::{self, violation};

/// Returns who holds a permit: the organisation and its system.
fn holder(permit: &Permit) -> (ParticipantId, SystemId) {
    let holder = permit.holder();
    holder.map_or((ParticipantId(0), SystemId(0)), |holder| (holder.participant, holder.system))
}

/// Returns what a programme's divisions break: each must lie within one of the bureau's.
fn jurisdiction(programme: &pb::Programme, permit: &Permit) -> Vec<Violation> {
    let tokens = permit.holder().map(|it| it.division_tokens.as_slice()).unwrap_or_default();
    let own: Vec<_> = tokens.iter().filter_map(|it| wire::division_of_token(it)).collect();
    let mut wrong = Vec::new();
    for (index, named) in programme.divisions.iter().enumerate() {
        let found = wire::division(named);
        if !found.is_some_and(|it| own.iter().any(|own| it.lies_within(own))) {
            let field = format!("programme.divisions[{index}]");
            let expected = "a division within the bureau's own";
            wrong.push(violation(&field, Rule::OutOfRange, expected, &named.code));
        }
    }
    wrong
}
