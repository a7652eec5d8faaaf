//! `peshub migrate`

use clap::{Args, Subcommand};

use crate::cli::{Outcome, output};
use crate::dev::{self, Database};
use crate::platform::config::{DatabaseOptions, Surroundings};
use crate::platform::db::{Db, MIGRATIONS};

/// Commands of `peshub migrate`.
#[derive(Debug, Subcommand)]
pub(super) enum MigrateCommand {
    /// Apply what is missing. One runner at a time; others wait for it.
    Up(MigrateArgs),
    /// Say what is applied and what is missing.
    Status(MigrateArgs),
}

#[derive(Args, Debug)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseOptions,
    /// One JSON object a step.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: MigrateCommand) -> Outcome {
    let (MigrateCommand::Up(args) | MigrateCommand::Status(args)) = &command;
    let options = &args.database;
    let surroundings = Surroundings::of_process();
    let data_dir = match &options.data_dir {
        Some(data_dir) => data_dir.clone(),
        None => dev::default_data_dir(&surroundings).await?,
    };
    let url = options.database_url.as_deref();
    let database = Database::open(url, &data_dir, surroundings.search_path).await?;
    let db = Db::open(database.options.clone(), 4);
    if matches!(command, MigrateCommand::Up(_)) {
        db.migrate().await?;
    }
    let applied = db.applied_steps().await?;
    for step in MIGRATIONS.iter() {
        let is_applied = applied.contains(&step.version);
        if args.json {
            let (version, description) = (step.version, step.description.as_ref());
            output::json(&serde_json::json!({
                "version": version, "description": description, "applied": is_applied
            }));
        } else {
            let state = if is_applied { "applied" } else { "missing" };
            output::line(&format!("{:04} {:<24} {state}", step.version, step.description));
        }
    }
    db.close().await;
    database.close().await?;
    Ok(())
}
