//! Settings: what may stand in the environment and in the configuration file, made from the arguments themselves.
//!
//! **Invariant:** an argument that reads a variable `PESHUB_X` is the setting `x`, and there is no other list of settings. Flags come
//! before variables, variables before the file, the file before defaults.

pub mod file;
pub mod origin;
pub mod sample;

use std::any::TypeId;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command};

/// What the variables of settings begin with.
pub const PREFIX: &str = "PESHUB_";
/// The file itself is no setting in it.
const FILE_KEY: &str = "config";

/// What is written for a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `"text"`.
    Text,
    /// `12`.
    Number,
    /// `true` or `false`.
    Switch,
}

impl Kind {
    fn of(argument: &Arg) -> Self {
        let type_id = argument.get_value_parser().type_id();
        let is_switch = matches!(argument.get_action(), ArgAction::SetTrue | ArgAction::SetFalse);
        if is_switch || type_id == TypeId::of::<bool>() {
            return Self::Switch;
        }
        // A type of its own that is written as a number.
        let default = argument.get_default_values().first().and_then(|it| it.to_str());
        if default.is_some_and(|default| default.parse::<f64>().is_ok()) {
            return Self::Number;
        }
        let numbers = [
            TypeId::of::<u16>(),
            TypeId::of::<u32>(),
            TypeId::of::<u64>(),
            TypeId::of::<usize>(),
            TypeId::of::<i32>(),
            TypeId::of::<i64>(),
            TypeId::of::<f64>(),
        ];
        if numbers.iter().any(|number| type_id == *number) { Self::Number } else { Self::Text }
    }

    /// Returns what is to be written, for a sentence.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text in quotes",
            Self::Number => "a number",
            Self::Switch => "true or false",
        }
    }

    /// Returns a value as it is written in the file.
    #[must_use]
    pub fn written(self, value: &str) -> String {
        match self {
            Self::Text => serde_json::Value::from(value).to_string(),
            Self::Number | Self::Switch => value.to_owned(),
        }
    }
}

/// One setting.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its name in the file.
    pub key: String,
    /// Its variable.
    pub variable: String,
    /// Its flag, `--x`.
    pub flag: String,
    /// What is written for it.
    pub kind: Kind,
    /// What it does, in one or more sentences.
    pub help: String,
    /// What counts when nobody says.
    pub default: Option<String>,
    /// The words it may be, if they are few.
    pub words: Vec<String>,
    /// Whether its value is shown to nobody.
    pub is_secret: bool,
    /// Whether a command is not run without it.
    pub is_required: bool,
    /// The commands that read it, such as `participants add`; empty when all do.
    pub commands: Vec<String>,
}

/// Returns the name in the file of the setting that an argument is.
#[must_use]
pub fn key(argument: &Arg) -> Option<String> {
    let variable = argument.get_env()?.to_str()?;
    let key = variable.strip_prefix(PREFIX)?.to_ascii_lowercase();
    (key != FILE_KEY).then_some(key)
}

/// Returns every setting of a program, in the order of its commands; those that all commands read are last.
#[must_use]
pub fn all(program: &Command) -> Vec<Setting> {
    let mut found = Vec::new();
    for command in program.get_subcommands() {
        collect(command, command.get_name(), &mut found);
    }
    collect_own(program, "", &mut found);
    found
}

/// Calls for each command with its path, from the outside to the inside.
fn collect(command: &Command, path: &str, found: &mut Vec<Setting>) {
    collect_own(command, path, found);
    for inner in command.get_subcommands() {
        collect(inner, &format!("{path} {}", inner.get_name()), found);
    }
}

fn collect_own(command: &Command, path: &str, found: &mut Vec<Setting>) {
    for argument in command.get_arguments() {
        let Some(key) = key(argument) else { continue };
        match found.iter_mut().find(|setting| setting.key == key) {
            Some(known) => known.commands.push(path.to_owned()),
            None => found.push(Setting::of(argument, key, path)),
        }
    }
}

impl Setting {
    fn of(argument: &Arg, key: String, path: &str) -> Self {
        let kind = Kind::of(argument);
        let help = argument.get_long_help().or(argument.get_help());
        let default = argument.get_default_values().first();
        let words = match kind {
            Kind::Text => words(argument.get_value_parser()),
            Kind::Number | Kind::Switch => Vec::new(),
        };
        Self {
            variable: format!("{PREFIX}{}", key.to_ascii_uppercase()),
            flag: format!("--{}", argument.get_long().unwrap_or_default()),
            key,
            kind,
            help: help.map(|help| sentence(&help.to_string())).unwrap_or_default(),
            default: match (default, kind) {
                (Some(default), _) => Some(default.to_string_lossy().into_owned()),
                (None, Kind::Switch) => Some("false".to_owned()),
                (None, Kind::Text | Kind::Number) => None,
            },
            words,
            is_secret: argument.is_hide_env_values_set(),
            is_required: argument.is_required_set(),
            commands: if path.is_empty() { Vec::new() } else { vec![path.to_owned()] },
        }
    }

    /// Returns a value as it may be shown.
    #[must_use]
    pub fn shown(&self, value: &str) -> String {
        if self.is_secret { "(secret)".to_owned() } else { value.to_owned() }
    }
}

/// Returns a help with the full stop that it has in the source.
fn sentence(help: &str) -> String {
    let help = help.trim_end();
    if help.ends_with('.') { help.to_owned() } else { format!("{help}.") }
}

fn words(parser: &ValueParser) -> Vec<String> {
    let words = parser.possible_values().into_iter().flatten();
    words.map(|word| word.get_name().to_owned()).collect()
}

/// Returns what somebody may have meant by a name that does not exist.
#[must_use]
pub fn meant<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let rated = known.map(|key| (strsim::normalized_damerau_levenshtein(name, key), key));
    let best = rated.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(likeness, _)| likeness.total_cmp(&0.6).is_ge()).map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction, Command, value_parser};

    use crate::platform::settings::{Kind, all};

    #[test]
    fn what_is_written_for_a_setting_follows_from_its_argument() {
        let argument = |name: &'static str| Arg::new(name).long(name).env(format!("PESHUB_{name}"));
        let on = argument("ON").action(ArgAction::SetTrue);
        let off = argument("OFF").action(ArgAction::Set).value_parser(value_parser!(bool));
        let serve = Command::new("serve")
            .arg(on)
            .arg(off.default_value("true"))
            .arg(argument("COUNT").value_parser(value_parser!(u32)))
            .arg(argument("SHARE").default_value("0.01"))
            .arg(argument("NAME"))
            .arg(Arg::new("no_setting").long("no-setting"));
        let found = all(&Command::new("peshub").subcommand(serve));
        let found: Vec<_> =
            found.iter().map(|it| (it.key.as_str(), it.kind, it.default.as_deref())).collect();
        let expected = [
            ("on", Kind::Switch, Some("false")),
            ("off", Kind::Switch, Some("true")),
            ("count", Kind::Number, None),
            ("share", Kind::Number, Some("0.01")),
            ("name", Kind::Text, None),
        ];
        assert_eq!(found, expected);
    }
}
