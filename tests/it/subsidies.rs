//! Subsidies: the evaluator, programmes, eligibility, applications.

mod applications;
mod budget;
mod cel_spec;
mod check;
mod claims;
mod columns;
mod dates;
mod decisions;
mod differential;
mod editions;
pub(crate) mod evidence;
mod golden;
mod grammar;
mod hostile;
mod lapsed;
pub(crate) mod matrix;
pub(crate) mod matrix_applications;
pub(crate) mod matrix_populations;
mod overlays;
mod population;
mod program;
mod programmes;
mod refused;
mod replay;
pub(crate) mod shared;
mod simulate;
mod sound;
mod stream;
mod sweep;
mod told;
mod unknowns;

use std::path::{Path, PathBuf};

/// Returns where a file of the eligibility data is; says loudly when it is absent.
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PESHUB_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let path = root.join("eligibility").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("\n*** NOT CHECKED: {} is absent; set PESHUB_TEST_DATA ***\n", path.display());
    None
}
