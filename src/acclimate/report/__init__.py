"""Run folders in, tables and one self-contained HTML page out; imports no torch."""
