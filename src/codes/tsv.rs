//! Reading the embedded tables.

/// Returns the rows of a tab-separated table, without its comment lines.
///
/// A row of another width is left out rather than refused: the tables are compiled in, and the
/// tests of each list count its rows.
pub(crate) fn rows<const COLUMNS: usize>(
    table: &'static str,
) -> impl Iterator<Item = [&'static str; COLUMNS]> {
    table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split('\t').collect::<Vec<_>>().try_into().ok())
}

#[cfg(test)]
mod tests {
    use crate::codes::tsv;

    #[test]
    fn comments_are_skipped_and_empty_columns_kept() {
        let read: Vec<[&str; 3]> = tsv::rows("# source\na\t\tc\n1\t2\t\n").collect();
        assert_eq!(read, [["a", "", "c"], ["1", "2", ""]]);
    }
}
