"""`chatbridge redact`: what rules do to a stored transcript, to JSON and to text, shown or done."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from bridge import cli
from bridge.errors import EXIT_CONFIGURATION, EXIT_ENVIRONMENT, EXIT_OK, EXIT_RUNTIME
from tests.commands.convert_process import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

CARD = "4111 1111 1111 1111"
MAIL = "nora@example.org"
RULES = [
    {"name": "cards", "detector": "payment_card"},
    {"name": "mails", "detector": "email", "action": "drop"},
    {"name": "names", "attribute": "*Name", "mask": "fixed"},
]
TRANSCRIPT = f"""<chatTranscript startAt="2031-03-05T08:00:00Z" sessionId="0000TEST00000001">
<newParty userId="00A1" timeShift="0" visibility="ALL" eventId="1">
<userInfo personId="" userNick="{MAIL}" userType="CLIENT" protocolType="FLEX" timeZoneOffset="0"/>
<userData><item key="FirstName">Nora</item><item key="SecureKey">hidden-71</item></userData>
</newParty>
<message userId="00A1" timeShift="1" visibility="ALL" eventId="2"><msgText>it is {CARD}, ok</msgText></message>
</chatTranscript>
"""


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHATBRIDGE_CONFIG", raising=False)
    monkeypatch.setenv("CHATBRIDGE_PRIVACY__RULES", json.dumps(RULES))


def file_of(folder: Path, content: str | bytes) -> Path:
    file = folder / "file"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def changes(capsys: pytest.CaptureFixture[str], file: Path) -> list[tuple[str, str, str, int]]:
    assert cli.main(["redact", "--dry-run", "--json", str(file)]) == EXIT_OK
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {each["file"] for each in found} <= {str(file)}
    return [(each["place"], each["field"], each["rule"], each["count"]) for each in found]


def redacted(capsys: pytest.CaptureFixture[str], file: Path) -> str:
    assert cli.main(["redact", str(file)]) == EXIT_OK
    return capsys.readouterr().out


def test_a_text_is_redacted_as_one_message_and_each_change_has_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_of(tmp_path, f"hello\nit is {CARD} or {MAIL}\n\nand 4111-1111-\n1111-1111 again\n")
    assert changes(capsys, file) == [
        ("line 2", "text", "cards", 1),
        ("line 2", "text", "mails", 1),
        ("line 4", "text", "cards", 1),
    ]
    assert redacted(capsys, file) == f"hello\nit is {'*' * 19} or \n\nand {'*' * 20} again\n"


def test_a_stored_transcript_becomes_records_and_each_change_has_its_event(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_of(tmp_path, TRANSCRIPT)
    assert sorted(changes(capsys, file)) == [
        ("0000TEST00000001:1", "party.nickname", "mails", 1),
        ("0000TEST00000001:1", "userData.FirstName", "names", 1),
        ("0000TEST00000001:1", "userData.SecureKey", "secret", 1),
        ("0000TEST00000001:2", "message.text", "cards", 1),
        ("0000TEST00000001:2", "party.nickname", "mails", 1),
    ]
    joined, said = (json.loads(line) for line in redacted(capsys, file).splitlines())
    assert joined["userData"] == {"FirstName": "***"}
    assert said["message"]["text"] == f"it is {'*' * 19}, ok"


@pytest.mark.parametrize(
    ("value", "expected", "found"),
    [
        ({"text": f"see {MAIL}"}, {"text": "see "}, [("text", "mails", 1)]),
        ({"card": int(CARD.replace(" ", ""))}, {"card": "*" * 16}, [("card", "cards", 1)]),
        ({"a": [{MAIL: 1}]}, {"a": [{"": 1}]}, [("a[0].(key)", "mails", 1)]),
        ({"secureKey": "hidden-71", "b": 2.5}, {"b": 2.5}, [("secureKey", "secret", 1)]),
        ({"FirstName": "Nora"}, {"FirstName": "Nora"}, []),
        ({"userData": {"FirstName": "Nora"}}, {"userData": {"FirstName": "***"}}, [("userData.FirstName", "names", 1)]),
        (
            {"userData": [{"key": "FirstName", "type": "string", "value": "Nora"}, {"key": "n", "value": 7}]},
            {
                "userData": [
                    {"key": "FirstName", "type": "string", "value": "***"},
                    {"key": "n", "type": "string", "value": "7"},
                ]
            },
            [("userData.FirstName", "names", 1)],
        ),
        ({"userData": ["FirstName", MAIL]}, {"userData": ["FirstName", ""]}, [("userData[1]", "mails", 1)]),
        ([True, None], [True, None], []),
        ({MAIL: 1, "ann@example.org": 2}, {"": 1, "#2": 2}, [("(key)", "mails", 1), ("(key)", "mails", 1)]),
        (
            {"userData": {"FirstName": "Nora", "Age": 3, "Old": True, "None": None, "In": [MAIL], "PIN": 7}},
            {"userData": {"FirstName": "***", "Age": 3, "Old": True, "PIN": 7, "None": None, "In": [""]}},
            [("userData.FirstName", "names", 1), ("userData.In[0]", "mails", 1)],
        ),
        (
            {"userData": {"of": {"FirstName": "Nora", "n": 1}, "all": [{"FirstName": "Nora"}, "Nora", {"a.b": MAIL}]}},
            {"userData": {"of": {"FirstName": "***", "n": 1}, "all": [{"FirstName": "***"}, "Nora", {"a.b": ""}]}},
            [
                ("userData.of.FirstName", "names", 1),
                ("userData.all.FirstName", "names", 1),
                ("userData.all.a\\.b", "mails", 1),
            ],
        ),
        (
            {"userData": {"FirstName": "Nora", "no path #": "a", "x.y\\": MAIL}},
            {"userData": {"FirstName": "***", "no path #": "a", "x.y\\": ""}},
            [("userData.FirstName", "names", 1), ("userData.x\\.y\\\\", "mails", 1)],
        ),
    ],
)
def test_json_keeps_its_form_and_its_maps_of_attributes_are_those_of_events(
    value: Any, expected: Any, found: list[tuple[str, str, int]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_of(tmp_path, json.dumps(value))
    assert changes(capsys, file) == [("line 1", *each) for each in found]
    assert json.loads(redacted(capsys, file)) == expected


DROP_Q = {"name": "q", "attribute": "q", "action": "drop"}
ONLY_A = {"name": "a", "attribute": "a", "action": "allow", "group": "userData"}


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        (DROP_Q, {"eventAttributes": {"a": {"userData": {"q": "1", "b": "2"}}}}, {"a": {"userData": {"b": "2"}}}),
        (DROP_Q, {"userData": {"a": {"userData": [{"key": "q", "type": "str", "value": "1"}]}, "b": 1}}, {"b": 1}),
        (
            {"name": "q", "attribute": "a.q", "action": "drop"},
            {"userData": {"a": [{"key": "q", "value": "1"}, {"key": "b", "type": "int", "value": 2}]}},
            {"a": [{"key": "b", "type": "int", "value": 2}]},
        ),
        (
            {"name": "q", "attribute": "a.userData.q", "action": "drop", "group": "eventAttributes"},
            {"eventAttributes": {"a": {"userData": {"q": "1", "b": "2"}}}},
            {"a": {"userData": {"b": "2"}}},
        ),
        (DROP_Q, {"userData": {"q": ["12", 34], "b": ["12"]}}, {"b": ["12"]}),
        (DROP_Q, {"userData": {"q": [["12"], {"c": 1}], "b": None}}, {"b": None}),
        (ONLY_A, {"userData": {"a": ["1"], "lst": ["secret text", 5]}}, {"a": ["1"]}),
        (ONLY_A, {"userData": {"a": [], "b": [], "c": {}, "d": None, "e": {"f": {"g": 1}}}}, {"a": []}),
        (ONLY_A, {"userData": ["text", {"a": 1, "b": 2}]}, [{"a": 1}]),
        (ONLY_A, {"userData": {"b": 1}}, {}),
        ({"name": "q", "attribute": "q", "mask": "fixed"}, {"userData": {"q": ["12", 34]}}, {"q": ["***", "***"]}),
    ],
)
def test_rules_about_attributes_reach_events_in_attributes_and_lists_of_values(
    rule: dict[str, str],
    value: dict[str, Any],
    expected: Any,
    *,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHATBRIDGE_PRIVACY__RULES", json.dumps([rule]))
    file = file_of(tmp_path, json.dumps(value))
    assert changes(capsys, file)
    assert json.loads(redacted(capsys, file)) == dict.fromkeys(value, expected)


def test_a_rule_makes_one_pseudonym_of_an_attribute_with_two_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = [{"name": "q", "attribute": "*q", "action": "hash"}]
    (tmp_path / "key").write_text("0123456789abcdef-test")
    monkeypatch.setenv("CHATBRIDGE_PRIVACY__RULES", json.dumps(rules))
    monkeypatch.setenv("CHATBRIDGE_PRIVACY__HASH_KEY_FILE", str(tmp_path / "key"))
    once = file_of(tmp_path, json.dumps({"userData": {"q": "1"}}))
    pseudonym = json.loads(redacted(capsys, once))["userData"]["q"]
    twice = file_of(tmp_path, json.dumps({"userData": {"a": {"userData": {"q": "1"}}}}))
    assert changes(capsys, twice) == [("line 1", "userData.a.userData.q", "q", 1)]
    assert json.loads(redacted(capsys, twice)) == {"userData": {"a": {"userData": {"q": pseudonym}}}}


def test_lines_of_json_are_values_of_their_own_and_what_only_begins_like_json_is_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = file_of(tmp_path, f'{{"a": 1}}\n\n{{"a": "{MAIL}"}}\n')
    assert changes(capsys, lines) == [("line 3", "a", "mails", 1)]
    assert redacted(capsys, lines) == '{"a":1}\n{"a":""}\n'
    text = file_of(tmp_path, f"[not JSON] {MAIL}")
    assert redacted(capsys, text) == "[not JSON] "


def test_a_table_and_json_never_show_a_text_and_a_terminal_shows_it_with_marks_but_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = file_of(tmp_path, TRANSCRIPT)
    for form in ([], ["--json"]):
        assert cli.main(["redact", "--dry-run", *form, str(file)]) == EXIT_OK
        shown = capsys.readouterr().out
        assert "cards" in shown
        assert not any(text in shown for text in (CARD, MAIL, "Nora", "hidden"))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert cli.main(["redact", "--dry-run", str(file)]) == EXIT_OK
    shown = capsys.readouterr().out
    assert f"it is \x1b[31;9m{CARD}\x1b[0m\x1b[32;7m{'*' * 19}\x1b[0m, ok" in shown
    assert "\x1b[31;9mNora\x1b[0m\x1b[32;7m***\x1b[0m" in shown
    assert "secret" in shown
    assert "hidden" not in shown


def test_control_characters_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    file = file_of(tmp_path, f"\x1b]0;x\x07 {MAIL} \x1b[2J")
    assert cli.main(["redact", "--dry-run", str(file)]) == EXIT_OK
    shown = capsys.readouterr().out
    assert "\x1b]0" not in shown
    assert "\x1b[2J" not in shown


def test_the_rules_are_those_of_the_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = [{"name": "all", "topic_prefix": "a."}, {"name": "none", "topic_prefix": "b.", "rules": []}]
    monkeypatch.setenv("CHATBRIDGE_OUTPUTS", json.dumps(outputs))
    file = file_of(tmp_path, MAIL)
    assert redacted(capsys, file) == ""
    assert cli.main(["redact", "--output", "none", str(file)]) == EXIT_OK
    assert capsys.readouterr().out == MAIL


def test_every_sample_is_redacted_to_as_many_records_as_it_has_events(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["redact", *map(str, SAMPLES)]) == EXIT_OK
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len({record["sessionId"] for record in records}) == len(SAMPLES)


def test_what_cannot_be_read_is_said_and_the_others_are_redacted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = file_of(tmp_path, MAIL), tmp_path / "bad.xml"
    bad.write_text("<other/>")
    assert cli.main(["redact", "--dry-run", "--json", str(bad), str(good)]) == EXIT_RUNTIME
    told = capsys.readouterr()
    assert str(bad) in told.err
    assert "mails" in told.out


@pytest.mark.parametrize("depth", [500, 5_000, 100_000])
@pytest.mark.parametrize("ends", ["[]", "{}"], ids=["list", "object"])
def test_json_that_is_nested_too_deeply_is_refused(
    ends: str, depth: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = "[" if ends == "[]" else '{"userData":'
    file = file_of(tmp_path, begin * depth + '"nora"' + ends[1] * depth)
    assert cli.main(["redact", str(file)]) == EXIT_RUNTIME
    told = capsys.readouterr()
    assert (told.out, "nested too deeply" in told.err) == ("", True)


@pytest.mark.parametrize("number", ["4111111111111111", "4111111111111111.0", "4.111111111111111e15"])
def test_a_number_is_redacted_however_it_is_written(
    number: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_of(tmp_path, f'{{"a": {number}, "b": [2.5, -1e300, true, null]}}')
    done = json.loads(redacted(capsys, file))
    assert "1111" not in str(done["a"])
    assert done["b"] == [2.5, -1e300, True, None]


@pytest.mark.parametrize("text", [MAIL, json.dumps({"a": MAIL})])
def test_a_text_in_utf_16_is_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "wide.txt"
    file.write_bytes(text.encode("utf-16-le"))
    assert cli.main(["redact", str(file)]) == EXIT_RUNTIME
    assert "NUL characters" in capsys.readouterr().err
    file.write_bytes(text.encode("utf-16"))
    assert cli.main(["redact", str(file)]) == EXIT_ENVIRONMENT


def test_json_goes_with_dry_run_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["redact", "--json", str(file_of(tmp_path, ""))]) == EXIT_CONFIGURATION
    assert "--dry-run" in capsys.readouterr().err
