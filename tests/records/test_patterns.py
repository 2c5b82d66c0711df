from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.records import patterns
from bridge.records.patterns import REACH_BYTES, WIDE_BYTES, compiled


def found(pattern: str, text: str) -> list[str]:
    return [text[start:end] for start, end in compiled(pattern)(text)]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"CUST-\d{6,10}", "CUST-123456, cust-123456", ["CUST-123456"]),
        (r"(?i)\b(?:ab|cd)-[0-9]{4}\b", "AB-1234 cd-12345 Cd-0000", ["AB-1234", "Cd-0000"]),
        (r"\d+", "1 22 333", ["1", "22", "333"]),
        (r"(a+)+b", "aaab", ["aaab"]),
        (r"(?:[ -]?\d){12,18}", "at 1234 5678 9012.", [" 1234 5678 9012"]),
        (r"(?P<word>\pL+)\z", "naïve Jürgen", ["Jürgen"]),
        (r"(?i)jürgen|\x{17f}", "JÜRGEN S", ["JÜRGEN", "S"]),
        (r"😀|é", "a😀bé", ["😀", "é"]),
        (r"(?s)secret.*", "a\nsecret\nb", ["secret\nb"]),
        (r"x{0,3}", "axxb", ["xx"]),
        (r"x*", "éxé", ["x"]),
        (r"^a|b$", "aab\nb", ["a", "b"]),
        ("", "abc", []),
        ("a", "", []),
        ("\0", "a\0b", ["\0"]),
    ],
)
def test_what_a_pattern_matches(pattern: str, text: str, expected: list[str]) -> None:
    assert found(pattern, text) == expected


@pytest.mark.parametrize(
    ("pattern", "text"), [(r"\w+", "éé"), (r"\d", "٣"), (r"\s", "\u00a0"), (r"é\b", "café au lait")]
)
def test_classes_and_word_boundaries_know_ascii_only(pattern: str, text: str) -> None:
    assert found(pattern, text) == []


@pytest.mark.parametrize(
    ("pattern", "text", "spans"),
    [
        ("b", "\ud800b", [(1, 2)]),
        ("b", "\ud83d\ude00b", [(2, 3)]),  # two halves in two characters stay two
        (".", "\ud800", [(0, 1)]),
        ("\ufffd+", "a\udfff\udfff\ufffd", [(1, 4)]),
        (r"\C", "é€", [(0, 1), (1, 2)]),  # a byte of a character stands for the character
        (r"\C\C", "aé€", [(0, 2), (2, 3)]),
    ],
)
def test_places_are_characters_whatever_the_bytes(pattern: str, text: str, spans: list[tuple[int, int]]) -> None:
    assert list(compiled(pattern)(text)) == spans


SAME_IN_RE = ["a", "[^a]", "é|a{2}", "(?i)É", ".x", "a.*é|a", "(?:a|é)+x", "a*?x", "x$|^a", "(?s)x.*", "😀{1,2}", "a*"]
TEXTS = st.text(alphabet="aé😀xX\nE\ud800\udc80", max_size=60)


@given(st.sampled_from(SAME_IN_RE), TEXTS)
@example("x$|^a", "a\nax\n")
def test_where_both_know_a_pattern_re2_and_re_find_the_same(pattern: str, text: str) -> None:
    dollar = re.compile(pattern.replace("$", r"\Z"))  # re lets $ match before a last line end, too
    expected = [match.span() for match in dollar.finditer(text) if match.group()]
    assert list(compiled(pattern)(text)) == expected


@given(st.sampled_from(SAME_IN_RE), TEXTS, st.sampled_from([0, 60, 200]))
def test_matches_shorter_than_the_reach_are_the_same_when_little_is_shown(pattern: str, text: str, wide: int) -> None:
    expected = list(compiled(pattern)(text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patterns, "WIDE_BYTES", wide)
        patch.setattr(patterns, "REACH_BYTES", 240)
        assert list(compiled(pattern)(text)) == expected


@given(st.sampled_from(["ab", "é", "xé{1,3}", "(?i)É", "😀x?", r"\bx", "^a", "x$", "(?:)", "a*"]), TEXTS)
def test_short_matches_are_found_wherever_the_part_shown_ends(pattern: str, text: str) -> None:
    expected = list(compiled(pattern)(text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patterns, "WIDE_BYTES", 0)
        patch.setattr(patterns, "REACH_BYTES", 8)
        if pattern != "a*":
            assert list(compiled(pattern)(text)) == expected
        else:  # longer than the reach: all of it, though perhaps not as one
            assert [at for span in compiled(pattern)(text) for at in range(*span)] == [
                at for span in expected for at in range(*span)
            ]


MANY = "x" * 6_000  # in sum, the searches for them may read 18 MB
FAR = "a" * (5 * REACH_BYTES)
assert len(MANY) ** 2 / 2 > WIDE_BYTES


@pytest.mark.parametrize(
    ("pattern", "tail", "last"),
    [
        ("x|b.{0,500}e", f"{FAR}b{'é' * 500}e", f"b{'é' * 500}e"),
        ("x|b.{0,900}e|b", f"{'a' * 1_500}b{'c' * 700}e", f"b{'c' * 700}e"),  # e lies just behind the first part shown
        ("x|b.*", f"{FAR}b{FAR}", f"b{FAR}"),
        ("x|e$", f"{FAR}e", "e"),
        ("x|ba*c", f"{FAR}ba", "x"),
        ("x|b.*e", f"b{FAR}e", "x"),  # what the reach costs
    ],
)
def test_after_many_matches_only_what_is_near_is_seen(pattern: str, tail: str, last: str) -> None:
    assert found(pattern, MANY + tail)[-1] == last


def test_before_many_matches_everything_is_seen() -> None:
    assert found("x|b.*e", f"xxb{FAR}e") == ["x", "x", f"b{FAR}e"]


@pytest.mark.parametrize(
    ("pattern", "text"), [("x.*y|x", "x"), ("(?:.*y)?", "x"), ("(x+x+)+y", "x"), (r"\w+@\w+", "x"), ("é|.*y", "é")]
)
def test_the_time_does_not_grow_with_the_square_of_the_text(pattern: str, text: str) -> None:
    """Four times the text would take sixteen times as long."""

    def seconds(size: int) -> float:
        best = float("inf")
        for _ in range(3):
            before = time.process_time()
            for _ in compiled(pattern)(text * size):
                pass
            best = min(best, time.process_time() - before)
        return best

    assert seconds(80_000) < 9 * seconds(20_000) + 0.005


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(?=a)", "look-around; match the surroundings"),
        ("(?!a)b", "look-around"),
        ("(?<=a)b", "look-around"),
        ("(?<!a)b", "look-around"),
        (r"(a)\1", "back-references; write the repeated part out"),
        ("(?P<n>a)(?P=n)", "back-references"),
        ("(?>a)", "atomic groups"),
        ("(a)?(?(1)b|c)", "atomic groups and conditions"),
        (r"\d++x", "possessive"),
        ("a**", "possessive or stacked"),
        ("a{5000}", "more than 1,000"),
        ("(?:a{1,100}){1,100}", "also when nested"),
        (r"\pL{1,1000}", "needs more than 8 MiB"),
        (r"a\Z", r"write \\z"),
        (r"\u00e9", r"write \\x\{1F600\}"),
        ("(", r"expression of RE2: missing \)"),
        ("[", r"expression of RE2: missing \]"),
        (r"\p{Foo}", r"invalid character class range: \\p\{Foo\}"),
        ("(?x)a", "invalid perl operator"),
        ("a\udc80", "lone surrogate"),
    ],
)
def test_what_re2_does_not_have_is_refused_with_what_to_do_instead(
    pattern: str, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=reason):
        compiled(pattern)
    assert capfd.readouterr() == ("", "")


def test_a_reason_does_not_repeat_a_long_pattern() -> None:
    with pytest.raises(ValueError, match="missing") as caught:
        compiled("(" + "secret" * 20)
    assert "secret" not in str(caught.value)
