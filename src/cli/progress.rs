//! How far long work has come: a bar on a terminal, plain lines now and then elsewhere.

use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::output;

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

const KNOWN: &str = "{bar:30} {human_pos}/{human_len} {msg} · {per_sec} · {eta} left";
const OPEN: &str = "{spinner} {human_pos} {msg} · {per_sec} · {elapsed}";

/// Long work under way.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    told: Instant,
}

impl Progress {
    /// Returns the progress of work on something, in a word for many.
    pub(super) fn of(what: &'static str) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length().with_message(what);
            styled(&bar, OPEN);
            bar
        });
        Self { bar, what, told: Instant::now() }
    }

    /// Says how many are done, and of how many if that is known.
    pub(super) fn at(&mut self, done: u64, all: Option<u64>) {
        match &self.bar {
            Some(bar) => {
                if let Some(all) = all
                    && bar.length() != Some(all)
                {
                    bar.set_length(all);
                    styled(bar, KNOWN);
                }
                bar.set_position(done);
            }
            None if self.told.elapsed() >= LINE_EVERY => {
                self.told = Instant::now();
                output::error(&line(done, all, self.what));
            }
            None => {}
        }
    }
}

impl Drop for Progress {
    /// Clears the bar: what was done is said by the command.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn styled(bar: &ProgressBar, template: &str) {
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
}

fn line(done: u64, all: Option<u64>, what: &str) -> String {
    match all {
        Some(all) => format!("{done} of {all} {what}"),
        None => format!("{done} {what}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::progress::{KNOWN, OPEN, Progress, line};
    use indicatif::ProgressStyle;

    #[test]
    fn lines_are_plain_and_templates_are_sound() {
        assert_eq!(line(3, Some(7), "entries"), "3 of 7 entries");
        assert_eq!(line(3, None, "postings"), "3 postings");
        assert!(ProgressStyle::with_template(KNOWN).is_ok());
        assert!(ProgressStyle::with_template(OPEN).is_ok());
        // Where nobody watches, nothing is drawn, and nothing is said of what is over in a moment.
        let mut progress = Progress::of("entries");
        progress.at(1, None);
        progress.at(2, Some(2));
    }
}
