"""The operations of programs, one file for each kind."""
