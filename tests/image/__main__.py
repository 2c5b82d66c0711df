"""Says what this machine lacks for images, and installs what it can: `python -m tests.image`, before the tests."""

from __future__ import annotations

import sys

from bridge.errors import EXIT_OK, EnvironmentFault
from tests.image.surroundings_of_images import prepare


def main() -> int:
    try:
        prepare()
    except EnvironmentFault as fault:
        sys.stderr.write(f"image: {fault}\n")
        return fault.exit_code
    return EXIT_OK


sys.exit(main())
