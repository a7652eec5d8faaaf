//! `peshub participants` and `peshub sources`

mod access;

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::client::ClientArgs;
use crate::cli::postings::division;
use crate::cli::{Outcome, output};
use crate::client::error::ClientError;
use crate::dev::{self, Database};
use crate::json;
use crate::kernel::clock::{Clock as _, SystemClock};
use crate::participants::commands::{self, Duty, Proof, TOKEN_DAYS, fresh_token, issued};
use crate::pb::peshub::common::v1::Role;
use crate::pb::peshub::participants::v1 as pb;
use crate::platform::action::role_number;
use crate::platform::config::{DatabaseOptions, EnvironmentOptions, Surroundings};
use crate::platform::db::Db;

/// Commands of `peshub participants`.
#[derive(Debug, Subcommand)]
pub(super) enum ParticipantsCommand {
    /// Register the operator of a new hub with its three administrators, straight in its database. Refused once there is one.
    Bootstrap(BootstrapArgs),
    /// Register an organisation; it may do nothing until it is granted roles. For system administrators.
    Add(AddArgs),
    /// List the organisations. For administrators.
    List(ListArgs),
    #[command(flatten)]
    Access(access::AccessCommand),
    /// Say who the caller is to the hub.
    Whoami(ListArgs),
}

/// Commands of `peshub sources`.
#[derive(Debug, Subcommand)]
pub(super) enum SourcesCommand {
    /// Create a source of the caller.
    Create(CreateArgs),
    /// List the caller's sources and how far their lanes are.
    List(ListArgs),
}

#[derive(Args, Debug)]
pub(super) struct BootstrapArgs {
    /// Short name of the operator.
    name: String,
    /// URI name of the system administrator's client certificate. Without one, a bearer token is printed.
    #[arg(long)]
    certificate_uri: Option<String>,
    /// URI name of the security administrator's client certificate. Without one, a bearer token is printed.
    #[arg(long)]
    security_certificate_uri: Option<String>,
    /// URI name of the auditor's client certificate. Without one, a bearer token is printed.
    #[arg(long)]
    audit_certificate_uri: Option<String>,
    #[command(flatten)]
    environment: EnvironmentOptions,
    #[command(flatten)]
    database: DatabaseOptions,
    /// One JSON object a token.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct AddArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Short name: letters a-z, digits and `-`.
    name: String,
    /// Name for people.
    #[arg(long)]
    display_name: String,
    /// What it is.
    #[arg(long)]
    kind: Kind,
    /// A bureau's division, GB/T 2260 or ISO 3166-2. May be given several times.
    #[arg(long = "division", value_name = "CODE")]
    divisions: Vec<String>,
    /// URI name of a client certificate that speaks for it. May be given several times.
    #[arg(long = "certificate-uri", value_name = "URI")]
    certificate_uris: Vec<String>,
    /// Also make a bearer token and print it.
    #[arg(long)]
    with_token: bool,
    /// One JSON object, the token in it.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Bureau,
    Platform,
    Issuer,
    Operator,
}

#[derive(Args, Debug)]
pub(super) struct CreateArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Name of the source, unique at the hub.
    name: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: ParticipantsCommand) -> Outcome {
    match command {
        ParticipantsCommand::Bootstrap(args) => bootstrap(args).await,
        ParticipantsCommand::Add(args) => add(args).await,
        ParticipantsCommand::List(args) => list(args).await,
        ParticipantsCommand::Whoami(args) => whoami(args).await,
        ParticipantsCommand::Access(command) => access::run(command).await,
    }
}

async fn bootstrap(args: BootstrapArgs) -> Outcome {
    let surroundings = Surroundings::of_process();
    let data_dir = match &args.database.data_dir {
        Some(data_dir) => data_dir.clone(),
        None => dev::default_data_dir(&surroundings).await?,
    };
    let url = args.database.database_url.as_deref();
    let database = Database::open(url, &data_dir, surroundings.search_path).await?;
    let db = Db::open(database.options.clone(), 4);
    let (now, environment) = (SystemClock.now(), args.environment.environment);
    let mut tokens = Vec::new();
    let mut duties = Vec::new();
    for (system, role, uri) in [
        ("system", Role::SystemAdministrator, args.certificate_uri),
        ("security", Role::SecurityAdministrator, args.security_certificate_uri),
        ("audit", Role::Auditor, args.audit_certificate_uri),
    ] {
        let proof = match uri {
            Some(uri) => Proof::Certificate(uri),
            None => {
                let token = fresh_token()?;
                let kept = issued(&token, now, TOKEN_DAYS);
                tokens.push((system, token));
                Proof::Token(kept)
            }
        };
        duties.push(Duty { system, role: role_number(role), proof });
    }
    let registered = commands::bootstrap(&db, &args.name, environment, &duties, now).await;
    db.close().await;
    database.close().await?;
    registered?;
    output::error(&format!("{} is the operator of this hub", args.name));
    for (system, token) in tokens {
        if args.json {
            output::json(&serde_json::json!({ "system": system, "token": token }));
        } else {
            output::line(&format!("{system} {token}"));
        }
    }
    Ok(())
}

async fn add(args: AddArgs) -> Outcome {
    let connection = args.client.connect().await?;
    let kind = match args.kind {
        Kind::Bureau => pb::ParticipantKind::Bureau,
        Kind::Platform => pb::ParticipantKind::Platform,
        Kind::Issuer => pb::ParticipantKind::Issuer,
        Kind::Operator => pb::ParticipantKind::Operator,
    };
    let participant = pb::Participant {
        name: args.name,
        display_name: args.display_name,
        kind: kind.into(),
        divisions: args.divisions.iter().map(|code| division(code)).collect(),
        certificate_uris: args.certificate_uris,
        ..pb::Participant::default()
    };
    let request = pb::RegisterParticipantRequest {
        participant: Some(participant),
        with_token: args.with_token,
        request_id: String::new(),
    };
    let answer = connection.participants().register_participant(request).await;
    let answer = answer.map_err(ClientError::from)?.into_inner();
    if args.json {
        let name = "peshub.participants.v1.RegisterParticipantResponse";
        output::json(&json::of_message(name, &answer)?);
        return Ok(());
    }
    output::error(&headline(&answer.participant.unwrap_or_default()));
    if args.with_token {
        output::line(&answer.token);
    }
    Ok(())
}

async fn list(args: ListArgs) -> Outcome {
    let connection = args.client.connect().await?;
    let mut page_token = String::new();
    loop {
        let request = pb::ListParticipantsRequest { page_size: 500, page_token };
        let page = connection.participants().list_participants(request).await;
        let page = page.map_err(ClientError::from)?.into_inner();
        for participant in &page.participants {
            show(participant, args.json)?;
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}

async fn whoami(args: ListArgs) -> Outcome {
    let connection = args.client.connect().await?;
    let answer = connection.participants().get_caller(pb::GetCallerRequest {}).await;
    let answer = answer.map_err(ClientError::from)?.into_inner();
    if args.json {
        output::json(&json::of_message("peshub.participants.v1.GetCallerResponse", &answer)?);
    } else {
        show(&answer.participant.unwrap_or_default(), false)?;
        output::line(&format!("  as system {}: {}", answer.system, access::roles(&answer.roles)));
        for method in answer.granted_methods {
            output::line(&format!("  may call {method}"));
        }
    }
    Ok(())
}

fn show(participant: &pb::Participant, as_json: bool) -> Result<(), json::JsonError> {
    if as_json {
        output::json(&json::of_message("peshub.participants.v1.Participant", participant)?);
    } else {
        output::line(&headline(participant));
    }
    Ok(())
}

fn headline(participant: &pb::Participant) -> String {
    let kind = pb::ParticipantKind::try_from(participant.kind).unwrap_or_default();
    let kind = kind.as_str_name().trim_start_matches("PARTICIPANT_KIND_").to_lowercase();
    let divisions: Vec<_> = participant
        .divisions
        .iter()
        .map(|division| format!("{} {}", division.code, division.name))
        .collect();
    let locked = if participant.disabled_at.is_some() { " · locked out" } else { "" };
    format!(
        "{} · {kind} · {} · {}{locked}",
        participant.name,
        participant.display_name,
        divisions.join(", ")
    )
}

pub(super) async fn run_sources(command: SourcesCommand) -> Outcome {
    match command {
        SourcesCommand::Create(args) => {
            let connection = args.client.connect().await?;
            let request = pb::CreateSourceRequest { name: args.name, request_id: String::new() };
            let answer = connection.participants().create_source(request).await;
            let source = answer.map_err(ClientError::from)?.into_inner().source.unwrap_or_default();
            if args.json {
                output::json(&json::of_message("peshub.participants.v1.Source", &source)?);
            } else {
                output::line(&source.name);
            }
            Ok(())
        }
        SourcesCommand::List(args) => sources(args).await,
    }
}

async fn sources(args: ListArgs) -> Outcome {
    let connection = args.client.connect().await?;
    let answer = connection.participants().list_sources(pb::ListSourcesRequest {}).await;
    for source in answer.map_err(ClientError::from)?.into_inner().sources {
        if args.json {
            output::json(&json::of_message("peshub.participants.v1.Source", &source)?);
            continue;
        }
        output::line(&source.name);
        for lane in source.lanes {
            let name = if lane.name.is_empty() { "(main)" } else { &lane.name };
            output::line(&format!("  lane {name}: last batch {}", lane.last_batch_id));
        }
    }
    Ok(())
}
