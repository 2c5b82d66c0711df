"""Links of what is published, to where the repository can be read: only who publishes it knows that address.

A metadata hook of hatchling. `SOURCE_URL` is the address of the repository's top folder in the version that is built,
such as https://git.example/chatbridge/tree/v0.2.0. Without it the metadata have no links, the readme's are relative.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

from hatchling.metadata.plugin.interface import MetadataHookInterface

VARIABLE: Final = "SOURCE_URL"
PAGES: Final = {"Documentation": "README.md", "Changelog": "CHANGELOG.md", "Security": "SECURITY.md"}
"""Label of a link -> the page that it leads to."""
_CODE_OR_LINK: Final = re.compile(r"^```.*?^```|\]\((?![a-z]+:|#)([^)\s]+)\)", re.DOTALL | re.MULTILINE)


def links(address: str) -> dict[str, str]:
    """Return label -> URL."""
    return {"Source": address} | {label: f"{address}/{page}" for label, page in PAGES.items()}


def absolute(text: str, address: str) -> str:
    """Return a page of the top folder whose relative links lead to `address`; brackets in code are no links."""
    return _CODE_OR_LINK.sub(lambda one: f"]({address}/{one[1]})" if one[1] else one[0], text)


class PublishedLinks(MetadataHookInterface):
    """Sets readme and links; a source distribution keeps those that it was built with.

    Raises ValueError for an address that does not begin with https://.
    """

    def update(self, metadata: dict[str, Any]) -> None:
        """Set `readme` and `urls` where they are not there yet: from the PKG-INFO of a source distribution."""
        if "readme" not in metadata:
            address = os.environ.get(VARIABLE, "").rstrip("/")
            if address and not address.startswith("https://"):
                raise ValueError(f"{VARIABLE}: expected an address that begins with https://")
            text = Path(self.root, "README.md").read_text("utf-8")
            text = absolute(text, address) if address else text
            metadata["readme"] = {"content-type": "text/markdown", "text": text}
            metadata["urls"] = links(address) if address else {}
        metadata.setdefault("urls", {})
