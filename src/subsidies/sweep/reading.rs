//! Reading subjects of a population, opened: chunk by chunk, in order of their numbers.

use std::sync::Arc;

use crate::kernel::fault::Fault;
use crate::platform::keys::KeyError;
use crate::platform::keys::sealing::DataKey;
use crate::platform::permit::Permit;
use crate::subsidies::claimed::About;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::population::body::Body;
use crate::subsidies::population::commands::Keeper;
use crate::subsidies::population::sealed::{What, Whose};
use crate::subsidies::population::standing::Standing;
use crate::subsidies::store::sweep::{self as store, Row, Span};
use crate::subsidies::sweep::evaluate::Subject;

/// After how many keys others get their turn.
const TURN: usize = 128;

/// Subjects with their keys.
#[derive(Debug)]
pub struct Chunk {
    /// Number of the last one, which the next chunk begins after.
    pub last: i64,
    rows: Vec<(Row, DataKey)>,
}

/// Subjects, opened, and what they are sealed with.
#[derive(Debug)]
pub struct Opened {
    /// The subjects.
    pub subjects: Vec<Subject>,
    /// Whose facts, and the key, place by place.
    pub keys: Vec<(Whose, DataKey)>,
}

/// Reads the next subjects of a span; `None` when there are no more.
///
/// # Errors
///
/// A key cannot be had, or the database fails.
pub async fn next(keeper: &Keeper, span: Span) -> Result<Option<Chunk>, SubsidyError> {
    let mut tx = keeper.db.read(&Permit::of_hub()).await?;
    let found = store::rows(tx.connection(), span).await?;
    drop(tx);
    let Some(last) = found.last().map(|it| it.id.0) else { return Ok(None) };
    let mut rows = Vec::with_capacity(found.len());
    for (index, row) in found.into_iter().enumerate() {
        if index % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        let key = row.whose.key(keeper.vault.as_ref(), &keeper.blind, row.key.as_ref()).await;
        match key {
            Ok(key) => rows.push((row, key)),
            // The worker was erased a moment ago.
            Err(KeyError::Unknown { .. }) if row.key.is_none() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(Chunk { last, rows }))
}

impl Chunk {
    /// Opens the subjects, on a thread for computing, and does something with them.
    ///
    /// # Errors
    ///
    /// What is stored cannot be read, or the thread panics.
    pub async fn with<T: Send + 'static>(
        self,
        work: impl FnOnce(Opened) -> Result<T, SubsidyError> + Send + 'static,
    ) -> Result<T, Fault> {
        let done = tokio::task::spawn_blocking(move || work(self.opened()?)).await;
        Ok(done.map_err(Fault::internal)??)
    }

    fn opened(self) -> Result<Opened, SubsidyError> {
        let mut opened = Opened {
            subjects: Vec::with_capacity(self.rows.len()),
            keys: Vec::with_capacity(self.rows.len()),
        };
        for (row, key) in self.rows {
            let corrupt = |what| SubsidyError::Corrupt { what };
            let body = row.whose.open(&key, What::Facts, &row.facts);
            let body = body.and_then(|it| Body::decoded(&it));
            let body = body.ok_or_else(|| corrupt("facts of a subject"))?;
            let standing = match &row.standing {
                None => Standing::default(),
                Some(sealed) => {
                    let standing = row.whose.open(&key, What::Standing, sealed);
                    let standing = standing.and_then(|it| Standing::decoded(&it));
                    standing.ok_or_else(|| corrupt("standing of a subject"))?
                }
            };
            let about = About { worker: row.whose.worker, employer: row.whose.employer };
            let (id, division, touched) = (row.id, row.division, row.touched);
            opened.subjects.push(Subject { id, about, division, touched, body, standing });
            opened.keys.push((row.whose, key));
        }
        Ok(opened)
    }
}

/// What reads chunks one after the other.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Keeps populations.
    pub keeper: Arc<Keeper>,
    /// What is left to be read.
    pub span: Span,
}

impl Reader {
    /// Reads the next subjects; `None` when there are no more.
    ///
    /// # Errors
    ///
    /// A key cannot be had, or the database fails.
    pub async fn next(&mut self) -> Result<Option<Chunk>, SubsidyError> {
        let chunk = next(&self.keeper, self.span).await?;
        if let Some(chunk) = &chunk {
            self.span.after = chunk.last;
        }
        Ok(chunk)
    }
}
