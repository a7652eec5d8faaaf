//! Settings: from a file, the environment and flags, each declared once.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use peshub::platform::settings::file::ConfigFile;
use serde_json::Value;

use crate::program::{done, failed, peshub, text};
use crate::support::{cluster, story};

/// A program that finds no file but the one that it is told of.
fn quiet(arguments: &[&str]) -> Command {
    let mut command = peshub();
    command.env_remove("PESHUB_CONFIG").env_remove("XDG_CONFIG_HOME");
    command.env("HOME", "/nonexistent").args(arguments);
    command
}

fn file(content: &str) -> PathBuf {
    let path = cluster::directory("config").join("peshub.toml");
    std::fs::write(&path, content).unwrap();
    path
}

fn shown(command: &mut Command, key: &str) -> (Value, String) {
    let lines = done(command);
    let all = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let found = all.into_iter().find(|it| it["key"] == key).expect("the setting");
    (found["value"].clone(), found["origin"].as_str().unwrap().to_owned())
}

#[test]
fn flags_come_before_variables_and_variables_before_the_file() {
    let path = file("# settings\nfeed_days = 7\n");
    let place = path.to_str().unwrap();
    let show = |config: &[&str]| {
        let mut command = quiet(&["config", "show", "--json"]);
        command.args(config);
        command
    };
    let from = |command: &mut Command| shown(command, "feed_days");
    assert_eq!(from(&mut show(&[])), ("30".into(), "default".to_owned()));
    let of_file = ("7".into(), format!("{place}:2"));
    assert_eq!(from(&mut show(&["--config", place])), of_file);
    assert_eq!(from(show(&[]).env("PESHUB_CONFIG", place)), of_file);
    let with = |command: &mut Command| from(command.env("PESHUB_FEED_DAYS", "8"));
    assert_eq!(with(&mut show(&["--config", place])), ("8".into(), "PESHUB_FEED_DAYS".to_owned()));
    let flag = ["--config", place, "--", "serve", "--feed-days", "9"];
    assert_eq!(with(&mut show(&flag)), ("9".into(), "--feed-days".to_owned()));
}

#[test]
fn the_file_is_found_where_it_is_looked_for() {
    let home = cluster::directory("home");
    let folder = home.join(".config/peshub");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("peshub.toml"), "quota_read = 5\n").unwrap();
    let show = || quiet(&["config", "show", "--json"]);
    let (value, origin) = shown(show().env("HOME", &home), "quota_read");
    assert_eq!(value, "5");
    assert!(origin.ends_with(".config/peshub/peshub.toml:1"), "{origin}");
    let moved = home.join("elsewhere");
    std::fs::create_dir_all(moved.join("peshub")).unwrap();
    std::fs::write(moved.join("peshub/peshub.toml"), "quota_read = 6\n").unwrap();
    let mut command = show();
    command.env("HOME", &home).env("XDG_CONFIG_HOME", &moved);
    assert_eq!(shown(&mut command, "quota_read").0, "6");
    let said = failed(quiet(&["config", "show"]).args(["--config", "/nonexistent/x.toml"]), 1);
    assert!(said.contains("/nonexistent/x.toml"), "a file that is named must be there: {said}");
}

#[test]
fn commands_work_by_what_stands_in_the_file() {
    story(async |world| {
        let url = cluster::url(&world.options);
        let path = file(&format!("database_url = \"{url}\"\n"));
        let path = path.to_str().unwrap();
        let status = done(&mut quiet(&["migrate", "status", "--config", path]));
        assert!(status.lines().all(|line| line.ends_with(" applied")), "{status}");
        // A setting that a command requires may stand there, and a switch as well.
        let path = file(&format!(
            "database_url = \"{url}\"\ntls_cert = \"/nonexistent/cert.pem\"\ntls_key = \"/nonexistent/key.pem\"\n\
             keys_dir = \"/nonexistent/keys\"\nhub_tokens = true\n"
        ));
        let said = failed(&mut quiet(&["serve", "--config", path.to_str().unwrap()]), 1);
        assert!(said.contains("/nonexistent/cert.pem cannot be read"), "{said}");
    });
}

#[test]
fn what_is_wrong_with_a_file_is_all_told_with_its_place() {
    let path = file(
        "feed_day = 3\nlisten = 7\n  feed_days = 99999\nlog_format = \"xml\"\nhub_tokens = \"yes\"\n\n[postgres]\nurl = \"x\"\n",
    );
    let place = path.to_str().unwrap();
    let mut check = quiet(&["config", "check", place]);
    let output = check.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stdout);
    let expected = [
        ":1:1: there is no setting feed_day; did you mean feed_days?",
        ":2:10: listen must be text in quotes",
        ":3:15: feed_days cannot be 99999: 99999 is not in 1..=3650",
        ":4:14: log_format cannot be xml: it is one of text, json",
        ":5:14: hub_tokens must be true or false",
        ":7:2: there is no setting postgres; `peshub config sample` lists them",
    ];
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{told}");
    for (line, expected) in lines.iter().zip(expected) {
        assert_eq!(*line, format!("{place}{expected}"));
    }
    // No command works with such a file, whatever else it was told; those that help do.
    for arguments in [&["serve"][..], &["pki", "list", "--dir", "x"], &["doctor"]] {
        let said = failed(quiet(arguments).args(["--config", place]), 2);
        assert!(said.contains("did you mean feed_days?") && said.contains(":7:2"), "{said}");
        assert!(said.contains("peshub config check"), "{said}");
    }
    done(quiet(&["completions", "bash"]).args(["--config", place]));
    let path = file("feed_days = 3\nfeed_days 4\n");
    let said = failed(quiet(&["migrate", "status", "--config"]).arg(&path), 2);
    assert!(said.contains("peshub.toml:2:"), "{said}");
    let mut check = quiet(&["config", "check", "--json", place]);
    let first = text(&check.output().unwrap().stdout);
    let first: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    assert_eq!((&first["line"], &first["column"]), (&1.into(), &1.into()));
}

#[test]
fn a_variable_that_only_looks_like_a_setting_is_told_of() {
    let mut check = quiet(&["config", "check"]);
    let output = check.env("PESHUB_FEED_DAY", "3").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stdout);
    assert!(told.contains("did you mean PESHUB_FEED_DAYS?"), "{told}");
    assert!(quiet(&["config", "check"]).status().unwrap().success());
}

#[test]
fn secrets_are_shown_nowhere() {
    const SECRET: &str = "hunter2";
    let path = file(&format!(
        "database_url = \"postgres://hub:{SECRET}@db/peshub\"\ntoken = \"{SECRET}\"\n"
    ));
    let place = path.to_str().unwrap();
    for arguments in [
        &["config", "show", "--origin"][..],
        &["config", "show", "--json"],
        &["serve", "--help"],
        &["watch", "--help"],
    ] {
        let mut command = quiet(arguments);
        command.args(["--config", place]);
        if arguments.contains(&"--help") {
            command.env("PESHUB_DATABASE_URL", SECRET).env("PESHUB_TOKEN", SECRET);
        }
        let told = done(&mut command);
        assert!(!told.contains(SECRET), "{arguments:?}: {told}");
    }
    let (value, origin) =
        shown(quiet(&["config", "show", "--json"]).args(["--config", place]), "database_url");
    assert_eq!((value, origin), ("(secret)".into(), format!("{place}:1")));
    // Not even when it cannot be used.
    let path = file(&format!("database_url = {{ password = \"{SECRET}\" }}\n"));
    let said = failed(quiet(&["migrate", "status", "--config"]).arg(&path), 2);
    assert!(said.contains("database_url must be text") && !said.contains(SECRET), "{said}");
}

#[test]
fn who_says_who_calls_does_not_mean_what_the_file_says() {
    let path = file("as = \"platform-north\"\ncert = \"/nonexistent/of-file.pem\"\nkey = \"/x\"\n");
    let path = path.to_str().unwrap();
    let ping = |arguments: &[&str]| {
        let mut command = quiet(&["ping", "--config", path, "--hub", "https://127.0.0.1:1"]);
        failed(command.args(arguments), 1)
    };
    let said = ping(&["--cert", "/nonexistent/mine.pem", "--key", "/nonexistent/mine.key"]);
    assert!(said.contains("/nonexistent/mine.pem"), "{said}");
    let said = ping(&["--as", "bureau-zhejiang", "--data-dir", "/nonexistent"]);
    assert!(said.contains("/nonexistent/dev/"), "{said}");
    let path = file("cert = \"/nonexistent/of-file.pem\"\n");
    let said = failed(quiet(&["ping", "--config"]).arg(path), 1);
    assert!(said.contains("--cert and --key belong together"), "{said}");
}

/// Returns the variables that the help of a command and of all below it names.
fn variables(command: &clap::Command, path: &[String], found: &mut BTreeSet<String>) {
    let help = done(quiet(&[]).args(path).arg("--help"));
    for part in help.split("[env: PESHUB_").skip(1) {
        let end = part.find(['=', ']']).expect("an end");
        found.insert(part[..end].to_lowercase());
    }
    for inner in command.get_subcommands().filter(|it| it.get_name() != "help") {
        let path = [path, &[inner.get_name().to_owned()]].concat();
        variables(inner, &path, found);
    }
}

fn lacking(sample: &str, variables: &BTreeSet<String>) -> Vec<String> {
    let keys: BTreeSet<_> = sample
        .lines()
        .filter_map(|line| line.strip_prefix('#')?.split_once(" = "))
        .filter(|(key, _)| !key.contains(' '))
        .map(|(key, _)| key)
        .collect();
    variables.iter().filter(|key| !keys.contains(key.as_str())).cloned().collect()
}

#[test]
fn the_sample_has_every_setting_and_is_right() {
    let sample = done(&mut quiet(&["config", "sample"]));
    let mut all = BTreeSet::new();
    variables(&peshub::cli::definition(), &[], &mut all);
    assert!(all.remove("config") && all.len() > 40, "{all:?}");
    assert_eq!(lacking(&sample, &all), Vec::<String>::new());
    let without: Vec<_> = sample.lines().filter(|line| !line.starts_with("#feed_days")).collect();
    assert_eq!(lacking(&without.join("\n"), &all), ["feed_days"], "one that lacks is found");

    let uncommented: Vec<_> = sample
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => rest,
            _ => line,
        })
        .collect();
    let path = file(&uncommented.join("\n"));
    let output = quiet(&["config", "check"]).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains(&format!("{} settings", all.len())));
}

#[test]
fn the_guide_has_every_setting() {
    let table = done(&mut quiet(&["config", "reference"]));
    crate::operations::assert_page_has("docs/guides/configuration.md", "settings", &table);
}

#[test]
fn who_tries_things_out_does_not_do_it_on_the_database_of_the_file() {
    let path = file("database_url = \"postgres://hub@production/peshub\"\n");
    let program = peshub::cli::definition();
    let read = ConfigFile::read(&path, &program).expect("a file that is right").beneath(program);
    let default = |command: &str| {
        let command = read.find_subcommand(command).unwrap();
        let url = command.get_arguments().find(|it| it.get_id() == "database_url").unwrap();
        !url.get_default_values().is_empty()
    };
    assert!(default("serve") && default("doctor") && !default("dev"));
}

/// A setting of several commands means the same everywhere.
#[test]
fn a_setting_is_the_same_kind_of_thing_in_every_command() {
    fn walk<'a>(command: &'a clap::Command, all: &mut Vec<(String, &'a clap::Arg)>) {
        for argument in command.get_arguments() {
            if let Some(key) = peshub::platform::settings::key(argument) {
                all.push((key, argument));
            }
        }
        for inner in command.get_subcommands() {
            walk(inner, all);
        }
    }
    let (program, mut all) = (peshub::cli::definition(), Vec::new());
    walk(&program, &mut all);
    for (key, argument) in &all {
        let (_, first) = all.iter().find(|(other, _)| other == key).unwrap();
        let same = |one: &clap::Arg, other: &clap::Arg| {
            one.get_value_parser().type_id() == other.get_value_parser().type_id()
                && one.is_hide_env_values_set() == other.is_hide_env_values_set()
                && one.get_default_values() == other.get_default_values()
        };
        assert!(same(first, argument), "{key} is declared twice, and differently");
    }
}
