//! The service: parse, do, render.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tonic::{Request, Response, Status};

use crate::kernel::clock::SharedClock;
use crate::kernel::fault::{Fault, Kind, Reason};
use crate::participants::{store, wire};
use crate::pb::peshub::participants::v1 as pb;
use crate::pb::peshub::participants::v1::participant_service_server::ParticipantService;
use crate::platform::db::{Db, DbError, Record};
use crate::platform::identity;
use crate::platform::permit::{Action, Permit};
use crate::platform::rpc;
use crate::platform::tasks::Tasks;

/// Serves `peshub.participants.v1.ParticipantService`.
#[derive(Clone)]
pub struct ParticipantGrpc {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: SharedClock,
    /// Where work runs.
    pub tasks: Tasks,
}

impl std::fmt::Debug for ParticipantGrpc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParticipantGrpc").finish_non_exhaustive()
    }
}

#[tonic::async_trait]
impl ParticipantService for ParticipantGrpc {
    async fn get_caller(
        &self,
        request: Request<pb::GetCallerRequest>,
    ) -> Result<Response<pb::GetCallerResponse>, Status> {
        let db = self.db.clone();
        rpc::unary(&self.tasks, Action::GetCaller, request, |caller, permit, _| async move {
            let mut tx = db.read(&permit).await?;
            let mut found = store::list(&mut tx, "", Some(caller.id()), 1).await?;
            let granted = Action::RPCS.iter().filter(|it| it.is_granted_to(caller.kind()));
            Ok(pb::GetCallerResponse {
                participant: found.pop().map(wire::render),
                granted_methods: granted.map(|action| action.name().to_owned()).collect(),
            })
        })
        .await
    }

    async fn register_participant(
        &self,
        request: Request<pb::RegisterParticipantRequest>,
    ) -> Result<Response<pb::RegisterParticipantResponse>, Status> {
        let (db, now) = (self.db.clone(), self.clock.now());
        let action = Action::RegisterParticipant;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let participant = wire::participant(request.participant.unwrap_or_default(), now)?;
            let token = if request.with_token { Some(fresh_token()?) } else { None };
            register(&db, &permit, &participant, token.as_deref()).await?;
            Ok(pb::RegisterParticipantResponse {
                participant: Some(wire::render(participant)),
                token: token.unwrap_or_default(),
            })
        })
        .await
    }

    async fn list_participants(
        &self,
        request: Request<pb::ListParticipantsRequest>,
    ) -> Result<Response<pb::ListParticipantsResponse>, Status> {
        let db = self.db.clone();
        let action = Action::ListParticipants;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let limit = if request.page_size == 0 { 100 } else { i64::from(request.page_size) };
            let after = opened_page(&request.page_token)?;
            let mut tx = db.read(&permit).await?;
            let mut found = store::list(&mut tx, &after, None, limit + 1).await?;
            let more = i64::try_from(found.len()).is_ok_and(|length| length > limit);
            found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            let next = found.last().filter(|_| more);
            let next_page_token =
                next.map_or_else(String::new, |last| URL_SAFE_NO_PAD.encode(&last.name));
            let participants = found.into_iter().map(wire::render).collect();
            Ok(pb::ListParticipantsResponse { participants, next_page_token })
        })
        .await
    }

    async fn create_source(
        &self,
        request: Request<pb::CreateSourceRequest>,
    ) -> Result<Response<pb::CreateSourceResponse>, Status> {
        let (db, now) = (self.db.clone(), self.clock.now());
        let action = Action::CreateSource;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            create_source(&db, &permit, &request.name, now).await?;
            let mut tx = db.read(&permit).await?;
            let sources = store::sources(&mut tx).await?;
            let source = sources.into_iter().find(|source| source.name == request.name);
            Ok(pb::CreateSourceResponse { source: source.map(wire::source) })
        })
        .await
    }

    async fn list_sources(
        &self,
        request: Request<pb::ListSourcesRequest>,
    ) -> Result<Response<pb::ListSourcesResponse>, Status> {
        let db = self.db.clone();
        rpc::unary(&self.tasks, Action::ListSources, request, |_, permit, _| async move {
            let mut tx = db.read(&permit).await?;
            let sources = store::sources(&mut tx).await?;
            Ok(pb::ListSourcesResponse { sources: sources.into_iter().map(wire::source).collect() })
        })
        .await
    }
}

/// Registers an organisation.
///
/// # Errors
///
/// `ALREADY_EXISTS` when its name or one of its certificates is taken, or the database fails.
pub async fn register(
    db: &Db,
    permit: &Permit,
    participant: &store::Participant,
    token: Option<&str>,
) -> Result<(), Fault> {
    let digest = token.map(identity::token_sha256);
    let mut tx = db.write(permit).await?;
    match store::register(&mut tx, participant, digest.as_deref()).await {
        Ok(_) => {}
        Err(DbError::Constraint { .. }) => {
            let message = format!("{} or one of its certificates is registered", participant.name);
            return Err(Fault::new(Kind::AlreadyExists, Reason::AlreadyExists, message));
        }
        Err(error) => return Err(error.into()),
    }
    let subject = format!("participants/{}", participant.name);
    let at = participant.created_at;
    tx.commit(Record { at, subject, event: "participant.registered" }).await?;
    Ok(())
}

/// Registers the first operator of a new hub, in the hub's own name.
///
/// # Errors
///
/// `ALREADY_EXISTS` when there is an operator, or the database fails.
pub async fn register_first(
    db: &Db,
    operator: &store::Participant,
    token: Option<&str>,
) -> Result<(), Fault> {
    let permit = Permit::of_hub();
    let mut tx = db.read(&permit).await?;
    if store::has_operator(&mut tx).await? {
        let message = "this hub has an operator, who registers others";
        return Err(Fault::new(Kind::AlreadyExists, Reason::AlreadyExists, message));
    }
    drop(tx);
    register(db, &permit, operator, token).await
}

async fn create_source(
    db: &Db,
    permit: &Permit,
    name: &str,
    at: time::OffsetDateTime,
) -> Result<(), Fault> {
    let mut tx = db.write(permit).await?;
    if !store::create_source(&mut tx, name, at).await? {
        let message = format!("the name {name} is taken by another participant");
        return Err(Fault::new(Kind::AlreadyExists, Reason::AlreadyExists, message));
    }
    let subject = format!("sources/{name}");
    tx.commit(Record { at, subject, event: "source.created" }).await?;
    Ok(())
}

/// Makes a bearer token: 32 random bytes.
///
/// # Errors
///
/// The machine has no randomness.
pub fn fresh_token() -> Result<String, Fault> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Fault::internal("no randomness"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn opened_page(token: &str) -> Result<String, Fault> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
        let message = "this page token was not made by this hub";
        Fault::new(Kind::InvalidArgument, Reason::PageTokenInvalid, message)
    })
}
