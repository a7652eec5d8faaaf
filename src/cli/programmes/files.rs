//! Programmes as files: lint, test and compare them without a hub.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::programmes::{said, tell};
use crate::cli::{Outcome, output};
use crate::json::programme as file;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::subsidies::domain::Catalogue;
use crate::subsidies::programme::CompiledProgramme;
use crate::subsidies::programme::compare::{Edition, compare};
use crate::subsidies::programme::finding::Finding;
use crate::subsidies::programme::review::{Review, review};
use crate::subsidies::wire::fact;
use crate::subsidies::wire::programme as render;

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Args, Debug)]
pub(in crate::cli) struct FilesArgs {
    /// YAML files as those under `programmes`.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// File with the catalogue of facts; `catalogue.yaml` beside each programme when absent.
    #[arg(long)]
    facts: Option<PathBuf>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct DiffArgs {
    /// The file before.
    before: PathBuf,
    /// The file after.
    after: PathBuf,
    /// File with the catalogue of facts; `catalogue.yaml` beside the file after when absent.
    #[arg(long)]
    facts: Option<PathBuf>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

fn text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()).into())
}

/// Reads the programme of a file.
pub(super) fn programme(path: &Path) -> Result<pb::Programme, Failure> {
    let wrong = |error: file::FileError| format!("{}: {error}", path.display());
    Ok(file::read(&text(path)?).map_err(wrong)?)
}

/// Reads the facts of a file.
pub(super) fn facts(path: &Path) -> Result<Vec<pb::FactDefinition>, Failure> {
    let wrong = |error: file::FileError| format!("{}: {error}", path.display());
    Ok(file::read_facts(&text(path)?).map_err(wrong)?)
}

/// Reads the catalogue for a programme's file.
fn catalogue(given: Option<&Path>, beside: &Path) -> Result<Catalogue, Failure> {
    let usual = beside.with_file_name("catalogue.yaml");
    let path = given.unwrap_or(&usual);
    let definitions = facts(path)?;
    let mut wrong = Vec::new();
    for (index, definition) in definitions.iter().enumerate() {
        if let Err(violations) = fact::definition(definition, &format!("facts[{index}].")) {
            let line = |it: &crate::kernel::fields::Violation| {
                format!("{}: {} ({}): {}", path.display(), it.field, definition.name, it.expected)
            };
            wrong.extend(violations.iter().map(line));
        }
    }
    if wrong.is_empty() { Ok(fact::catalogue(&definitions)) } else { Err(wrong.join("\n").into()) }
}

/// Reviews a programme as it is sent: what the contract's rules break comes first.
fn reviewed(path: &Path, catalogue: &Catalogue) -> Result<(pb::Programme, Review), Failure> {
    let programme = programme(path)?;
    let violations = crate::kernel::fields::check(&programme);
    if violations.is_empty() {
        let review = review(&programme, catalogue);
        return Ok((programme, review));
    }
    let finding = |it: crate::kernel::fields::Violation| {
        Finding::new(it.field, pb::FindingKind::Form, it.expected)
    };
    let findings = violations.into_iter().map(finding).collect();
    Ok((programme, Review { findings, ..Review::default() }))
}

/// `peshub programmes lint`
pub(super) fn lint(args: &FilesArgs) -> Outcome {
    let mut count = 0_usize;
    for path in &args.files {
        let catalogue = catalogue(args.facts.as_deref(), path)?;
        let (programme, review) = reviewed(path, &catalogue)?;
        count = count.saturating_add(review.findings.len());
        for finding in &review.findings {
            if !args.json {
                output::line(&format!("{}: {finding}", path.display()));
                continue;
            }
            tell("ProgrammeFinding", &render::finding(finding), true, |_| ())?;
        }
        if review.findings.is_empty() && !args.json {
            let name = path.display();
            let versions = programme.versions.len();
            output::line(&format!("{name}: {} · {versions} versions · sound", programme.name));
        }
    }
    if count == 0 { Ok(()) } else { Err(format!("{count} findings").into()) }
}

/// `peshub programmes test`
pub(super) fn test(args: &FilesArgs) -> Outcome {
    let (mut passed, mut failed) = (0_usize, 0_usize);
    for path in &args.files {
        let catalogue = catalogue(args.facts.as_deref(), path)?;
        let (programme, review) = reviewed(path, &catalogue)?;
        if review.compiled.is_none() {
            let lines: Vec<_> = review.findings.iter().map(ToString::to_string).collect();
            return Err(format!("{}: {}", path.display(), lines.join("\n")).into());
        }
        for case in &review.cases {
            let is_right = case.difference.is_empty();
            let counter = if is_right { &mut passed } else { &mut failed };
            *counter = counter.saturating_add(1);
            let words = |it: &pb::CaseOutcome| {
                let word = if it.passed { "ok" } else { "WRONG" };
                let gap = if it.passed { "" } else { ": " };
                output::line(&format!(
                    "{word:<5} {} {}{gap}{}",
                    programme.name, it.id, it.difference
                ));
            };
            tell("CaseOutcome", &render::outcome(case), args.json, words)?;
        }
    }
    if failed > 0 {
        return Err(format!("{failed} of {} cases are wrong", passed.saturating_add(failed)).into());
    }
    if !args.json {
        output::line(&format!("{passed} cases are right"));
    }
    Ok(())
}

/// `peshub programmes diff`
pub(super) fn diff(args: &DiffArgs) -> Outcome {
    let catalogue = catalogue(args.facts.as_deref(), &args.after)?;
    let compiled = |path: &Path| -> Result<(pb::Programme, CompiledProgramme), Failure> {
        let written = programme(path)?;
        let wrong = |findings: Vec<Finding>| {
            let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
            format!("{}: {}", path.display(), lines.join("\n"))
        };
        let compiled = CompiledProgramme::compile(&written, &catalogue).map_err(wrong)?;
        Ok((written, compiled))
    };
    let (before, after) = (compiled(&args.before)?, compiled(&args.after)?);
    let edition = |(written, compiled)| Edition { written, compiled, catalogue: &catalogue };
    let found = compare(edition((&before.0, &before.1)), edition((&after.0, &after.1)));
    tell("Comparison", &render::comparison(&found, (0, 0)), args.json, said::comparison)
}

/// Reads hexadecimal digits.
pub(super) fn digits(text: &str) -> Result<Vec<u8>, Failure> {
    file::digest(text).ok_or_else(|| "--draft has 64 hexadecimal digits".into())
}
