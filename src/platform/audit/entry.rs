//! An entry of the trail: as a row, and as the text that is hashed.

use serde::{Deserialize, Serialize};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

use crate::platform::audit::hash::{Hash, Hex, leaf};

const INSTANT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// An entry as the table has it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Row {
    /// Number of the row.
    pub audit_id: i64,
    /// Names the entry in receipts and proofs.
    pub entry_id: Uuid,
    /// When.
    pub at: OffsetDateTime,
    /// Whose call; `(hub)` for the hub itself, `(unknown)` for a caller that it does not know.
    pub participant: String,
    /// Which of its systems.
    pub system: String,
    /// What was called.
    pub action: String,
    /// Which thing.
    pub subject: String,
    /// What happened.
    pub event: String,
    /// Why it was refused; empty when it was done.
    pub refusal: String,
    /// How often.
    pub times: i64,
    /// SHA-256 of the body that was accepted.
    pub body_sha256: Option<Vec<u8>>,
    /// Whose data was disclosed.
    pub worker_id: Option<Uuid>,
    /// What for.
    pub purpose: Option<String>,
    /// By what right.
    pub legal_basis: Option<String>,
    /// Its place in the chain; absent until it is sealed.
    pub seq: Option<i64>,
    /// The chain's hash up to it.
    pub chain: Option<Vec<u8>>,
}

impl Row {
    /// Returns the entry with a place in the chain.
    #[must_use]
    pub fn entry(&self, seq: i64) -> Entry {
        Entry {
            seq,
            entry_id: self.entry_id.to_string(),
            at: instant(self.at),
            participant: self.participant.clone(),
            system: self.system.clone(),
            action: self.action.clone(),
            subject: self.subject.clone(),
            event: self.event.clone(),
            refusal: self.refusal.clone(),
            times: self.times,
            body_sha256: self.body_sha256.clone().map(Hex),
            worker_id: self.worker_id.map(|id| id.to_string()),
            purpose: self.purpose.clone(),
            legal_basis: self.legal_basis.clone(),
        }
    }
}

/// An entry as it is hashed: JSON with these keys in this order, without white space; what is absent or empty is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "as in `Row`")]
pub struct Entry {
    pub seq: i64,
    pub entry_id: String,
    pub at: String,
    pub participant: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub system: String,
    pub action: String,
    pub subject: String,
    pub event: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub refusal: String,
    pub times: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_sha256: Option<Hex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<String>,
}

impl Entry {
    /// Returns the text that is hashed.
    #[must_use]
    pub fn text(&self) -> String {
        canonical(self)
    }

    /// Returns the hash of the entry as a leaf of a Merkle tree.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        leaf(self.text().as_bytes())
    }
}

/// Returns an instant as it stands in texts that are hashed or signed: RFC 3339, UTC, six digits after the second.
#[must_use]
pub fn instant(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC).format(INSTANT).unwrap_or_default()
}

/// Returns a value as the one text that is hashed or signed for it: JSON, keys in the order of the type, no white space.
#[must_use]
pub fn canonical(value: &impl Serialize) -> String {
    // Only maps whose keys are no texts cannot be written, and there are none.
    serde_json::to_string(value).unwrap_or_default()
}

/// Reads a text that must be exactly what [`canonical`] writes.
///
/// # Errors
///
/// What is wrong with it.
pub fn read_canonical<'a, T>(text: &'a [u8]) -> Result<T, String>
where
    T: Serialize + Deserialize<'a>,
{
    let value = serde_json::from_slice(text).map_err(|error| format!("cannot be read: {error}"))?;
    if canonical(&value).as_bytes() == text {
        return Ok(value);
    }
    Err("is not in the canonical form: something was added, left out or written otherwise"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::uuid;

    use crate::platform::audit::entry::{Entry, Row, read_canonical};

    fn row() -> Row {
        Row {
            audit_id: 9,
            entry_id: uuid!("018f0000-0000-7000-8000-000000000001"),
            at: datetime!(2026-11-23 03:04:05.000006 +02:00),
            participant: "platform-north".to_owned(),
            system: String::new(),
            action: "postings.sync".to_owned(),
            subject: "sources/\"n\"\u{1}\n/上海".to_owned(),
            event: "postings.synced".to_owned(),
            refusal: String::new(),
            times: 1,
            body_sha256: Some(vec![0, 255]),
            worker_id: None,
            purpose: None,
            legal_basis: None,
            seq: None,
            chain: None,
        }
    }

    #[test]
    fn the_text_of_an_entry_is_fixed() {
        let text = row().entry(7).text();
        let expected = r#"{"seq":7,"entry_id":"018f0000-0000-7000-8000-000000000001","at":"2026-11-23T01:04:05.000006Z","participant":"platform-north","action":"postings.sync","subject":"sources/\"n\"\u0001\n/上海","event":"postings.synced","times":1,"body_sha256":"00ff"}"#;
        assert_eq!(text, expected);
        assert_eq!(read_canonical::<Entry>(text.as_bytes()).unwrap().text(), text);
    }

    #[test]
    fn any_other_writing_of_the_same_entry_is_refused() {
        let text = row().entry(7).text();
        let check = |from: &str, to: &str| {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text);
            assert!(read_canonical::<Entry>(changed.as_bytes()).is_err(), "{changed}");
        };
        check("{", "{ ");
        check("00ff", "00FF");
        check("上", "\\u4e0a");
        check("\\n", "\\u000a");
        check(",\"action\"", ",\"system\":\"\",\"action\"");
        check(",\"times\":1", ",\"times\":1,\"times\":1");
        check("\"seq\":7", "\"seq\":7.0");
        check("}", ",\"more\":1}");
        check("}", "}\n");
    }
}
