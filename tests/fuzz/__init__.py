"""Fuzzers, one module per decoder; its first line says what is believed of it.

`make test` runs a fixed number of mutants of the committed corpus, the same ones each time, through hypothesis, which
shrinks what breaks a belief. `make fuzz` explores with the property tests first (`make explore`), then goes on with a
new seed (`python -m tests.fuzz --seconds N [decoder ...]`), on raw bytes, and keeps what makes a decoder say something
new.

There is no coverage-guided engine such as atheris: the decoders below these modules (msgspec, expat, fastavro, PyYAML's
scanner apart) are compiled and not instrumented, so that it would see the thin layer that the labels of `Fuzzer.check`
already tell apart, and it would cost an instrumented interpreter and 35 MB of wheel for it.

A crasher is written to `tests/fuzz/crashers/<decoder>/`; once mended, its file moves to `corpus/<decoder>/`.
"""
