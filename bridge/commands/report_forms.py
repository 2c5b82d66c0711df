"""The forms in which a command writes its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser


def define(parser: ArgumentParser) -> None:
    """Add the options; `form` of the arguments is then table, json or csv."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json", help="one JSON object per line")
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="comma-separated values")
    parser.set_defaults(form="table")
