"""The licences of installed packages as SPDX expressions, and which of them may be shipped.

A package says its licence in one of three ways, from the newest to the oldest: an SPDX expression (License-Expression),
a classifier, free text (License). Classifiers that leave the version open ("BSD License") are decided by NAMED.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.metadata import PackageMetadata

ALLOWED: Final = frozenset({"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0"})
"""Licences that ask for no more than to be passed on with what is shipped; by SPDX identifier."""
_CLASSIFIER: Final = "License :: OSI Approved :: "
_SPDX: Final = {
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}
"""What classifiers and free text say -> SPDX identifier."""
NAMED: Final = {
    "google-re2": "BSD-3-Clause",  # its classifier says BSD License, its licence file has the three clauses
    "uvloop": "MIT OR Apache-2.0",  # two classifiers, and a file of each
}
"""Packages whose metadata leave open what their licence files say."""
_WORD: Final = re.compile(r"[A-Za-z0-9.+-]+")


def licence_of(metadata: PackageMetadata) -> str | None:
    """Return the SPDX expression of a package's licence; None when it says nothing that is known here."""
    name = metadata["Name"].lower().replace("_", "-")
    if name in NAMED:
        return NAMED[name]
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    told = [text.removeprefix(_CLASSIFIER) for text in metadata.get_all("Classifier", []) if _CLASSIFIER in text]
    if not told and "License" in metadata:
        told = [metadata["License"]]
    found = {_SPDX.get(text, text if text in ALLOWED else None) for text in told}
    return found.pop() if len(found) == 1 else None


def may_be_shipped(expression: str | None) -> bool:
    """Tell whether every licence of `AND`, and one of each `OR`, is allowed. Parentheses are for people to judge."""
    if expression is None or "(" in expression:
        return False
    return all(
        any(_WORD.fullmatch(word) is not None and word in ALLOWED for word in re.split(" OR ", part))
        for part in re.split(" AND ", expression)
    ) and not (" AND " in expression and " OR " in expression)
