//! Ends following.

use time::OffsetDateTime;

use crate::credentials::store::follow as store;
use crate::kernel::fault::Fault;
use crate::pb::peshub::credentials::v1 as pb;
use crate::platform::db::{Db, Record};
use crate::platform::mutation::{RequestKey, once};
use crate::platform::permit::Permit;

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
