//! Places in status lists for issuers who sign by themselves.

use time::OffsetDateTime;

use crate::credentials::error::CredentialError;
use crate::credentials::issuing::places::Given;
use crate::credentials::issuing::{Issuing, own_issuer};
use crate::credentials::registry::book::Book;
use crate::credentials::registry::entry::Issuer;
use crate::credentials::status::signer::list_key;
use crate::credentials::store::places as store;
use crate::kernel::fault::Fault;
use crate::pb::peshub::credentials::v1 as pb;
use crate::platform::db::Record;
use crate::platform::mutation::{RequestKey, once};
use crate::platform::permit::Permit;

impl Issuing {
    /// Reserves places in lists that the hub keeps.
    ///
    /// # Errors
    ///
    /// `ISSUER_NOT_FOUND`, `ISSUER_KEY_NOT_FOUND` when nobody could sign the list, `REQUEST_ID_REUSED`, or the database fails.
    pub async fn reserve(
        &self,
        permit: &Permit,
        key: &RequestKey,
        request: &pb::ReserveStatusRequest,
    ) -> Result<pb::ReserveStatusResponse, Fault> {
        let now = self.clock.now();
        // Whoever was answered before is answered so again, whatever has become of the issuer.
        let given = self.give(permit, request, now).await;
        let subject = format!("issuers/{}/status-places: {}", request.issuer, request.count);
        once(&self.db, permit, key, now, |tx| {
            Box::pin(async move {
                let given = given?;
                let spots: Vec<_> = given.iter().map(|it| it.spot).collect();
                store::reserve(tx, &spots, now).await?;
                let places = given
                    .iter()
                    .map(|it| pb::StatusPlace { uri: it.uri.to_string(), index: it.spot.index });
                let answer = pb::ReserveStatusResponse { places: places.collect() };
                Ok((answer, Record::new(now, subject, "status_places.reserved")))
            })
        })
        .await
    }

    async fn give(
        &self,
        permit: &Permit,
        request: &pb::ReserveStatusRequest,
        now: OffsetDateTime,
    ) -> Result<Vec<Given>, CredentialError> {
        let mut book = self.registry.present();
        if reserving(&book, permit, (self, request), now).is_err() {
            book = self.registry.refresh().await?;
        }
        let issuer = reserving(&book, permit, (self, request), now)?;
        let owner = self.owner(issuer)?;
        self.places.take(&owner, usize::try_from(request.count).unwrap_or_default()).await
    }
}

fn reserving<'a>(
    book: &'a Book,
    permit: &Permit,
    (issuing, request): (&Issuing, &pb::ReserveStatusRequest),
    now: OffsetDateTime,
) -> Result<&'a Issuer, CredentialError> {
    let issuer = own_issuer(book, permit, &request.issuer)?;
    let lists = issuing.owner(issuer)?.lists;
    match list_key(book, issuer, &lists, now) {
        Some(_) => Ok(issuer),
        None => Err(CredentialError::NoStatusKey { issuer: issuer.name.clone() }),
    }
}
