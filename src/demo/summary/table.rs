//! The summary as text.

use std::fmt::Write as _;

use crate::demo::credentials::CredentialStory;
use crate::demo::subsidies::SubsidyStory;
use crate::demo::summary::{Quantiles, Summary};

/// Renders the summary.
pub(crate) fn render(summary: &Summary) -> String {
    let mut text = String::new();
    let platforms = summary.platforms.iter().map(|it| {
        let mut row = vec![it.source.clone()];
        row.extend(
            [it.sent, it.acknowledged, it.created, it.changed, it.unchanged, it.closed, it.held]
                .into_iter()
                .chain([it.rejected, it.reconnects])
                .map(grouped),
        );
        row
    });
    let head = [
        "platform",
        "sent",
        "acknowledged",
        "new",
        "changed",
        "same",
        "closed",
        "held",
        "rejected",
        "reconnects",
    ];
    table(&mut text, &head, platforms.collect());
    let bureaus = summary.bureaus.iter().map(|it| {
        let mut row = vec![format!("{} ({})", it.name, it.divisions.join(" "))];
        row.extend([it.due, it.delivered, it.entered, it.changed, it.left].map(grouped));
        row.extend([it.lost, it.duplicated, it.unexpected, it.out_of_order].map(grouped));
        row.push(quantiles(it.delivery_ms));
        row
    });
    let head = [
        "bureau",
        "due",
        "delivered",
        "entered",
        "changed",
        "left",
        "lost",
        "duplicated",
        "unexpected",
        "disordered",
        "p50/p99 ms",
    ];
    table(&mut text, &head, bureaus.collect());
    let codes = summary.rejected.by_code.iter();
    let rejected = codes.map(|(code, count)| vec![code.clone(), grouped(*count)]);
    table(&mut text, &["rejected because", "records"], rejected.collect());
    totals(&mut text, summary);
    text
}

fn totals(text: &mut String, summary: &Summary) {
    let lines = [
        format!(
            "{} records in {} ms: {} records/s; acknowledged within {} ms (p50/p99)",
            grouped(summary.acknowledged),
            grouped(summary.sending_ms),
            grouped(summary.records_per_s),
            quantiles(summary.acknowledgement_ms),
        ),
        format!(
            "{} events delivered, {} ms after their commit (p50/p99)",
            grouped(summary.delivered),
            quantiles(summary.delivery_ms),
        ),
        format!(
            "lost {} · duplicated {} · unexpected {} · out of order {} · unexpected verdicts {}",
            summary.lost,
            summary.duplicated,
            summary.unexpected,
            summary.out_of_order,
            summary.surprises,
        ),
    ];
    let story = summary.credentials.iter().flat_map(CredentialStory::lines);
    let story = story.chain(summary.subsidies.iter().flat_map(SubsidyStory::lines));
    let differences = summary.bureaus.iter().flat_map(|bureau| &bureau.differences);
    let surprises = summary.platforms.iter().flat_map(|platform| &platform.surprises);
    let incomplete = summary.bureaus.iter().filter(|bureau| !bureau.complete);
    let incomplete = incomplete.map(|it| format!("{} gave up waiting for its deliveries", it.name));
    for line in lines
        .into_iter()
        .chain(story)
        .chain(incomplete)
        .chain(differences.chain(surprises).cloned())
    {
        // Writing into a String cannot fail.
        writeln!(text, "{line}").unwrap_or_default();
    }
}

/// Writes a table: the first column to the left, the others to the right.
fn table(text: &mut String, head: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return;
    }
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in [head].into_iter().chain(rows) {
        let mut line = String::new();
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let written = match index {
                0 => write!(line, "{cell:width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
            written.unwrap_or_default();
        }
        writeln!(text, "{}", line.trim_end()).unwrap_or_default();
    }
    text.push('\n');
}

fn quantiles(of: Quantiles) -> String {
    format!("{:.1}/{:.1}", of.p50, of.p99)
}

/// Returns a number with its thousands apart: 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::demo::summary::table::{grouped, table};

    #[test]
    fn numbers_are_grouped_and_columns_stand_below_each_other() {
        assert_eq!([0, 999, 1_000, 12_345_678].map(grouped).join(" "), "0 999 1,000 12,345,678");
        let mut text = String::new();
        let rows = [["north", "1,000"], ["x", "7"]].map(|row| row.map(str::to_owned).to_vec());
        table(&mut text, &["who", "sent"], rows.to_vec());
        assert_eq!(text, "who     sent\nnorth  1,000\nx          7\n\n");
    }
}
