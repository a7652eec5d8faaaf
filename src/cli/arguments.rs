//! How arguments, environment and configuration file become one: flags come before variables, variables before the file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::cli::{Cli, output};
use crate::platform::config::Surroundings;
use crate::platform::settings::file::{self, ConfigFile, Problem};

/// Exit code of a command line, or a configuration file, that cannot be carried out.
const WRONG: u8 = 2;

/// Returns the program's definition.
pub(super) fn program() -> clap::Command {
    // Whatever of a hub's settings is there is looked at, and whatever is missing is told of.
    Cli::command().mut_subcommand("doctor", |doctor| doctor.mut_args(|it| it.required(false)))
}

/// Reads what is to be done; says what is wrong, or helps, when nothing is.
pub(super) fn read() -> Result<Cli, ExitCode> {
    let surroundings = Surroundings::of_process();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let path = file::locate(named(&arguments, &surroundings), &surroundings);
    let (file, problems) = match path.map(|path| ConfigFile::read(&path, &program())) {
        None => (ConfigFile::default(), Vec::new()),
        Some(Ok(file)) => (file, Vec::new()),
        Some(Err(problems)) => (ConfigFile::default(), problems),
    };
    let cli = match parsed(&arguments, &file) {
        // A command that lacks what stands in a file that cannot be read would mislead.
        Err(error) if error.use_stderr() && !problems.is_empty() => return Err(refuse(&problems)),
        Err(error) => {
            let code = if error.use_stderr() { ExitCode::from(WRONG) } else { ExitCode::SUCCESS };
            // Nobody reads any more.
            error.print().unwrap_or_default();
            return Err(code);
        }
        Ok(cli) => cli,
    };
    if problems.is_empty() || cli.command.works_without_settings() {
        return Ok(cli);
    }
    Err(refuse(&problems))
}

fn refuse(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        output::error(&format!("peshub: {problem}"));
    }
    output::error("`peshub config check` says when it is right");
    ExitCode::from(WRONG)
}

fn parsed(arguments: &[OsString], file: &ConfigFile) -> Result<Cli, clap::Error> {
    let mut program = file.beneath(program());
    let mut matches = program.try_get_matches_from_mut(arguments)?;
    let beside = file.beside(&program, &matches);
    if beside.len() < file.len() {
        program = beside.beneath(self::program());
        matches = program.try_get_matches_from_mut(arguments)?;
    }
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut program))
}

/// Returns the file that a flag or a variable names, before anything else is read.
fn named(arguments: &[OsString], surroundings: &Surroundings) -> Option<PathBuf> {
    let mut left = arguments.iter().take_while(|it| *it != "--");
    while let Some(argument) = left.next() {
        if argument == "--config" {
            return left.next().map(PathBuf::from);
        }
        if let Some(path) = argument.to_str().and_then(|it| it.strip_prefix("--config=")) {
            return Some(Path::new(path).to_owned());
        }
    }
    surroundings.variables.value("PESHUB_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from)
}
