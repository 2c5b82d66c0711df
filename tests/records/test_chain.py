from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import VerificationFailed
from bridge.records.chain import genesis, link, split, trailer


def test_the_chain_starts_from_the_session_id() -> None:
    assert genesis("0000TEST00000001") == sha256(b"0000TEST00000001").digest()


def test_the_chain_of_a_later_epoch_starts_from_the_session_id_and_the_epoch() -> None:
    assert genesis("0000TEST00000001", 12) == sha256(b"0000TEST00000001\xff12").digest()


@given(st.tuples(st.text(), st.integers(0)), st.tuples(st.text(), st.integers(0)))
def test_chains_that_differ_in_session_or_epoch_start_differently(one: tuple[str, int], other: tuple[str, int]) -> None:
    assert (genesis(*one) == genesis(*other)) == (one == other)


def test_a_link_binds_the_body_to_the_record_before() -> None:
    assert link(b"p" * 32, b"body") == sha256(b"p" * 32 + b"body").digest()


def test_split_undoes_what_trailer_put_at_the_end() -> None:
    previous, own = b"p" * 32, b"h" * 32
    assert split(b"body" + trailer(previous, own)) == (b"body", previous, own)


@pytest.mark.parametrize(
    "payload",
    [b"", b"short", b"x" * 66, b"\x40" + b"p" * 32 + b"\x3e" + b"h" * 32, b"\x3e" + b"p" * 32 + b"\x40" + b"h" * 32],
)
def test_bytes_that_do_not_end_in_an_integrity_field_are_refused(payload: bytes) -> None:
    with pytest.raises(VerificationFailed):
        split(payload)
