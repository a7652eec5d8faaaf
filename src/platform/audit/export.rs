//! Exports: a signed head, then each entry with its chain hash, each checkpoint after its last entry, and a signed end.
//! A line each. An export begins and ends with a checkpoint, so that everything in it is signed for.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::platform::audit::entry::{Entry, Row, canonical, instant};
use crate::platform::audit::hash::{Hash, Hex, Running, to_hex};
use crate::platform::audit::statement::{
    Checkpoint, EXPORT, EXPORT_END, Header, PublicKey, SignedCheckpoint, Trailer,
};
use crate::platform::audit::store::Sealed;
use crate::platform::keys::signing::Signer;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderLine {
    /// The head.
    pub header: Header,
    /// Signature over its text.
    pub signature: Hex,
}

/// The line of an entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryLine {
    /// The entry.
    pub entry: Entry,
    /// The chain's hash after it.
    pub chain: Hash,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrailerLine {
    /// The end.
    pub trailer: Trailer,
    /// Signature over its text.
    pub signature: Hex,
}

/// What an export begins with.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// First row.
    pub first_seq: i64,
    /// Last row; one less than the first when there is none.
    pub last_seq: i64,
    /// The checkpoint before the first row.
    pub previous: Option<Sealed>,
    /// Every key that the hub has signed with.
    pub keys: Vec<PublicKey>,
    /// When.
    pub at: OffsetDateTime,
}

/// Writes the lines of an export.
pub struct Exporter {
    hub: Uuid,
    signer: Arc<dyn Signer>,
    beginning: Beginning,
    written: Running,
    entries: i64,
    last_checkpoint: i64,
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter").field("entries", &self.entries).finish_non_exhaustive()
    }
}

impl Exporter {
    /// Begins an export: returns what writes it, and the first line.
    ///
    /// # Errors
    ///
    /// The checkpoint before the first row is damaged.
    pub fn begin(
        hub: Uuid,
        signer: Arc<dyn Signer>,
        beginning: Beginning,
    ) -> Result<(Self, String), String> {
        let previous = beginning.previous.as_ref().map(signed_checkpoint).transpose()?;
        let header = Header {
            kind: EXPORT.to_owned(),
            hub: hub.to_string(),
            first_seq: beginning.first_seq,
            last_seq: beginning.last_seq,
            chain: previous.as_ref().map_or(Hash::ZERO, |previous| previous.checkpoint.chain),
            previous,
            keys: beginning.keys.clone(),
            at: instant(beginning.at),
            algorithm: signer.algorithm().to_owned(),
            key_id: signer.key_id().to_owned(),
        };
        let signature = Hex(signer.sign(canonical(&header).as_bytes()));
        let line = format!("{}\n", canonical(&HeaderLine { header, signature }));
        let last_checkpoint = beginning.previous.as_ref().map_or(0, |previous| previous.number);
        let mut exporter = Self {
            hub,
            signer,
            beginning,
            written: Running::default(),
            entries: 0,
            last_checkpoint,
        };
        exporter.written.update(line.as_bytes());
        Ok((exporter, line))
    }

    /// Returns the lines of a checkpoint: its rows, and itself. What the tables have is written as it is; whether it holds is
    /// for the verifier to say.
    pub fn checkpoint(&mut self, rows: &[Row], sealed: &Sealed) -> String {
        let mut lines = String::new();
        for row in rows {
            let text = row.entry(row.seq.unwrap_or_default()).text();
            let chain = to_hex(row.chain.as_deref().unwrap_or_default());
            lines.extend(["{\"entry\":", &text, ",\"chain\":\"", &chain, "\"}\n"]);
            self.entries = self.entries.saturating_add(1);
        }
        let signature = to_hex(&sealed.signature);
        let statement = &sealed.statement;
        lines.extend(["{\"checkpoint\":", statement, ",\"signature\":\"", &signature, "\"}\n"]);
        self.last_checkpoint = sealed.number;
        self.written.update(lines.as_bytes());
        lines
    }

    /// Returns the last line.
    #[must_use]
    pub fn end(self, at: OffsetDateTime) -> String {
        let trailer = Trailer {
            kind: EXPORT_END.to_owned(),
            hub: self.hub.to_string(),
            entries: self.entries,
            first_seq: self.beginning.first_seq,
            last_seq: self.beginning.last_seq,
            last_checkpoint: self.last_checkpoint,
            sha256: self.written.finish(),
            at: instant(at),
            algorithm: self.signer.algorithm().to_owned(),
            key_id: self.signer.key_id().to_owned(),
        };
        let signature = Hex(self.signer.sign(canonical(&trailer).as_bytes()));
        format!("{}\n", canonical(&TrailerLine { trailer, signature }))
    }
}

fn signed_checkpoint(sealed: &Sealed) -> Result<SignedCheckpoint, String> {
    Ok(SignedCheckpoint {
        checkpoint: Checkpoint::read(sealed.statement.as_bytes())?,
        signature: Hex(sealed.signature.clone()),
    })
}
