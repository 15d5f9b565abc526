"""Methods whose update is no composition of parts, a file each."""
