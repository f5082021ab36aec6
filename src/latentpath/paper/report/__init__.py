"""The report of a reproduction: Markdown, HTML and JSON."""
