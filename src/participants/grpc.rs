//! The service: parse, do, render.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;
use tonic::{Request, Response, Status};

use crate::kernel::clock::SharedClock;
use crate::kernel::fault::{Fault, Kind, Reason};
use crate::kernel::fields::Check;
use crate::participants::commands::access::{self, Decision, Named};
use crate::participants::store::systems;
use crate::participants::{commands, store, wire};
use crate::pb::peshub::participants::v1 as pb;
use crate::pb::peshub::participants::v1::participant_service_server::ParticipantService;
use crate::platform::action::Action;
use crate::platform::db::Db;
use crate::platform::mutation::{RequestKey, once};
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

impl ParticipantGrpc {
    /// Answers a call that decides on a system with the system as it is then.
    async fn decided<Q, A>(
        &self,
        action: Action,
        request: Request<Q>,
        (now, read): (
            OffsetDateTime,
            impl FnOnce(Q) -> Result<(RequestKey, Named, Decision), Fault> + Send + 'static,
        ),
        answer: impl FnOnce(pb::System) -> A + Send + 'static,
    ) -> Result<Response<A>, Status>
    where
        Q: Check + Send + 'static,
        A: prost::Message + Default + 'static,
    {
        let db = self.db.clone();
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let (key, named, decision) = read(request)?;
            once(&db, &permit, &key, now, |tx| {
                Box::pin(async move {
                    let (system, record) = access::decide(tx, &named, &decision, now).await?;
                    Ok((answer(wire::system(system)), record))
                })
            })
            .await
        })
        .await
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
            let mut found = store::list(tx.connection(), "", Some(caller.name()), 1).await?;
            let standing = caller.standing();
            let granted = Action::RPCS.iter().filter(|it| it.is_granted_to(&standing.roles));
            Ok(pb::GetCallerResponse {
                participant: found.pop().map(wire::render),
                granted_methods: granted.map(|action| action.name().to_owned()).collect(),
                system: standing.system_name.clone(),
                roles: standing.roles.iter().map(|role| i32::from(*role)).collect(),
            })
        })
        .await
    }

    async fn register_participant(
        &self,
        request: Request<pb::RegisterParticipantRequest>,
    ) -> Result<Response<pb::RegisterParticipantResponse>, Status> {
        let (hub, now) = (self.clone(), self.clock.now());
        rpc::unary(
            &self.tasks,
            Action::RegisterParticipant,
            request,
            |_, permit, request| async move {
                let key = RequestKey::new(&request.request_id, &request)?;
                let message = request.participant.unwrap_or_default();
                let participant = wire::participant(message, hub.environment, now)?;
                let token =
                    if request.with_token { commands::fresh_token()? } else { String::new() };
                once(&hub.db, &permit, &key, now, |tx| {
                    Box::pin(async move {
                        let kept = (!token.is_empty())
                            .then(|| commands::issued(&token, now, commands::TOKEN_DAYS));
                        let record = commands::register(tx, &participant, kept.as_ref()).await?;
                        let participant = Some(wire::render(participant));
                        Ok((pb::RegisterParticipantResponse { participant, token }, record))
                    })
                })
                .await
            },
        )
        .await
    }

    async fn update_participant(
        &self,
        request: Request<pb::UpdateParticipantRequest>,
    ) -> Result<Response<pb::UpdateParticipantResponse>, Status> {
        let (hub, now) = (self.clone(), self.clock.now());
        rpc::unary(
            &self.tasks,
            Action::UpdateParticipant,
            request,
            |_, permit, request| async move {
                let key = RequestKey::new(&request.request_id, &request)?;
                let changes = wire::changes(&request)?;
                once(&hub.db, &permit, &key, now, |tx| {
                    Box::pin(async move {
                        let name = &request.participant;
                        let (updated, record) = commands::update(tx, name, &changes, now).await?;
                        let participant = Some(wire::render(updated));
                        Ok((pb::UpdateParticipantResponse { participant }, record))
                    })
                })
                .await
            },
        )
        .await
    }

    async fn register_system(
        &self,
        request: Request<pb::RegisterSystemRequest>,
    ) -> Result<Response<pb::RegisterSystemResponse>, Status> {
        let (hub, now) = (self.clone(), self.clock.now());
        rpc::unary(&self.tasks, Action::RegisterSystem, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            let environment = wire::environment(request.environment, hub.environment);
            once(&hub.db, &permit, &key, now, |tx| {
                Box::pin(async move {
                    let system = (request.system.as_str(), environment);
                    let (system, record) =
                        commands::register_system(tx, &request.participant, system, now).await?;
                    let system = Some(wire::system(system));
                    Ok((pb::RegisterSystemResponse { system }, record))
                })
            })
            .await
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
            let mut found = store::list(tx.connection(), &after, None, limit + 1).await?;
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

    async fn get_participant(
        &self,
        request: Request<pb::GetParticipantRequest>,
    ) -> Result<Response<pb::GetParticipantResponse>, Status> {
        let db = self.db.clone();
        let action = Action::GetParticipant;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let name = &request.participant;
            let mut tx = db.read(&permit).await?;
            let found = store::list(tx.connection(), "", Some(name), 1).await?.pop();
            let participant = found.ok_or_else(|| commands::not_found(name))?;
            let id = participant.id;
            let systems = systems::systems(tx.connection(), id, None).await?;
            let quotas = store::quotas(tx.connection(), id).await?;
            Ok(pb::GetParticipantResponse {
                participant: Some(wire::render(participant)),
                systems: systems.into_iter().map(wire::system).collect(),
                quotas: wire::quotas(quotas),
            })
        })
        .await
    }

    async fn add_identity(
        &self,
        request: Request<pb::AddIdentityRequest>,
    ) -> Result<Response<pb::AddIdentityResponse>, Status> {
        let now = self.clock.now();
        let read = move |request: pb::AddIdentityRequest| {
            let key = RequestKey::new(&request.request_id, &request)?;
            let identity = request.identity.clone().unwrap_or_default();
            let decision = Decision::AddIdentity(wire::identity(&identity, now)?);
            Ok((key, named(request.participant, request.system), decision))
        };
        let answer = |system| pb::AddIdentityResponse { system: Some(system) };
        self.decided(Action::AddIdentity, request, (now, read), answer).await
    }

    async fn remove_identity(
        &self,
        request: Request<pb::RemoveIdentityRequest>,
    ) -> Result<Response<pb::RemoveIdentityResponse>, Status> {
        let now = self.clock.now();
        let read = |request: pb::RemoveIdentityRequest| {
            let key = RequestKey::new(&request.request_id, &request)?;
            let identity = request.identity.unwrap_or_default();
            let decision = Decision::RemoveIdentity(identity.issuer, identity.subject);
            Ok((key, named(request.participant, request.system), decision))
        };
        let answer = |system| pb::RemoveIdentityResponse { system: Some(system) };
        self.decided(Action::RemoveIdentity, request, (now, read), answer).await
    }

    async fn issue_token(
        &self,
        request: Request<pb::IssueTokenRequest>,
    ) -> Result<Response<pb::IssueTokenResponse>, Status> {
        let (hub, now) = (self.clone(), self.clock.now());
        rpc::unary(&self.tasks, Action::IssueToken, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            let days = if request.valid_days == 0 {
                commands::TOKEN_DAYS
            } else {
                i64::from(request.valid_days)
            };
            let token = commands::fresh_token()?;
            let kept = commands::issued(&token, now, days);
            let named = named(request.participant, request.system);
            once(&hub.db, &permit, &key, now, |tx| {
                Box::pin(async move {
                    let listed = Some(wire::token(&kept));
                    let decision = Decision::AddToken(kept);
                    let (_, record) = access::decide(tx, &named, &decision, now).await?;
                    Ok((pb::IssueTokenResponse { token, listed }, record))
                })
            })
            .await
        })
        .await
    }

    async fn revoke_token(
        &self,
        request: Request<pb::RevokeTokenRequest>,
    ) -> Result<Response<pb::RevokeTokenResponse>, Status> {
        let now = self.clock.now();
        let read = |request: pb::RevokeTokenRequest| {
            let key = RequestKey::new(&request.request_id, &request)?;
            let decision = Decision::RemoveToken(request.token_id);
            Ok((key, named(request.participant, request.system), decision))
        };
        let answer = |system| pb::RevokeTokenResponse { system: Some(system) };
        self.decided(Action::RevokeToken, request, (now, read), answer).await
    }

    async fn grant_roles(
        &self,
        request: Request<pb::GrantRolesRequest>,
    ) -> Result<Response<pb::GrantRolesResponse>, Status> {
        let now = self.clock.now();
        let read = |request: pb::GrantRolesRequest| {
            let key = RequestKey::new(&request.request_id, &request)?;
            let decision = Decision::Grant(wire::roles(&request.roles)?);
            Ok((key, named(request.participant, request.system), decision))
        };
        let answer = |system| pb::GrantRolesResponse { system: Some(system) };
        self.decided(Action::GrantRoles, request, (now, read), answer).await
    }

    async fn withdraw_roles(
        &self,
        request: Request<pb::WithdrawRolesRequest>,
    ) -> Result<Response<pb::WithdrawRolesResponse>, Status> {
        let now = self.clock.now();
        let read = |request: pb::WithdrawRolesRequest| {
            let key = RequestKey::new(&request.request_id, &request)?;
            let decision = Decision::Withdraw(wire::roles(&request.roles)?);
            Ok((key, named(request.participant, request.system), decision))
        };
        let answer = |system| pb::WithdrawRolesResponse { system: Some(system) };
        self.decided(Action::WithdrawRoles, request, (now, read), answer).await
    }

    async fn set_quota(
        &self,
        request: Request<pb::SetQuotaRequest>,
    ) -> Result<Response<pb::SetQuotaResponse>, Status> {
        let (hub, now) = (self.clone(), self.clock.now());
        rpc::unary(&self.tasks, Action::SetQuota, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            let quota = request.quota.unwrap_or_default();
            let number = i16::try_from(quota.quota).unwrap_or_default();
            once(&hub.db, &permit, &key, now, |tx| {
                Box::pin(async move {
                    let (name, set) = (&request.participant, (number, quota.most));
                    let (quotas, record) = access::set_quota(tx, name, set, now).await?;
                    Ok((pb::SetQuotaResponse { quotas: wire::quotas(quotas) }, record))
                })
            })
            .await
        })
        .await
    }

    async fn disable_participant(
        &self,
        request: Request<pb::DisableParticipantRequest>,
    ) -> Result<Response<pb::DisableParticipantResponse>, Status> {
        let (hub, now) = (self.clone(), self.clock.now());
        rpc::unary(
            &self.tasks,
            Action::DisableParticipant,
            request,
            |_, permit, request| async move {
                let key = RequestKey::new(&request.request_id, &request)?;
                let named = named(request.participant, request.system);
                once(&hub.db, &permit, &key, now, |tx| {
                    Box::pin(async move {
                        let record = access::set_disabled(tx, &named, Some(now), now).await?;
                        let disabled_at = Some(wire::timestamp(now));
                        Ok((pb::DisableParticipantResponse { disabled_at }, record))
                    })
                })
                .await
            },
        )
        .await
    }

    async fn enable_participant(
        &self,
        request: Request<pb::EnableParticipantRequest>,
    ) -> Result<Response<pb::EnableParticipantResponse>, Status> {
        let (hub, now) = (self.clone(), self.clock.now());
        rpc::unary(
            &self.tasks,
            Action::EnableParticipant,
            request,
            |_, permit, request| async move {
                let key = RequestKey::new(&request.request_id, &request)?;
                let named = named(request.participant, request.system);
                once(&hub.db, &permit, &key, now, |tx| {
                    Box::pin(async move {
                        let record = access::set_disabled(tx, &named, None, now).await?;
                        Ok((pb::EnableParticipantResponse {}, record))
                    })
                })
                .await
            },
        )
        .await
    }

    async fn create_source(
        &self,
        request: Request<pb::CreateSourceRequest>,
    ) -> Result<Response<pb::CreateSourceResponse>, Status> {
        let (hub, now) = (self.clone(), self.clock.now());
        rpc::unary(&self.tasks, Action::CreateSource, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            once(&hub.db, &permit, &key, now, |tx| {
                Box::pin(async move {
                    let record = commands::create_source(tx, &request.name, now).await?;
                    let owner = tx.permit().participant();
                    let sources = store::sources(tx.connection(), owner).await?;
                    let found = sources.into_iter().find(|source| source.name == request.name);
                    Ok((pb::CreateSourceResponse { source: found.map(wire::source) }, record))
                })
            })
            .await
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
            let sources = store::sources(tx.connection(), permit.participant()).await?;
            Ok(pb::ListSourcesResponse { sources: sources.into_iter().map(wire::source).collect() })
        })
        .await
    }
}

fn named(participant: String, system: String) -> Named {
    Named { participant, system }
}

fn opened_page(token: &str) -> Result<String, Fault> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let name = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    name.filter(|name| !name.contains('\0')).ok_or_else(|| {
        let message = "this page token was not made by this hub";
        Fault::new(Kind::InvalidArgument, Reason::PageTokenInvalid, message)
    })
}
