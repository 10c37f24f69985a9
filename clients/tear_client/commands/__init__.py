"""The commands of `tear` that ask a server, one module each."""
