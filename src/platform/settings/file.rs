//! The configuration file: TOML, one key for each setting.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use toml::de::{DeTable, DeValue};

use crate::platform::config::Surroundings;
use crate::platform::settings::{self, Kind, Setting};

/// Commands that try things out. They read no file: that of a hub in earnest names its database.
const TRYING_OUT: [&str; 2] = ["dev", "demo"];
/// Largest file.
const BYTES_MAX: usize = 256 * 1024;

/// What stands in a configuration file.
#[derive(Clone, Debug, Default)]
pub struct ConfigFile {
    /// Where it is; absent when there is none.
    pub path: Option<PathBuf>,
    entries: BTreeMap<String, Entry>,
}

/// A setting that stands in the file.
#[derive(Clone)]
pub struct Entry {
    /// Its value, as a flag would have it.
    pub value: String,
    /// The line of its key.
    pub line: usize,
}

impl std::fmt::Debug for Entry {
    /// Values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("line", &self.line).finish_non_exhaustive()
    }
}

/// What is wrong with a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}:{column}: {what}", path.display())]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1; 0 when it is the file as a whole.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what to do.
    pub what: String,
}

/// Returns whether a command reads the file.
#[must_use]
pub fn is_read_by(command: &str) -> bool {
    !TRYING_OUT.contains(&command)
}

/// Returns the file that was named, or else the first of the usual ones that exists.
#[must_use]
pub fn locate(named: Option<PathBuf>, surroundings: &Surroundings) -> Option<PathBuf> {
    named.or_else(|| usual_places(surroundings).into_iter().find(|path| path.is_file()))
}

/// Returns where the file is looked for when none is named.
#[must_use]
pub fn usual_places(surroundings: &Surroundings) -> Vec<PathBuf> {
    let absolute = surroundings.xdg_config_home.clone().filter(|path| path.is_absolute());
    let own = absolute.or_else(|| surroundings.home.as_ref().map(|home| home.join(".config")));
    let own = own.map(|folder| folder.join("peshub/peshub.toml"));
    own.into_iter().chain([PathBuf::from("/etc/peshub/peshub.toml")]).collect()
}

impl ConfigFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// All that is wrong with it.
    pub fn read(path: &Path, program: &Command) -> Result<Self, Vec<Problem>> {
        let whole = |what| vec![Problem { path: path.to_owned(), line: 0, column: 0, what }];
        let text = std::fs::read_to_string(path)
            .map_err(|error| whole(format!("cannot be read: {error}")))?;
        if text.len() > BYTES_MAX {
            return Err(whole(format!("is larger than {BYTES_MAX} bytes")));
        }
        let reading = Reading { path, text: &text, program, settings: settings::all(program) };
        let (entries, problems) = reading.read();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { path: Some(path.to_owned()), entries })
    }

    /// Returns what stands there for a setting.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Returns how many settings stand there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the program with what stands in the file as the defaults of its arguments.
    #[must_use]
    pub fn beneath(&self, program: Command) -> Command {
        let own = program.mut_args(|argument| {
            let entry = settings::key(&argument).and_then(|key| self.entries.get(&key));
            let Some(entry) = entry else { return argument };
            let is_hidden = argument.is_hide_env_values_set();
            argument
                .required(false)
                .default_value(entry.value.clone())
                .hide_default_value(is_hidden)
        });
        own.mut_subcommands(|command| {
            if is_read_by(command.get_name()) { self.beneath(command) } else { command }
        })
    }

    /// Returns the file without what cannot stand beside the flags and variables of a call: whoever says `--cert` does not mean
    /// the `as` of the file.
    #[must_use]
    pub fn beside(&self, program: &Command, matches: &ArgMatches) -> Self {
        let (mut command, mut matches) = (program, matches);
        while let Some((name, inner)) = matches.subcommand() {
            let Some(found) = command.find_subcommand(name) else { break };
            (command, matches) = (found, inner);
        }
        let is_given = |id: &str| {
            let source = matches.try_contains_id(id).ok().and(matches.value_source(id));
            matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
        };
        let mut left = self.clone();
        for argument in command.get_arguments().filter(|it| !it.is_global_set()) {
            for other in command.get_arg_conflicts_with(argument) {
                for (given, dropped) in [(argument, other), (other, argument)] {
                    if is_given(given.get_id().as_str())
                        && let Some(key) = settings::key(dropped)
                    {
                        left.entries.remove(&key);
                    }
                }
            }
        }
        left
    }
}

/// A file that is being read.
struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
    program: &'a Command,
    settings: Vec<Setting>,
}

impl Reading<'_> {
    fn read(&self) -> (BTreeMap<String, Entry>, Vec<Problem>) {
        let (mut entries, mut problems) = (BTreeMap::new(), Vec::new());
        let table = match DeTable::parse(self.text) {
            Ok(table) => table,
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let what = error.message().replace('\n', ", ");
                return (entries, vec![self.problem(at, what)]);
            }
        };
        for (key, value) in table.get_ref() {
            let name = key.get_ref().as_ref();
            let Some(setting) = self.settings.iter().find(|setting| setting.key == name) else {
                let what = unknown(name, &self.settings);
                problems.push(self.problem(key.span().start, what));
                continue;
            };
            match self.value(setting, value.get_ref()) {
                Ok(value) => {
                    let (line, _) = self.place(key.span().start);
                    entries.insert(name.to_owned(), Entry { value, line });
                }
                Err(what) => {
                    let what = format!("{name} {what}");
                    problems.push(self.problem(value.span().start, what));
                }
            }
        }
        problems.sort_by_key(|problem| (problem.line, problem.column));
        (entries, problems)
    }

    fn value(&self, setting: &Setting, value: &DeValue<'_>) -> Result<String, String> {
        let (value, kind) = match value {
            DeValue::String(text) => (text.clone().into_owned(), Kind::Text),
            DeValue::Boolean(switch) => (switch.to_string(), Kind::Switch),
            DeValue::Integer(number) if number.radix() == 10 => (number.to_string(), Kind::Number),
            DeValue::Float(number) => (number.to_string(), Kind::Number),
            DeValue::Integer(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                return Err(format!("must be {}", setting.kind.name()));
            }
        };
        if kind != setting.kind {
            return Err(format!("must be {}", setting.kind.name()));
        }
        match self.refused(setting, &value) {
            Some(_) if setting.is_secret => Err("cannot be used".to_owned()),
            Some(why) => Err(format!("cannot be {value}: {why}")),
            None => Ok(value),
        }
    }

    /// Returns why a command that reads the setting refuses a value.
    fn refused(&self, setting: &Setting, value: &str) -> Option<String> {
        if setting.kind == Kind::Switch {
            return None;
        }
        let mut command = self.program;
        let path = setting.commands.first().map_or("", String::as_str);
        for name in path.split(' ').filter(|name| !name.is_empty()) {
            command = command.find_subcommand(name)?;
        }
        let command = command.clone().mut_args(|argument| argument.required(false));
        let given = format!("{}={value}", setting.flag);
        let error = command.try_get_matches_from(["peshub".to_owned(), given]).err()?;
        // Whatever else the command lacks is not the file's affair.
        let is_about_it =
            matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation)
                && error
                    .get(ContextKind::InvalidArg)
                    .is_some_and(|it| it.to_string().starts_with(&setting.flag));
        is_about_it.then(|| match std::error::Error::source(&error) {
            Some(why) => why.to_string(),
            None if setting.words.is_empty() => "it is not valid".to_owned(),
            None => format!("it is one of {}", setting.words.join(", ")),
        })
    }

    fn problem(&self, at: usize, what: String) -> Problem {
        let (line, column) = self.place(at);
        Problem { path: self.path.to_owned(), line, column, what }
    }

    /// Returns line and column of a byte, from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let last = before.rsplit('\n').next().unwrap_or_default();
        (line, last.chars().count() + 1)
    }
}

/// Returns what to say about a name that is no setting's.
#[must_use]
pub fn unknown(name: &str, settings: &[Setting]) -> String {
    let plain = name.replace('-', "_").to_ascii_lowercase();
    match settings::meant(&plain, settings.iter().map(|setting| setting.key.as_str())) {
        Some(meant) => format!("there is no setting {name}; did you mean {meant}?"),
        None => format!("there is no setting {name}; `peshub config sample` lists them"),
    }
}
