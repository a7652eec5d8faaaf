//! Offers of a sweep: whoever is eligible for a programme whose bureau acts by itself gets one, and accepts it with one call. Who is no
//! longer eligible for what was offered loses the offer, unless it was accepted.

use std::collections::HashMap;
use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use crate::kernel::fault::Fault;
use crate::kernel::ids::SubjectId;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::db::WriteTx;
use crate::platform::keys::sealing::DataKey;
use crate::subsidies::application::desk::{Answering, Desk};
use crate::subsidies::application::offer::{Offer, Offered, lapse, offer};
use crate::subsidies::error::SubsidyError;
use crate::subsidies::population::sealed::{What, Whose};
use crate::subsidies::population::standing::Stood;
use crate::subsidies::sweep::evaluate::{Found, Subject, stated};
use crate::subsidies::sweep::plan::Plan;
use crate::subsidies::wire::{self, sweep};

/// Somebody who is to get offers, or loses some.
#[derive(Debug)]
pub struct Due {
    subject: Subject,
    whose: Whose,
    key: DataKey,
    programmes: Programmes,
}

/// Places of programmes in the plan.
#[derive(Debug, Default)]
struct Programmes {
    /// What is to be offered.
    due: Vec<usize>,
    /// Of what an offer lapses.
    lapsed: Vec<usize>,
}

/// Returns who is to get offers or loses some, in the order in which that is done: that of the workers, whoever does it.
#[must_use]
pub fn due(found: &Found, subjects: Vec<Subject>, keys: Vec<(Whose, DataKey)>) -> Vec<Due> {
    let mut programmes: HashMap<usize, Programmes> = HashMap::new();
    for it in &found.due {
        programmes.entry(it.subject).or_default().due.push(it.programme);
    }
    for it in &found.lapsed {
        programmes.entry(it.subject).or_default().lapsed.push(it.programme);
    }
    let all = subjects.into_iter().zip(keys).enumerate();
    let due = all.filter_map(|(index, (subject, (whose, key)))| {
        Some(Due { subject, whose, key, programmes: programmes.remove(&index)? })
    });
    let mut due: Vec<Due> = due.collect();
    due.sort_by_key(|it| (it.whose.worker, it.whose.employer));
    due
}

/// Makes the offers of a subject in a step's transaction and takes back those that lapse, and returns how the subject stands then, sealed.
///
/// # Errors
///
/// A key cannot be had, or the database fails.
pub async fn make(
    desk: &Desk,
    tx: &mut WriteTx,
    (plan, due): (&Plan, Due),
    (content, now): (&mut pb::Sweep, OffsetDateTime),
) -> Result<(SubjectId, Vec<u8>), Fault> {
    let Due { mut subject, whose, key, programmes } = due;
    let days = i64::from(content.answer_days);
    let answer_by = (days > 0).then(|| (now + Duration::days(days)).date());
    let lapsed = programmes.lapsed.iter().map(|it| (*it, true));
    // What lapses first frees what it had of its budget.
    for (number, is_over) in lapsed.chain(programmes.due.iter().map(|it| (*it, false))) {
        let Some(planned) = plan.programmes.get(number) else { continue };
        let published = &planned.published;
        let answering =
            Answering { book: Arc::clone(&plan.book), published: Arc::clone(published) };
        let it = Offer {
            worker_id: whose.worker,
            employer: whose.employer,
            division: wire::division_of_token(&subject.division),
            facts: stated((&plan.book, plan.day), published, &subject.body),
            answer_by,
        };
        if is_over {
            let was_there = lapse(desk, tx, (&answering, it), now).await?;
            if let Some(swept) = sweep::swept(content, planned) {
                swept.lapsed += i64::from(was_there);
            }
            continue;
        }
        match offer(desk, tx, (&answering, it), now).await {
            Ok(Offered::Made(_)) => {
                if let Some(swept) = sweep::swept(content, planned) {
                    swept.offers += 1;
                }
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
