//! The story of a credential: a worker completes a course, shows it to a platform with consent, and meets what a posting requires;
//! then it is revoked, and the platform is told.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::time::Instant;
use tonic::Status;

use crate::client::connect::{Connection, Options};
use crate::client::error::ClientError;
use crate::credentials::domain::{Algorithm, ClaimPath};
use crate::credentials::sdjwt::key::SecretKey;
use crate::credentials::sdjwt::present::{Choice, Proof, present};
use crate::demo::DemoError;
use crate::json::credential_type;
use crate::kernel::clock::SharedClock;
use crate::pb::peshub::credentials::v1 as pb;
use crate::pb::peshub::credentials::v1::watch_statuses_response::Message;
use crate::pb::peshub::participants::v1::CreateSourceRequest;
use crate::pb::peshub::postings::v1 as postings;
use crate::pb::peshub::workers::v1 as workers;

/// What is issued: the training completion of the samples.
const TYPE: &str = include_str!("../../samples/credential-types/training-completion.json");
/// The posting's source and id: a source of its own, so that the postings of the demonstration stay what they are.
const SOURCE: &str = "demo-vacancies";
const EXTERNAL_ID: &str = "welder-1";
/// What the platform asks for. More is shown, and withheld.
const ASKED: [&str; 3] = ["course", "completed_on", "occupation"];
/// Longest wait for anything that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who plays.
#[derive(Clone, Debug)]
pub struct Cast {
    /// The bureau that registers the issuer, publishes the type and accredits.
    pub registrar: Options,
    /// The training body.
    pub issuer: Options,
    /// Its short name.
    pub issuer_name: String,
    /// The platform.
    pub platform: Options,
    /// Its short name.
    pub platform_name: String,
}

/// How the story went. The names of the fields are a promise to scripts.
#[derive(Clone, Debug, Serialize)]
pub struct CredentialStory {
    /// Name of the type.
    pub credential_type: String,
    /// Who issued it.
    pub issuer: String,
    /// What the platform found: `VALID`.
    pub outcome: String,
    /// Claims that the platform was told, besides those that say nothing of the worker.
    pub told: Vec<String>,
    /// Claims that were shown and withheld, since the consent does not cover them.
    pub withheld: Vec<String>,
    /// Whether the posting's requirement was met.
    pub met: bool,
    /// What became of the requirement after the revocation: `NOT_VALID`.
    pub afterwards: String,
    /// From the revocation to the platform's knowledge of it, in milliseconds.
    pub revocation_seen_ms: u64,
    /// How often the worker can be shown to have been looked at.
    pub disclosures: u64,
}

impl CredentialStory {
    /// Returns whether everything went as it ought to.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.outcome == "VALID"
            && self.met
            && self.afterwards == "NOT_VALID"
            && self.told.len() == ASKED.len()
            && !self.withheld.is_empty()
            && self.disclosures > 0
    }

    /// Returns the story in lines for people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        vec![
            format!(
                "{} of {} shown with consent: {}; told {}; withheld {}",
                self.credential_type,
                self.issuer,
                self.outcome,
                self.told.join(", "),
                self.withheld.join(", "),
            ),
            format!(
                "the posting's requirement was {}; revoked, the platform knew {} ms later: {}",
                if self.met { "met" } else { "not met" },
                self.revocation_seen_ms,
                self.afterwards,
            ),
        ]
    }
}

/// Plays the story.
///
/// # Errors
///
/// The hub refuses, or something does not come.
pub async fn tell(cast: &Cast, clock: SharedClock) -> Result<CredentialStory, DemoError> {
    let story = Story::begin(cast, clock).await?;
    let worker = story.furnish().await?;
    let wallet = SecretKey::generate(Algorithm::Es256).map_err(DemoError::part)?;
    let (credential, id) = story.issue(&worker, &wallet).await?;
    story.post().await?;
    let mut watch = story.watch().await?;
    let consent = story.consent().await?;
    let shown = story.show(&consent, &credential, &wallet).await?;
    let first = story.check(&consent, shown).await?;
    let verdict = first.results.first().and_then(|it| it.verdict.clone()).unwrap_or_default();
    let revoked_at = Instant::now();
    story.revoke(&id).await?;
    let seen = within("the revocation", changed(&mut watch, &verdict.handle)).await??;
    let revocation_seen_ms = u64::try_from(seen.duration_since(revoked_at).as_millis());
    let shown = story.show(&consent, &credential, &wallet).await?;
    let second = story.check(&consent, shown).await?;
    let afterwards = second.requirements.first().map(pb::RequirementResult::outcome);
    let claims: Value = serde_json::from_str(&verdict.claims_json).unwrap_or_default();
    let told = ASKED.into_iter().filter(|it| claims.get(it).is_some());
    Ok(CredentialStory {
        credential_type: verdict.type_name.clone(),
        issuer: verdict.issuer_name.clone(),
        outcome: short(verdict.outcome().as_str_name(), "VERDICT_OUTCOME_"),
        told: told.map(ToOwned::to_owned).collect(),
        withheld: verdict.withheld.iter().map(|it| it.segments.join(".")).collect(),
        met: first.all_met,
        afterwards: short(afterwards.unwrap_or_default().as_str_name(), "REQUIREMENT_OUTCOME_"),
        revocation_seen_ms: revocation_seen_ms.unwrap_or(u64::MAX),
        disclosures: story.disclosures().await?,
    })
}

fn short(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_owned()
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> Result<T, DemoError> {
    let late = |_| DemoError::Missing { what: what.to_owned() };
    tokio::time::timeout(PATIENCE, work).await.map_err(late)
}

/// Waits until the watch tells that a credential was revoked.
async fn changed(
    watch: &mut tonic::Streaming<pb::WatchStatusesResponse>,
    handle: &str,
) -> Result<Instant, DemoError> {
    loop {
        let message = watch.message().await.map_err(refused("the platform"))?;
        let nothing = || DemoError::Missing { what: "the revocation".to_owned() };
        if let Some(Message::Event(event)) = message.ok_or_else(nothing)?.message
            && event.handle == handle
            && event.status() == pb::CredentialStatus::Revoked
        {
            return Ok(Instant::now());
        }
    }
}

fn refused(who: &str) -> impl FnOnce(Status) -> DemoError + '_ {
    move |status| DemoError::Client { who: who.to_owned(), source: ClientError::from(status) }
}

struct Story<'a> {
    cast: &'a Cast,
    clock: SharedClock,
    registrar: Connection,
    issuer: Connection,
    platform: Connection,
}

/// Takes what must be there out of an answer.
fn given<T>(what: &str, it: Option<T>) -> Result<T, DemoError> {
    it.ok_or_else(|| DemoError::Missing { what: what.to_owned() })
}

impl<'a> Story<'a> {
    async fn begin(cast: &'a Cast, clock: SharedClock) -> Result<Self, DemoError> {
        let open = async |who: &'static str, options: &Options| {
            Connection::open(options).await.map_err(DemoError::of(who))
        };
        Ok(Self {
            cast,
            clock,
            registrar: open("the bureau", &cast.registrar).await?,
            issuer: open("the training body", &cast.issuer).await?,
            platform: open("the platform", &cast.platform).await?,
        })
    }

    /// The bureau registers the training body, publishes the type and accredits; the training body registers the worker.
    async fn furnish(&self) -> Result<String, DemoError> {
        let kind = credential_type::read(TYPE).map_err(DemoError::part)?;
        let issuer = self.cast.issuer_name.clone();
        let mut registrar = self.registrar.issuers();
        let create = pb::CreateIssuerRequest {
            name: issuer.clone(),
            display_name: "Hangzhou vocational academy".to_owned(),
            owner: issuer.clone(),
            ..pb::CreateIssuerRequest::default()
        };
        registrar.create_issuer(create).await.map_err(refused("the bureau"))?;
        let accredit = pb::AccreditIssuerRequest {
            issuer: issuer.clone(),
            type_name: kind.name.clone(),
            ..pb::AccreditIssuerRequest::default()
        };
        let publish = pb::CreateCredentialTypeRequest {
            credential_type: Some(kind),
            request_id: String::new(),
        };
        registrar.create_credential_type(publish).await.map_err(refused("the bureau"))?;
        registrar.accredit_issuer(accredit).await.map_err(refused("the bureau"))?;
        let key = pb::AddIssuerKeyRequest { issuer, ..pb::AddIssuerKeyRequest::default() };
        let mut own = self.issuer.issuers();
        own.add_issuer_key(key).await.map_err(refused("the training body"))?;
        self.register(&self.issuer).await
    }

    /// Registers the worker, who does not exist, and returns the caller's reference.
    async fn register(&self, who: &Connection) -> Result<String, DemoError> {
        let number = workers::NationalId {
            scheme: workers::NationalIdScheme::Gb11643.into(),
            number: "11010519491231002X".to_owned(),
            country: String::new(),
        };
        let request = workers::RegisterWorkerRequest {
            national_id: Some(number),
            ..workers::RegisterWorkerRequest::default()
        };
        let answer = who.workers().register_worker(request).await;
        Ok(answer.map_err(refused("the register"))?.into_inner().reference)
    }

    async fn issue(&self, worker: &str, wallet: &SecretKey) -> Result<(String, String), DemoError> {
        let claims = json!({
            "holder_name": "Somebody",
            "occupation": "6-18-02-04",
            "division": "330106",
            "course": "Gas metal arc welding",
            "provider": "Hangzhou vocational academy",
            "hours": 240,
            "began_on": "2026-03-02",
            "completed_on": "2026-06-12",
            "result": "good",
        });
        let draft = pb::CredentialDraft {
            issuer: self.cast.issuer_name.clone(),
            type_name: credential_type::read(TYPE).map_err(DemoError::part)?.name,
            claims_json: claims.to_string(),
            holder_jwks: vec![wallet.public().to_jwk().to_string()],
            worker_reference: worker.to_owned(),
            ..pb::CredentialDraft::default()
        };
        let request = pb::IssueCredentialRequest { draft: Some(draft), request_id: String::new() };
        let answer = self.issuer.credentials().issue_credential(request).await;
        let answer = answer.map_err(refused("the training body"))?.into_inner();
        let issued = given("a credential", answer.credentials.into_iter().next())?;
        Ok((issued.sd_jwt, issued.credential_id))
    }

    /// The platform posts a vacancy that requires the credential.
    async fn post(&self) -> Result<(), DemoError> {
        let source =
            CreateSourceRequest { name: SOURCE.to_owned(), request_id: "story".to_owned() };
        let mut participants = self.platform.participants();
        participants.create_source(source).await.map_err(refused("the platform"))?;
        let posting = postings::Posting {
            title: "Welder".to_owned(),
            employer: Some(postings::Employer {
                name: "Westlake Workshop".to_owned(),
                ..postings::Employer::default()
            }),
            workplaces: vec![postings::Workplace {
                division: Some(crate::pb::peshub::common::v1::Division {
                    scheme: crate::pb::peshub::common::v1::DivisionScheme::Gbt2260.into(),
                    code: "330106".to_owned(),
                    name: String::new(),
                }),
                ..postings::Workplace::default()
            }],
            requirements: Some(postings::Requirements {
                credential_types: vec![credential_type::read(TYPE).map_err(DemoError::part)?.name],
                ..postings::Requirements::default()
            }),
            ..postings::Posting::default()
        };
        let change = postings::PostingChange {
            external_id: EXTERNAL_ID.to_owned(),
            change: Some(postings::posting_change::Change::Upsert(posting)),
            ..postings::PostingChange::default()
        };
        let request = postings::BatchUpsertPostingsRequest {
            source: SOURCE.to_owned(),
            changes: vec![change],
            request_id: String::new(),
            validate_only: false,
        };
        let posted = self.platform.postings().batch_upsert_postings(request).await;
        posted.map_err(refused("the platform")).map(drop)
    }

    /// The platform watches from now on.
    async fn watch(&self) -> Result<tonic::Streaming<pb::WatchStatusesResponse>, DemoError> {
        let request = pb::WatchStatusesRequest { bookmark_seconds: 1, ..Default::default() };
        let watch = self.platform.verification().watch_statuses(request).await;
        let mut watch = watch.map_err(refused("the platform"))?.into_inner();
        // With the first bookmark it stands.
        let first = within("the watch", watch.message()).await?;
        first.map_err(refused("the platform"))?;
        Ok(watch)
    }

    async fn consent(&self) -> Result<pb::Consent, DemoError> {
        let until = self.clock.now() + time::Duration::days(90);
        let path = |it: &str| pb::ClaimPath { segments: vec![it.to_owned()] };
        let request = pb::RecordConsentRequest {
            worker_reference: self.register(&self.platform).await?,
            terms: Some(pb::ConsentTerms {
                recipient: self.cast.platform_name.clone(),
                purpose: "placing as a welder".to_owned(),
                type_names: vec![credential_type::read(TYPE).map_err(DemoError::part)?.name],
                claims: ASKED.map(path).to_vec(),
                until: Some(seconds(until)),
            }),
            evidence: Some(pb::Evidence {
                kind: pb::EvidenceKind::HolderSignature.into(),
                ..pb::Evidence::default()
            }),
            request_id: String::new(),
        };
        let answer = self.platform.consents().record_consent(request).await;
        given("a consent", answer.map_err(refused("the platform"))?.into_inner().consent)
    }

    /// The worker's wallet answers what the platform asks, and shows more than it must.
    async fn show(
        &self,
        consent: &pb::Consent,
        credential: &str,
        wallet: &SecretKey,
    ) -> Result<String, DemoError> {
        let request = pb::RequestPresentationRequest {
            consent_id: consent.consent_id.clone(),
            ..pb::RequestPresentationRequest::default()
        };
        let asked = self.platform.consents().request_presentation(request).await;
        let asked = asked.map_err(refused("the platform"))?.into_inner();
        let shown = ["course", "completed_on", "holder_name", "result"];
        let paths: Vec<ClaimPath> =
            shown.iter().filter_map(|it| ClaimPath::parse(&[(*it).to_owned()])).collect();
        let proof = Proof {
            key: wallet,
            audience: &asked.audience,
            nonce: &asked.nonce,
            issued_at: self.clock.now(),
        };
        present(credential, Choice::Paths(&paths), Some(&proof)).map_err(DemoError::part)
    }

    async fn check(
        &self,
        consent: &pb::Consent,
        presentation: String,
    ) -> Result<pb::CheckRequirementsResponse, DemoError> {
        let request = pb::CheckRequirementsRequest {
            source: SOURCE.to_owned(),
            external_id: EXTERNAL_ID.to_owned(),
            presentations: vec![presentation],
            grounds: Some(pb::Grounds {
                consent_id: consent.consent_id.clone(),
                ..pb::Grounds::default()
            }),
            policy: Some(pb::VerificationPolicy {
                require_binding: true,
                follow: true,
                ..pb::VerificationPolicy::default()
            }),
            request_id: String::new(),
        };
        let answer = self.platform.verification().check_requirements(request).await;
        Ok(answer.map_err(refused("the platform"))?.into_inner())
    }

    async fn revoke(&self, id: &str) -> Result<(), DemoError> {
        let request = pb::RevokeCredentialsRequest {
            credential_ids: vec![id.to_owned()],
            reason: pb::StatusReason::IssuedInError.into(),
            request_id: String::new(),
        };
        let revoked = self.issuer.credentials().revoke_credentials(request).await;
        revoked.map_err(refused("the training body")).map(drop)
    }

    /// The bureau shows the worker who has looked.
    async fn disclosures(&self) -> Result<u64, DemoError> {
        let request = workers::ListDisclosuresRequest {
            reference: self.register(&self.registrar).await?,
            ..workers::ListDisclosuresRequest::default()
        };
        let answer = self.registrar.workers().list_disclosures(request).await;
        let answer = answer.map_err(refused("the bureau"))?.into_inner();
        Ok(u64::try_from(answer.disclosures.len()).unwrap_or_default())
    }
}

fn seconds(at: OffsetDateTime) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.unix_timestamp(), nanos: 0 }
}
