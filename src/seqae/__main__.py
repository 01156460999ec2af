"""`python -m seqae` is `seqae`."""

from .cli import main

main()
