//! What all commands have in common: how they answer programs, how they end, how they explain themselves.

use std::collections::BTreeSet;
use std::process::Command;

use crate::program::{done, failed, peshub, text};
use crate::support::cluster;

/// Commands that answer with no data of their own, or with data that has a form of its own; each with why.
const WITHOUT_JSON: [(&str, &str); 40] = [
    ("serve", "runs until it is stopped"),
    ("dev", "runs until it is stopped, and tells a person what to try"),
    ("config sample", "prints TOML"),
    ("config reference", "prints Markdown"),
    ("participants set-quota", "prints nothing"),
    ("participants disable", "prints nothing"),
    ("participants enable", "prints nothing"),
    ("audit export", "writes lines of JSON"),
    ("audit proof", "writes one JSON object"),
    ("workers get", "prints one JSON object"),
    ("workers update", "prints nothing"),
    ("workers erase", "prints nothing"),
    ("workers prove", "writes one JSON object"),
    ("subsidies create-population", "prints JSON objects"),
    ("subsidies facts", "prints JSON objects"),
    ("subsidies findings", "prints JSON objects"),
    ("subsidies apply", "prints JSON objects"),
    ("subsidies evidence", "prints JSON objects"),
    ("subsidies withdraw", "prints JSON objects"),
    ("subsidies accept", "prints JSON objects"),
    ("subsidies appeal", "prints JSON objects"),
    ("subsidies application", "prints JSON objects"),
    ("subsidies watch-applications", "prints JSON objects"),
    ("subsidies request-evidence", "prints JSON objects"),
    ("subsidies hold", "prints JSON objects"),
    ("subsidies resume", "prints JSON objects"),
    ("subsidies decide", "prints JSON objects"),
    ("subsidies pay", "prints JSON objects"),
    ("subsidies claw-back", "prints JSON objects"),
    ("subsidies disclose", "prints JSON objects"),
    ("subsidies decision", "prints JSON objects"),
    ("subsidies export", "prints JSON objects"),
    ("subsidies set-budget", "prints JSON objects"),
    ("subsidies budgets", "prints JSON objects"),
    ("credentials key", "prints a JWK"),
    ("credentials present", "prints the presentation"),
    ("credentials consent withdraw", "prints nothing"),
    ("keys use", "prints nothing"),
    ("completions", "prints a script"),
    ("man", "writes files"),
];

/// Returns the commands that do something, by their path.
fn leaves<'a>(
    command: &'a clap::Command,
    path: &str,
    found: &mut Vec<(String, &'a clap::Command)>,
) {
    let mut inner = command.get_subcommands().filter(|it| it.get_name() != "help").peekable();
    if inner.peek().is_none() {
        found.push((path.to_owned(), command));
    }
    for inner in inner {
        let path = format!("{path} {}", inner.get_name());
        leaves(inner, path.trim(), found);
    }
}

/// Returns the commands that break the rule, and the exceptions that are none.
fn breaking(program: &clap::Command, exceptions: &[(&str, &str)]) -> Vec<String> {
    let mut all = Vec::new();
    leaves(program, "", &mut all);
    let excepted: BTreeSet<_> = exceptions.iter().map(|(path, _)| *path).collect();
    let has_json = |it: &clap::Command| it.get_arguments().any(|it| it.get_long() == Some("json"));
    let mut breaking = Vec::new();
    for (path, command) in &all {
        if has_json(command) == excepted.contains(path.as_str()) {
            breaking.push(path.clone());
        }
    }
    let gone = excepted.iter().filter(|path| !all.iter().any(|(it, _)| it == *path));
    breaking.extend(gone.map(|path| (*path).to_owned()));
    breaking
}

#[test]
fn every_command_that_prints_data_has_json() {
    let program = peshub::cli::definition();
    assert_eq!(breaking(&program, &WITHOUT_JSON), Vec::<String>::new());
    let planted = peshub::cli::definition()
        .subcommand(clap::Command::new("planted"))
        .mut_subcommand("man", |man| man.arg(clap::Arg::new("json").long("json")));
    assert_eq!(breaking(&planted, &WITHOUT_JSON), ["planted", "man"]);
}

/// Options whose values are base64url: one in sixty-four begins with a hyphen.
const BASE64URL: [&str; 3] = ["token", "nonce", "key-id"];

fn refusing_hyphens(command: &clap::Command) -> Vec<String> {
    let of = |it: &clap::Arg| it.get_long().is_some_and(|name| BASE64URL.contains(&name));
    let own = command.get_arguments().filter(|it| of(it) && !it.is_allow_hyphen_values_set());
    let own = own.map(|it| format!("{} {}", command.get_name(), it.get_id()));
    own.chain(command.get_subcommands().flat_map(refusing_hyphens)).collect()
}

#[test]
fn a_token_that_begins_with_a_hyphen_is_taken() {
    let program = peshub::cli::definition();
    assert_eq!(refusing_hyphens(&program), Vec::<String>::new());
    let planted = clap::Command::new("planted").arg(clap::Arg::new("nonce").long("nonce"));
    assert_eq!(refusing_hyphens(&program.subcommand(planted)), ["planted nonce"]);
}

#[test]
fn a_command_line_that_is_wrong_ends_with_two_and_help_with_zero() {
    let program = peshub::cli::definition();
    let mut all = Vec::new();
    leaves(&program, "", &mut all);
    assert!(all.len() > 60, "{}", all.len());
    let of = |path: &str| {
        let mut command: Command = peshub();
        command.args(path.split(' '));
        command
    };
    for (path, _) in &all {
        let said = failed(of(path).arg("--no-such-flag"), 2);
        assert!(said.contains("--no-such-flag"), "{path}: {said}");
        assert!(done(of(path).arg("--help")).contains("Usage:"), "{path}");
    }
}

#[test]
fn shells_get_completions_that_they_can_read() {
    for shell in ["bash", "zsh", "fish"] {
        let script = done(peshub().args(["completions", shell]));
        for word in ["doctor", "migrate", "feed-days", "checkpoints"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        let path = cluster::directory("completions").join(shell);
        std::fs::write(&path, &script).unwrap();
        // Where the shell is on this machine it says whether the script is one.
        if let Ok(output) = Command::new(shell).arg("-n").arg(&path).output() {
            assert!(output.status.success(), "{shell}: {}", text(&output.stderr));
        }
    }
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let dir = cluster::directory("man").join("man1");
    done(peshub().arg("man").arg(&dir));
    let program = peshub::cli::definition();
    let mut all = Vec::new();
    leaves(&program, "", &mut all);
    for (path, _) in &all {
        let page = dir.join(format!("peshub-{}.1", path.replace(' ', "-")));
        let page = std::fs::read_to_string(&page).unwrap_or_else(|_| panic!("{}", page.display()));
        assert!(page.contains(".SH DESCRIPTION"), "{path}");
    }
    let serve = std::fs::read_to_string(dir.join("peshub-serve.1")).unwrap();
    assert!(serve.contains("PESHUB_FEED_DAYS"), "a page names the variables");
}

#[test]
fn a_failure_names_the_command_to_try_next() {
    let dir = cluster::directory("next");
    let nowhere = "postgres://nobody@localhost/none?host=/nonexistent";
    let hub = ["--hub", "https://127.0.0.1:1"];
    for (arguments, next) in [
        (&["migrate", "status", "--database-url", nowhere][..], "peshub doctor"),
        (&[&["ping"], &hub[..]].concat(), "peshub serve"),
        (&[&["watch"], &hub[..]].concat(), "peshub ping"),
        (&["keys", "list", "empty"], "peshub keys init"),
    ] {
        let said = failed(peshub().current_dir(&dir).args(arguments), 1);
        assert!(said.contains(next), "{arguments:?}: {said}");
    }
}
