//! `peshub audit`

mod verify;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::client::ClientArgs;
use crate::cli::progress::Progress;
use crate::cli::{Outcome, output};
use crate::client::error::ClientError;
use crate::json;
use crate::pb::peshub::audit::v1 as pb;
use crate::platform::audit::hash::{Hex, to_hex};
use crate::platform::audit::keyring;
use crate::platform::audit::statement::PublicKey;

/// Commands of `peshub audit`.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Verify exports, receipts and proofs. Needs no hub.
    Verify(verify::VerifyArgs),
    /// Find entries of the audit trail.
    Search(SearchArgs),
    /// Write the audit trail to a file. For auditors.
    Export(ExportArgs),
    /// Write the proof that an entry is under a signed checkpoint.
    Proof(ProofArgs),
    /// List signed checkpoints. Who keeps one can later see that the trail up to it was not rewritten.
    Checkpoints(CheckpointsArgs),
    /// List the public keys that the hub has signed with.
    Keys(KeysArgs),
}

#[derive(Args, Debug)]
pub(super) struct SearchArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Of this participant; auditors only see others than their own.
    #[arg(long = "participant", value_name = "NAME", default_value = "")]
    of_participant: String,
    /// Of this system.
    #[arg(long, default_value = "")]
    system: String,
    /// Of this action, for example `postings.sync`.
    #[arg(long, default_value = "")]
    action: String,
    /// About things whose name begins so, for example `sources/north/`.
    #[arg(long, default_value = "")]
    subject_prefix: String,
    /// Of this event, for example `postings.synced`.
    #[arg(long, default_value = "")]
    event: String,
    /// Only what was refused.
    #[arg(long)]
    refusals_only: bool,
    /// Only disclosures of this worker's data, by the hub's own name for it. For auditors.
    #[arg(long, default_value = "")]
    worker_id: String,
    /// From this time on, for example `2026-11-23T00:00:00Z`.
    #[arg(long, value_parser = instant)]
    from: Option<OffsetDateTime>,
    /// Before this time.
    #[arg(long, value_parser = instant)]
    until: Option<OffsetDateTime>,
    /// Oldest first.
    #[arg(long)]
    oldest_first: bool,
    /// Most entries.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// File to write, which must not be there; `-` is the standard output.
    #[arg(long, short)]
    output: PathBuf,
    /// First entry, by its place in the chain. The export begins with the checkpoint over it.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    from: i64,
    /// Last entry. The export ends with the checkpoint over it; with the newest one when absent.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    until: i64,
}

#[derive(Args, Debug)]
pub(super) struct ProofArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// The entry, as its receipt names it.
    entry_id: String,
    /// File to write, which must not be there; the standard output when absent.
    #[arg(long, short)]
    output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct CheckpointsArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Number of the first one; the newest alone when absent.
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    from: Option<i64>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct KeysArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// As PEM, for other tools.
    #[arg(long, conflicts_with = "json")]
    pem: bool,
}

pub(super) async fn run(command: AuditCommand) -> Outcome {
    match command {
        AuditCommand::Verify(args) => verify::run(&args),
        AuditCommand::Search(args) => search(args).await,
        AuditCommand::Export(args) => export(args).await,
        AuditCommand::Proof(args) => proof(args).await,
        AuditCommand::Checkpoints(args) => checkpoints(args).await,
        AuditCommand::Keys(args) => keys(args).await,
    }
}

fn instant(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|error| error.to_string())
}

fn timestamp(at: OffsetDateTime) -> prost_types::Timestamp {
    let nanos = i32::try_from(at.nanosecond()).unwrap_or_default();
    prost_types::Timestamp { seconds: at.unix_timestamp(), nanos }
}

/// Returns a time as people write it.
fn told(at: Option<prost_types::Timestamp>) -> String {
    let at = at.and_then(|at| OffsetDateTime::from_unix_timestamp(at.seconds).ok());
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

async fn search(args: SearchArgs) -> Outcome {
    let connection = args.client.connect().await?;
    let filter = pb::AuditFilter {
        participant: args.of_participant,
        system: args.system,
        action: args.action,
        subject_prefix: args.subject_prefix,
        event: args.event,
        refusals_only: args.refusals_only,
        worker_id: args.worker_id,
        from: args.from.map(timestamp),
        until: args.until.map(timestamp),
    };
    let order =
        if args.oldest_first { pb::AuditOrder::OldestFirst } else { pb::AuditOrder::NewestFirst };
    let (mut shown, mut page_token) = (0, String::new());
    while shown < args.limit {
        let request = pb::SearchAuditRequest {
            filter: Some(filter.clone()),
            order: order.into(),
            page_size: i32::try_from((args.limit - shown).min(1_000)).unwrap_or(1_000),
            page_token,
        };
        let page = connection.audit().search_audit(request).await.map_err(ClientError::from)?;
        let page = page.into_inner();
        shown += page.entries.len();
        for entry in &page.entries {
            if args.json {
                if !output::json(&json::of_message("peshub.audit.v1.AuditEntry", entry)?) {
                    return Ok(());
                }
            } else {
                output::line(&headline(entry));
            }
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(())
}

/// Returns an entry in one line.
fn headline(entry: &pb::AuditEntry) -> String {
    let system = if entry.system.is_empty() { String::new() } else { format!("/{}", entry.system) };
    let happened = match entry.refusal.as_str() {
        "" => entry.event.clone(),
        refusal => format!("refused {refusal} ×{}", entry.times),
    };
    let place = if entry.seq == 0 { "-".to_owned() } else { entry.seq.to_string() };
    let mut line = format!(
        "{place} {} {}{system} · {} · {happened} · {} · {}",
        told(entry.at),
        entry.participant,
        entry.action,
        entry.subject,
        entry.entry_id
    );
    if !entry.purpose.is_empty() {
        line = format!("{line} · for {} · by {}", entry.purpose, entry.legal_basis);
    }
    line
}

/// Opens what is written to; a file must not be there, and is made only now.
fn created(path: &Path) -> Result<File, Box<dyn std::error::Error + Send + Sync>> {
    File::create_new(path)
        .map_err(|error| format!("{} cannot be made: {error}", path.display()).into())
}

async fn export(args: ExportArgs) -> Outcome {
    let connection = args.client.connect().await?;
    let request = pb::ExportAuditRequest { from_seq: args.from, until_seq: args.until };
    let called = connection.audit().export_audit(request).await;
    let mut pieces = called.map_err(ClientError::from)?.into_inner();
    let is_file = args.output.as_os_str() != "-";
    let file = if is_file { Some(created(&args.output)?) } else { None };
    let mut writer: Box<dyn Write + Send> = match &file {
        Some(file) => Box::new(BufWriter::new(file.try_clone()?)),
        None => Box::new(io::stdout()),
    };
    let (mut reached, mut until) = (0, 0);
    let mut progress = Progress::of("entries");
    loop {
        let piece = match pieces.message().await.map_err(ClientError::from) {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(error) => {
                writer.flush()?;
                let next = reached + 1;
                output::error(&format!(
                    "the export broke off after seq {reached}; what was written has no end. \
                     Go on in another file with --from {next}, or export again"
                ));
                return Err(error.into());
            }
        };
        writer.write_all(&piece.lines)?;
        if is_file {
            let first = args.from.max(1) - 1;
            let count = |seq: i64| u64::try_from(seq - first).unwrap_or_default();
            progress.at(count(piece.last_seq), Some(count(piece.until_seq)));
        }
        (reached, until) = (piece.last_seq, piece.until_seq);
    }
    drop(progress);
    writer.flush()?;
    if let Some(file) = file {
        file.sync_all()?;
        output::error(&format!("{} goes up to seq {until}", args.output.display()));
    }
    Ok(())
}

async fn proof(args: ProofArgs) -> Outcome {
    let connection = args.client.connect().await?;
    let request = pb::GetInclusionProofRequest { entry_id: args.entry_id };
    let answer = connection.audit().get_inclusion_proof(request).await;
    let document = answer.map_err(ClientError::from)?.into_inner().document;
    match args.output {
        Some(path) => writeln!(created(&path)?, "{document}")?,
        None => output::line(&document),
    }
    Ok(())
}

async fn checkpoints(args: CheckpointsArgs) -> Outcome {
    let connection = args.client.connect().await?;
    let mut client = connection.audit();
    let Some(mut next) = args.from else {
        let answer = client.get_latest_checkpoint(pb::GetLatestCheckpointRequest {}).await;
        let latest = answer.map_err(ClientError::from)?.into_inner().checkpoint;
        return latest.iter().try_for_each(|latest| show(latest, args.json).map(|_| ()));
    };
    loop {
        let request = pb::ListCheckpointsRequest { from_number: next, page_size: 1_000 };
        let page = client.list_checkpoints(request).await.map_err(ClientError::from)?.into_inner();
        let Some(last) = page.checkpoints.last() else { return Ok(()) };
        next = last.number + 1;
        for checkpoint in &page.checkpoints {
            if !show(checkpoint, args.json)? {
                return Ok(());
            }
        }
    }
}

fn show(
    checkpoint: &pb::Checkpoint,
    as_json: bool,
) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    if as_json {
        return Ok(output::json(&json::of_message("peshub.audit.v1.Checkpoint", checkpoint)?));
    }
    output::line(&format!(
        "checkpoint {} over seq {} to {} · key {}\n{}\nsignature {}",
        checkpoint.number,
        checkpoint.first_seq,
        checkpoint.last_seq,
        checkpoint.key_id,
        checkpoint.statement,
        to_hex(&checkpoint.signature)
    ));
    Ok(true)
}

async fn keys(args: KeysArgs) -> Outcome {
    let connection = args.client.connect().await?;
    let answer = connection.audit().list_signing_keys(pb::ListSigningKeysRequest {}).await;
    for key in answer.map_err(ClientError::from)?.into_inner().keys {
        if args.json {
            output::json(&json::of_message("peshub.audit.v1.SigningKey", &key)?);
        } else if args.pem {
            let (key_id, algorithm) = (key.key_id, key.algorithm);
            let key = PublicKey { key_id, algorithm, public_key: Hex(key.public_key.to_vec()) };
            output::line(keyring::pem(&key).trim_end());
        } else {
            let since = told(key.first_used_at);
            let digits = to_hex(&key.public_key);
            output::line(&format!("{} {} {digits} · since {since}", key.key_id, key.algorithm));
        }
    }
    Ok(())
}
