//! Streams of verifications.

use std::collections::BTreeSet;

use peshub::client::error::Refusal;
use peshub::pb::peshub::credentials::v1::verify_presentations_request::Message;
use peshub::pb::peshub::credentials::v1::{
    BatchVerifyPresentationsRequest, Check, CheckOutcome, EvidenceKind, Grounds, OpenVerification,
    PresentationBatch, VerdictOutcome, VerificationPolicy, VerifyPresentationsRequest,
    VerifyPresentationsResponse, WithdrawConsentRequest,
};
use peshub::pb::peshub::participants::v1::DisableParticipantRequest;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::support::wallet::{School, Wallet, by_consent, by_law, recording, terms};
use crate::support::{TestHub, story, within};
use crate::workers::people::{Invented, register, workers};

const NORTH: &str = "platform-north";

/// A stream, message by message.
pub(crate) struct Asking {
    questions: mpsc::Sender<VerifyPresentationsRequest>,
    answers: Streaming<VerifyPresentationsResponse>,
}

impl Asking {
    async fn start(hub: &TestHub) -> Self {
        let (questions, receiver) = mpsc::channel(64);
        let mut client = hub.connect(NORTH).await.verification();
        let answers =
            within("a stream", client.verify_presentations(ReceiverStream::new(receiver)));
        Self { questions, answers: answers.await.unwrap().into_inner() }
    }

    pub(crate) async fn open(hub: &TestHub, grounds: Option<Grounds>) -> Self {
        let asking = Self::start(hub).await;
        let policy = Some(VerificationPolicy::default());
        asking.say(Message::Open(OpenVerification { grounds, policy })).await;
        asking
    }

    async fn say(&self, message: Message) {
        let message = VerifyPresentationsRequest { message: Some(message) };
        self.questions.send(message).await.unwrap_or_default();
    }

    pub(crate) async fn batch(&self, number: i64, presentations: Vec<String>) {
        self.say(Message::Batch(PresentationBatch { number, presentations })).await;
    }

    pub(crate) async fn answer(&mut self) -> Result<VerifyPresentationsResponse, Refusal> {
        match within("an answer", self.answers.message()).await {
            Ok(answer) => Ok(answer.expect("an answer")),
            Err(status) => Err(Refusal::of(&status)),
        }
    }
}

pub(crate) fn outcomes(answer: &VerifyPresentationsResponse) -> Vec<VerdictOutcome> {
    answer.results.iter().map(|it| it.verdict.as_ref().unwrap().outcome()).collect()
}

#[test]
fn batches_are_answered_in_their_order_with_as_many_verdicts_and_one_entry_each() {
    story(async |world| {
        let hub = world.hub().await;
        let (school, wallet) = (School::found(&hub).await, Wallet::new());
        let shown: Vec<String> =
            (0..70).map(|_| Wallet::show(&school.issue(&wallet), &["level"])).collect();
        let mut asking = Asking::open(&hub, by_law()).await;
        for number in 1..=12 {
            let mut batch = shown.clone();
            batch[number % 70] = "nonsense".to_owned();
            asking.batch(number as i64 * 10, batch).await;
        }
        let mut entries = BTreeSet::new();
        for number in 1..=12_usize {
            let answer = asking.answer().await.unwrap();
            assert_eq!(answer.number, number as i64 * 10);
            let found = outcomes(&answer);
            assert_eq!(found.len(), 70);
            for (index, outcome) in found.into_iter().enumerate() {
                let expected = if index == number % 70 {
                    VerdictOutcome::Malformed
                } else {
                    VerdictOutcome::Valid
                };
                assert_eq!(outcome, expected, "{number} {index}");
            }
            entries.insert(answer.entry_id);
        }
        assert_eq!(entries.len(), 12);
        let written: i64 =
            sqlx::query_scalar("SELECT count(*) FROM audit WHERE event = 'credential.verified'")
                .fetch_one(&world.pool)
                .await
                .unwrap();
        assert_eq!(written, 12);
    });
}

#[test]
fn the_checks_are_told_once_and_what_became_of_each_with_every_verdict() {
    story(async |world| {
        let hub = world.hub().await;
        let (school, wallet) = (School::found(&hub).await, Wallet::new());
        let shown = Wallet::show(&school.issue(&wallet), &["level"]);
        let presentations = vec![shown, "nonsense".to_owned()];
        let mut asking = Asking::open(&hub, by_law()).await;
        asking.batch(1, presentations.clone()).await;
        asking.batch(2, presentations.clone()).await;
        let (first, second) = (asking.answer().await.unwrap(), asking.answer().await.unwrap());
        assert!(second.rules.is_empty());
        let request = BatchVerifyPresentationsRequest {
            presentations,
            grounds: by_law(),
            ..BatchVerifyPresentationsRequest::default()
        };
        let mut client = hub.connect(NORTH).await.verification();
        let in_words = client.batch_verify_presentations(request).await.unwrap().into_inner();
        for answer in [&first, &second] {
            for (streamed, alone) in answer.results.iter().zip(&in_words.results) {
                let (streamed, alone) =
                    (streamed.verdict.as_ref().unwrap(), alone.verdict.as_ref().unwrap());
                assert!(alone.check_outcomes.is_empty());
                assert_eq!(streamed.check_outcomes.len(), alone.checks.len());
                let told = first.rules.iter().zip(streamed.check_outcomes.chars());
                for ((rule, letter), check) in told.zip(&alone.checks) {
                    assert_eq!((&rule.id, &rule.clause), (&check.id, &check.clause));
                    let name = check.outcome().as_str_name().trim_start_matches("CHECK_OUTCOME_");
                    assert!(name.starts_with(letter), "{letter} for {name} of {}", rule.id);
                }
                let failed = |it: &&Check| it.outcome() == CheckOutcome::Failed;
                let failed: Vec<&Check> = alone.checks.iter().filter(failed).collect();
                assert_eq!(streamed.checks.iter().collect::<Vec<_>>(), failed);
            }
        }
        let outcomes = first.results.iter().map(|it| it.verdict.as_ref().unwrap());
        assert_eq!(outcomes.map(|it| it.checks.len()).collect::<Vec<_>>(), [0, 1]);
    });
}

#[test]
fn a_stream_that_is_out_of_step_or_too_large_ends_with_its_reason() {
    story(async |world| {
        let hub = world.hub().await;
        let mut asking = Asking::start(&hub).await;
        asking.batch(1, vec!["x".to_owned()]).await;
        assert_eq!(asking.answer().await.unwrap_err().reason, "STREAM_OUT_OF_STEP");
        let mut asking = Asking::open(&hub, by_law()).await;
        asking.say(Message::Open(OpenVerification { grounds: by_law(), policy: None })).await;
        assert_eq!(asking.answer().await.unwrap_err().reason, "STREAM_OUT_OF_STEP");
        let mut asking = Asking::open(&hub, None).await;
        assert_eq!(asking.answer().await.unwrap_err().reason, "FIELDS_INVALID");
        let mut asking = Asking::open(&hub, by_law()).await;
        asking.batch(1, vec!["x".to_owned(); 1_001]).await;
        assert_eq!(asking.answer().await.unwrap_err().reason, "FIELDS_INVALID");
        let mut asking = Asking::open(&hub, by_law()).await;
        asking.batch(1, vec!["x".repeat(5 << 20)]).await;
        assert_eq!(asking.answer().await.unwrap_err().reason, "BATCH_TOO_LARGE");
    });
}

#[test]
fn a_consent_that_is_withdrawn_ends_the_stream_that_rests_on_it() {
    story(async |world| {
        let hub = world.hub().await;
        let (school, wallet) = (School::found(&hub).await, Wallet::new());
        let shown = Wallet::show(&school.issue(&wallet), &["level"]);
        let worker = register(&mut workers(&hub, NORTH).await, &Invented::new(3)).await;
        let mut consents = hub.connect(NORTH).await.consents();
        let it = recording(&worker, terms(NORTH, &["level"]), EvidenceKind::Document);
        let consent = consents.record_consent(it).await.unwrap().into_inner().consent.unwrap();
        let mut asking = Asking::open(&hub, by_consent(&consent)).await;
        asking.batch(1, vec![shown.clone()]).await;
        assert_eq!(outcomes(&asking.answer().await.unwrap()), [VerdictOutcome::Valid]);
        let consent_id = consent.consent_id.clone();
        let withdrawal = WithdrawConsentRequest { consent_id, request_id: String::new() };
        consents.withdraw_consent(withdrawal).await.unwrap();
        asking.batch(2, vec![shown]).await;
        assert_eq!(asking.answer().await.unwrap_err().reason, "CONSENT_NOT_GIVEN");
    });
}

#[test]
fn a_caller_who_is_locked_out_gets_no_more_verdicts() {
    story(async |world| {
        let hub = world.hub().await;
        let (school, wallet) = (School::found(&hub).await, Wallet::new());
        let shown = Wallet::show(&school.issue(&wallet), &["level"]);
        let mut asking = Asking::open(&hub, by_law()).await;
        asking.batch(1, vec![shown.clone()]).await;
        assert_eq!(outcomes(&asking.answer().await.unwrap()), [VerdictOutcome::Valid]);
        let lock_out = DisableParticipantRequest {
            participant: NORTH.to_owned(),
            ..DisableParticipantRequest::default()
        };
        let mut security = hub.connect("security").await.participants();
        security.disable_participant(lock_out).await.unwrap();
        assert_eq!(asking.answer().await.unwrap_err().reason, "CALLER_DISABLED");
    });
}
