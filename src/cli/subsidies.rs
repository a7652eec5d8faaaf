//! `peshub subsidies`: who gets what, and what becomes of who applies.

mod applications;
mod eligibility;
mod replay;
mod said;

use clap::Subcommand;

use crate::cli::Outcome;

/// Commands of `peshub subsidies`.
#[derive(Debug, Subcommand)]
pub(super) enum SubsidiesCommand {
    #[command(flatten)]
    Eligibility(eligibility::EligibilityCommand),
    #[command(flatten)]
    Applications(applications::ApplicationsCommand),
    /// Make a decision's determination again from an export and hold it against what was signed. Needs no hub.
    Replay(replay::ReplayArgs),
}

/// Runs a command.
pub(super) async fn run(command: SubsidiesCommand) -> Outcome {
    match command {
        SubsidiesCommand::Eligibility(command) => eligibility::run(command).await,
        SubsidiesCommand::Applications(command) => applications::run(command).await,
        SubsidiesCommand::Replay(args) => replay::run(&args),
    }
}
