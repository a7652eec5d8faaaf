//! Examining many presentations, on threads for computing.

use std::collections::HashMap;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::credentials::consent::{Consent, nonce_sha256};
use crate::credentials::registry::book::Book;
use crate::credentials::sdjwt::binding::nonce_of;
use crate::credentials::sdjwt::read::{Presented, split_signed};
use crate::credentials::status::Statuses;
use crate::credentials::status::look::{Look, Place};
use crate::credentials::verify::basis::sha256;
use crate::credentials::verify::cache::Verified;
use crate::credentials::verify::engine::{Exam, Facts, examine};
use crate::credentials::verify::policy::Policy;
use crate::credentials::verify::verdict::Examined;
use crate::kernel::fault::Fault;
use crate::platform::metrics;

/// Fewest presentations that are worth a thread of their own.
const CHUNK_MIN: usize = 24;
/// Most threads for the presentations of one call.
const CHUNKS_MAX: usize = 8;

/// Presentations, shared by the threads that examine them.
pub type Texts = Arc<[String]>;

/// Statuses that were looked up before, by list and place.
pub type Looks = HashMap<(String, u64), Look>;

/// What is examined, and by what.
#[derive(Clone)]
pub struct Task {
    /// The trust registry.
    pub book: Arc<Book>,
    /// How.
    pub policy: Arc<Policy>,
    /// The worker's consent.
    pub consent: Option<Arc<Consent>>,
    /// What a proof over a nonce of the hub must be made for.
    pub audience: Arc<str>,
    /// When.
    pub now: OffsetDateTime,
    /// Which signatures were verified before.
    pub verified: Arc<Verified>,
    /// Where statuses are looked up that are not in `looks`.
    pub statuses: Whence,
    /// Statuses that were looked up before.
    pub looks: Arc<Looks>,
}

/// Where statuses are looked up.
#[derive(Clone)]
pub enum Whence {
    /// In memory, as they stand now.
    Memory(Statuses),
    /// It is known what is found, whichever is looked for.
    Given(Look),
}

impl Task {
    /// Examines one presentation.
    #[must_use]
    pub fn examine(&self, text: &str, facts: &Facts) -> Examined {
        let look_up = |place: &Place<'_>| {
            let known = (!self.looks.is_empty())
                .then(|| self.looks.get(&(place.uri.to_owned(), place.index)).copied());
            match (known.flatten(), &self.statuses) {
                (Some(look), _) => look,
                (None, Whence::Given(look)) => *look,
                (None, Whence::Memory(statuses)) => statuses.look_up(place, self.now),
            }
        };
        let exam = Exam {
            book: &self.book,
            policy: &self.policy,
            consent: self.consent.as_deref(),
            audience: &self.audience,
            now: self.now,
            verified: &self.verified,
            look_up: &look_up,
        };
        examine(&exam, text, facts)
    }

    /// Examines all presentations of a call.
    ///
    /// # Errors
    ///
    /// A thread panics.
    pub async fn examine_all(
        &self,
        texts: &Texts,
        facts: Arc<[Facts]>,
    ) -> Result<Vec<Examined>, Fault> {
        let (task, shared) = (self.clone(), Arc::clone(texts));
        let examined = spread(vec![(); texts.len()], move |index, ()| {
            let (text, facts) = (shared.get(index)?, facts.get(index)?);
            Some(task.examine(text, facts))
        });
        let examined: Vec<Examined> = examined.await?;
        for (was_remembered, outcome) in [(true, "hit"), (false, "miss")] {
            let found = examined.iter().filter(|it| it.was_remembered == Some(was_remembered));
            metrics::VERIFICATION_CACHE.add_len(found.count(), &[outcome]);
        }
        Ok(examined)
    }
}

/// Does something with each of several items, spread over the processors; the results come in the order of the items.
///
/// # Errors
///
/// A thread panics.
pub async fn spread<I: Send + 'static, T: Send + 'static>(
    mut items: Vec<I>,
    work: impl Fn(usize, I) -> Option<T> + Clone + Send + 'static,
) -> Result<Vec<T>, Fault> {
    let count = items.len();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let chunks = count.div_ceil(CHUNK_MIN).clamp(1, processors.min(CHUNKS_MAX));
    let length = count.div_ceil(chunks).max(1);
    let mut threads = Vec::with_capacity(chunks);
    // From the last to the first, so that none is moved more than once.
    for start in (0..chunks).rev().filter_map(|chunk| chunk.checked_mul(length)) {
        let (chunk, work) = (items.split_off(start.min(items.len())), work.clone());
        threads.push(tokio::task::spawn_blocking(move || {
            let items = chunk.into_iter().zip(start..);
            items.filter_map(|(item, index)| work(index, item)).collect::<Vec<T>>()
        }));
    }
    let mut results = Vec::with_capacity(count);
    for thread in threads.into_iter().rev() {
        results.extend(thread.await.map_err(Fault::internal)?);
    }
    Ok(results)
}

/// What can be seen of a presentation before anything is verified: which credential it is, and for which occasion it says to be made.
#[derive(Clone, Debug, Default)]
pub struct Peek {
    /// SHA-256 of the issuer-signed part.
    pub digest: Option<[u8; 32]>,
    /// SHA-256 of the nonce of its key binding.
    pub nonce_sha256: Option<[u8; 32]>,
}

/// Looks at what presentations are, as far as the hub's own knowledge of them goes.
///
/// # Errors
///
/// A thread panics.
pub async fn peek_all(texts: &Texts, with_nonce: bool) -> Result<Vec<Peek>, Fault> {
    let shared = Arc::clone(texts);
    let look = move |index, ()| shared.get(index).map(|it: &String| peek(it, with_nonce));
    spread(vec![(); texts.len()], look).await
}

fn peek(text: &str, with_nonce: bool) -> Peek {
    if text.trim_ascii_start().starts_with('{') {
        let Ok(presented) = Presented::read(text) else { return Peek::default() };
        let nonce = presented.binding().filter(|_| with_nonce).and_then(nonce_of);
        let nonce_sha256 = nonce.map(|it| nonce_sha256(&it));
        return Peek { digest: Some(presented.digest()), nonce_sha256 };
    }
    let Some((signed, rest)) = split_signed(text) else { return Peek::default() };
    let binding = rest.rsplit_once('~').map_or(rest, |(_, binding)| binding);
    let nonce = Some(binding).filter(|it| with_nonce && !it.is_empty()).and_then(nonce_of);
    Peek {
        digest: Some(sha256(signed.as_bytes())),
        nonce_sha256: nonce.map(|it| nonce_sha256(&it)),
    }
}
