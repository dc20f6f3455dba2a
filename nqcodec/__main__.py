"""`python -m nqcodec encode|decode|tool ...`: the commands of the environment that Python runs in."""

from __future__ import annotations

import sys

from nqcodec.cli.front import main

if __name__ == "__main__":
    sys.exit(main())
