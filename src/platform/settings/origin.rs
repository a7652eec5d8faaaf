//! What counts for each setting, and where it comes from.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use crate::platform::config::Surroundings;
use crate::platform::settings::file::ConfigFile;
use crate::platform::settings::{self, Setting};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command.
    Flag(String),
    /// A variable.
    Variable(String),
    /// A line of the file.
    File(String),
    /// Nobody said.
    Default,
    /// Nobody said, and there is no default.
    Nothing,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(place) | Self::Variable(place) | Self::File(place) => f.write_str(place),
            Self::Default => f.write_str("default"),
            Self::Nothing => f.write_str("not set"),
        }
    }
}

/// A setting with what counts for it.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The setting.
    pub setting: Setting,
    /// Its value; that of a secret is not here.
    pub value: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Finds what counts for every setting, if the program were called with some arguments.
#[must_use]
pub fn resolve(
    program: &Command,
    arguments: &ArgMatches,
    file: &ConfigFile,
    surroundings: &Surroundings,
) -> Vec<Resolved> {
    let given = flags(program, arguments);
    let resolved = settings::all(program).into_iter().map(|setting| {
        let flag =
            given.iter().find(|(key, _)| *key == setting.key).map(|(_, value)| value.clone());
        let variable = surroundings.variables.value(&setting.variable);
        let entry = file.entry(&setting.key);
        let (value, origin) = match (flag, variable, entry, setting.default.clone()) {
            (Some(value), ..) => (Some(value), Origin::Flag(setting.flag.clone())),
            (None, Some(value), ..) => (Some(value), Origin::Variable(setting.variable.clone())),
            (None, None, Some(entry), _) => {
                let path = file.path.as_deref().map(|path| path.display().to_string());
                let place = format!("{}:{}", path.unwrap_or_default(), entry.line);
                (Some(entry.value.clone()), Origin::File(place))
            }
            (None, None, None, Some(value)) => (Some(value), Origin::Default),
            (None, None, None, None) => (None, Origin::Nothing),
        };
        let value = value.map(|value| setting.shown(&value));
        Resolved { setting, value, origin }
    });
    resolved.collect()
}

/// Returns the settings that were given as flags, the innermost command's last.
fn flags(program: &Command, arguments: &ArgMatches) -> Vec<(String, String)> {
    let (mut command, mut matches, mut found) = (program, arguments, Vec::new());
    loop {
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            let is_flag = matches.try_contains_id(id).is_ok()
                && matches.value_source(id) == Some(ValueSource::CommandLine);
            let raw = is_flag.then(|| matches.get_raw(id)).flatten().and_then(|mut all| all.next());
            if let (Some(key), Some(raw)) = (settings::key(argument), raw) {
                found.push((key, raw.to_string_lossy().into_owned()));
            }
        }
        let Some((name, inner)) = matches.subcommand() else { return found };
        let Some(next) = command.find_subcommand(name) else { return found };
        (command, matches) = (next, inner);
    }
}
