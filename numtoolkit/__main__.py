"""`python -m numtoolkit` is the command line of `numtoolkit.cli`."""

from numtoolkit.cli import main

raise SystemExit(main())
