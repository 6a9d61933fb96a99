"""`python -m isoglot` is the command `isoglot`."""

from isoglot.cli import main

main()
