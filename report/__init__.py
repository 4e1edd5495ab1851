"""The report: summaries in; HTML, CSV, LaTeX and figures out. It reads files and runs nothing."""
