"""The arguments of `chatbridge simulate` for the Universal Contact Server that stores the chats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.errors import UsageError
from bridge.simulator.ucs.row_treatment import IRREGULARITIES, Irregularities
from bridge.simulator.ucs.saved_chats import AUTO_SAVES
from bridge.simulator.ucs.stored_form import MASKINGS, StoredForm
from bridge.simulator.ucs.stored_options import UcsOptions

if TYPE_CHECKING:
    import argparse

_ALL: Final = "all"


def define(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    stored = parser.add_argument_group(
        "stored transcripts",
        "Writes the chats into a table INTERACTION as Universal Contact Server does, which is made if it is not there, "
        "and answers over HTTP as its two interfaces do. It needs the extra `ucs`.",
    )
    stored.add_argument(
        "--ucs-url", metavar="URL", help="database of the table: sqlite:///ucs.db, postgresql+psycopg://user@host/name"
    )
    stored.add_argument("--ucs-archive-url", metavar="URL", help="database of the archive, to which rows move")
    stored.add_argument(
        "--ucs-auto-save",
        metavar="N",
        type=int,
        choices=AUTO_SAVES,
        default=0,
        help="transcript-auto-save: 0 stores the text at a chat's end only, 1 and 2 after every message (default 0)",
    )
    stored.add_argument(
        "--ucs-masking",
        choices=MASKINGS,
        default="none",
        help="digits of stored messages are masked: not at all, at the end, at every save (default none)",
    )
    stored.add_argument(
        "--ucs-save-typing", action="store_true", help="store typing notices, too (transcript-save-notices)"
    )
    stored.add_argument(
        "--ucs-old-server",
        action="store_true",
        help="leave out what the oldest servers do not store: types of items, clientVersion, treatAs",
    )
    stored.add_argument(
        "--ucs-irregular",
        metavar="NAME=SHARE",
        action="append",
        default=[],
        help=f"share of the chats, from 0 to 1, whose row is irregular: {', '.join(IRREGULARITIES)}; or all=SHARE. "
        "May be given several times",
    )
    stored.add_argument(
        "--ucs-http", metavar="PORT", type=int, help="answer over HTTP on this port of 127.0.0.1; 0 chooses a free one"
    )
    stored.add_argument(
        "--ucs-http-object", action="store_true", help="Context Services answers with an object, not with an array"
    )
    stored.add_argument("--ucs-http-user", metavar="NAME", help="require basic authentication of this user")
    stored.add_argument("--ucs-http-password-file", metavar="FILE", type=Path, help="file that holds its password")


def ucs_options(args: argparse.Namespace) -> UcsOptions | None:
    """Return what to store; None without --ucs-url. Raises UsageError, OSError for the file of the password."""
    if args.ucs_url is None:
        wanted = (args.ucs_archive_url, args.ucs_irregular, args.ucs_http_user, args.ucs_http_password_file)
        if any(wanted) or args.ucs_http is not None or args.ucs_auto_save:
            raise UsageError("simulate: the other --ucs-... go with --ucs-url")
        return None
    if (args.ucs_http_user is None) != (args.ucs_http_password_file is None):
        raise UsageError("simulate: --ucs-http-user and --ucs-http-password-file go together")
    password = args.ucs_http_password_file
    return UcsOptions(
        args.ucs_url,
        args.ucs_archive_url,
        args.ucs_auto_save,
        StoredForm(args.ucs_save_typing, args.ucs_masking, args.ucs_old_server),
        _irregularities(args.ucs_irregular),
        args.ucs_http,
        args.ucs_http_object,
        args.ucs_http_user,
        "" if password is None else password.read_text("utf-8").strip(),
    )


def _irregularities(given: list[str]) -> Irregularities:
    shares: dict[str, float] = {}
    for pair in given:
        name, _, value = pair.partition("=")
        try:
            share = float(value)
        except ValueError:
            share = -1.0
        if name not in {*IRREGULARITIES, _ALL} or not 0 <= share <= 1:
            raise UsageError(
                f"simulate: --ucs-irregular {pair}: expected NAME=SHARE",
                next_step=f"names: {', '.join(IRREGULARITIES)}, {_ALL}; the share is from 0 to 1",
            )
        names = IRREGULARITIES if name == _ALL else (name,)
        shares.update((each.replace("-", "_"), share) for each in names)
    return Irregularities(**shares)
