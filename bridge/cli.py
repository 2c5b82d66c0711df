"""The command line: finds the command, runs it, and reports an error as two lines and an exit code.

The first line has the code of the cause (docs/reference/codes.md) where an external dependency has one.

Exit codes: 0 done, 1 failed while running, 2 wrong settings or arguments, 3 an external dependency is missing or
refuses (Kafka, registry, Java), 128 + number of the signal that ended the process.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import io
import os
import signal
import sys
from typing import TYPE_CHECKING, Final, Protocol, cast

from bridge import __version__
from bridge.errors import EXIT_OK, EXIT_SIGNAL_BASE, BridgeError, EnvironmentFault, UsageError
from bridge.starting import INTERRUPTED, ended_by_ctrl_c

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from _typeshed import ReadableBuffer

COMMANDS: Final = {
    "run": "capture chats to Kafka until stopped",
    "demo": "run Kafka, a simulated Chat Server and the bridge on this machine",
    "simulate": "run a simulated Chat Server",
    "tail": "show transcript events as they are committed",
    "announce": "announce a chat, so that a worker follows it",
    "backfill": "send stored transcripts to the shards, which publish what they lack",
    "reconcile": "compare captured chats with stored ones, and fill what is missing",
    "convert": "turn stored transcript files (XML) into records, without Kafka",
    "redact": "redact files by the privacy rules, or show what the rules would do to them",
    "verify": "check that the records on Kafka, or in files, are complete and unaltered",
    "export": "write the records on Kafka to files that can be verified",
    "unseal": "show sealed records in clear, with the master key",
    "coverage": "count how many of the announced chats are certified as complete",
    "proof": "prove that a certificate is in the log of its partition, or check such a proof",
    "erase": "destroy what makes chats readable, and say what still holds their text",
    "hold": "keep chats from being erased, and copy their records",
    "release": "allow the erasure of chats again that were held",
    "subject": "find, export, erase or hold all chats of a person",
    "keys": "make signing keys, and list the public ones",
    "doctor": "examine everything that a worker depends on, and say what is wrong",
    "topics": "compare, create or alter the topics",
    "acls": "print the rights on Kafka that each command needs",
    "schemas": "print, check or register the Avro schemas",
    "healthcheck": "ask a worker on this machine whether its process works",
    "config": "print every setting with its value and origin",
}

_EPILOG: Final = """\
examples:
  chatbridge demo                               a demonstration; needs Java, and Maven once
  chatbridge run --config bridge.yaml           capture until SIGTERM
  chatbridge tail --from-beginning --max 20     the first twenty events
  chatbridge COMMAND --help                     more, with examples

exit codes: 0 done, 1 failed, 2 wrong settings or arguments, 3 external dependency missing (Kafka, registry, Java),
128+n ended by signal n
"""


class Command(Protocol):
    """A module of bridge.commands."""

    def define(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and help."""

    def run(self, args: argparse.Namespace) -> int:
        """Run the command; return the exit code. Raises BridgeError."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    _open_standard_streams()
    try:
        return _main(argv)
    except KeyboardInterrupt:
        return INTERRUPTED


def _main(argv: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    with ended_by_ctrl_c():
        try:
            module, args = _parsed(words)
        except UsageError as error:
            return _report(error)
        except SystemExit as ended:  # by argparse: help or the version, which standard output has not yet, or a usage
            code = ended.code if isinstance(ended.code, int) else EXIT_OK
            return _guarded(lambda: code)
    return _guarded(lambda: module.run(args))


def _parsed(words: list[str]) -> tuple[Command, argparse.Namespace]:
    """Import the module of the command, and parse the words. Raises UsageError where it is not installed."""
    chosen = next((word for word in words if not word.startswith("-")), "")
    parser = argparse.ArgumentParser(
        prog="chatbridge",
        description="Captures Genesys chat transcripts to Kafka, each event exactly once.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"chatbridge {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    module: Command | None = None
    of_command = parser
    for name, summary in COMMANDS.items():
        sub = commands.add_parser(
            name, help=summary, description=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name == chosen:  # only the chosen command is imported: Kafka and Avro clients are slow to import
            try:
                module = cast("Command", importlib.import_module(f"bridge.commands.{name}"))
            except ModuleNotFoundError as error:
                raise _left_out(name, error) from None
            module.define(sub)
            of_command = sub
    if not gc.isenabled():  # by __main__: all that exists now lives as long as the process
        gc.freeze()
        gc.enable()
    args, others = parser.parse_known_args(words)
    if others:
        of_command.error(f"unrecognized arguments: {' '.join(others)}")
    if module is None:
        parser.error("a command is needed")
    return module, args


def _left_out(command: str, error: ModuleNotFoundError) -> UsageError:
    """Return what to say where the packages of a command are left out, as in the image. Others are a defect."""
    if not (error.name or "").startswith("bridge."):
        raise error
    return UsageError(
        f"{command}: {error.name} is not in this installation",
        next_step="the image has no simulator and no sandbox; the Python package has them",
    )


def _guarded(work: Callable[[], int]) -> int:
    """Return the exit code of the work once standard output has what it said."""
    try:
        code = work()
        sys.stdout.flush()
    except BridgeError as error:
        return _report(error)
    except BrokenPipeError:
        _discard_output()  # the reader (head, less) has closed the pipe
        return EXIT_SIGNAL_BASE + signal.SIGPIPE
    except OSError as error:
        _discard_output()
        told = error.strerror or type(error).__name__
        return _report(EnvironmentFault(told if error.filename is None else f"{error.filename} cannot be used: {told}"))
    else:
        return code


def _open_standard_streams() -> None:
    """Replace streams that are closed (`<&-`, `>&-`) by the null device: their numbers would go to other files.

    Standard output takes all text, and is buffered also with PYTHONUNBUFFERED: `say` flushes.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = _in_place_of(sys.stdout, _StandardOutput)
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = _in_place_of(sys.stderr, _StandardError)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # The locale does not have every character, nor name of a file.
        sys.stdout.reconfigure(errors="backslashreplace")


def _in_place_of(former: io.TextIOWrapper, raw: type[io.FileIO]) -> io.TextIOWrapper:
    binary = io.BufferedWriter(raw(former.fileno(), "w", closefd=False))
    return io.TextIOWrapper(binary, former.encoding, former.errors, line_buffering=former.line_buffering)


class _StandardOutput(io.FileIO):
    """Its errors name it, as those of other files do."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = "standard output"
            raise


class _StandardError(io.FileIO):
    """What it cannot take is lost: nobody can be told, and the exit code is that of the command."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def _discard_output() -> None:
    """Drop what standard output cannot take: Python would fail again when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(error: BridgeError) -> int:
    # The codes of other classes stand for the class, not for a cause, or are in the message.
    caused = isinstance(error, EnvironmentFault) and error.code != EnvironmentFault.code
    sys.stderr.write(f"chatbridge: {f'{error.code}: ' if caused else ''}{error.message}\n")
    if error.next_step:
        sys.stderr.write(f"  next: {error.next_step}\n")
    return error.exit_code
