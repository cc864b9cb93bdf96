"""``custom:csv_*`` of IFBench: tables with given columns and numbers of rows."""

import csv

CITY = ["ID", "Country", "City", "Year", "Count"]
PRODUCT = ["ProductID", "Category", "Brand", "Price", "Stock"]
STUDENT = ["StudentID", "Subject", "Grade", "Semester", "Score"]


def csv_city(text: str) -> bool:
    """Seven comma-separated rows under the header."""
    rows = _rows(text, ",")
    return _is_table(rows, CITY, 7)


def csv_special_character(text: str) -> bool:
    """Fourteen rows under the header; one field in double quotes holds a character that is no letter, digit
    or space."""
    rows = _rows(text, ",")
    fields = [field for row in rows[1:] for field in row]
    marked = (
        field for field in fields if field and not all(c.isalnum() or c.isspace() or c == "_" for c in field)
    )
    return _is_table(rows, PRODUCT, 14) and any(f'"{field}"' in text for field in marked)


def csv_quotes(text: str) -> bool:
    """Three tab-separated rows under the header, each field, the header's too, in double quotes."""
    quoted = [field.strip() for line in text.strip().split("\n") for field in line.split("\t")]
    return _is_table(_rows(text, "\t"), STUDENT, 3) and all(
        len(field) > 1 and field[0] == field[-1] == '"' for field in quoted
    )


def _rows(text: str, delimiter: str) -> list[list[str]]:
    lines = text.strip().splitlines()
    try:
        return [
            [field.strip() for field in row]
            for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
        ]
    except csv.Error:  # a field beyond the module's limit
        return []


def _is_table(rows: list[list[str]], header: list[str], count: int) -> bool:
    return len(rows) == count + 1 and rows[0] == header and all(len(row) == len(header) for row in rows)
