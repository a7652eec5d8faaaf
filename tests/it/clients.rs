//! The example clients in other languages, each against a hub of its own. The scripts that run them know what is expected; where a
//! language or its packages cannot be had, they say so on the standard error.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::program::{text, without_settings};

/// How a script ends that has checked nothing.
const LEFT_OUT: i32 = 77;

/// Runs a script with a hub, and returns how it ended and what it printed.
fn run(script: &str, hub: &str, error: Stdio) -> (Option<i32>, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(script);
    let mut command = without_settings(Command::new(path));
    let output = command.env("PESHUB_BIN", hub).stderr(error).output().expect("the script");
    (output.status.code(), text(&output.stdout))
}

fn check(script: &str) {
    // The standard error is not kept back: what was left out is to be seen in a run that is green.
    let (code, said) = run(script, env!("CARGO_BIN_EXE_peshub"), Stdio::inherit());
    if code == Some(LEFT_OUT) {
        return;
    }
    assert_eq!(code, Some(0), "{script}:\n{said}");
    assert!(said.contains("client: all as expected"), "{said}");
    // A hub that does not serve is no reason to leave anything out.
    assert_eq!(run(script, "false", Stdio::null()).0, Some(1), "{script}");
}

#[test]
fn the_examples_in_python_do_what_they_promise() {
    check("python-client-test");
}

#[test]
fn the_examples_in_node_do_what_they_promise() {
    check("node-client-test");
}
