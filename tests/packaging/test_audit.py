from __future__ import annotations

import pytest

from tests.packaging.audit import verdict


@pytest.mark.parametrize(
    ("returncode", "said", "code"),
    [
        (0, "No known vulnerabilities found", 0),
        (1, "Found 1 known vulnerability in 1 package", 1),
        (1, "Found 2 known vulnerabilities in 1 package", 1),
        (1, "ERROR:pip_audit._cli:x: Dependency not found on PyPI and could not be audited", 3),
        (1, "requests.exceptions.ConnectionError", 3),
    ],
)
def test_a_database_that_cannot_be_asked_is_no_verdict(returncode: int, said: str, code: int) -> None:
    assert verdict(returncode, said) == code
