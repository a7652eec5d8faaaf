"""Reading the public tables and writing ours."""

import csv


def read_csv(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write_table(path, header, columns, rows):
    """Writes tab-separated rows below comment lines that name the source and the columns."""
    columns = columns.split()
    lines = [f"# {line}" for line in header] + ["# " + "\t".join(columns)]
    for row in rows:
        fields = [str(field) for field in row]
        assert len(fields) == len(columns) and not any(c in f for f in fields for c in "\t\n")
        lines.append("\t".join(fields))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
