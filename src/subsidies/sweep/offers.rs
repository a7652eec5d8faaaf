//! Offers of a sweep: whoever is eligible for a programme whose bureau acts by itself gets one, and accepts it with one call.

use std::collections::HashMap;
use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use crate::kernel::fault::Fault;
use crate::kernel::ids::SubjectId;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::db::WriteTx;
use crate::platform::keys::sealing::DataKey;
use crate::subsidies::application::desk::Answering;
use crate::subsidies::application::offer::{Offer, Offered, offer};
use crate::subsidies::error::SubsidyError;
use crate::subsidies::population::commands::Keeper;
use crate::subsidies::population::sealed::{What, Whose};
use crate::subsidies::population::standing::Stood;
use crate::subsidies::sweep::evaluate::{Found, Subject, stated};
use crate::subsidies::sweep::plan::Plan;
use crate::subsidies::wire::{self, sweep};

/// Somebody who is to get offers.
#[derive(Debug)]
pub struct Due {
    subject: Subject,
    whose: Whose,
    key: DataKey,
    /// Places of the programmes in the plan.
    programmes: Vec<usize>,
}

/// Returns who is to get offers, in the order in which they are made: that of the workers, whoever makes them.
#[must_use]
pub fn due(found: &Found, subjects: Vec<Subject>, keys: Vec<(Whose, DataKey)>) -> Vec<Due> {
    let mut programmes: HashMap<usize, Vec<usize>> = HashMap::new();
    for it in &found.due {
        programmes.entry(it.subject).or_default().push(it.programme);
    }
    let all = subjects.into_iter().zip(keys).enumerate();
    let due = all.filter_map(|(index, (subject, (whose, key)))| {
        Some(Due { subject, whose, key, programmes: programmes.remove(&index)? })
    });
    let mut due: Vec<Due> = due.collect();
    due.sort_by_key(|it| (it.whose.worker, it.whose.employer));
    due
}

/// Makes the offers of a subject in a step's transaction, and returns how the subject stands then, sealed.
///
/// # Errors
///
/// A key cannot be had, or the database fails.
pub async fn make(
    keeper: &Keeper,
    tx: &mut WriteTx,
    (plan, due): (&Plan, Due),
    (content, now): (&mut pb::Sweep, OffsetDateTime),
) -> Result<(SubjectId, Vec<u8>), Fault> {
    let Due { mut subject, whose, key, programmes } = due;
    let days = i64::from(content.answer_days);
    let answer_by = (days > 0).then(|| (now + Duration::days(days)).date());
    for number in programmes {
        let Some(planned) = plan.programmes.get(number) else { continue };
        let published = &planned.published;
        let answering =
            Answering { book: Arc::clone(&plan.book), published: Arc::clone(published) };
        let made = Offer {
            worker_id: whose.worker,
            employer: whose.employer,
            division: wire::division_of_token(&subject.division),
            facts: stated((&plan.book, plan.day), published, &subject.body),
            answer_by,
        };
        let parts = (keeper.vault.as_ref(), &keeper.blind);
        match offer(parts, tx, (&answering, made), now).await {
            Ok(Offered::Made(_)) => {
                sweep::add_offer(content, planned);
                if let Some(stood) = subject.standing.of(published.programme).copied() {
                    subject.standing.put(Stood { offered: true, ..stood });
                }
            }
            // It is taken or used up; or the programme gives once for something that is not known of the subject.
            Ok(Offered::Taken(_) | Offered::Exhausted | Offered::NotEligible)
            | Err(SubsidyError::Invalid(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let sealed = whose.seal(&key, What::Standing, &subject.standing.encoded());
    Ok((subject.id, sealed.map_err(SubsidyError::from)?))
}
