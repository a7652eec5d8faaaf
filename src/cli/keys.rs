//! `peshub keys`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::cli::progress::Progress;
use crate::cli::{Outcome, output};
use crate::credentials::registry::rewrap as issuer_keys;
use crate::dev::{self, Database};
use crate::kernel::clock::{Clock as _, SystemClock};
use crate::kernel::fault::Fault;
use crate::platform::config::{DatabaseOptions, KeyOptions, Surroundings};
use crate::platform::db::Db;
use crate::platform::keys::Keys;
use crate::platform::keys::files::{self, KeyUse, Ring};
use crate::platform::keys::signing::Ed25519Signer;
use crate::workers::rewrap::{Done, Job, Report, STEP, rewrap};

/// Commands of `peshub keys`.
#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make the keys that a directory lacks.
    Init(ListArgs),
    /// List the keys of a directory and say which are in use.
    List(ListArgs),
    /// Make a new key. Master and index keys are put to use later, with `keys use`, when every replica has them.
    Rotate(RotateArgs),
    /// Put a key to use that every replica has.
    Use(UseArgs),
    /// Change the database over to the keys in use. Hubs may run meanwhile. Safe to stop and to repeat.
    Rewrap(RewrapArgs),
}

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    /// The key directory.
    dir: PathBuf,
    /// One JSON object a key.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct RotateArgs {
    /// The key directory.
    dir: PathBuf,
    #[command(flatten)]
    which: Which,
    /// Put it to use at once: only where all replicas read this very directory, or there is one.
    #[arg(long, conflicts_with = "signing")]
    now: bool,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Which {
    /// The key that wraps workers' keys.
    #[arg(long)]
    master: bool,
    /// The key by whose digests workers are found.
    #[arg(long)]
    index: bool,
    /// The key that checkpoints and receipts are signed with. Hubs take it up when they start.
    #[arg(long)]
    signing: bool,
}

#[derive(Args, Debug)]
pub(super) struct UseArgs {
    /// The key directory.
    dir: PathBuf,
    #[command(flatten)]
    which: Id,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Id {
    /// Id of the master key.
    #[arg(long, value_name = "ID")]
    master: Option<String>,
    /// Id of the index key.
    #[arg(long, value_name = "ID")]
    index: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct RewrapArgs {
    #[command(flatten)]
    keys: KeyOptions,
    #[command(flatten)]
    database: DatabaseOptions,
    /// One JSON object, and one for each key that is not in use.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: KeysCommand) -> Outcome {
    match command {
        KeysCommand::Init(args) => {
            let keys = Keys::open_or_create(&args.dir)?;
            output::error(&format!("{} holds every key that a hub needs", args.dir.display()));
            list_all(&args, keys.signer.key_id())
        }
        KeysCommand::List(args) => {
            let keys = Keys::open(&args.dir)?;
            list_all(&args, keys.signer.key_id())
        }
        KeysCommand::Rotate(args) => rotate(&args),
        KeysCommand::Use(args) => {
            let (kind, id) = match (&args.which.master, &args.which.index) {
                (Some(id), _) => (KeyUse::Master, id),
                (None, Some(id)) => (KeyUse::Index, id),
                (None, None) => return Err("--master or --index is needed".into()),
            };
            files::put_to_use(&args.dir, kind, id)?;
            said_in_use(kind, id);
            Ok(())
        }
        KeysCommand::Rewrap(args) => rewrap_all(args).await,
    }
}

fn list_all(args: &ListArgs, signing: &str) -> Outcome {
    tell_key("signing", signing, true, args.json);
    list(&args.dir, args.json)
}

fn tell_key(kind: &str, id: &str, in_use: bool, as_json: bool) {
    if as_json {
        output::json(&serde_json::json!({"use": kind, "id": id, "in_use": in_use}));
    } else {
        output::line(&format!("{kind} {id}"));
    }
}

fn list(dir: &Path, as_json: bool) -> Outcome {
    let ids = Ring::read(dir)?.ids();
    let all =
        [("master", ids.masters, ids.current_master), ("index", ids.indexes, ids.current_index)];
    for (kind, keys, current) in all {
        for id in keys {
            let in_use = id == current;
            if as_json {
                output::json(&serde_json::json!({"use": kind, "id": id, "in_use": in_use}));
            } else {
                output::line(&format!("{kind} {id}{}", if in_use { " in use" } else { "" }));
            }
        }
    }
    Ok(())
}

fn rotate(args: &RotateArgs) -> Outcome {
    let dir = &args.dir;
    if args.which.signing {
        Ed25519Signer::replace(dir)?;
        tell_key("signing", Keys::open(dir)?.signer.key_id(), true, args.json);
        output::error("restart the replicas one after the other; both keys may sign meanwhile");
        return Ok(());
    }
    let kind = if args.which.master { KeyUse::Master } else { KeyUse::Index };
    let id = files::add(dir, kind)?;
    tell_key(kind.name(), &id, args.now, args.json);
    if args.now {
        files::put_to_use(dir, kind, &id)?;
        said_in_use(kind, &id);
    } else {
        let (program, kind) = (output::program(), kind.name());
        output::error(&format!(
            "not in use yet: when every replica has it, {program} keys use {} --{kind} {id}",
            dir.display()
        ));
    }
    Ok(())
}

fn said_in_use(kind: KeyUse, id: &str) {
    let kind = kind.name();
    output::error(&format!(
        "{kind} key {id} is in use as soon as the replicas read it, within seconds; then change the database over with \
         `peshub keys rewrap`, and keep the key of before until that says that nothing needs it"
    ));
}

async fn rewrap_all(args: RewrapArgs) -> Outcome {
    let surroundings = Surroundings::of_process();
    let data_dir = match &args.database.data_dir {
        Some(data_dir) => data_dir.clone(),
        None => dev::default_data_dir(&surroundings).await?,
    };
    let keys = Keys::open(args.keys.dir().ok_or("--keys-dir is missing")?)?;
    let url = args.database.database_url.as_deref();
    let database = Database::open(url, &data_dir, surroundings.search_path).await?;
    let db = Db::open(database.options.clone(), 4);
    let mut shown = Progress::of("steps");
    let mut progress = |done: Done| shown.at(done.rewrapped + done.indexed + done.removed, None);
    let vault = keys.vault.as_ref();
    let job = Job { db: &db, vault, now: SystemClock.now(), step: STEP };
    let outcome = rewrap(job, &mut progress).await;
    let report = outcome.map_err(Fault::from);
    let issuers = issuer_keys::rewrap(&db, vault, SystemClock.now()).await.map_err(Fault::from);
    let ids = vault.key_ids().await;
    db.close().await;
    database.close().await?;
    let (report, issuers, ids) = (report?, issuers?, ids?);
    let done = report.done;
    if args.json {
        output::json(&serde_json::json!({
            "rewrapped": done.rewrapped, "indexed": done.indexed, "removed": done.removed, "issuers": issuers.rewrapped
        }));
    } else {
        output::line(&counted(&done));
        if issuers.rewrapped > 0 {
            output::line(&format!("{} issuers' keys wrapped anew", issuers.rewrapped));
        }
    }
    for id in ids.masters.iter().filter(|id| **id != ids.current_master) {
        told_of("master", id, needed(&report, id) || issuers.masters.contains(id), args.json);
    }
    for id in ids.indexes.iter().filter(|id| **id != ids.current_index) {
        told_of("index", id, report.indexes.contains(id), args.json);
    }
    Ok(())
}

fn counted(done: &Done) -> String {
    format!(
        "{} keys wrapped anew, {} numbers digested anew, {} digests removed",
        done.rewrapped, done.indexed, done.removed
    )
}

fn needed(report: &Report, master: &str) -> bool {
    report.masters.iter().any(|(id, count)| id == master && *count > 0)
}

fn told_of(kind: &str, id: &str, is_needed: bool, as_json: bool) {
    if as_json {
        output::json(&serde_json::json!({"use": kind, "id": id, "is_needed": is_needed}));
        return;
    }
    let what = if is_needed {
        "is still needed: a replica uses it; run this again when all have read the new keys"
    } else {
        "is not needed by this database any more; backups from before need it to be read"
    };
    output::line(&format!("{kind} {id} {what}"));
}
