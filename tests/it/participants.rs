//! Organisations, their systems, and what administrators decide on them.

use peshub::client::connect::Connection;
use peshub::client::error::Refusal;
use peshub::pb::peshub::common::v1::{Division, DivisionScheme, QuotaClass, Role};
use peshub::pb::peshub::participants::v1 as pb;
use peshub::pb::peshub::participants::v1::participant_service_client::ParticipantServiceClient;
use peshub::pb::peshub::postings::v1::ListPostingsRequest;
use prost_types::FieldMask;
use tonic::{Response, Status};

use crate::permissions::bare;
use crate::support::{TestHub, story, until};

async fn administrators(
    hub: &TestHub,
) -> (
    ParticipantServiceClient<peshub::client::connect::Transport>,
    ParticipantServiceClient<peshub::client::connect::Transport>,
) {
    (hub.connect("operator").await.participants(), hub.connect("security").await.participants())
}

fn reason<T>(answer: Result<Response<T>, Status>) -> String {
    answer.map_or_else(|status| Refusal::of(&status).reason, |_| "OK".to_owned())
}

fn roles(participant: &str, system: &str, roles: &[Role]) -> pb::GrantRolesRequest {
    pb::GrantRolesRequest {
        participant: participant.to_owned(),
        system: system.to_owned(),
        roles: roles.iter().map(|role| i32::from(*role)).collect(),
        request_id: String::new(),
    }
}

fn withdrawn(participant: &str, system: &str, role: Role) -> pb::WithdrawRolesRequest {
    pb::WithdrawRolesRequest {
        participant: participant.to_owned(),
        system: system.to_owned(),
        roles: vec![role.into()],
        request_id: String::new(),
    }
}

async fn list(connection: &Connection) -> String {
    reason(connection.postings().list_postings(ListPostingsRequest::default()).await)
}

/// Registers a platform and returns a connection with its token.
async fn register(hub: &TestHub, name: &str) -> Connection {
    let (mut operator, _) = administrators(hub).await;
    let participant = pb::Participant {
        name: name.to_owned(),
        display_name: name.to_owned(),
        kind: pb::ParticipantKind::Platform.into(),
        ..pb::Participant::default()
    };
    let request = pb::RegisterParticipantRequest {
        participant: Some(participant),
        with_token: true,
        request_id: String::new(),
    };
    let token = operator.register_participant(request).await.unwrap().into_inner().token;
    Connection::open(&bare(hub, Some(&token))).await.unwrap()
}

#[test]
fn whoever_is_registered_may_do_nothing_until_somebody_else_grants_it() {
    story(async |world| {
        let hub = world.hub().await;
        let west = register(&hub, "platform-west").await;
        assert_eq!(list(&west).await, "ACTION_NOT_GRANTED");
        let (mut operator, mut security) = administrators(&hub).await;
        let grant = roles("platform-west", "main", &[Role::PostingReader]);
        assert_eq!(reason(operator.grant_roles(grant.clone()).await), "ACTION_NOT_GRANTED");
        let system = security.grant_roles(grant).await.unwrap().into_inner().system.unwrap();
        assert_eq!(system.roles, [i32::from(Role::PostingReader)]);
        until("the role", async || (list(&west).await == "OK").then_some(())).await;
        let withdraw = withdrawn("platform-west", "main", Role::PostingReader);
        security.withdraw_roles(withdraw).await.unwrap();
        until("the role's end", async || (list(&west).await == "ACTION_NOT_GRANTED").then_some(()))
            .await;
    });
}

#[test]
fn nobody_has_two_administrative_duties_or_decides_on_its_own_system() {
    story(async |world| {
        let hub = world.hub().await;
        let (_, mut security) = administrators(&hub).await;
        for (participant, role) in [
            ("operator", Role::Auditor),
            ("operator", Role::SecurityAdministrator),
            ("auditor", Role::SystemAdministrator),
        ] {
            let answer = security.grant_roles(roles(participant, "main", &[role])).await;
            assert_eq!(reason(answer), "DUTIES_CONFLICT", "{participant} {role:?}");
        }
        let both = [Role::SystemAdministrator, Role::Auditor];
        let west = register(&hub, "platform-west").await;
        let answer = security.grant_roles(roles("platform-west", "main", &both)).await;
        assert_eq!(reason(answer), "DUTIES_CONFLICT");
        // A role that is none of the three does not conflict, but one's own system is not one's own to decide on.
        let own = roles("security", "main", &[Role::PostingReader]);
        assert_eq!(reason(security.grant_roles(own).await), "DUTIES_CONFLICT");
        let lock = pb::DisableParticipantRequest {
            participant: "security".to_owned(),
            ..pb::DisableParticipantRequest::default()
        };
        assert_eq!(reason(security.disable_participant(lock).await), "DUTIES_CONFLICT");
        assert_eq!(list(&west).await, "ACTION_NOT_GRANTED", "what was refused changed nothing");
    });
}

#[test]
fn who_is_locked_out_is_told_so_and_let_in_again() {
    story(async |world| {
        let hub = world.hub().await;
        let (_, mut security) = administrators(&hub).await;
        let north = hub.connect("platform-north").await;
        assert_eq!(list(&north).await, "OK");
        for system in ["", "main"] {
            let (participant, system) = ("platform-north".to_owned(), system.to_owned());
            let request_id = String::new();
            let lock = pb::DisableParticipantRequest {
                participant: participant.clone(),
                system: system.clone(),
                request_id: request_id.clone(),
            };
            security.disable_participant(lock).await.unwrap();
            until("the lock", async || (list(&north).await == "CALLER_DISABLED").then_some(()))
                .await;
            let unlock = pb::EnableParticipantRequest { participant, system, request_id };
            security.enable_participant(unlock).await.unwrap();
            until("the end of the lock", async || (list(&north).await == "OK").then_some(())).await;
        }
        let nobody = pb::EnableParticipantRequest {
            participant: "nobody".to_owned(),
            ..pb::EnableParticipantRequest::default()
        };
        assert_eq!(reason(security.enable_participant(nobody).await), "PARTICIPANT_NOT_FOUND");
    });
}

#[test]
fn an_organisation_is_shown_as_it_was_registered_and_changed() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut operator, mut security) = administrators(&hub).await;
        let zhejiang = || "bureau-zhejiang".to_owned();
        let system = pb::RegisterSystemRequest {
            participant: zhejiang(),
            system: "archive".to_owned(),
            ..pb::RegisterSystemRequest::default()
        };
        operator.register_system(system.clone()).await.unwrap();
        assert_eq!(reason(operator.register_system(system).await), "ALREADY_EXISTS");
        let identity = pb::AddIdentityRequest {
            participant: zhejiang(),
            system: "archive".to_owned(),
            identity: Some(pb::Identity {
                subject: "spiffe://dev.peshub/bureau/archive".to_owned(),
                ..pb::Identity::default()
            }),
            request_id: String::new(),
        };
        security.add_identity(identity.clone()).await.unwrap();
        assert_eq!(reason(security.add_identity(identity.clone()).await), "ALREADY_EXISTS");
        let odd = pb::Identity { subject: "not a uri".to_owned(), ..pb::Identity::default() };
        let odd = pb::AddIdentityRequest { identity: Some(odd), ..identity };
        assert_eq!(reason(security.add_identity(odd).await), "FIELDS_INVALID");
        let token = pb::IssueTokenRequest {
            participant: zhejiang(),
            system: "archive".to_owned(),
            ..pb::IssueTokenRequest::default()
        };
        let token = security.issue_token(token).await.unwrap().into_inner();
        let quota = pb::SetQuotaRequest {
            participant: zhejiang(),
            quota: Some(pb::Quota { quota: QuotaClass::Read.into(), most: Some(7) }),
            request_id: String::new(),
        };
        security.set_quota(quota).await.unwrap();
        let update = pb::UpdateParticipantRequest {
            participant: zhejiang(),
            divisions: vec![Division {
                scheme: DivisionScheme::Gbt2260.into(),
                code: "330200".to_owned(),
                name: String::new(),
            }],
            update_mask: Some(FieldMask { paths: vec!["divisions".to_owned()] }),
            ..pb::UpdateParticipantRequest::default()
        };
        operator.update_participant(update).await.unwrap();

        let get = pb::GetParticipantRequest { participant: zhejiang() };
        let shown = operator.get_participant(get.clone()).await.unwrap().into_inner();
        assert_eq!(shown.participant.unwrap().divisions[0].code, "330200");
        assert_eq!(shown.quotas, [pb::Quota { quota: QuotaClass::Read.into(), most: Some(7) }]);
        let archive = shown.systems.iter().find(|system| system.name == "archive").unwrap();
        assert_eq!(archive.identities[0].subject, "spiffe://dev.peshub/bureau/archive");
        let listed = token.listed.unwrap();
        assert_eq!(archive.tokens, std::slice::from_ref(&listed));
        assert!(!archive.tokens[0].token_id.contains(&token.token));
        assert_eq!(archive.roles, [] as [i32; 0]);

        // The token is the system's, and nobody's once it is revoked.
        let options = bare(&hub, Some(&token.token));
        let archive = Connection::open(&options).await.unwrap();
        let caller = archive.participants().get_caller(pb::GetCallerRequest {}).await.unwrap();
        assert_eq!(caller.into_inner().system, "archive");
        let revoke = pb::RevokeTokenRequest {
            participant: zhejiang(),
            system: "archive".to_owned(),
            token_id: listed.token_id,
            request_id: String::new(),
        };
        security.revoke_token(revoke.clone()).await.unwrap();
        assert_eq!(reason(security.revoke_token(revoke).await), "IDENTITY_NOT_FOUND");
        until("the token's end", async || {
            let call = archive.participants().get_caller(pb::GetCallerRequest {}).await;
            (reason(call) == "TOKEN_INVALID").then_some(())
        })
        .await;
    });
}
