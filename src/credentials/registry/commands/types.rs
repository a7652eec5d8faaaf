//! Publishing credential types.

use prost::Message as _;
use time::OffsetDateTime;

use crate::credentials::error::CredentialError;
use crate::credentials::registry::commands::{Office, holder, sound, taken};
use crate::credentials::registry::publication;
use crate::credentials::store::registry::changes::{self, NewType};
use crate::credentials::wire::registry as render;
use crate::credentials::wire::violation;
use crate::kernel::fields::Rule;
use crate::pb::peshub::credentials::v1 as pb;
use crate::platform::db::{Record, WriteTx};

/// Publishes a credential type, or a version of one.
///
/// # Errors
///
/// `FIELDS_INVALID`, `ALREADY_EXISTS`, or the database fails.
pub async fn publish(
    office: &Office,
    tx: &mut WriteTx,
    request: &pb::CreateCredentialTypeRequest,
    now: OffsetDateTime,
) -> Result<(pb::CreateCredentialTypeResponse, Record), CredentialError> {
    let sent = request.credential_type.clone().unwrap_or_default();
    let mut wrong = publication::violations(&sent, &office.addresses);
    sound(std::mem::take(&mut wrong))?;
    let (stamp, book) = office.begin(tx, now).await?;
    let participant = holder(tx.permit());
    let newest = book.type_version(&sent.name, 0);
    let named = format!("{}/{}", sent.name, sent.version);
    let exists = |name: String| CredentialError::AlreadyExists { what: "credential_type", name };
    if newest.is_some_and(|newest| newest.participant != participant) {
        return Err(exists(sent.name));
    }
    let last = newest.map_or(0, |newest| newest.version);
    let version = match sent.version {
        0 => last.saturating_add(1),
        version if book.type_version(&sent.name, version).is_some() => return Err(exists(named)),
        version if version < last => {
            let expected = format!("a version after {last}, or none for the next");
            let given = version.to_string();
            let field = "credential_type.version";
            wrong.push(violation(field, Rule::OutOfRange, &expected, &given));
            version
        }
        version => version,
    };
    let vct = match sent.vct.as_str() {
        "" => office.addresses.credential_type(&sent.name, version).unwrap_or_else(|| {
            let expected = "an address or URN: this hub has no public address of its own";
            wrong.push(violation("credential_type.vct", Rule::Required, expected, ""));
            String::new()
        }),
        vct => vct.to_owned(),
    };
    sound(wrong)?;
    if book.credential_type(&vct).is_some() {
        return Err(exists(vct));
    }
    let published_by = tx.permit().holder().map(|it| it.participant_name.clone());
    let content = pb::CredentialType {
        version,
        vct: vct.clone(),
        published_by: published_by.unwrap_or_default(),
        retired_at: None,
        ..sent
    };
    let encoded = content.encode_to_vec();
    let new = NewType { name: &content.name, version, vct: &vct, participant, content: &encoded };
    changes::add_type(tx, new, stamp).await.map_err(taken("credential_type", &named))?;
    let subject = format!("credential-types/{}/{version}", content.name);
    let record = Record::new(now, subject, "credential_type.published");
    Ok((pb::CreateCredentialTypeResponse { credential_type: Some(content) }, record))
}

/// Retires a version of a credential type. One that is retired already stays as it is.
///
/// # Errors
///
/// `CREDENTIAL_TYPE_NOT_FOUND` when there is none, or the caller did not publish it; the database fails.
pub async fn retire(
    office: &Office,
    tx: &mut WriteTx,
    request: &pb::RetireCredentialTypeRequest,
    now: OffsetDateTime,
) -> Result<(pb::RetireCredentialTypeResponse, Record), CredentialError> {
    let name = format!("{}/{}", request.name, request.version);
    let missing = || CredentialError::CredentialTypeNotFound { name: name.clone() };
    let (stamp, book) = office.begin(tx, now).await?;
    let caller = holder(tx.permit());
    let found = book.type_version(&request.name, request.version);
    let found = found.filter(|it| it.participant == caller).ok_or_else(missing)?;
    changes::retire_type(tx, found.id, stamp).await?;
    let book = office.after(tx, stamp).await?;
    let retired = book.type_version(&request.name, request.version).ok_or_else(missing)?;
    let credential_type = Some(render::credential_type(retired));
    let record = Record::new(now, format!("credential-types/{name}"), "credential_type.retired");
    Ok((pb::RetireCredentialTypeResponse { credential_type }, record))
}
