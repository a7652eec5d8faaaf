//! Following credentials, so that who verified them is told when they no longer stand.

use time::{Duration, OffsetDateTime};

use crate::credentials::domain::{Outcome, Status};
use crate::credentials::error::CredentialError;
use crate::credentials::status::decoded;
use crate::credentials::status::look::{Finding, Look};
use crate::credentials::store::{follow as store, status as lists};
use crate::credentials::verify::task::Looks;
use crate::credentials::verify::verdict::{Examined, StatusSeen};
use crate::kernel::fault::Fault;
use crate::pb::peshub::credentials::v1 as pb;
use crate::platform::db::{Db, Record, WriteTx};
use crate::platform::mutation::{RequestKey, once};
use crate::platform::permit::Permit;

/// How long a credential without an end is followed.
const FOLLOWED: Duration = Duration::days(366);

/// Follows what counts, or may again. How it stands is then told by the database, since nobody would tell of what was changed just
/// before: returns the statuses that differ from those that were looked up.
///
/// # Errors
///
/// The database fails.
pub async fn begin(
    tx: &mut WriteTx,
    examined: &[Examined],
    named: impl Fn(&[u8; 32]) -> String + Send,
    now: OffsetDateTime,
) -> Result<Looks, Fault> {
    let mut following = store::Following::default();
    let mut followed = Vec::new();
    for it in examined.iter().filter(|it| it.beyond.is_none() && is_followed(it)) {
        let (Some(seen), Some(digest)) = (&it.verdict.status, it.verdict.digest) else { continue };
        let (Ok(place), Look::Known(finding)) = (i64::try_from(seen.index), seen.look) else {
            continue;
        };
        let latest = now + FOLLOWED;
        following.uris.push(seen.uri.clone());
        following.places.push(place);
        following.handles.push(named(&digest));
        following.digests.push(digest.to_vec());
        following.until.push(it.verdict.times.expires_at.map_or(latest, |it| it.min(latest)));
        followed.push((seen, finding));
    }
    let mut looks = Looks::new();
    if followed.is_empty() {
        return Ok(looks);
    }
    let standings = store::follow(tx, &following, now).await?;
    for (item, (seen, finding)) in followed.into_iter().enumerate() {
        let status = if finding.kept_here {
            let is_this = |it: &&store::Standing| usize::try_from(it.item) == Ok(item);
            standings.iter().find(is_this).and_then(|it| Status::of_number(it.status))
        } else {
            elsewhere(tx, seen).await?
        };
        if let Some(status) = status.filter(|it| *it != finding.status) {
            let newest = Finding { status, as_of: now, ..finding };
            looks.insert((seen.uri.clone(), seen.index), Look::Known(newest));
        }
    }
    Ok(looks)
}

fn is_followed(it: &Examined) -> bool {
    matches!(it.verdict.outcome(), Outcome::Valid | Outcome::Suspended)
}

/// Returns how a credential stands by the newest version of a list that is kept elsewhere.
async fn elsewhere(tx: &mut WriteTx, seen: &StatusSeen) -> Result<Option<Status>, CredentialError> {
    let lists = lists::lists_at(tx.connection(), std::slice::from_ref(&seen.uri)).await?;
    let stored = lists.into_iter().next().and_then(|it| Some((it.bits, it.entries?)));
    let Some((bits, entries)) = stored else { return Ok(None) };
    Ok(decoded(bits, &entries)?.get(seen.index).and_then(Status::of_list_value))
}

/// Ends following credentials by the caller's own names for them; names of others are nobody's.
///
/// # Errors
///
/// `REQUEST_ID_REUSED`, or the database fails.
pub async fn end(
    db: &Db,
    permit: &Permit,
    key: &RequestKey,
    handles: Vec<String>,
    now: OffsetDateTime,
) -> Result<pb::UnfollowCredentialsResponse, Fault> {
    once(db, permit, key, now, |tx| {
        Box::pin(async move {
            let ended = store::unfollow(tx, &handles).await?;
            let ended = i32::try_from(ended).unwrap_or(i32::MAX);
            let subject = format!("credentials: {ended} followed no longer");
            let record = Record::new(now, subject, "credential.unfollowed");
            Ok((pb::UnfollowCredentialsResponse { ended }, record))
        })
    })
    .await
}
