//! The settings written out: a file to begin with, and a table for the guide.

use std::fmt::Write as _;

use crate::platform::settings::{Kind, Setting};

/// Width of the comments.
const COLUMNS: usize = 100;

const HEAD: &str = "\
# Settings of peshub. Every key is also a variable (feed_days is PESHUB_FEED_DAYS) and a flag (--feed-days): flags come before
# variables, variables before this file. What stands here behind a # is the default, or an example where there is none.
# `peshub config check FILE` says what is wrong; `peshub config show --origin` says where each value comes from.
";

/// Returns a file with every setting, commented out.
#[must_use]
pub fn file(settings: &[Setting]) -> String {
    let mut text = HEAD.to_owned();
    for setting in settings {
        text.push('\n');
        for line in wrapped(&setting.help) {
            writeln!(text, "# {line}").unwrap_or_default();
        }
        let words = if setting.words.is_empty() {
            String::new()
        } else {
            format!("One of {}. ", setting.words.join(", "))
        };
        let needed = if setting.is_required { "Required. " } else { "" };
        writeln!(text, "# {words}{needed}Read by {}.", readers(setting)).unwrap_or_default();
        writeln!(text, "#{} = {}", setting.key, example(setting)).unwrap_or_default();
    }
    text
}

/// Returns a table of every setting, Markdown.
#[must_use]
pub fn table(settings: &[Setting]) -> String {
    let mut text = "| key | variable | default | read by | |\n|---|---|---|---|---|\n".to_owned();
    for setting in settings {
        let default = match &setting.default {
            Some(value) => format!("`{}`", setting.kind.written(value)),
            None if setting.is_required => "required".to_owned(),
            None => "none".to_owned(),
        };
        let help =
            setting.help.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
        let readers = readers(setting);
        let (key, variable) = (&setting.key, &setting.variable);
        writeln!(text, "| `{key}` | `{variable}` | {default} | {readers} | {help} |")
            .unwrap_or_default();
    }
    text
}

fn example(setting: &Setting) -> String {
    let value = setting.default.as_deref().or(setting.words.first().map(String::as_str));
    match (value, setting.kind) {
        (Some(value), kind) => kind.written(value),
        (None, Kind::Number) => "1000".to_owned(),
        (None, Kind::Text | Kind::Switch) => "\"…\"".to_owned(),
    }
}

fn readers(setting: &Setting) -> String {
    /// More than these are not listed.
    const NAMED_MAX: usize = 4;
    match setting.commands.as_slice() {
        [] => "every command".to_owned(),
        some if some.len() <= NAMED_MAX => some.join(", "),
        some => {
            let named: Vec<_> = some.iter().take(NAMED_MAX - 1).map(String::as_str).collect();
            format!("{} and {} more", named.join(", "), some.len() - named.len())
        }
    }
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { continue };
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
