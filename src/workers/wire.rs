//! Contract ⇄ workers. What is known of a person is kept as the contract has it.

use prost::Message;
use time::{Date, OffsetDateTime};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::kernel::fault::Fault;
use crate::kernel::fields::{Rule, Violation};
use crate::pb::peshub::workers::v1 as pb;
use crate::platform::audit::entry::Row;
use crate::workers::domain::number::{NationalId, Scheme};
use crate::workers::domain::{
    Grounds, LegalBasisKind, Reference, Standing, WorkerField, is_birth_date,
};

/// What is stated about a person.
pub type Person = pb::Person;

/// What is known of a worker, opened for a disclosure.
#[derive(Clone, Debug)]
pub struct Disclosed {
    /// The number.
    pub number: pb::NationalId,
    /// The statement that is told, if there is one.
    pub person: Option<Person>,
    /// Whose it is.
    pub standing: Option<Standing>,
    /// Names the record of the disclosure.
    pub entry_id: Uuid,
}

/// Returns a message encoded, for sealing.
#[must_use]
pub fn encoded(message: &impl Message) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(message.encode_to_vec())
}

/// Reads what was sealed, or returns `None`.
#[must_use]
pub fn decoded<M: Message + Default>(opened: &[u8]) -> Option<M> {
    M::decode(opened).ok()
}

/// Reads a number of a request.
///
/// # Errors
///
/// It cannot be right.
pub fn national_id(message: Option<pb::NationalId>, today: Date) -> Result<NationalId, Fault> {
    let message = message.unwrap_or_default();
    let Some(scheme) = scheme(&message) else {
        let expected = "a country's two capital letters with NATIONAL_ID_SCHEME_OTHER, not CN or SE; none otherwise";
        return Err(Fault::fields(vec![broken("national_id.country", expected)]));
    };
    NationalId::parse(scheme, &message.number, today).ok_or_else(|| {
        let expected = match scheme {
            Scheme::Gb11643 => {
                "17 digits with a day of birth, and the check character that belongs to them"
            }
            Scheme::Personnummer => {
                "ten or twelve digits with a day of birth, and the check digit that belongs to them"
            }
            Scheme::Other(_) => "4 to 32 letters A to Z and digits",
        };
        Fault::fields(vec![broken("national_id.number", expected)])
    })
}

/// Reads a number that was stored, or returns `None`.
#[must_use]
pub fn stored_number(message: &pb::NationalId, today: Date) -> Option<NationalId> {
    NationalId::parse(scheme(message)?, &message.number, today)
}

fn scheme(message: &pb::NationalId) -> Option<Scheme> {
    let scheme = match pb::NationalIdScheme::try_from(message.scheme).ok()? {
        pb::NationalIdScheme::Unspecified => return None,
        pb::NationalIdScheme::Gb11643 => Scheme::Gb11643,
        pb::NationalIdScheme::Personnummer => Scheme::Personnummer,
        pb::NationalIdScheme::Other => return Scheme::of_country(&message.country),
    };
    message.country.is_empty().then_some(scheme)
}

/// Returns a number as the contract has it.
#[must_use]
pub fn number(number: &NationalId) -> pb::NationalId {
    let scheme = match number.scheme() {
        Scheme::Gb11643 => pb::NationalIdScheme::Gb11643,
        Scheme::Personnummer => pb::NationalIdScheme::Personnummer,
        Scheme::Other(_) => pb::NationalIdScheme::Other,
    };
    pb::NationalId {
        scheme: scheme.into(),
        number: number.number().to_owned(),
        country: number.scheme().country(),
    }
}

/// Reads a statement of a request.
///
/// # Errors
///
/// A text has control characters, or the day of birth is none.
pub fn person(message: Option<Person>, today: Date) -> Result<Person, Fault> {
    let mut person = message.unwrap_or_default();
    let mut wrong = Vec::new();
    for (field, text) in
        [("native_name", &mut person.native_name), ("latin_name", &mut person.latin_name)]
    {
        *text = text.trim().to_owned();
        if text.chars().any(char::is_control) {
            wrong.push(broken(&format!("person.{field}"), "a name without control characters"));
        }
    }
    if !person.birth_date.is_empty() && !is_birth_date(&person.birth_date, today) {
        wrong.push(broken("person.birth_date", "a day that has been, `YYYY-MM-DD`"));
    }
    if wrong.is_empty() { Ok(person) } else { Err(Fault::fields(wrong)) }
}

/// Returns the texts of a statement that words about the person must not repeat.
#[must_use]
pub fn texts(person: &Person) -> Vec<&str> {
    let contacts = person.contacts.iter().map(|contact| contact.value.as_str());
    [person.native_name.as_str(), person.latin_name.as_str()].into_iter().chain(contacts).collect()
}

/// Reads a reference of a request.
///
/// # Errors
///
/// It is none.
pub fn reference(text: &str) -> Result<Reference, Fault> {
    let none = || Fault::fields(vec![broken("reference", "a reference that the hub gave")]);
    Reference::of_text(text).ok_or_else(none)
}

/// Reads the name of an entry of the audit trail.
///
/// # Errors
///
/// It is none.
pub fn entry_id(text: &str) -> Result<Uuid, Fault> {
    let none = |_| Fault::fields(vec![broken("entry_id", "the name of a disclosure's entry")]);
    Uuid::try_parse(text).map_err(none)
}

/// Reads what somebody asks for, without repeats, in the order of the contract.
#[must_use]
pub fn fields(numbers: &[i32]) -> Vec<WorkerField> {
    let wanted = |field: &WorkerField| numbers.contains(&field_number(*field));
    WorkerField::ALL.into_iter().filter(wanted).collect()
}

fn field_number(field: WorkerField) -> i32 {
    let field = match field {
        WorkerField::NationalId => pb::WorkerField::NationalId,
        WorkerField::NativeName => pb::WorkerField::NativeName,
        WorkerField::LatinName => pb::WorkerField::LatinName,
        WorkerField::BirthDate => pb::WorkerField::BirthDate,
        WorkerField::Contacts => pb::WorkerField::Contacts,
    };
    field.into()
}

/// Reads on which grounds somebody asks.
///
/// # Errors
///
/// Words are missing, or have control characters.
pub fn grounds(purpose: &str, basis: Option<pb::LegalBasis>) -> Result<Grounds, Fault> {
    let basis = basis.unwrap_or_default();
    let kind = match basis.kind() {
        pb::LegalBasisKind::Unspecified => None,
        pb::LegalBasisKind::Law => Some(LegalBasisKind::Law),
        pb::LegalBasisKind::Consent => Some(LegalBasisKind::Consent),
    };
    let mut wrong = Vec::new();
    for (field, text) in [("purpose", purpose), ("legal_basis.reference", &basis.reference)] {
        if text.trim().chars().count() < 3 || text.chars().any(char::is_control) {
            wrong.push(broken(field, "at least 3 characters, none of them a control character"));
        }
    }
    match kind {
        Some(kind) if wrong.is_empty() => Ok(Grounds {
            purpose: purpose.trim().to_owned(),
            kind,
            reference: basis.reference.trim().to_owned(),
        }),
        _ => Err(Fault::fields(wrong)),
    }
}

/// Returns the part of what is known that somebody asked for.
#[must_use]
pub fn response(known: Disclosed, fields: &[WorkerField]) -> pb::DiscloseWorkerResponse {
    let has = |field| fields.contains(&field);
    let standing = known.standing;
    let stated_by = match standing {
        None => pb::StatedBy::Unspecified,
        Some(standing) if standing.is_own => pb::StatedBy::Caller,
        Some(standing) if standing.is_bureaus => pb::StatedBy::Bureau,
        Some(_) => pb::StatedBy::Other,
    };
    let person = known.person.map(|person| Person {
        native_name: if has(WorkerField::NativeName) { person.native_name } else { String::new() },
        latin_name: if has(WorkerField::LatinName) { person.latin_name } else { String::new() },
        birth_date: if has(WorkerField::BirthDate) { person.birth_date } else { String::new() },
        contacts: if has(WorkerField::Contacts) { person.contacts } else { Vec::new() },
    });
    pb::DiscloseWorkerResponse {
        national_id: has(WorkerField::NationalId).then_some(known.number),
        person,
        stated_by: stated_by.into(),
        stated_at: standing.map(|standing| timestamp(standing.stated_at)),
        entry_id: known.entry_id.to_string(),
    }
}

/// Returns a disclosure as the contract has it. Whose reference it was is left out: references are their holders' own.
#[must_use]
pub fn disclosure(stored: Row) -> pb::Disclosure {
    let words = stored.subject.split_once(": ").map_or("", |(_, words)| words);
    let fields = WorkerField::ALL.into_iter();
    let fields = fields.filter(|field| words.split(", ").any(|word| word == field.word()));
    // Credentials are named with their type and what was found: `credentials/NAME: TYPE OUTCOME`.
    let is_credential = stored.subject.starts_with("credentials/");
    let named = words.split_once(' ').map_or("", |(type_name, _)| type_name);
    let credential_type = if is_credential { named.to_owned() } else { String::new() };
    let basis = stored.legal_basis.as_deref().and_then(LegalBasisKind::of_audit).map(
        |(kind, reference)| {
            let kind = match kind {
                LegalBasisKind::Law => pb::LegalBasisKind::Law,
                LegalBasisKind::Consent => pb::LegalBasisKind::Consent,
            };
            pb::LegalBasis { kind: kind.into(), reference: reference.to_owned() }
        },
    );
    pb::Disclosure {
        at: Some(timestamp(stored.at)),
        participant: stored.participant,
        action: stored.action,
        fields: fields.map(field_number).collect(),
        purpose: stored.purpose.unwrap_or_default(),
        legal_basis: basis,
        entry_id: stored.entry_id.to_string(),
        credential_type,
    }
}

/// Returns an instant as the contract has it.
#[must_use]
pub fn timestamp(at: OffsetDateTime) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at.unix_timestamp(),
        nanos: i32::try_from(at.nanosecond()).unwrap_or_default(),
    }
}

/// Returns a broken rule; what was given is never repeated.
fn broken(field: &str, expected: &str) -> Violation {
    Violation {
        field: field.to_owned(),
        rule: Rule::BadFormat,
        expected: expected.to_owned(),
        given: String::new(),
    }
}
