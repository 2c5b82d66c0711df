"""`python -m bridge` is `chatbridge`."""

import gc
import sys

from bridge.starting import INTERRUPTED, ended_by_ctrl_c


def main() -> int:
    """Run one command and return its exit code. Ctrl-C is quiet from here on, while modules are imported, too."""
    gc.disable()  # next to nothing is garbage until the command is imported; then `bridge.cli` enables it again
    try:
        with ended_by_ctrl_c():
            from bridge.cli import main as run_command  # noqa: PLC0415 - see above

        return run_command()
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
