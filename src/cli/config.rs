//! `peshub config`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::output::Ended;
use crate::cli::{Outcome, arguments, output};
use crate::platform::config::Surroundings;
use crate::platform::settings::file::{self, ConfigFile};
use crate::platform::settings::origin::{self, Origin};
use crate::platform::settings::{self, sample};

/// Commands of `peshub config`.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Say what is wrong with a configuration file, and with variables that look like settings. Exit code 1 when something is.
    Check(CheckArgs),
    /// Show what counts for every setting, and where it comes from.
    Show(ShowArgs),
    /// Print a file with every setting, its default and what it does.
    Sample,
    /// Print every setting as a table, Markdown.
    Reference,
}

#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// The file; without it, the one that the other commands would read.
    file: Option<PathBuf>,
    /// One JSON object for each fault.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct ShowArgs {
    /// Say where each value comes from.
    #[arg(long)]
    origin: bool,
    /// One JSON object for each setting.
    #[arg(long)]
    json: bool,
    /// As if it were this command, such as `serve --feed-days 3`, behind `--`.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) fn run(command: ConfigCommand, config: Option<PathBuf>) -> Outcome {
    match command {
        ConfigCommand::Check(args) => check(args, config),
        ConfigCommand::Show(args) => show(&args, config),
        ConfigCommand::Sample => {
            output::text(&sample::file(&settings::all(&arguments::program())));
            Ok(())
        }
        ConfigCommand::Reference => {
            output::text(&sample::table(&settings::all(&arguments::program())));
            Ok(())
        }
    }
}

fn check(args: CheckArgs, config: Option<PathBuf>) -> Outcome {
    let surroundings = Surroundings::of_process();
    let program = arguments::program();
    let mut faults = 0;
    let mut tell = |place: &str, position: Option<(usize, usize)>, what: &str| {
        faults += 1;
        let (line, column) = position.unzip();
        if args.json {
            let fault = json!({ "place": place, "line": line, "column": column, "fault": what });
            output::json(&fault);
        } else {
            let position = position.map(|(line, column)| format!(":{line}:{column}"));
            output::line(&format!("{place}{}: {what}", position.unwrap_or_default()));
        }
    };
    let path = file::locate(args.file.or(config), &surroundings);
    let mut count = 0;
    match path.as_deref().map(|path| ConfigFile::read(path, &program)) {
        None => {}
        Some(Ok(file)) => count = file.len(),
        Some(Err(problems)) => {
            for it in problems {
                let position = (it.line > 0).then_some((it.line, it.column));
                tell(&it.path.display().to_string(), position, &it.what);
            }
        }
    }
    let settings = settings::all(&program);
    for name in surroundings.variables.names().filter(|name| *name != "PESHUB_CONFIG") {
        if !settings.iter().any(|setting| setting.variable == name) {
            let meant = settings::meant(name, settings.iter().map(|it| it.variable.as_str()));
            let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
            tell("environment", None, &format!("{name} is no setting and is not read{meant}"));
        }
    }
    if faults > 0 {
        return Err(Ended(1).into());
    }
    let places = file::usual_places(&surroundings);
    let told = match path {
        Some(path) => format!("{}: {count} settings, nothing wrong", path.display()),
        None => {
            let places: Vec<_> = places.iter().map(|it| it.display().to_string()).collect();
            format!("there is no configuration file; looked for {}", places.join(" and "))
        }
    };
    output::error(&told);
    Ok(())
}

fn show(args: &ShowArgs, config: Option<PathBuf>) -> Outcome {
    let surroundings = Surroundings::of_process();
    let program = arguments::program();
    let is_read = args.command.first().is_none_or(|command| file::is_read_by(command));
    let path = file::locate(config, &surroundings).filter(|_| is_read);
    let file = match path {
        Some(path) => ConfigFile::read(&path, &program).map_err(|problems| {
            let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
            told.join("\n")
        })?,
        None => ConfigFile::default(),
    };
    let own = ["peshub"].into_iter().chain(args.command.iter().map(String::as_str));
    // What the command lacks is for the command to say.
    let lenient = without_duties(file.beneath(program.clone()));
    let matches = lenient.try_get_matches_from(own)?;
    for found in origin::resolve(&program, &matches, &file, &surroundings) {
        let (key, origin) = (&found.setting.key, found.origin.to_string());
        if args.json {
            output::json(&json!({
                "key": key, "value": found.value, "origin": origin, "secret": found.setting.is_secret
            }));
            continue;
        }
        let line = match &found.value {
            Some(value) => format!("{key} = {}", found.setting.kind.written(value)),
            None => format!("#{key}"),
        };
        match (args.origin, &found.origin) {
            (true, _) => output::line(&format!("{line:<56} # {origin}")),
            (false, Origin::Nothing) => {}
            (false, _) => output::line(&line),
        }
    }
    Ok(())
}

fn without_duties(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|argument| argument.required(false));
    let command = command.subcommand_required(false).arg_required_else_help(false);
    command.mut_subcommands(without_duties)
}
