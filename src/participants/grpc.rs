//! The service: parse, do, render.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tonic::{Request, Response, Status};

use crate::kernel::clock::SharedClock;
use crate::kernel::fault::{Fault, Kind, Reason};
use crate::participants::{commands, store, wire};
use crate::pb::peshub::participants::v1 as pb;
use crate::pb::peshub::participants::v1::participant_service_server::ParticipantService;
use crate::platform::action::Action;
use crate::platform::db::Db;
use crate::platform::permit::Environment;
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
    /// Which installation this hub is.
    pub environment: Environment,
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
            let granted =
                Action::RPCS.iter().filter(|it| it.is_granted_to(&caller.standing().roles));
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
        let (db, now, environment) = (self.db.clone(), self.clock.now(), self.environment);
        let action = Action::RegisterParticipant;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let parsed = wire::participant(request.participant.unwrap_or_default(), now)?;
            let participant = store::Participant { environment, ..parsed };
            let token = if request.with_token { Some(commands::fresh_token()?) } else { None };
            commands::register(&db, &permit, &participant, token.as_deref()).await?;
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
            commands::create_source(&db, &permit, &request.name, now).await?;
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

fn opened_page(token: &str) -> Result<String, Fault> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let name = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    name.filter(|name| !name.contains('\0')).ok_or_else(|| {
        let message = "this page token was not made by this hub";
        Fault::new(Kind::InvalidArgument, Reason::PageTokenInvalid, message)
    })
}
