//! Contract → how and by what right a presentation is verified.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use time::OffsetDateTime;

use crate::credentials::domain::ClaimPath;
use crate::credentials::verify::basis::sha256;
use crate::credentials::verify::policy::{Asked, Grounds, Policy, Right, Telling};
use crate::credentials::wire::consent::{consent_id, words};
use crate::credentials::wire::instant;
use crate::credentials::wire::parts::broken;
use crate::kernel::fault::Fault;
use crate::kernel::fields::{Rule, Violation};
use crate::pb::peshub::credentials::v1 as pb;

/// How old a holder's proof may be when the caller does not say, in seconds.
const BINDING_AGE_S: i64 = 300;

/// Reads how something is verified, and by what right.
///
/// # Errors
///
/// Every broken rule.
pub fn asked(
    policy: Option<pb::VerificationPolicy>,
    grounds: Option<pb::Grounds>,
    now: OffsetDateTime,
) -> Result<Asked, Fault> {
    let mut wrong = Vec::new();
    let grounds = self::grounds(&grounds.unwrap_or_default(), &mut wrong);
    let policy = policy.unwrap_or_default();
    let policy_sha256 = sha256(&policy.encode_to_vec());
    let policy = self::policy(policy, now, &mut wrong);
    let by_law = grounds.as_ref().is_some_and(|it| matches!(it.right, Right::Law(_)));
    if grounds.is_some() {
        if policy.as_of.is_some() && !by_law {
            let expected = "nothing, unless the grounds are a law";
            wrong.push(broken("policy.as_of", Rule::BadFormat, expected));
        }
        if policy.require_binding && by_law && policy.nonce.is_empty() {
            let expected = "the nonce of the proof: on grounds of a law the hub gives none out";
            wrong.push(broken("policy.nonce", Rule::Required, expected));
        }
    }
    match grounds {
        Some(grounds) if wrong.is_empty() => {
            Ok(Asked { policy: Arc::new(policy), policy_sha256, grounds, telling: Telling::Words })
        }
        _ => Err(Fault::fields(wrong)),
    }
}

fn grounds(message: &pb::Grounds, wrong: &mut Vec<Violation>) -> Option<Grounds> {
    let purpose = message.purpose.trim().to_owned();
    match (message.consent_id.is_empty(), message.law.is_empty()) {
        (false, true) => {
            if !purpose.is_empty() {
                words("grounds.purpose", &purpose, 3, wrong);
            }
            let id = consent_id(&message.consent_id);
            if id.is_none() {
                wrong.push(broken("grounds.consent_id", Rule::BadFormat, "a UUID"));
            }
            Some(Grounds { purpose, right: Right::Consent(id?) })
        }
        (true, false) => {
            words("grounds.purpose", &purpose, 3, wrong);
            words("grounds.law", &message.law, 3, wrong);
            Some(Grounds { purpose, right: Right::Law(message.law.trim().to_owned()) })
        }
        (true, true) | (false, false) => {
            let expected = "either a consent or a law";
            wrong.push(broken("grounds", Rule::Required, expected));
            None
        }
    }
}

fn policy(
    message: pb::VerificationPolicy,
    now: OffsetDateTime,
    wrong: &mut Vec<Violation>,
) -> Policy {
    let as_of = message.as_of.as_ref().and_then(instant);
    if message.as_of.is_some() && as_of.is_none_or(|it| it > now) {
        let expected = "an instant that has been";
        wrong.push(broken("policy.as_of", Rule::OutOfRange, expected));
    }
    if message.nonce.is_empty() != message.audience.is_empty() {
        let (missing, given) =
            if message.nonce.is_empty() { ("nonce", "audience") } else { ("audience", "nonce") };
        let expected = format!("to be given together with the {given}");
        wrong.push(broken(&format!("policy.{missing}"), Rule::Required, &expected));
    }
    if message.as_of.is_some() && message.follow {
        let expected = "false with as_of: what is followed is followed from now on";
        wrong.push(broken("policy.follow", Rule::BadFormat, expected));
    }
    let seconds = |given: i32| u64::try_from(given).unwrap_or_default();
    let binding_age = match message.binding_age_seconds_max {
        0 => BINDING_AGE_S,
        seconds => i64::from(seconds),
    };
    let required = message.required_claims.iter().filter_map(|it| ClaimPath::parse(&it.segments));
    Policy {
        require_binding: message.require_binding,
        audience: message.audience,
        nonce: message.nonce,
        binding_age_max: time::Duration::seconds(binding_age),
        status_age_max: match seconds(message.status_age_seconds_max) {
            0 => None,
            seconds => Some(Duration::from_secs(seconds)),
        },
        type_names: message.type_names,
        as_of,
        refuse_excess: message.refuse_excess,
        follow: message.follow,
        required: required.collect(),
    }
}
