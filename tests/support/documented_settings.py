"""The settings files of pages, with files of a test in place of the ones that they name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from tests.support.certificates import Authority

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "secured-kafka.md"
OUTPUTS_PAGE = DOCS / "outputs.md"
_MOUNTED = re.compile(r"/run/secrets/[\w./-]+")


def documented(page: Path = PAGE) -> dict[str, str]:
    """Return file name -> settings, of each block of a page that begins with its name."""
    blocks = re.findall(r"^```yaml\n# (\S+\.yaml)\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return dict(blocks)


def written(
    name: str,
    folder: Path,
    authority: Authority,
    *,
    client: str,
    password: str,
    replaced: dict[str, str] | None = None,
) -> Path:
    """Write a settings file and the files that it names; return it.

    `client` is whom the client certificate is for. `replaced` are texts of the file that are others in the test.
    """
    text = documented()[name]
    for before, after in (replaced or {}).items():
        assert before in text, before
        text = text.replace(before, after)
    text = with_mounted_files(text, folder, authority, client=client, password=password)
    settings = folder / name
    settings.write_text(text, encoding="utf-8")
    assert yaml.safe_load(text)
    return settings


def with_mounted_files(text: str, folder: Path, authority: Authority, *, client: str, password: str) -> str:
    """Return settings that name files in `folder`, which are made, in place of those below /run/secrets."""
    issued = authority.issue(client)
    for mounted in sorted(set(_MOUNTED.findall(text)), key=len, reverse=True):
        file = folder / mounted.strip("/").replace("/", "-")
        file.write_bytes(_content(Path(mounted).name, authority, issued.certificate_file, issued.key_file, password))
        text = text.replace(mounted, str(file))
    return text


def _content(name: str, authority: Authority, certificate: Path, key: Path, password: str) -> bytes:
    if "password" in name or "token" in name or "secret" in name:
        return f"{password}\n".encode()
    if "key" in name:
        return key.read_bytes()
    return authority.file.read_bytes() if "ca" in name.replace("-", ".").split(".") else certificate.read_bytes()
