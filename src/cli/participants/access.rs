//! `peshub participants`: what administrators look at and decide.

use clap::{Args, Subcommand};

use crate::cli::client::ClientArgs;
use crate::cli::postings::division;
use crate::cli::{Outcome, output};
use crate::client::error::ClientError;
use crate::json;
use crate::pb::peshub::common::v1::{QuotaClass, Role};
use crate::pb::peshub::participants::v1 as pb;

/// Commands about what systems may do.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AccessCommand {
    /// Show an organisation with its systems, roles, identities and quotas. For administrators.
    Show(ShowArgs),
    /// Change an organisation's name for people, or a bureau's divisions. For system administrators.
    Update(UpdateArgs),
    /// Register one more system of an organisation. For system administrators.
    AddSystem(AddSystemArgs),
    /// Let a system prove who it is by a certificate's name or the subject of tokens. For security administrators.
    AddIdentity(IdentityArgs),
    /// Take such a way away. For security administrators.
    RemoveIdentity(IdentityArgs),
    /// Make a bearer token and print it. For security administrators.
    IssueToken(IssueTokenArgs),
    /// Make a bearer token worthless. For security administrators.
    RevokeToken(RevokeTokenArgs),
    /// Grant roles to a system, for example `posting-writer`. For security administrators.
    Grant(RoleArgs),
    /// Withdraw roles from a system. For security administrators.
    Withdraw(RoleArgs),
    /// Set a quota of an organisation, or go back to the hub's own. For security administrators.
    SetQuota(QuotaArgs),
    /// Lock an organisation or one of its systems out. For security administrators.
    Disable(LockArgs),
    /// Let an organisation or one of its systems in again. For security administrators.
    Enable(LockArgs),
}

#[derive(Args, Debug)]
pub(in crate::cli) struct ShowArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Short name of the organisation.
    name: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct UpdateArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Short name of the organisation.
    name: String,
    /// New name for people.
    #[arg(long)]
    display_name: Option<String>,
    /// A division; all given replace those that are there.
    #[arg(long = "division", value_name = "CODE")]
    divisions: Vec<String>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Which system of which organisation.
#[derive(Args, Debug)]
pub(in crate::cli) struct SystemArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Short name of the organisation.
    name: String,
    /// Its system.
    #[arg(long, default_value = "main")]
    system: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct AddSystemArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Short name of the organisation.
    name: String,
    /// Name of the system.
    system: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct IdentityArgs {
    #[command(flatten)]
    system: SystemArgs,
    /// Issuer of signed tokens; without it, the subject is a certificate's URI name.
    #[arg(long, default_value = "")]
    issuer: String,
    /// URI name of a client certificate, or subject of signed tokens.
    subject: String,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct IssueTokenArgs {
    #[command(flatten)]
    system: SystemArgs,
    /// How long it counts, in days.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(i32).range(1..=3_650))]
    days: i32,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct RevokeTokenArgs {
    #[command(flatten)]
    system: SystemArgs,
    /// Id of the token, as `show` lists it.
    token_id: String,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct RoleArgs {
    #[command(flatten)]
    system: SystemArgs,
    /// Roles, for example `posting-writer posting-reader`.
    #[arg(required = true, value_parser = role)]
    roles: Vec<Role>,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct QuotaArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Short name of the organisation.
    name: String,
    /// What is counted: read, write, stream, administration, record, disclosure.
    #[arg(value_parser = quota)]
    quota: QuotaClass,
    /// The most; without it, the hub's own limit counts again.
    most: Option<i64>,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct LockArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Short name of the organisation.
    name: String,
    /// One of its systems; without it, the whole organisation.
    #[arg(long, default_value = "")]
    system: String,
}

fn role(name: &str) -> Result<Role, String> {
    let full = format!("ROLE_{}", name.to_uppercase().replace('-', "_"));
    let role = Role::from_str_name(&full).filter(|role| *role != Role::Unspecified);
    role.ok_or_else(|| "no such role; the contract lists them in access.proto".to_owned())
}

fn quota(name: &str) -> Result<QuotaClass, String> {
    let full = format!("QUOTA_CLASS_{}", name.to_uppercase());
    let quota = QuotaClass::from_str_name(&full).filter(|it| *it != QuotaClass::Unspecified);
    quota.ok_or_else(|| "read, write, stream, administration, record or disclosure".to_owned())
}

/// Returns roles as people write them.
pub(super) fn roles(numbers: &[i32]) -> String {
    let name = |number: &i32| {
        let role = Role::try_from(*number).unwrap_or_default();
        role.as_str_name().trim_start_matches("ROLE_").to_lowercase().replace('_', "-")
    };
    let names: Vec<String> = numbers.iter().map(name).collect();
    if names.is_empty() { "no roles".to_owned() } else { names.join(", ") }
}

pub(super) async fn run(command: AccessCommand) -> Outcome {
    match command {
        AccessCommand::Show(args) => show(args).await,
        AccessCommand::Update(args) => update(args).await,
        AccessCommand::AddSystem(args) => add_system(args).await,
        AccessCommand::AddIdentity(args) => identity(args, true).await,
        AccessCommand::RemoveIdentity(args) => identity(args, false).await,
        AccessCommand::IssueToken(args) => issue_token(args).await,
        AccessCommand::RevokeToken(args) => revoke_token(args).await,
        AccessCommand::Grant(args) => grant(args, true).await,
        AccessCommand::Withdraw(args) => grant(args, false).await,
        AccessCommand::SetQuota(args) => set_quota(args).await,
        AccessCommand::Disable(args) => lock(args, true).await,
        AccessCommand::Enable(args) => lock(args, false).await,
    }
}

async fn show(args: ShowArgs) -> Outcome {
    let connection = args.client.connect().await?;
    let request = pb::GetParticipantRequest { participant: args.name };
    let answer = connection.participants().get_participant(request).await;
    let answer = answer.map_err(ClientError::from)?.into_inner();
    if args.json {
        output::json(&json::of_message("peshub.participants.v1.GetParticipantResponse", &answer)?);
        return Ok(());
    }
    output::line(&crate::cli::participants::headline(&answer.participant.unwrap_or_default()));
    for system in &answer.systems {
        tell(system);
    }
    for quota in answer.quotas {
        let name = QuotaClass::try_from(quota.quota).unwrap_or_default();
        let name = name.as_str_name().trim_start_matches("QUOTA_CLASS_").to_lowercase();
        output::line(&format!("  quota {name}: {}", quota.most.unwrap_or_default()));
    }
    Ok(())
}

/// Prints what a change has made of a system.
fn changed(system: Option<pb::System>, as_json: bool) -> Outcome {
    let system = system.unwrap_or_default();
    if as_json {
        output::json(&json::of_message("peshub.participants.v1.System", &system)?);
    } else {
        tell(&system);
    }
    Ok(())
}

fn tell(system: &pb::System) {
    let locked = if system.disabled_at.is_some() { " (locked out)" } else { "" };
    output::line(&format!("  system {}{locked}: {}", system.name, roles(&system.roles)));
    for identity in &system.identities {
        output::line(format!("    {} {}", identity.issuer, identity.subject).trim_end());
    }
    for token in &system.tokens {
        output::line(&format!("    token {}", token.token_id));
    }
}

async fn update(args: UpdateArgs) -> Outcome {
    let connection = args.client.connect().await?;
    let name = args.display_name.is_some().then_some("display_name");
    let divisions = (!args.divisions.is_empty()).then_some("divisions");
    let paths = name.into_iter().chain(divisions).map(str::to_owned).collect();
    let request = pb::UpdateParticipantRequest {
        participant: args.name,
        display_name: args.display_name.unwrap_or_default(),
        divisions: args.divisions.iter().map(|code| division(code)).collect(),
        update_mask: Some(prost_types::FieldMask { paths }),
        request_id: String::new(),
    };
    let answer = connection.participants().update_participant(request).await;
    let answer = answer.map_err(ClientError::from)?.into_inner();
    crate::cli::participants::show(&answer.participant.unwrap_or_default(), args.json)?;
    Ok(())
}

async fn add_system(args: AddSystemArgs) -> Outcome {
    let connection = args.client.connect().await?;
    let (participant, system) = (args.name, args.system);
    let request =
        pb::RegisterSystemRequest { participant, system, ..pb::RegisterSystemRequest::default() };
    let answer = connection.participants().register_system(request).await;
    changed(answer.map_err(ClientError::from)?.into_inner().system, args.json)
}

async fn identity(args: IdentityArgs, add: bool) -> Outcome {
    let connection = args.system.client.connect().await?;
    let as_json = args.system.json;
    let (participant, system) = (args.system.name, args.system.system);
    let (issuer, subject) = (args.issuer, args.subject);
    let identity = Some(pb::Identity { issuer, subject, ..pb::Identity::default() });
    let request_id = String::new();
    let mut client = connection.participants();
    let system = if add {
        let request = pb::AddIdentityRequest { participant, system, identity, request_id };
        client.add_identity(request).await.map_err(ClientError::from)?.into_inner().system
    } else {
        let request = pb::RemoveIdentityRequest { participant, system, identity, request_id };
        client.remove_identity(request).await.map_err(ClientError::from)?.into_inner().system
    };
    changed(system, as_json)
}

async fn issue_token(args: IssueTokenArgs) -> Outcome {
    let connection = args.system.client.connect().await?;
    let request = pb::IssueTokenRequest {
        participant: args.system.name,
        system: args.system.system,
        valid_days: args.days,
        request_id: String::new(),
    };
    let answer = connection.participants().issue_token(request).await;
    let answer = answer.map_err(ClientError::from)?.into_inner();
    if args.system.json {
        output::json(&json::of_message("peshub.participants.v1.IssueTokenResponse", &answer)?);
    } else {
        output::line(&answer.token);
    }
    Ok(())
}

async fn revoke_token(args: RevokeTokenArgs) -> Outcome {
    let connection = args.system.client.connect().await?;
    let request = pb::RevokeTokenRequest {
        participant: args.system.name,
        system: args.system.system,
        token_id: args.token_id,
        request_id: String::new(),
    };
    let answer = connection.participants().revoke_token(request).await;
    changed(answer.map_err(ClientError::from)?.into_inner().system, args.system.json)
}

async fn grant(args: RoleArgs, grant: bool) -> Outcome {
    let connection = args.system.client.connect().await?;
    let as_json = args.system.json;
    let (participant, system) = (args.system.name, args.system.system);
    let roles = args.roles.into_iter().map(i32::from).collect();
    let request_id = String::new();
    let mut client = connection.participants();
    let system = if grant {
        let request = pb::GrantRolesRequest { participant, system, roles, request_id };
        client.grant_roles(request).await.map_err(ClientError::from)?.into_inner().system
    } else {
        let request = pb::WithdrawRolesRequest { participant, system, roles, request_id };
        client.withdraw_roles(request).await.map_err(ClientError::from)?.into_inner().system
    };
    changed(system, as_json)
}

async fn set_quota(args: QuotaArgs) -> Outcome {
    let connection = args.client.connect().await?;
    let quota = Some(pb::Quota { quota: args.quota.into(), most: args.most });
    let request = pb::SetQuotaRequest { participant: args.name, quota, request_id: String::new() };
    let answer = connection.participants().set_quota(request).await;
    answer.map_err(ClientError::from)?;
    Ok(())
}

async fn lock(args: LockArgs, lock: bool) -> Outcome {
    let connection = args.client.connect().await?;
    let (participant, system, request_id) = (args.name, args.system, String::new());
    let mut client = connection.participants();
    if lock {
        let request = pb::DisableParticipantRequest { participant, system, request_id };
        client.disable_participant(request).await.map_err(ClientError::from)?;
    } else {
        let request = pb::EnableParticipantRequest { participant, system, request_id };
        client.enable_participant(request).await.map_err(ClientError::from)?;
    }
    Ok(())
}
