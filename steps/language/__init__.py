"""Measures of plain text: sentences, readability, stems, phrases to avoid."""
