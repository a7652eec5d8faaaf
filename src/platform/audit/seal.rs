//! The sealer: gives rows their places in the chain and signs checkpoints over them.
//!
//! Every replica has one; an advisory lock lets one at a time work. It reads what has been committed and has no place, so a
//! writer never waits for it, and it never waits for a writer: a row that is committed late gets a later place.

use std::sync::Arc;

use sqlx::Connection as _;
use uuid::Uuid;

use crate::kernel::clock::SharedClock;
use crate::platform::audit::entry::instant;
use crate::platform::audit::hash::{Hash, chained, root};
use crate::platform::audit::statement::{CHECKPOINT, CHECKPOINT_ROWS_MAX, Checkpoint};
use crate::platform::audit::store::{self, Links, Sealed};
use crate::platform::db::{Db, DbError};
use crate::platform::keys::signing::Signer;
use crate::platform::permit::Permit;

/// Why no checkpoint is made.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The database fails.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The newest checkpoint cannot be gone on from.
    #[error("checkpoint {number} {what}; the trail is not gone on with")]
    Corrupt {
        /// Which one.
        number: i64,
        /// What is wrong with it.
        what: String,
    },
}

/// Where the chain goes on.
struct End {
    number: i64,
    seq: i64,
    chain: Hash,
    previous: Option<Hash>,
}

/// Makes checkpoints.
#[derive(Clone)]
pub struct Sealer {
    db: Db,
    clock: SharedClock,
    signer: Arc<dyn Signer>,
    hub: Uuid,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("hub", &self.hub).finish_non_exhaustive()
    }
}

impl Sealer {
    /// Returns the sealer of a hub.
    #[must_use]
    pub fn new(db: Db, clock: SharedClock, signer: Arc<dyn Signer>, hub: Uuid) -> Self {
        Self { db, clock, signer, hub }
    }

    /// Seals everything that has no place yet. Returns how many rows got one.
    ///
    /// # Errors
    ///
    /// The database fails, or the newest checkpoint is damaged.
    pub async fn seal_all(&self) -> Result<usize, SealError> {
        let mut sealed = 0;
        loop {
            let rows = self.seal().await?;
            sealed += rows;
            if rows < CHECKPOINT_ROWS_MAX {
                return Ok(sealed);
            }
        }
    }

    /// Makes one checkpoint if there is something to seal. Returns how many rows it stands over.
    ///
    /// # Errors
    ///
    /// The database fails, or the newest checkpoint is damaged.
    pub async fn seal(&self) -> Result<usize, SealError> {
        let mut connection = self.db.read(&Permit::of_hub()).await?;
        let connection = connection.connection();
        if !store::has_pending(connection).await? {
            return Ok(0);
        }
        let mut tx = connection.begin().await.map_err(DbError::from)?;
        store::lock(&mut tx).await?;
        let limit = i64::try_from(CHECKPOINT_ROWS_MAX).unwrap_or(i64::MAX);
        let rows = store::pending(&mut tx, limit).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let end = self.end(store::latest(&mut tx).await?)?;
        let (mut links, mut leaves) = (Links::default(), Vec::with_capacity(rows.len()));
        let (mut seq, mut chain) = (end.seq, end.chain);
        for row in &rows {
            seq = seq.saturating_add(1);
            let leaf = row.entry(seq).leaf();
            chain = chained(chain, leaf);
            leaves.push(leaf);
            links.seqs.push(seq);
            links.audit_ids.push(row.audit_id);
            links.chains.push(chain.0.to_vec());
        }
        let sealed = self.signed(&end, (seq, chain), root(&leaves));
        store::seal(&mut tx, &links, &sealed).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(rows.len())
    }

    fn end(&self, latest: Option<Sealed>) -> Result<End, SealError> {
        let Some(latest) = latest else {
            return Ok(End { number: 0, seq: 0, chain: Hash::ZERO, previous: None });
        };
        let corrupt = |what| SealError::Corrupt { number: latest.number, what };
        let statement = Checkpoint::read(latest.statement.as_bytes()).map_err(corrupt)?;
        if statement.hub != self.hub.to_string() {
            return Err(corrupt("is of another hub".to_owned()));
        }
        if (statement.number, statement.last_seq) != (latest.number, latest.last_seq) {
            return Err(corrupt("was moved".to_owned()));
        }
        Ok(End {
            number: latest.number,
            seq: latest.last_seq,
            chain: statement.chain,
            previous: Some(Hash::of(latest.statement.as_bytes())),
        })
    }

    fn signed(&self, end: &End, (last_seq, chain): (i64, Hash), root: Hash) -> Sealed {
        let statement = Checkpoint {
            kind: CHECKPOINT.to_owned(),
            hub: self.hub.to_string(),
            number: end.number.saturating_add(1),
            first_seq: end.seq.saturating_add(1),
            last_seq,
            root,
            chain,
            previous: end.previous,
            at: instant(self.clock.now()),
            algorithm: self.signer.algorithm().to_owned(),
            key_id: self.signer.key_id().to_owned(),
        };
        let text = statement.text();
        Sealed {
            number: statement.number,
            first_seq: statement.first_seq,
            last_seq,
            key_id: statement.key_id,
            signature: self.signer.sign(text.as_bytes()),
            statement: text,
        }
    }
}
