//! What is shown while the demonstration runs.

use std::io::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::demo::Settings;
use crate::demo::ledger::Counts;

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How far everybody is. Written by the parts, read by the display.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) platforms: Vec<PlatformRow>,
    pub(crate) bureaus: Vec<BureauRow>,
}

#[derive(Debug)]
pub(crate) struct PlatformRow {
    name: String,
    /// Postings that it is to create.
    goal: u64,
    created: AtomicU64,
    acknowledged: AtomicU64,
    rejected: AtomicU64,
    held: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct BureauRow {
    name: String,
    delivered: AtomicU64,
    position: AtomicI64,
}

impl Board {
    pub(crate) fn new(settings: &Settings) -> Self {
        let goal = u64::try_from(settings.postings_per_platform).unwrap_or(u64::MAX);
        let platform = |name: &str| PlatformRow {
            name: name.to_owned(),
            goal,
            created: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            held: AtomicU64::new(0),
        };
        let bureau = |name: &str| BureauRow {
            name: name.to_owned(),
            delivered: AtomicU64::new(0),
            position: AtomicI64::new(0),
        };
        Self {
            platforms: settings.platforms.iter().map(|it| platform(&it.source)).collect(),
            bureaus: settings.bureaus.iter().map(|it| bureau(&it.name)).collect(),
        }
    }

    pub(crate) fn acknowledged(&self, number: usize, counts: &Counts) {
        if let Some(row) = self.platforms.get(number) {
            row.created.store(counts.created, Ordering::Relaxed);
            row.acknowledged.store(counts.acknowledged, Ordering::Relaxed);
            row.rejected.store(counts.rejected, Ordering::Relaxed);
            row.held.store(counts.held, Ordering::Relaxed);
        }
    }

    pub(crate) fn delivered(&self, number: usize, count: usize) {
        if let Some(row) = self.bureaus.get(number) {
            row.delivered.store(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    pub(crate) fn bookmarked(&self, number: usize, position: i64) {
        if let Some(row) = self.bureaus.get(number) {
            row.position.store(position, Ordering::Relaxed);
        }
    }
}

impl PlatformRow {
    fn text(&self) -> String {
        let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
        format!(
            "{} acknowledged, {} rejected, {} held",
            read(&self.acknowledged),
            read(&self.rejected),
            read(&self.held),
        )
    }
}

impl BureauRow {
    fn text(&self) -> String {
        let delivered = self.delivered.load(Ordering::Relaxed);
        format!("{delivered} events, at position {}", self.position.load(Ordering::Relaxed))
    }
}

/// Where progress goes.
pub enum Progress {
    /// Bars on a terminal (standard error).
    Bars(Bars),
    /// A line every few seconds.
    Lines(Lines),
    /// Nowhere.
    Silent,
}

/// Bars, one for each participant.
pub struct Bars {
    all: MultiProgress,
    bars: Vec<ProgressBar>,
}

/// Plain lines.
pub struct Lines {
    out: Box<dyn Write + Send>,
    next: Instant,
}

impl Progress {
    /// Returns bars on standard error.
    #[must_use]
    pub fn bars() -> Self {
        Self::Bars(Bars { all: MultiProgress::new(), bars: Vec::new() })
    }

    /// Returns plain lines.
    #[must_use]
    pub fn lines(out: Box<dyn Write + Send>) -> Self {
        Self::Lines(Lines { out, next: Instant::now() + LINE_EVERY })
    }

    /// Brings the display up to date.
    pub(crate) fn show(&mut self, board: &Board) {
        match self {
            Self::Bars(bars) => bars.show(board),
            Self::Lines(lines) if Instant::now() >= lines.next => {
                lines.next = Instant::now() + LINE_EVERY;
                lines.show(board);
            }
            Self::Lines(_) | Self::Silent => {}
        }
    }

    /// Shows where everything stands at the end, and leaves the display.
    pub(crate) fn finish(&mut self, board: &Board) {
        match self {
            Self::Bars(bars) => {
                bars.show(board);
                for bar in &bars.bars {
                    bar.finish();
                }
            }
            Self::Lines(lines) => lines.show(board),
            Self::Silent => {}
        }
    }
}

impl Bars {
    fn show(&mut self, board: &Board) {
        if self.bars.is_empty() {
            self.add(board);
        }
        let mut bars = self.bars.iter();
        for (row, bar) in board.platforms.iter().zip(bars.by_ref()) {
            bar.set_position(row.created.load(Ordering::Relaxed));
            bar.set_message(row.text());
        }
        for (row, bar) in board.bureaus.iter().zip(bars) {
            bar.set_message(row.text());
            bar.tick();
        }
    }

    fn add(&mut self, board: &Board) {
        let style = |template: &str| {
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
        };
        let bar = style("{prefix:>20} {bar:30} {pos:>7}/{len} {per_sec:>12} {msg}");
        let spinner = style("{prefix:>20} {spinner} {msg}");
        for row in &board.platforms {
            let added = self.all.add(ProgressBar::new(row.goal));
            self.bars.push(added.with_style(bar.clone()).with_prefix(row.name.clone()));
        }
        for row in &board.bureaus {
            let added = self.all.add(ProgressBar::new_spinner());
            self.bars.push(added.with_style(spinner.clone()).with_prefix(row.name.clone()));
        }
    }
}

impl Lines {
    fn show(&mut self, board: &Board) {
        let platforms = board.platforms.iter().map(|row| format!("{}: {}", row.name, row.text()));
        let bureaus = board.bureaus.iter().map(|row| format!("{}: {}", row.name, row.text()));
        let line = platforms.chain(bureaus).collect::<Vec<_>>().join(" · ");
        // Progress that nobody reads is no failure.
        writeln!(self.out, "{line}").unwrap_or_default();
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bars(_) => "Bars",
            Self::Lines(_) => "Lines",
            Self::Silent => "Silent",
        })
    }
}
