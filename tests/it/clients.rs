//! The example clients in other languages, each against a hub of its own. The scripts that run them know what is expected; where a
//! language or its packages cannot be had, they say so on the standard error.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::program::{text, without_settings};

/// How a script ends that has checked nothing.
const LEFT_OUT: i32 = 77;

fn run(script: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(script);
    let mut command = without_settings(Command::new(path));
    // The standard error is not kept back: what was left out is to be seen in a run that is green.
    command.env("PESHUB_BIN", env!("CARGO_BIN_EXE_peshub")).stderr(Stdio::inherit());
    let output = command.output().expect("the script");
    let said = text(&output.stdout);
    match output.status.code() {
        Some(0) => assert!(said.contains("client: all as expected"), "{said}"),
        Some(LEFT_OUT) => {}
        _ => panic!("{script} ended with {}:\n{said}", output.status),
    }
}

#[test]
fn the_examples_in_python_do_what_they_promise() {
    run("python-client-test");
}

#[test]
fn the_examples_in_node_do_what_they_promise() {
    run("node-client-test");
}
