//! `peshub migrate`

use clap::{Args, Subcommand};

use crate::cli::{Outcome, output};
use crate::dev::{self, Database};
use crate::platform::config::{DatabaseOptions, Surroundings};
use crate::platform::db::Db;
use crate::platform::db::schema::{Schema, State};

/// Commands of `peshub migrate`.
#[derive(Debug, Subcommand)]
pub(super) enum MigrateCommand {
    /// Apply what is missing. One runner at a time; others wait for it.
    Up(UpArgs),
    /// Say what is applied and what is missing.
    Status(MigrateArgs),
}

#[derive(Args, Debug)]
pub(super) struct UpArgs {
    #[command(flatten)]
    common: MigrateArgs,
    /// Only say what would be applied, and how it is rolled out; apply nothing.
    #[arg(long)]
    plan: bool,
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
    let (MigrateCommand::Up(UpArgs { common: args, .. }) | MigrateCommand::Status(args)) = &command;
    let options = &args.database;
    let surroundings = Surroundings::of_process();
    let data_dir = match &options.data_dir {
        Some(data_dir) => data_dir.clone(),
        None => dev::default_data_dir(&surroundings).await?,
    };
    let url = options.database_url.as_deref();
    let database = Database::open(url, &data_dir, surroundings.search_path).await?;
    let db = Db::open(database.options.clone(), 4);
    let outcome = carry_out(&command, &db, args.json).await;
    db.close().await;
    database.close().await?;
    outcome
}

async fn carry_out(command: &MigrateCommand, db: &Db, as_json: bool) -> Outcome {
    match command {
        MigrateCommand::Up(UpArgs { plan: true, .. }) => {
            plan(&db.schema().await?, as_json);
            return Ok(());
        }
        MigrateCommand::Up(_) => {
            db.migrate().await.map_err(|error| {
                format!("{error}; nothing of that step was kept, unless it is one without a transaction. `peshub migrate status` says how far it is")
            })?;
        }
        MigrateCommand::Status(_) => {}
    }
    show(&db.schema().await?, as_json);
    Ok(())
}

fn show(schema: &Schema, as_json: bool) {
    for step in &schema.steps {
        tell(step.version, &step.description, step.state.word(), as_json);
    }
    for (version, description) in &schema.newer {
        tell(*version, description, "newer", as_json);
    }
}

fn tell(version: i64, description: &str, state: &str, as_json: bool) {
    if as_json {
        output::json(&serde_json::json!({
            "version": version,
            "description": description,
            "applied": matches!(state, "applied" | "newer"),
            "state": state,
        }));
    } else {
        output::line(&format!("{version:04} {description:<24} {state}"));
    }
}

fn plan(schema: &Schema, as_json: bool) {
    let mut missing = schema.steps_that_are(State::Missing).peekable();
    if missing.peek().is_none() {
        output::error("nothing is missing");
    }
    for step in missing {
        let (version, description, header) = (step.version, &step.description, &step.header);
        if as_json {
            output::json(&serde_json::json!({
                "version": version, "description": description, "about": header
            }));
        } else {
            output::line(&format!("{step}\n     {header}"));
        }
    }
}
