"""Fuzz for as long as you like: `python -m tests.fuzz --seconds N [--seed S] [decoder ...]`."""

from __future__ import annotations

import argparse
import secrets
import sys

from tests.fuzz import (
    test_announcement_fuzzing,
    test_attribute_fuzzing,
    test_capture_fuzzing,
    test_configuration_fuzzing,
    test_record_fuzzing,
    test_ucs_xml_fuzzing,
    test_wire_fuzzing,
)
from tests.fuzz.engine import run_long

FUZZERS = {
    module.FUZZER.name: module.FUZZER
    for module in (
        test_wire_fuzzing,
        test_capture_fuzzing,
        test_ucs_xml_fuzzing,
        test_announcement_fuzzing,
        test_configuration_fuzzing,
        test_attribute_fuzzing,
        test_record_fuzzing,
    )
}


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Look for bytes that break a decoder.")
    parser.add_argument("decoders", nargs="*", help=f"of {', '.join(FUZZERS)}; all when none is named")
    parser.add_argument("--seconds", type=float, default=60, help="for each decoder; default 60")
    parser.add_argument("--seed", type=int, default=None, help="to repeat a run; a new one when not given")
    args = parser.parse_args()
    if unknown := set(args.decoders) - set(FUZZERS):
        parser.error(f"no such decoder: {', '.join(sorted(unknown))}; there are {', '.join(FUZZERS)}")
    seed = secrets.randbits(32) if args.seed is None else args.seed
    say(f"seed {seed}")
    crashers = [file for name in args.decoders or FUZZERS for file in run_long(FUZZERS[name], args.seconds, seed, say)]
    say(f"{len(crashers)} crashers" + "".join(f"\n  {file}" for file in crashers))
    return 1 if crashers else 0


if __name__ == "__main__":
    sys.exit(main())
