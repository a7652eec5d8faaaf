//! `peshub import`

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use crate::cli::client::ClientArgs;
use crate::cli::{Outcome, client, output};
use crate::client::batch::BatchBuilder;
use crate::client::sync::{SyncOptions, SyncSession};
use crate::json;
use crate::pb::peshub::common::v1 as common;
use crate::pb::peshub::postings::v1::{BatchAcknowledgement, PostingChange};
use crate::postings::import::mapping::Mapping;
use crate::postings::import::{self, Import, Options};

/// Arguments of `peshub import`.
#[derive(Args, Debug)]
pub(super) struct ImportArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// A file, or a folder with all in it: schema.org JSON-LD, JobTech JSON, HR-XML 3.2, CSV with --mapping.
    path: PathBuf,
    /// The source to import into.
    #[arg(long)]
    source: String,
    /// Lane of the source; imports run beside other lanes.
    #[arg(long, default_value = "import")]
    lane: String,
    /// Format, when it cannot be told from the content: schema-org, jobtech, hr-xml, csv.
    #[arg(long)]
    format: Option<String>,
    /// What the columns of a CSV file mean (TOML), see docs/guides/import.md.
    #[arg(long)]
    mapping: Option<PathBuf>,
    /// Country of places that do not name one, ISO 3166-1 alpha-2.
    #[arg(long)]
    country: Option<String>,
    /// Language of texts that do not name one, BCP 47.
    #[arg(long)]
    language: Option<String>,
    /// Write every record that was not taken to this file, one JSON object a line.
    #[arg(long)]
    rejects: Option<PathBuf>,
    /// Add the hub's signed receipt for every batch to this file, one JSON object a line; `peshub audit verify` reads it.
    #[arg(long)]
    receipts: Option<PathBuf>,
    /// Keep in this file how far the import is, and go on from there when it is run again. Removed at the end.
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// Check everything and store nothing.
    #[arg(long)]
    validate_only: bool,
    /// Print the summary as one JSON object.
    #[arg(long)]
    json: bool,
}

/// What became of the records.
#[derive(Debug, Default, Serialize)]
struct Summary {
    read: u64,
    skipped_as_done: u64,
    not_readable: u64,
    sent: u64,
    created: i64,
    changed: i64,
    unchanged: i64,
    closed: i64,
    held: i64,
    accepted_with_fixes: u64,
    rejected: i64,
    rejected_by_code: BTreeMap<String, u64>,
    notes_by_code: BTreeMap<String, u64>,
    interrupted: bool,
}

/// A record that was not taken, as a line of the report.
#[derive(Debug, Serialize)]
struct RejectLine<'a> {
    stage: &'static str,
    locator: &'a str,
    external_id: &'a str,
    field: &'a str,
    code: &'a str,
    expected: &'a str,
    given: &'a str,
    suggested: &'a str,
}

/// How far an import is.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Checkpoint {
    path: PathBuf,
    bytes: u64,
    records_done: u64,
}

pub(super) async fn run(args: ImportArgs) -> Outcome {
    let options = Options {
        format: args.format.clone(),
        mapping: args.mapping.as_deref().map(mapping).transpose()?,
        country: args.country.clone(),
        language: args.language.clone(),
    };
    let mut records = import::open(&args.path, options)?;
    let connection = args.client.connect().await?;
    let options = SyncOptions {
        source: args.source.clone(),
        lane: args.lane.clone(),
        validate_only: args.validate_only,
        ..SyncOptions::default()
    };
    let session = SyncSession::open(&connection, options).await?;
    let total = records.progress().total_bytes;
    let resumes = args.checkpoint.as_ref().is_some_and(|file| file.exists());
    let mut run = Run {
        session,
        under_way: VecDeque::new(),
        report: Report::open(args.rejects.as_deref(), resumes)?,
        receipts: args.receipts.as_deref().map(appended).transpose()?,
        summary: Summary::default(),
        bar: bar(total),
        checkpoint: Checkpoint { path: args.path.clone(), bytes: total, records_done: 0 },
        checkpoint_file: args.checkpoint.clone(),
    };
    run.skip_done(&mut records)?;
    let stop = client::interrupted();
    tokio::pin!(stop);
    let outcome = tokio::select! {
        sent = run.send_all(&mut records) => sent,
        stopped = &mut stop => stopped.map(|()| run.summary.interrupted = true),
    };
    // What was sent is waited for, however the sending ended.
    let settled = run.settle().await;
    run.bar.finish_and_clear();
    run.report.finish()?;
    for path in records.skipped() {
        output::error(&format!("left out, of no known format: {}", path.display()));
    }
    show(&run.summary, args.json)?;
    outcome?;
    settled?;
    if run.summary.interrupted {
        return Err(
            "interrupted; run the same command again to go on, nothing is stored twice".into()
        );
    }
    if let Some(file) = &args.checkpoint
        && file.exists()
    {
        std::fs::remove_file(file)?;
    }
    Ok(())
}

/// Opens a file to which lines are added.
fn appended(path: &Path) -> Result<File, Box<dyn std::error::Error + Send + Sync>> {
    let file = File::options().create(true).append(true).open(path);
    file.map_err(|error| format!("{} cannot be written: {error}", path.display()).into())
}

fn mapping(path: &Path) -> Result<Mapping, Box<dyn std::error::Error + Send + Sync>> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Mapping::parse(&text).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn bar(total: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = "{bar:30} {bytes}/{total_bytes} · {bytes_per_sec} · {eta} left · {msg}";
    let style = ProgressStyle::with_template(style);
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

struct Run {
    session: SyncSession,
    /// Where the records of each batch stand in the file, until it is acknowledged; and how many were read with it.
    under_way: VecDeque<(Vec<(String, String)>, u64)>,
    report: Report,
    receipts: Option<File>,
    summary: Summary,
    bar: ProgressBar,
    checkpoint: Checkpoint,
    checkpoint_file: Option<PathBuf>,
}

impl Run {
    /// Passes over what an earlier run of the same import has done.
    fn skip_done(&mut self, records: &mut Import) -> Outcome {
        let Some(file) = self.checkpoint_file.as_ref().filter(|file| file.exists()) else {
            return Ok(());
        };
        let known: Checkpoint = serde_json::from_slice(&std::fs::read(file)?)?;
        if (&known.path, known.bytes) != (&self.checkpoint.path, self.checkpoint.bytes) {
            let message = "the checkpoint is of another import, or the file has changed; remove it to begin anew";
            return Err(message.into());
        }
        for _ in 0..known.records_done {
            if records.next().is_none() {
                break;
            }
            self.summary.skipped_as_done += 1;
        }
        self.summary.read = self.summary.skipped_as_done;
        self.checkpoint.records_done = known.records_done;
        Ok(())
    }

    async fn send_all(&mut self, records: &mut Import) -> Outcome {
        let mut batch = BatchBuilder::default();
        let mut places: Vec<(String, String)> = Vec::new();
        while let Some(record) = records.next() {
            self.summary.read += 1;
            if self.summary.read.is_multiple_of(64) {
                self.bar.set_position(records.progress().read_bytes);
                tokio::task::yield_now().await;
            }
            let item = match record {
                Ok(item) => item,
                Err(reject) => {
                    self.not_readable(&reject)?;
                    continue;
                }
            };
            for note in &item.fixes {
                *self.summary.notes_by_code.entry(code_name(note.code.into())).or_default() += 1;
            }
            let place = (item.locator, item.change.external_id.clone());
            match batch.push(item.change) {
                Ok(None) => {}
                Ok(Some(full)) => {
                    let read = self.summary.read - 1;
                    self.send(&full, std::mem::take(&mut places), read).await?;
                }
                Err(oversized) => {
                    self.oversized(&place.0, &oversized.change)?;
                    continue;
                }
            }
            places.push(place);
        }
        if let Some(rest) = batch.take() {
            let read = self.summary.read;
            self.send(&rest, places, read).await?;
        }
        Ok(())
    }

    async fn send(
        &mut self,
        batch: &[PostingChange],
        places: Vec<(String, String)>,
        read: u64,
    ) -> Outcome {
        self.session.send(batch).await?;
        self.summary.sent += u64::try_from(batch.len())?;
        self.under_way.push_back((places, read));
        while let Some(acknowledgement) = self.session.received() {
            self.acknowledged(&acknowledgement)?;
        }
        Ok(())
    }

    async fn settle(&mut self) -> Outcome {
        while let Some(acknowledgement) = self.session.acknowledgement().await? {
            self.acknowledged(&acknowledgement)?;
        }
        Ok(())
    }

    fn acknowledged(&mut self, acknowledgement: &BatchAcknowledgement) -> Outcome {
        let (places, read) = self.under_way.pop_front().unwrap_or_default();
        if let (Some(file), Some(receipt)) = (&mut self.receipts, &acknowledgement.receipt) {
            writeln!(file, "{}", json::of_message("peshub.common.v1.Receipt", receipt)?)?;
        }
        let summary = &mut self.summary;
        summary.created += i64::from(acknowledgement.created);
        summary.changed += i64::from(acknowledgement.changed);
        summary.unchanged += i64::from(acknowledgement.unchanged);
        summary.closed += i64::from(acknowledgement.closed);
        summary.held += i64::from(acknowledgement.held);
        summary.rejected += i64::from(acknowledgement.rejected);
        for verdict in &acknowledgement.verdicts {
            if verdict.outcome == i32::from(common::Outcome::AcceptedWithFixes) {
                summary.accepted_with_fixes += 1;
            }
            if verdict.outcome != i32::from(common::Outcome::Rejected) {
                continue;
            }
            let place = usize::try_from(verdict.index).ok().and_then(|index| places.get(index));
            for (index, finding) in verdict.findings.iter().enumerate() {
                let code = code_name(finding.code);
                if index == 0 {
                    *summary.rejected_by_code.entry(code.clone()).or_default() += 1;
                }
                self.report.write(&RejectLine {
                    stage: "hub",
                    locator: place.map_or("", |(locator, _)| locator),
                    external_id: &verdict.external_id,
                    field: &finding.field,
                    code: &code,
                    expected: &finding.expected,
                    given: &finding.given,
                    suggested: &finding.suggested,
                })?;
            }
        }
        self.checkpoint.records_done = read;
        if let Some(file) = &self.checkpoint_file {
            // Written beside and renamed, so that a crash leaves the old one or the new one.
            let fresh = file.with_extension("new");
            std::fs::write(&fresh, serde_json::to_vec(&self.checkpoint)?)?;
            std::fs::rename(fresh, file)?;
        }
        let stored = summary.created + summary.changed + summary.unchanged;
        self.bar.set_message(format!("{stored} stored, {} rejected", summary.rejected));
        Ok(())
    }

    fn not_readable(&mut self, reject: &import::Reject) -> Outcome {
        let code = code_name(reject.code.into());
        self.summary.not_readable += 1;
        *self.summary.rejected_by_code.entry(code.clone()).or_default() += 1;
        self.report.write(&RejectLine {
            stage: "read",
            locator: &reject.locator,
            external_id: reject.external_id.as_deref().unwrap_or_default(),
            field: &reject.field,
            code: &code,
            expected: &reject.expected,
            given: &reject.given,
            suggested: "",
        })
    }

    fn oversized(&mut self, locator: &str, change: &PostingChange) -> Outcome {
        let code = code_name(common::FindingCode::RecordTooLarge.into());
        self.summary.not_readable += 1;
        *self.summary.rejected_by_code.entry(code.clone()).or_default() += 1;
        self.report.write(&RejectLine {
            stage: "read",
            locator,
            external_id: &change.external_id,
            field: "",
            code: &code,
            expected: "a record of at most 1 MiB",
            given: "",
            suggested: "",
        })
    }
}

fn code_name(code: i32) -> String {
    let code = common::FindingCode::try_from(code).unwrap_or_default();
    code.as_str_name().trim_start_matches("FINDING_CODE_").to_owned()
}

/// The report of what was not taken.
struct Report(Option<BufWriter<File>>);

impl Report {
    /// Opens the report anew, or goes on with the one of the run that is resumed.
    fn open(path: Option<&Path>, resumes: bool) -> Result<Self, io::Error> {
        let mut how = File::options();
        how.create(true).append(resumes).write(true).truncate(!resumes);
        Ok(Self(path.map(|path| how.open(path)).transpose()?.map(BufWriter::new)))
    }

    fn write(&mut self, line: &RejectLine<'_>) -> Outcome {
        if let Some(file) = &mut self.0 {
            serde_json::to_writer(&mut *file, line)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), io::Error> {
        self.0.as_mut().map_or(Ok(()), io::Write::flush)
    }
}

fn show(summary: &Summary, as_json: bool) -> Result<(), serde_json::Error> {
    if as_json {
        output::json(&serde_json::to_value(summary)?);
        return Ok(());
    }
    output::line(&format!(
        "read {}: {} not readable, {} sent{}\n\
         stored: {} created, {} changed, {} unchanged, {} closed, {} held, {} with fixes; rejected {}",
        summary.read,
        summary.not_readable,
        summary.sent,
        match summary.skipped_as_done {
            0 => String::new(),
            done => format!(", {done} done before"),
        },
        summary.created,
        summary.changed,
        summary.unchanged,
        summary.closed,
        summary.held,
        summary.accepted_with_fixes,
        summary.rejected,
    ));
    for (title, codes) in
        [("not taken", &summary.rejected_by_code), ("interpreted", &summary.notes_by_code)]
    {
        for (code, count) in codes {
            output::line(&format!("  {title:<12} {code:<22} {count:>8}"));
        }
    }
    Ok(())
}
