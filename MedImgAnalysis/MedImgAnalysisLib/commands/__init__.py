"""The command line: a file per command with `add(parsers)` and a function that returns an exit status."""
