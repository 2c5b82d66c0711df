"""What runs a program so that the modes of files count for it, which they do not for root."""

from __future__ import annotations

import os
from typing import Final

_RIGHTS: Final = "-dac_override,-dac_read_search"
SUBJECT_TO_MODES: Final = ("setpriv", f"--bounding-set={_RIGHTS}", f"--inh-caps={_RIGHTS}") if os.geteuid() == 0 else ()
"""What to put before the words of a command."""
