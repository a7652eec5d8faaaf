//! Verifying what is presented: one transaction in which the grounds hold, nonces are used up, credentials are followed, and it is
//! written down who looked at what, and why.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::credentials::consent::commands::{Audience, read};
use crate::credentials::consent::{Consent, EvidenceKind, State, nonce_sha256};
use crate::credentials::domain::{ConsentId, Outcome};
use crate::credentials::error::CredentialError;
use crate::credentials::registry::Registry;
use crate::credentials::registry::book::Book;
use crate::credentials::status::Statuses;
use crate::credentials::status::look::{Look, Why};
use crate::credentials::store::{consent as store, follow as known};
use crate::credentials::verify::basis::Seals;
use crate::credentials::verify::cache::Verified;
use crate::credentials::verify::check as rule;
use crate::credentials::verify::engine::{ANOTHER_HOLDER, Facts, Nonce};
use crate::credentials::verify::follow;
use crate::credentials::verify::policy::{Asked, Right};
use crate::credentials::verify::task::{Looks, Peek, Task, Texts, Whence, peek_all};
use crate::credentials::verify::verdict::{Beyond, Examined, tells};
use crate::kernel::fault::Fault;
use crate::kernel::ids::{self, ParticipantId};
use crate::platform::db::{Db, Disclosure, Further, Record, WriteTx};
use crate::platform::metrics;
use crate::platform::permit::Permit;

/// How long a status list is waited for that is on its way.
const PATIENCE: Duration = Duration::from_secs(2);

/// What verification works with.
#[derive(Clone, Debug)]
pub struct Verifier {
    /// The database.
    pub db: Db,
    /// Who may issue what.
    pub registry: Registry,
    /// How credentials stand.
    pub statuses: Statuses,
    /// Seals what verdicts rest on.
    pub seals: Seals,
    /// Whom proofs are made for.
    pub audience: Audience,
    /// Which signatures were verified before.
    pub verified: Arc<Verified>,
}

/// What becomes of the presentations of a call.
pub struct Round {
    /// Who asks.
    pub participant: ParticipantId,
    /// When.
    pub now: OffsetDateTime,
    /// Which revision of the trust registry counted.
    pub trust_revision: i64,
    /// The consent, as it stands now.
    pub consent: Option<Arc<Consent>>,
    /// What was found out about each.
    pub examined: Vec<Examined>,
    /// What was known of each besides.
    pub facts: Arc<[Facts]>,
}

/// Presentations that were examined on what stood in the database then, outside of a transaction, so that no connection waits for
/// computing.
pub struct Prepared {
    task: Task,
    peeks: Vec<Peek>,
    nonces: Vec<store::GivenOut>,
    facts: Arc<[Facts]>,
    examined: Vec<Examined>,
}

impl Verifier {
    /// Examines presentations.
    ///
    /// # Errors
    ///
    /// `CONSENT_NOT_FOUND`, `CONSENT_NOT_GIVEN`, or the database fails.
    pub async fn prepare(
        &self,
        permit: &Permit,
        asked: &Asked,
        texts: &Texts,
        now: OffsetDateTime,
    ) -> Result<Prepared, Fault> {
        let by_consent = matches!(asked.grounds.right, Right::Consent(_));
        let peeks = peek_all(texts, by_consent && asked.policy.nonce.is_empty()).await?;
        let peeks = with_own_nonce(peeks, asked, by_consent);
        let (mut consent, mut nonces) = (None, Vec::new());
        if let Right::Consent(id) = asked.grounds.right {
            let mut tx = self.db.read(permit).await?;
            let row = store::received(tx.connection(), permit, id).await?;
            consent = Some(Arc::new(sound(row, id, now)?));
            nonces = store::nonces(tx.connection(), permit, &hashes(&peeks)).await?;
        }
        let facts = self.facts(&peeks, (&nonces, consent.as_deref()), now).await?;
        let (_, name) = holder(permit);
        let task = Task {
            book: self.registry.present(),
            policy: Arc::clone(&asked.policy),
            consent,
            audience: self.audience.of(&name).into(),
            now,
            verified: Arc::clone(&self.verified),
            statuses: match asked.policy.as_of {
                // Read from history, once it is known which.
                Some(_) => Whence::Given(Look::Unavailable { why: Why::NotKnownThen }),
                None => Whence::Memory(self.statuses.clone()),
            },
            looks: Arc::default(),
        };
        let examined = task.examine_all(texts, Arc::clone(&facts)).await?;
        let examined = self.settle(&task, texts, &facts, examined).await?;
        self.want_keys(&task.book, &examined);
        Ok(Prepared { task, peeks, nonces, facts, examined })
    }

    /// Writes down what is to be kept of what was examined, and commits nothing. Returns `None` when the consent or a nonce has changed
    /// meanwhile, so that all must be examined again.
    ///
    /// # Errors
    ///
    /// `CONSENT_NOT_FOUND`, `CONSENT_NOT_GIVEN`, or the database fails.
    pub async fn conclude(
        &self,
        tx: &mut WriteTx,
        (asked, texts): (&Asked, &Texts),
        prepared: Prepared,
    ) -> Result<Option<Round>, Fault> {
        let Prepared { task, peeks, nonces, facts, mut examined } = prepared;
        if let Some(consent) = &task.consent {
            let row = store::hold_received(tx, consent.id).await?;
            let present = sound(row, consent.id, task.now)?;
            let is_same = present.given_at == consent.given_at
                && present.holder_key == consent.holder_key
                && store::hold_nonces(tx, &hashes(&peeks)).await? == nonces;
            if !is_same {
                return Ok(None);
            }
        }
        if asked.policy.follow {
            let (participant, _) = holder(tx.permit());
            let named = |digest: &[u8; 32]| self.seals.handle(participant, digest);
            let looks = follow::begin(tx, &examined, named, task.now).await?;
            again((&task, looks), texts, &facts, &mut examined);
        }
        spend(tx, &peeks, &examined, task.now).await?;
        let (now, trust_revision) = (task.now, task.book.revision());
        let consent = given(tx, task.consent, &mut examined, now).await?;
        let (participant, _) = holder(tx.permit());
        Ok(Some(Round { participant, now, trust_revision, consent, examined, facts }))
    }

    /// Returns what the hub knows of presentations besides.
    async fn facts(
        &self,
        peeks: &[Peek],
        (given_out, consent): (&[store::GivenOut], Option<&Consent>),
        now: OffsetDateTime,
    ) -> Result<Arc<[Facts]>, Fault> {
        let nonces: HashMap<&[u8], Nonce> = given_out
            .iter()
            .map(|it| (it.nonce_sha256.as_slice(), standing(it, consent, now)))
            .collect();
        let mut facts = self.known(peeks).await?;
        for (facts, peek) in facts.iter_mut().zip(peeks) {
            let nonce = peek.nonce_sha256.and_then(|it| nonces.get(it.as_slice()).copied());
            facts.nonce = nonce.unwrap_or_default();
        }
        Ok(facts.into())
    }

    /// Returns what the hub knows of credentials that were issued or deposited here.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub async fn known(&self, peeks: &[Peek]) -> Result<Vec<Facts>, Fault> {
        let digests = peeks.iter().filter_map(|it| Some(it.digest.as_ref()?.as_slice()));
        let digests: Vec<&[u8]> = digests.collect();
        let mut hub = self.db.read(&Permit::of_hub()).await?;
        let known = known::known(hub.connection(), &digests).await?;
        let known: HashMap<&[u8], &known::Known> =
            known.iter().map(|it| (it.digest.as_slice(), it)).collect();
        let facts = peeks.iter().map(|peek| {
            let known = peek.digest.and_then(|it| known.get(it.as_slice()).copied());
            Facts {
                digest: peek.digest,
                known_since: known.map(|it| it.registered_at),
                worker: known.and_then(|it| it.worker_id),
                nonce: Nonce::Unknown,
            }
        });
        Ok(facts.collect())
    }

    /// Returns whose a credential is, if the hub knows.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub async fn worker_of(&self, digest: &[u8]) -> Result<Option<Uuid>, Fault> {
        let mut hub = self.db.read(&Permit::of_hub()).await?;
        let known = known::known(hub.connection(), &[digest]).await?;
        Ok(known.into_iter().next().and_then(|it| it.worker_id))
    }

    /// Has keys of issuers elsewhere looked up that nobody here knows yet: the same credential finds them a little later.
    fn want_keys(&self, book: &Book, examined: &[Examined]) {
        let unknown = examined.iter().filter(|it| it.verdict.ledger.has_failed(&rule::KEY_KNOWN));
        let issuers = unknown.filter_map(|it| book.issuer(&it.verdict.issuer));
        issuers.filter(|it| it.discovers_keys).for_each(|it| self.registry.want_keys(it.id));
    }

    /// Examines those again whose status was not at hand: as of another time it is read from history, and a list that is on its way is
    /// waited for.
    async fn settle(
        &self,
        task: &Task,
        texts: &Texts,
        facts: &Arc<[Facts]>,
        mut examined: Vec<Examined>,
    ) -> Result<Vec<Examined>, Fault> {
        let mut looks = Looks::new();
        for seen in examined.iter().filter_map(|it| it.verdict.status.as_ref()) {
            let is_coming = seen.look == Look::Unavailable { why: Why::OnItsWay };
            if task.policy.as_of.is_none() && !is_coming {
                continue;
            }
            if let Entry::Vacant(looked_up) = looks.entry((seen.uri.clone(), seen.index)) {
                let place = seen.place();
                looked_up.insert(match task.policy.as_of {
                    Some(as_of) => self.statuses.look_up_at(&place, as_of, task.now).await?,
                    None => self.statuses.look_up_waiting(&place, PATIENCE).await,
                });
            }
        }
        again((task, looks), texts, facts, &mut examined);
        Ok(examined)
    }

    /// Returns the row of the audit trail for what was verified.
    #[must_use]
    pub fn record(&self, asked: &Asked, round: &Round, is_batch: bool) -> Record {
        let event = "credential.verified";
        let (purpose, basis) = asked.reasons(round.consent.as_deref());
        let about = round.consent.as_ref().and_then(|it| it.worker);
        let disclosure = |index: usize, it: &Examined| {
            it.verdict.told.as_ref().filter(|_| it.beyond.is_none())?;
            let worker_id = round.facts.get(index).and_then(|it| it.worker).or(about)?;
            let (purpose, legal_basis) = (purpose.clone(), basis.clone());
            Some(Disclosure { worker_id, purpose, legal_basis })
        };
        count(&round.examined);
        let subject = |it: &Examined| self.subject(round.participant, it);
        if let ([one], false) = (round.examined.as_slice(), is_batch) {
            let record = Record::new(round.now, subject(one), event);
            return Record { disclosure: disclosure(0, one), ..record };
        }
        let all = round.examined.iter().enumerate();
        let further = all.filter_map(|(index, it)| {
            let disclosure = disclosure(index, it)?;
            Some(Further {
                entry_id: ids::time_ordered(round.now),
                subject: subject(it),
                disclosure,
            })
        });
        let further: Vec<_> = further.collect();
        let valid =
            round.examined.iter().filter(|it| it.verdict.outcome() == Outcome::Valid).count();
        let subject = format!("credentials: {} presented, {valid} valid", round.examined.len());
        Record::new(round.now, subject, event).disclosing_each(further)
    }

    /// Says what was looked at, in words that tell nothing of whose it is: the participant's own name for it, its type, and the names of
    /// the claims that were told.
    fn subject(&self, participant: ParticipantId, it: &Examined) -> String {
        let verdict = &it.verdict;
        let handle = verdict.digest.map(|digest| self.seals.handle(participant, &digest));
        let handle = handle.unwrap_or_else(|| "unreadable".to_owned());
        let outcome = verdict.outcome();
        if !tells(outcome) || verdict.type_name.is_empty() {
            return format!("credentials/{handle}: {}", outcome.name());
        }
        format!("credentials/{handle}: {} {}", verdict.type_name, outcome.name())
    }
}

/// Counts verdicts, each outcome once for all of them.
fn count(examined: &[Examined]) {
    let mut outcomes: HashMap<&'static str, usize> = HashMap::new();
    for it in examined {
        *outcomes.entry(it.verdict.outcome().name()).or_default() += 1;
    }
    for (outcome, number) in outcomes {
        metrics::VERDICTS.add_len(number, &[outcome]);
    }
}

/// Returns a consent as it was found; it must hold.
fn sound(
    row: Option<store::Row>,
    id: ConsentId,
    now: OffsetDateTime,
) -> Result<Consent, CredentialError> {
    let consent =
        read(row.ok_or_else(|| CredentialError::ConsentNotFound { id: id.to_string() })?)?;
    holds(&consent, now)?;
    Ok(consent)
}

fn hashes(peeks: &[Peek]) -> Vec<Vec<u8>> {
    peeks.iter().filter_map(|it| Some(it.nonce_sha256?.to_vec())).collect()
}

/// Sees that a consent was not withdrawn and its time is not over.
///
/// # Errors
///
/// `CONSENT_NOT_GIVEN`.
pub fn holds(consent: &Consent, now: OffsetDateTime) -> Result<(), CredentialError> {
    let id = consent.id;
    match consent.state(now) {
        State::Awaited | State::Given => Ok(()),
        State::Withdrawn => {
            Err(CredentialError::ConsentNotGiven { id, why: "the consent was withdrawn" })
        }
        State::Over => {
            Err(CredentialError::ConsentNotGiven { id, why: "the consent's time is over" })
        }
    }
}

/// A nonce that the caller names counts for all presentations.
fn with_own_nonce(mut peeks: Vec<Peek>, asked: &Asked, by_consent: bool) -> Vec<Peek> {
    if by_consent && !asked.policy.nonce.is_empty() {
        let own = nonce_sha256(&asked.policy.nonce);
        for it in &mut peeks {
            it.nonce_sha256 = Some(own);
        }
    }
    peeks
}

fn standing(it: &store::GivenOut, consent: Option<&Consent>, now: OffsetDateTime) -> Nonce {
    if consent.is_none_or(|consent| consent.id.0 != it.consent_id) {
        Nonce::Unknown
    } else if it.used_at.is_some() {
        Nonce::Used
    } else if now >= it.expires_at {
        Nonce::Over
    } else {
        Nonce::Fresh
    }
}

/// Examines those again whose status was looked up otherwise.
fn again(
    (task, looks): (&Task, Looks),
    texts: &Texts,
    facts: &Arc<[Facts]>,
    examined: &mut [Examined],
) {
    if looks.is_empty() {
        return;
    }
    let looks = Arc::new(looks);
    let task = Task { looks: Arc::clone(&looks), ..task.clone() };
    for ((text, facts), it) in texts.iter().zip(facts.iter()).zip(examined) {
        let seen = it.verdict.status.as_ref().map(|it| (it.uri.clone(), it.index));
        if seen.is_some_and(|seen| looks.contains_key(&seen)) {
            *it = task.examine(text, facts);
        }
    }
}

/// Notes that the nonces of proofs that hold are used.
async fn spend(
    tx: &mut WriteTx,
    peeks: &[Peek],
    examined: &[Examined],
    now: OffsetDateTime,
) -> Result<(), Fault> {
    let bound = peeks.iter().zip(examined).filter(|(_, it)| it.verdict.is_bound);
    let used: Vec<Vec<u8>> =
        bound.filter_map(|(peek, _)| Some(peek.nonce_sha256?.to_vec())).collect();
    if !used.is_empty() {
        store::spend_nonces(tx, &used, now).await?;
    }
    Ok(())
}

/// Notes that a consent holds whose terms a holder has signed with a presentation that is what it seems to be. Others who sign the same
/// with the same call are not heard.
async fn given(
    tx: &mut WriteTx,
    consent: Option<Arc<Consent>>,
    examined: &mut [Examined],
    now: OffsetDateTime,
) -> Result<Option<Arc<Consent>>, Fault> {
    let Some(waiting) = consent.clone() else { return Ok(None) };
    if waiting.given_at.is_some() || waiting.evidence.kind != EvidenceKind::HolderSignature {
        return Ok(consent);
    }
    let signs = |it: &&mut Examined| {
        it.has_signed_terms && it.beyond.is_none() && tells(it.verdict.outcome())
    };
    let mut signed = examined.iter_mut().filter(signs);
    let Some(holder_key) = signed.find_map(|it| it.verdict.holder_key) else { return Ok(consent) };
    for it in signed.filter(|it| it.verdict.holder_key != Some(holder_key)) {
        it.beyond = Some(Beyond::NotGiven(ANOTHER_HOLDER));
    }
    store::give(tx, waiting.id, holder_key, now).await?;
    let (given_at, holder_key) = (Some(now), Some(holder_key));
    Ok(Some(Arc::new(Consent { given_at, holder_key, ..Consent::clone(&waiting) })))
}

fn holder(permit: &Permit) -> (ParticipantId, String) {
    let holder = permit.holder();
    holder.map_or((ParticipantId(0), String::new()), |it| {
        (it.participant, it.participant_name.clone())
    })
}

/// Returns the failure of a presentation that the grounds do not cover.
#[must_use]
pub fn beyond(it: &Examined, consent: Option<&Consent>) -> Option<CredentialError> {
    let id = consent.map_or(ConsentId(Uuid::nil()), |it| it.id);
    it.beyond.map(|beyond| match beyond {
        Beyond::NotGiven(why) => CredentialError::ConsentNotGiven { id, why },
        Beyond::Claims => CredentialError::ClaimsBeyondConsent { id },
    })
}
