//! `peshub completions` and `peshub man`

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use crate::cli::{Outcome, arguments, output};

/// Arguments of `peshub completions`.
#[derive(Args, Debug)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Arguments of `peshub man`.
#[derive(Args, Debug)]
pub(super) struct ManArgs {
    /// Directory to write them into; made if it is missing. One of `MANPATH`, or `/usr/local/share/man/man1`.
    directory: PathBuf,
}

pub(super) fn completions(args: &CompletionsArgs) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut arguments::program(), "peshub", &mut script);
    output::text(&String::from_utf8_lossy(&script));
}

pub(super) fn man(args: &ManArgs) -> Outcome {
    let directory = &args.directory;
    let written = std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(arguments::program(), directory));
    written.map_err(|error| format!("{}: {error}", directory.display()))?;
    output::error(&format!("{} has a page for every command", directory.display()));
    Ok(())
}
