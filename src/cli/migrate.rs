//! `peshub migrate`

use clap::Subcommand;

use crate::cli::{Outcome, output};
use crate::dev::{self, Database};
use crate::platform::config::{DatabaseOptions, Surroundings};
use crate::platform::db::{Db, MIGRATIONS};

/// Commands of `peshub migrate`.
#[derive(Debug, Subcommand)]
pub(super) enum MigrateCommand {
    /// Apply what is missing. One runner at a time; others wait for it.
    Up(DatabaseOptions),
    /// Say what is applied and what is missing.
    Status(DatabaseOptions),
}

pub(super) async fn run(command: MigrateCommand) -> Outcome {
    let (MigrateCommand::Up(options) | MigrateCommand::Status(options)) = &command;
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
        let state = if applied.contains(&step.version) { "applied" } else { "missing" };
        output::line(&format!("{:04} {:<24} {state}", step.version, step.description));
    }
    db.close().await;
    database.close().await?;
    Ok(())
}
