//! `peshub workers`: personal data comes from files or standard input, since arguments can be read by others.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;

use crate::cli::client::ClientArgs;
use crate::cli::{Outcome, output};
use crate::client::error::ClientError;
use crate::json;
use crate::pb::peshub::workers::v1 as pb;

/// Commands of `peshub workers`.
#[derive(Debug, Subcommand)]
pub(super) enum WorkersCommand {
    /// Print the reference to a worker, registering the worker if nobody has. The identity number is read from a file.
    Register(RegisterArgs),
    /// Print what is known of a worker. It is recorded, and the worker can be shown the record.
    Get(GetArgs),
    /// Replace what the caller states about a worker.
    Update(UpdateArgs),
    /// Erase a worker for the whole hub. This cannot be undone.
    Erase(EraseArgs),
    /// List to whom a worker's data was disclosed, when, why and by what right.
    Disclosures(DisclosuresArgs),
    /// Print the proof that a disclosure of a worker's data stands in the audit trail, for `peshub audit verify --proof`.
    Prove(ProveArgs),
}

#[derive(Args, Debug)]
pub(super) struct RegisterArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// File with the identity number in its first line; `-` for standard input.
    #[arg(default_value = "-")]
    number: PathBuf,
    /// What kind of number it is.
    #[arg(long, default_value = "gb11643")]
    scheme: Scheme,
    /// ISO 3166-1 code of the country, with `--scheme other`.
    #[arg(long, default_value = "")]
    country: String,
    /// File with what is stated about the person, TOML: `native_name`, `latin_name`, `birth_date`, `telephone`, `email`, `postal`.
    #[arg(long)]
    person: Option<PathBuf>,
    /// Makes it safe to repeat.
    #[arg(long, default_value = "")]
    request_id: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scheme {
    Gb11643,
    Personnummer,
    Other,
}

#[derive(Args, Debug)]
pub(super) struct GetArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// The caller's reference to the worker.
    reference: String,
    /// What is needed. May be given several times.
    #[arg(long = "field", required = true)]
    fields: Vec<Field>,
    /// What for, as the worker will read it.
    #[arg(long)]
    purpose: String,
    #[command(flatten)]
    basis: Basis,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Field {
    NationalId,
    NativeName,
    LatinName,
    BirthDate,
    Contacts,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Basis {
    /// By which law, to the article.
    #[arg(long)]
    law: Option<String>,
    /// By which consent of the worker.
    #[arg(long)]
    consent: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct UpdateArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// The caller's reference to the worker.
    reference: String,
    /// File with all that is stated about the person from now on, TOML as for `register`; `-` for standard input.
    #[arg(default_value = "-")]
    person: PathBuf,
    /// Makes it safe to repeat.
    #[arg(long, default_value = "")]
    request_id: String,
}

#[derive(Args, Debug)]
pub(super) struct EraseArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// The caller's reference to the worker.
    reference: String,
    /// Makes it safe to repeat.
    #[arg(long, default_value = "")]
    request_id: String,
}

#[derive(Args, Debug)]
pub(super) struct DisclosuresArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// The caller's reference to the worker.
    reference: String,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct ProveArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// The caller's reference to the worker.
    reference: String,
    /// Name of the disclosure's entry, as `disclosures --json` has it.
    entry_id: String,
}

/// What is stated about a person, as a file has it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PersonFile {
    native_name: String,
    latin_name: String,
    birth_date: String,
    telephone: Vec<String>,
    email: Vec<String>,
    postal: Vec<String>,
}

pub(super) async fn run(command: WorkersCommand) -> Outcome {
    match command {
        WorkersCommand::Register(args) => register(args).await,
        WorkersCommand::Get(args) => get(args).await,
        WorkersCommand::Update(args) => {
            let (client, person) = (args.client, Some(person(&args.person)?));
            let (reference, request_id) = (args.reference, args.request_id);
            let request = pb::UpdateWorkerRequest { reference, person, request_id };
            let answer = client.connect().await?.workers().update_worker(request).await;
            answer.map_err(ClientError::from)?;
            Ok(())
        }
        WorkersCommand::Erase(args) => {
            let (reference, request_id) = (args.reference, args.request_id);
            let request = pb::EraseWorkerRequest { reference, request_id };
            let answer = args.client.connect().await?.workers().erase_worker(request).await;
            answer.map_err(ClientError::from)?;
            output::error("erased; what was known cannot be read any more");
            Ok(())
        }
        WorkersCommand::Disclosures(args) => disclosures(args).await,
        WorkersCommand::Prove(args) => {
            let (reference, entry_id) = (args.reference, args.entry_id);
            let request = pb::ProveDisclosureRequest { reference, entry_id };
            let answer = args.client.connect().await?.workers().prove_disclosure(request).await;
            output::line(&answer.map_err(ClientError::from)?.into_inner().document);
            Ok(())
        }
    }
}

async fn register(args: RegisterArgs) -> Outcome {
    let text = read(&args.number)?;
    let number = text.lines().next().unwrap_or_default().trim().to_owned();
    let scheme = match args.scheme {
        Scheme::Gb11643 => pb::NationalIdScheme::Gb11643,
        Scheme::Personnummer => pb::NationalIdScheme::Personnummer,
        Scheme::Other => pb::NationalIdScheme::Other,
    };
    let national_id = pb::NationalId { scheme: scheme.into(), number, country: args.country };
    let request = pb::RegisterWorkerRequest {
        national_id: Some(national_id),
        person: args.person.as_deref().map(person).transpose()?,
        request_id: args.request_id,
    };
    let answer = args.client.connect().await?.workers().register_worker(request).await;
    let answer = answer.map_err(ClientError::from)?.into_inner();
    if args.json {
        output::json(&json::of_message("peshub.workers.v1.RegisterWorkerResponse", &answer)?);
    } else {
        output::line(&answer.reference);
    }
    Ok(())
}

async fn get(args: GetArgs) -> Outcome {
    let field = |field: &Field| {
        let field = match field {
            Field::NationalId => pb::WorkerField::NationalId,
            Field::NativeName => pb::WorkerField::NativeName,
            Field::LatinName => pb::WorkerField::LatinName,
            Field::BirthDate => pb::WorkerField::BirthDate,
            Field::Contacts => pb::WorkerField::Contacts,
        };
        field.into()
    };
    let (kind, reference) = match (args.basis.law, args.basis.consent) {
        (Some(law), _) => (pb::LegalBasisKind::Law, law),
        (None, Some(consent)) => (pb::LegalBasisKind::Consent, consent),
        (None, None) => return Err("--law or --consent is needed".into()),
    };
    let request = pb::DiscloseWorkerRequest {
        reference: args.reference,
        fields: args.fields.iter().map(field).collect(),
        purpose: args.purpose,
        legal_basis: Some(pb::LegalBasis { kind: kind.into(), reference }),
    };
    let answer = args.client.connect().await?.workers().disclose_worker(request).await;
    let answer = answer.map_err(ClientError::from)?.into_inner();
    output::json(&json::of_message("peshub.workers.v1.DiscloseWorkerResponse", &answer)?);
    Ok(())
}

async fn disclosures(args: DisclosuresArgs) -> Outcome {
    let mut client = args.client.connect().await?.workers();
    let mut page_token = String::new();
    loop {
        let request = pb::ListDisclosuresRequest {
            reference: args.reference.clone(),
            page_size: 0,
            page_token,
        };
        let answer = client.list_disclosures(request).await;
        let answer = answer.map_err(ClientError::from)?.into_inner();
        for disclosure in answer.disclosures {
            let value = json::of_message("peshub.workers.v1.Disclosure", &disclosure)?;
            if args.json {
                output::json(&value);
                continue;
            }
            let at = value.get("at").and_then(serde_json::Value::as_str).unwrap_or_default();
            let basis = disclosure.legal_basis.unwrap_or_default();
            output::line(&format!(
                "{at} {}: {} ({})",
                disclosure.participant, disclosure.purpose, basis.reference
            ));
        }
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}

fn person(path: &Path) -> Result<pb::Person, Box<dyn std::error::Error + Send + Sync>> {
    // What the reader says about a mistake would repeat the line, which is about a person.
    let unreadable = |_| format!("{} is not what is asked for; see --help", path.display());
    let file: PersonFile = toml::from_str(&read(path)?).map_err(unreadable)?;
    let of = |kind: pb::ContactKind, values: Vec<String>| {
        values.into_iter().map(move |value| pb::Contact { kind: kind.into(), value })
    };
    let contacts = of(pb::ContactKind::Telephone, file.telephone)
        .chain(of(pb::ContactKind::Email, file.email))
        .chain(of(pb::ContactKind::Postal, file.postal));
    Ok(pb::Person {
        native_name: file.native_name,
        latin_name: file.latin_name,
        birth_date: file.birth_date,
        contacts: contacts.collect(),
    })
}

fn read(path: &Path) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let failed = |error| -> Box<dyn std::error::Error + Send + Sync> {
        format!("{} cannot be read: {error}", path.display()).into()
    };
    if path.as_os_str() != "-" {
        return std::fs::read_to_string(path).map_err(failed);
    }
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}
