"""`python -m concord` is `concord`."""

from concord.cli import main

main()
