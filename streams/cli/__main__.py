"""`python -m streams.cli`: the command line where the console command is not installed."""

from streams.cli.main import main

main()
