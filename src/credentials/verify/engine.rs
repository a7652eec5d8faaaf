//! The verdict: from what is presented, the trust registry, status lists, the policy and the grounds. Pure: the same in, the same out.

use std::sync::Arc;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::credentials::consent::{Consent, EvidenceKind, binds};
use crate::credentials::domain::{ClaimPath, Status};
use crate::credentials::registry::book::Book;
use crate::credentials::registry::entry::{Holding, Issuer, IssuerKey, KeyUse};
use crate::credentials::registry::kind::CredentialType;
use crate::credentials::registry::trust::{KeyRefusal, ScopeRefusal, Signed};
use crate::credentials::sdjwt::CLOCK_SKEW;
use crate::credentials::sdjwt::binding::{BindingPolicy, nonce_of};
use crate::credentials::sdjwt::claims::{Confirmation, StatusReference};
use crate::credentials::sdjwt::defect::{BINDING_PRESENT, Defect, KEY_CHAIN};
use crate::credentials::sdjwt::key::PublicKey;
use crate::credentials::sdjwt::process::Disclosed;
use crate::credentials::sdjwt::read::Presented;
use crate::credentials::sdjwt::said::Said;
use crate::credentials::status::look::{Look, Place};
use crate::credentials::verify::cache::Verified;
use crate::credentials::verify::check::{self as rule, Rule};
use crate::credentials::verify::claims;
use crate::credentials::verify::policy::Policy;
use crate::credentials::verify::verdict::{Beyond, Examined, StatusSeen, Verdict, tells};

/// What is looked at is the same for all presentations of a call.
pub struct Exam<'a> {
    /// The trust registry.
    pub book: &'a Book,
    /// How it is verified.
    pub policy: &'a Policy,
    /// The worker's consent; absent when a law gives the right.
    pub consent: Option<&'a Consent>,
    /// What a proof over a nonce of the hub must be made for.
    pub audience: &'a str,
    /// When.
    pub now: OffsetDateTime,
    /// Which signatures were verified before.
    pub verified: &'a Verified,
    /// Looks a status up.
    pub look_up: &'a dyn Fn(&Place<'_>) -> Look,
}

/// What the hub knows of one presentation besides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// SHA-256 of the issuer-signed part, when it was made before.
    pub digest: Option<[u8; 32]>,
    /// Since when the hub can prove that the credential was there.
    pub known_since: Option<OffsetDateTime>,
    /// Whose it is.
    pub worker: Option<Uuid>,
    /// What is known of the nonce of its key binding.
    pub nonce: Nonce,
}

/// What the hub knows of a nonce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nonce {
    /// It did not give it out to the caller, or for another consent.
    #[default]
    Unknown,
    /// It gave it out, and nobody has used it.
    Fresh,
    /// Its time is over.
    Over,
    /// It was used before.
    Used,
}

/// The key that shows who issued a presentation.
enum SignerKey<'a> {
    /// A key that the registry has.
    Own(&'a IssuerKey, &'a PublicKey),
    /// A key that a chain of certificates names.
    Certified(Box<PublicKey>),
}

/// A check that does not hold, and why.
type Failure = (&'static Rule, &'static str);

/// What is told of a consent that somebody else has signed.
pub const ANOTHER_HOLDER: &str = "the consent was signed by another holder";

/// A check of a group has failed; the verdict says which. What comes after it is not checked.
struct Stop;

/// Examines one presentation.
#[must_use]
pub fn examine(exam: &Exam<'_>, text: &str, facts: &Facts) -> Examined {
    let verdict = Box::new(Verdict::new());
    let (beyond, was_remembered, has_signed_terms) = (None, None, false);
    let mut examination =
        Examination { exam, facts, verdict, was_remembered, beyond, has_signed_terms };
    // What stopped it stands in the ledger.
    examination.run(text).unwrap_or(());
    let Examination { mut verdict, beyond, was_remembered, has_signed_terms, .. } = examination;
    if !tells(verdict.outcome()) {
        verdict.told = None;
        verdict.withheld.clear();
    }
    Examined { verdict, was_remembered, beyond, has_signed_terms }
}

struct Examination<'a> {
    exam: &'a Exam<'a>,
    facts: &'a Facts,
    verdict: Box<Verdict>,
    was_remembered: Option<bool>,
    beyond: Option<Beyond>,
    has_signed_terms: bool,
}

impl<'a> Examination<'a> {
    fn run(&mut self, text: &str) -> Result<(), Stop> {
        let presented = self.format(Presented::read(text))?;
        self.verdict.digest = Some(self.facts.digest.unwrap_or_else(|| presented.digest()));
        presented.issuer().unwrap_or_default().clone_into(&mut self.verdict.issuer);
        presented.vct().unwrap_or_default().clone_into(&mut self.verdict.vct);
        self.verdict.times = self.format(presented.times())?;
        self.verdict.ledger.pass_group("format");
        let issuer = self.signature(&presented)?;
        let opened = self.format(presented.open())?;
        let mut disclosed = self.format(presented.claims(&opened))?;
        self.verdict.ledger.pass_group("disclosures");
        self.verdict.times = disclosed.times;
        self.verdict.holder_key = match &disclosed.confirmation {
            Confirmation::Key(key) => Some(key.thumbprint()),
            Confirmation::Nobody | Confirmation::Other => None,
        };
        self.binding(&presented, &disclosed)?;
        let kind = self.kind()?;
        self.scope(issuer, kind, &disclosed.claims)?;
        self.time();
        if disclosed.has_unknown_status {
            let why = "its status is told in a way that is not known here";
            self.verdict.ledger.fail(&rule::STATUS_MECHANISM, why);
        } else if let Some(reference) = disclosed.status.take() {
            self.status(issuer, reference);
        }
        self.tell(kind, disclosed.claims);
        Ok(())
    }

    fn fail(&mut self, (rule, why): Failure) -> Stop {
        self.verdict.ledger.fail(rule, why);
        Stop
    }

    fn pass(&mut self, rules: &[&Rule]) {
        for rule in rules {
            self.verdict.ledger.pass(rule);
        }
    }

    /// When the credential was issued, by its own word.
    fn issued_at(&self) -> OffsetDateTime {
        let times = &self.verdict.times;
        times.issued_at.or(times.valid_from).unwrap_or_else(|| self.instant())
    }

    /// As of when everything is looked at.
    fn instant(&self) -> OffsetDateTime {
        self.exam.policy.as_of.unwrap_or(self.exam.now)
    }

    fn signature(&mut self, presented: &Presented<'_>) -> Result<&'a Arc<Issuer>, Stop> {
        let issuer = self.issuer(presented).map_err(|failure| self.fail(failure))?;
        self.pass(&[&rule::ISSUER_NAMED, &rule::ISSUER_KNOWN]);
        self.verdict.issuer_name.clone_from(&issuer.name);
        let signer = self.signer(issuer, presented).map_err(|refusal| self.refuse_key(refusal))?;
        self.pass(&[&rule::KEY_KNOWN, &rule::KEY_FIT, &rule::KEY_PERIOD, &rule::KEY_SAFE]);
        let digest = self.verdict.digest.unwrap_or_default();
        let (revision, verified) = (self.exam.book.revision(), self.exam.verified);
        match signer {
            SignerKey::Own(key, public) => {
                self.verdict.key_id.clone_from(&key.key_id);
                let is_known = verified.knows(revision, digest, key.id);
                self.was_remembered = Some(is_known);
                if !is_known {
                    self.format(presented.verify_signature(public))?;
                    verified.learn(revision, digest, key.id);
                }
            }
            SignerKey::Certified(public) => {
                self.verdict.ledger.pass_by(&KEY_CHAIN);
                self.format(presented.verify_signature(&public))?;
            }
        }
        self.verdict.ledger.pass_group("signature");
        Ok(issuer)
    }

    /// Notes a check of the format that failed.
    fn format<T>(&mut self, result: Result<T, Defect>) -> Result<T, Stop> {
        result.map_err(|defect| {
            self.verdict.ledger.fail_by(&defect);
            Stop
        })
    }

    fn issuer(&self, presented: &Presented<'_>) -> Result<&'a Arc<Issuer>, Failure> {
        let book = self.exam.book;
        if let Some(named) = presented.issuer() {
            // Names on this hub are not what an issuer is known by elsewhere.
            let found = book.issuer(named).filter(|it| it.identifier == named);
            return found.ok_or((&rule::ISSUER_KNOWN, "the trust registry knows no such issuer"));
        }
        let chain = &presented.header().x5c;
        if chain.is_empty() {
            return Err((&rule::ISSUER_NAMED, "it has neither iss nor x5c"));
        }
        let (at, known_since) = (self.issued_at(), self.facts.known_since);
        let certified = |it: &&Arc<Issuer>| {
            let key = it.key_of_chain(chain, KeyUse::Credentials, at, known_since);
            !matches!(key, Err(KeyRefusal::Chain))
        };
        let mut named = book.issuers().iter().filter(|it| has_authority(it)).filter(certified);
        match (named.next(), named.next()) {
            (Some(issuer), None) => Ok(issuer),
            (Some(_), Some(_)) => {
                Err((&rule::ISSUER_KNOWN, "its certificate names several issuers"))
            }
            (None, _) => {
                Err((&rule::ISSUER_KNOWN, "its certificate names no issuer that is known"))
            }
        }
    }

    fn signer(
        &self,
        issuer: &'a Arc<Issuer>,
        presented: &Presented<'_>,
    ) -> Result<SignerKey<'a>, KeyRefusal> {
        let (header, known_since) = (presented.header(), self.facts.known_since);
        let (at, key_use) = (self.issued_at(), KeyUse::Credentials);
        if !header.x5c.is_empty() && (header.kid.is_none() || has_authority(issuer)) {
            let found = issuer.key_of_chain(&header.x5c, key_use, at, known_since)?;
            return Ok(SignerKey::Certified(Box::new(found.public)));
        }
        let (key_id, algorithm) = (header.kid.as_deref(), header.algorithm);
        let found = issuer.key_for(&Signed { key_id, algorithm, key_use, at, known_since })?;
        found.public.as_ref().map(|public| SignerKey::Own(found, public)).ok_or(KeyRefusal::Unfit)
    }

    fn refuse_key(&mut self, refusal: KeyRefusal) -> Stop {
        let rules = [&rule::KEY_KNOWN, &rule::KEY_FIT, &rule::KEY_PERIOD, &rule::KEY_SAFE];
        let failed = match refusal {
            KeyRefusal::Unknown | KeyRefusal::Ambiguous => &rule::KEY_KNOWN,
            KeyRefusal::Unfit => &rule::KEY_FIT,
            KeyRefusal::NotYet | KeyRefusal::Retired => &rule::KEY_PERIOD,
            KeyRefusal::Compromised => &rule::KEY_SAFE,
            KeyRefusal::Chain => {
                self.verdict.ledger.fail_by(&KEY_CHAIN.failed(refusal.words()));
                return Stop;
            }
        };
        let before = rules.iter().take_while(|it| it.id != failed.id);
        before.for_each(|rule| self.verdict.ledger.pass(rule));
        self.fail((failed, refusal.words()))
    }

    fn binding<C>(
        &mut self,
        presented: &Presented<'_>,
        disclosed: &Disclosed<C>,
    ) -> Result<(), Stop> {
        let policy = self.exam.policy;
        let Some(binding) = presented.binding() else {
            if policy.require_binding {
                let defect = BINDING_PRESENT.failed("there is no key binding");
                return self.format(Err(defect));
            }
            return Ok(());
        };
        let own = (policy.nonce.is_empty() && self.exam.consent.is_some())
            .then(|| nonce_of(binding).unwrap_or_default());
        let (nonce, audience) = match &own {
            Some(nonce) => (nonce.as_str(), self.exam.audience),
            // Nobody said what it must have been made for: it shows nothing.
            None if policy.nonce.is_empty() => return Ok(()),
            None => (policy.nonce.as_str(), policy.audience.as_str()),
        };
        let age_max = policy.binding_age_max;
        let expected = BindingPolicy { audience, nonce, now: self.exam.now, age_max };
        self.format(presented.verify_binding(disclosed, &expected))?;
        self.verdict.ledger.pass_group("binding");
        let why = match self.facts.nonce {
            Nonce::Fresh => None,
            Nonce::Unknown if own.is_none() => None,
            Nonce::Unknown => Some("its nonce is none that was given out for this consent"),
            Nonce::Over => Some("the time of its nonce is over"),
            Nonce::Used => Some("its nonce was used before"),
        };
        if let Some(why) = why {
            return Err(self.fail((&rule::BINDING_SINGLE_USE, why)));
        }
        if self.facts.nonce == Nonce::Fresh {
            self.pass(&[&rule::BINDING_SINGLE_USE]);
            let signs = |it: &Consent| binds(nonce, &it.terms.text(it.id));
            self.has_signed_terms = self.exam.consent.is_some_and(signs);
        }
        self.verdict.is_bound = true;
        Ok(())
    }

    fn kind(&mut self) -> Result<&'a Arc<CredentialType>, Stop> {
        let Some(kind) = self.exam.book.credential_type(&self.verdict.vct) else {
            return Err(self.fail((&rule::TYPE_KNOWN, "the hub knows no such type")));
        };
        self.verdict.type_name.clone_from(&kind.name);
        self.verdict.type_version = kind.version;
        self.pass(&[&rule::TYPE_KNOWN]);
        let wanted = &self.exam.policy.type_names;
        if !wanted.is_empty() {
            if !wanted.contains(&kind.name) {
                return Err(self.fail((&rule::TYPE_WANTED, "it is none of the types asked for")));
            }
            self.pass(&[&rule::TYPE_WANTED]);
        }
        Ok(kind)
    }

    fn scope(
        &mut self,
        issuer: &Issuer,
        kind: &CredentialType,
        claims: &Said<'_>,
    ) -> Result<(), Stop> {
        let rules = [
            &rule::SCOPE_TYPE,
            &rule::SCOPE_PERIOD,
            &rule::SCOPE_OCCUPATION,
            &rule::SCOPE_DIVISION,
        ];
        let subject = kind.subject(|path| claims.at(path)?.as_text());
        let Err(refusal) = issuer.accreditation(&kind.name, &subject, self.issued_at()) else {
            self.pass(&rules);
            return Ok(());
        };
        let failure: Failure = match refusal {
            ScopeRefusal::Type => {
                (&rule::SCOPE_TYPE, "its issuer has no accreditation for this type")
            }
            ScopeRefusal::Time => {
                (&rule::SCOPE_PERIOD, "its issuer was not accredited at that time")
            }
            ScopeRefusal::Occupation => {
                (&rule::SCOPE_OCCUPATION, "its issuer was not accredited for the occupation")
            }
            ScopeRefusal::Division => {
                (&rule::SCOPE_DIVISION, "its issuer was not accredited in the division")
            }
        };
        let before = rules.iter().take_while(|it| it.id != failure.0.id);
        before.for_each(|rule| self.verdict.ledger.pass(rule));
        Err(self.fail(failure))
    }

    /// Holds the times against the instant, with the one allowance for clocks; all of them, since none hides what the others say.
    fn time(&mut self) {
        let (times, at) = (self.verdict.times, self.instant());
        // Differences, because sums could leave the calendar.
        let begins = |from: OffsetDateTime| from - at <= CLOCK_SKEW;
        let checks = [
            (&rule::TIME_ISSUED, times.issued_at.map(begins), "it was issued later"),
            (&rule::TIME_BEGUN, times.valid_from.map(begins), "its time has not come"),
            (
                &rule::TIME_NOT_OVER,
                times.expires_at.map(|until| at - until < CLOCK_SKEW),
                "its time is over",
            ),
        ];
        for (rule, holds, why) in checks {
            match holds {
                Some(true) => self.verdict.ledger.pass(rule),
                Some(false) => self.verdict.ledger.fail(rule, why),
                None => {}
            }
        }
    }

    fn status(&mut self, issuer: &Issuer, StatusReference { uri, index }: StatusReference) {
        self.pass(&[&rule::STATUS_MECHANISM]);
        let signer = issuer.status_signer(&uri).map(|it| it.signer);
        let issuer = issuer.id;
        let look = (self.exam.look_up)(&Place { issuer, signer, uri: &uri, index });
        self.verdict.status = Some(StatusSeen { issuer, signer, uri, index, look });
        let finding = match look {
            Look::Known(finding) => finding,
            Look::OutOfRange => {
                self.pass(&[&rule::STATUS_LIST]);
                self.verdict.ledger.fail(&rule::STATUS_INDEX, "the status list has no such place");
                return;
            }
            Look::Unavailable { why } => {
                self.verdict.ledger.fail(&rule::STATUS_LIST, why.to_string());
                return;
            }
        };
        self.pass(&[&rule::STATUS_LIST, &rule::STATUS_INDEX]);
        match finding.status {
            Status::Valid => self.pass(&[&rule::STATUS_NOT_REVOKED, &rule::STATUS_NOT_SUSPENDED]),
            Status::Revoked => {
                self.verdict.ledger.fail(&rule::STATUS_NOT_REVOKED, "it was revoked");
            }
            Status::Suspended => {
                self.pass(&[&rule::STATUS_NOT_REVOKED]);
                self.verdict.ledger.fail(&rule::STATUS_NOT_SUSPENDED, "it is suspended");
            }
        }
        // What stood on a past day does not age.
        if self.exam.policy.as_of.is_some() {
            return;
        }
        if finding.is_stale(self.exam.now, self.exam.policy.status_age_max) {
            let why = "what is known of its status is older than is taken";
            self.verdict.ledger.fail(&rule::STATUS_FRESH, why);
        } else {
            self.pass(&[&rule::STATUS_FRESH]);
        }
    }

    /// Takes over what the credential says, as far as the grounds cover it.
    fn tell(&mut self, kind: &CredentialType, claims: Said<'_>) {
        let mut told = claims::bare(claims);
        if let Some(consent) = self.exam.consent {
            if let Err(beyond) = self.consent(consent, &kind.name) {
                self.beyond = Some(beyond);
                return;
            }
            let sensitive = kind.rules.claims.iter().filter(|it| it.is_sensitive);
            let sensitive: Vec<ClaimPath> = sensitive.map(|it| it.path.clone()).collect();
            self.verdict.withheld = claims::withhold(&mut told, &consent.terms, &sensitive);
            if self.exam.policy.refuse_excess && !self.verdict.withheld.is_empty() {
                self.beyond = Some(Beyond::Claims);
                return;
            }
            self.pass(&[&rule::CONSENT_CLAIMS]);
        }
        let required = &self.exam.policy.required;
        if claims::missing(&told, required).is_some() {
            self.verdict
                .ledger
                .fail(&rule::CLAIMS_REQUIRED, "a claim that is asked for is not told");
        } else if !required.is_empty() {
            self.pass(&[&rule::CLAIMS_REQUIRED]);
        }
        self.verdict.told = Some(claims::written(&told));
    }

    /// Holds the consent against what is presented.
    fn consent(&mut self, consent: &Consent, type_name: &String) -> Result<(), Beyond> {
        if !consent.terms.type_names.contains(type_name) {
            return Err(Beyond::NotGiven("the consent is for other types of credentials"));
        }
        let is_same_worker = consent.worker.is_some() && consent.worker == self.facts.worker;
        let by_signature = consent.evidence.kind == EvidenceKind::HolderSignature;
        match consent.holder_key {
            None if by_signature && !self.has_signed_terms => {
                return Err(Beyond::NotGiven("the consent waits for the holder's signature"));
            }
            // A worker may have credentials that are bound to several keys; each of them must sign.
            Some(key)
                if self.verdict.holder_key != Some(key)
                    && !(is_same_worker && self.has_signed_terms) =>
            {
                return Err(Beyond::NotGiven(ANOTHER_HOLDER));
            }
            None | Some(_) => {}
        }
        if let (Some(consenting), Some(worker)) = (consent.worker, self.facts.worker)
            && consenting != worker
        {
            return Err(Beyond::NotGiven("the consent is another worker's"));
        }
        self.pass(&[&rule::CONSENT_TYPE, &rule::CONSENT_HOLDER]);
        Ok(())
    }
}

fn has_authority(issuer: &Issuer) -> bool {
    issuer.keys.iter().any(|key| key.holding == Holding::Authority)
}
