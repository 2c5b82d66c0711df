"""Bills of materials in CycloneDX 1.6: of the wheel with what it is locked to, of the image, of its Debian packages.

The same input gives the same bytes: the time is that of the commit, and the serial number that of the content.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import distribution
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bridge import __version__
from tests.packaging.installed_licences import licence_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import Distribution

SPECIFICATION: Final = "1.6"
PRODUCT: Final = "chatbridge"
_INSTALLED: Final = "Status: install ok installed"


@dataclass(frozen=True)
class Material:
    """One component: `purl` names it everywhere; `needs` are the purls of what it depends on directly."""

    name: str
    version: str
    purl: str
    licence: str | None = None  #: SPDX expression
    needs: tuple[str, ...] = field(default=())

    @property
    def component(self) -> dict[str, Any]:
        licences = {} if self.licence is None else {"licenses": [{"expression": self.licence}]}
        named = {"type": "library", "bom-ref": self.purl, "name": self.name, "version": self.version}
        return {**named, "purl": self.purl, **licences}


def bill(kind: str, materials: Iterable[Material], needs: Iterable[str], epoch: int) -> str:
    """Return the bill of `kind` ("library" or "container") of the product, as JSON.

    `needs` are the purls that the product depends on directly; `epoch` the seconds since 1970 UTC of the commit.
    """
    found = sorted(materials, key=lambda material: material.purl)
    root = f"pkg:pypi/{PRODUCT}@{__version__}" if kind == "library" else f"pkg:oci/{PRODUCT}@{__version__}"
    content: dict[str, Any] = {
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).isoformat(),
            "component": {
                "type": kind,
                "bom-ref": root,
                "name": PRODUCT,
                "version": __version__,
                "licenses": [{"expression": "Apache-2.0"}],
            },
        },
        "components": [material.component for material in found],
        "dependencies": [
            {"ref": root, "dependsOn": sorted(needs)},
            *({"ref": material.purl, "dependsOn": sorted(material.needs)} for material in found),
        ],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    head = {"bomFormat": "CycloneDX", "specVersion": SPECIFICATION, "serialNumber": f"urn:uuid:{serial}", "version": 1}
    return json.dumps({**head, **content}, indent=2) + "\n"


def python_materials(packages: Iterable[Distribution]) -> list[Material]:
    """Return the materials of installed Python packages; requirements that are not among them are left out."""
    found: dict[str, Distribution] = {canonicalize_name(one.metadata["Name"]): one for one in packages}
    extras: dict[str, set[str]] = defaultdict(lambda: {""})
    for requirement in [*_requirements(distribution(PRODUCT)), *chain(*map(_requirements, found.values()))]:
        extras[canonicalize_name(requirement.name)] |= requirement.extras
    return [
        Material(
            name,
            package.version,
            _purl(name, package.version),
            licence_of(package.metadata),
            tuple(_purl(need, found[need].version) for need in _direct(package, extras[name]) if need in found),
        )
        for name, package in found.items()
    ]


def _requirements(package: Distribution) -> list[Requirement]:
    return [Requirement(text) for text in package.requires or []]


def _direct(package: Distribution, extras: Iterable[str]) -> set[str]:
    """Return the names that a package requires here, with these of its extras."""
    return {
        canonicalize_name(one.name)
        for one in _requirements(package)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
    }


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version}"


def direct_purls(materials: Iterable[Material]) -> list[str]:
    """Return those that the product itself requires."""
    needed = _direct(distribution(PRODUCT), [""])
    return [material.purl for material in materials if material.name in needed]


def compiler_material() -> Material:
    """Return mypy: the runtime of mypyc, which comes with it, is part of a compiled core."""
    [material] = python_materials([distribution("mypy")])
    return material


def debian_materials(status: str) -> list[Material]:
    """Return the materials of the packages that dpkg's status file says are installed."""
    found: list[Material] = []
    for paragraph in status.split("\n\n"):
        if _INSTALLED not in paragraph:
            continue
        fields = dict(re.findall(r"^(Package|Version|Architecture): (\S+)$", paragraph, re.MULTILINE))
        version = fields["Version"].replace("+", "%2B").replace(":", "%3A")
        purl = f"pkg:deb/debian/{fields['Package'].replace('+', '%2B')}@{version}?arch={fields['Architecture']}"
        found.append(Material(fields["Package"], fields["Version"], purl))
    return found


def locked_names(lock: str) -> dict[str, str]:
    """Return name -> version of every package that a lock file pins."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", lock, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pins}
