//! What a posting can be found by: tokens that decide lists, watches and scopes alike.
//!
//! | token | means |
//! |---|---|
//! | `d:330106`, `d:SE-AB`, `d:CN` | has a workplace in this division or below it |
//! | `o:csco-2022:6-06-03-01` | is of this occupation or of one below it |
//! | `e:1` | offers this kind of employment, by its number in the contract |
//! | `s:7` | comes from this source |
//! | `p:3` | belongs to this participant |
//! | `x:1` | is in this state |

use crate::codes::divisions::Division;
use crate::codes::occupations::Occupation;
use crate::kernel::ids::{ParticipantId, SourceId};
use crate::platform::permit;
use crate::postings::domain::State;

/// Returns the tokens of a workplace: its division and all above it.
pub fn of_division(division: &'static Division) -> impl Iterator<Item = String> {
    division.path_tokens().map(permit::division_facet)
}

/// Returns the token by which a filter finds a division and all below it.
#[must_use]
pub fn division(division: &Division) -> String {
    permit::division_facet(division.token())
}

/// Returns the tokens of an occupation: itself and all above it.
pub fn of_occupation(occupation: &'static Occupation) -> impl Iterator<Item = String> {
    occupation.ancestors().map(self::occupation)
}

/// Returns the token by which a filter finds an occupation and all below it.
#[must_use]
pub fn occupation(occupation: &Occupation) -> String {
    format!("o:{}:{}", occupation.scheme().id(), occupation.code())
}

/// Returns the token of an occupation of a scheme that the hub carries without knowing its list.
#[must_use]
pub fn carried_occupation(scheme_id: &str, code: &str) -> String {
    format!("o:{scheme_id}:{code}")
}

/// Returns the token of a kind of employment.
#[must_use]
pub fn employment(number: i32) -> String {
    format!("e:{number}")
}

/// Returns the token of a source.
#[must_use]
pub fn source(id: SourceId) -> String {
    format!("s:{id}")
}

/// Returns the token of a state.
#[must_use]
pub fn state(state: State) -> String {
    format!("x:{}", state.number())
}

/// Returns all tokens of a posting: those of its content, its source, its owner and its state.
#[must_use]
pub fn of_posting(
    content: &[String],
    source_id: SourceId,
    owner: ParticipantId,
    now: State,
) -> Vec<String> {
    let mut all = content.to_vec();
    all.push(source(source_id));
    all.push(permit::owner_facet(owner));
    all.push(state(now));
    all
}

/// Returns the tokens of a posting in another state.
#[must_use]
pub fn in_state(facets: &[String], now: State) -> Vec<String> {
    let others = facets.iter().filter(|token| !token.starts_with("x:")).cloned();
    others.chain([state(now)]).collect()
}
