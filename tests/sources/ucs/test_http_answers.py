"""What UCS answers over HTTP: both interfaces, both shapes, and what is neither."""

from __future__ import annotations

import json

import pytest

from bridge.errors import Problem
from bridge.sources.ucs.http_answers import (
    InteractionAnswer,
    context_services_answer,
    in_utf_8,
    same_origin,
    transcript_problem,
    ucs_9_answer,
)
from bridge.sources.ucs.http_codes import (
    UCS_HTTP_CODES,
    UCS_HTTP_ERROR_INSIDE,
    UCS_HTTP_NO_TEXT,
    UCS_HTTP_NO_TRANSCRIPT,
    UCS_HTTP_NOT_FOUND,
    UCS_HTTP_NOT_JSON,
    UCS_HTTP_OTHER_CHAT,
    UCS_HTTP_OTHER_ORIGIN,
)

CHAT = "0000SIMA00000001"
ASKED = f"http://ucs.example.invalid:8080/interactions/{CHAT}"
LINK = f"{ASKED}/structured_text"
SAMPLE = {
    "external_id": "00A10000000000FF",
    "established_date": "2031-03-04T10:00:00.000Z",
    "media_type": "chat",
    "structured_text": LINK,
    "udata": {"Subject": "order"},
}


def code_of(answer: InteractionAnswer | Problem) -> str:
    assert isinstance(answer, Problem)
    assert answer.code in UCS_HTTP_CODES
    return answer.code


@pytest.mark.parametrize("value", [SAMPLE, [SAMPLE]])
def test_both_shapes_of_context_services_give_the_address_of_the_transcript(value: object) -> None:
    answer = context_services_answer(CHAT, json.dumps(value).encode(), ASKED)
    assert answer == InteractionAnswer(None, LINK, stopped=False)


@pytest.mark.parametrize(("status", "stopped"), [(0, False), (2, False), (3, True), ("3", True), (None, False)])
def test_an_interaction_is_over_only_if_its_status_says_so(status: object, stopped: bool) -> None:
    answer = context_services_answer(CHAT, json.dumps({**SAMPLE, "status": status}).encode(), ASKED)
    assert isinstance(answer, InteractionAnswer)
    assert answer.stopped is stopped


def test_of_several_interactions_the_one_that_was_asked_for_counts() -> None:
    other = {**SAMPLE, "interaction_id": "OTHER", "structured_text": f"{ASKED}/other"}
    own = {**SAMPLE, "interaction_id": CHAT}
    answer = context_services_answer(CHAT, json.dumps([other, own]).encode(), ASKED)
    assert answer == InteractionAnswer(None, LINK, stopped=False)
    assert code_of(context_services_answer(CHAT, json.dumps([other]).encode(), ASKED)) == UCS_HTTP_OTHER_CHAT
    assert code_of(context_services_answer(CHAT, json.dumps([other, other]).encode(), ASKED)) == UCS_HTTP_OTHER_CHAT


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", UCS_HTTP_NOT_JSON),
        (b"<html></html>", UCS_HTTP_NOT_JSON),
        (json.dumps(SAMPLE).encode()[:40], UCS_HTTP_NOT_JSON),
        (b"[" * 100_000, UCS_HTTP_NOT_JSON),
        (b'"text"', UCS_HTTP_NOT_JSON),
        (b"[7]", UCS_HTTP_NOT_JSON),
        (b"[]", UCS_HTTP_NOT_FOUND),
        (b'{"structured_text": 7}', UCS_HTTP_NOT_JSON),
        (b'{"media_type": "chat"}', UCS_HTTP_NO_TEXT),
        (b'{"structured_text": null}', UCS_HTTP_NO_TEXT),
        (b'{"error": "x", "message": "y"}', UCS_HTTP_ERROR_INSIDE),
        (b'{"Exception": {"id": 1}}', UCS_HTTP_ERROR_INSIDE),
    ],
)
def test_what_is_no_interaction_of_context_services_has_a_code(body: bytes, code: str) -> None:
    assert code_of(context_services_answer(CHAT, body, ASKED)) == code


def test_a_transcript_in_the_place_of_its_address_is_taken() -> None:
    body = json.dumps({**SAMPLE, "structured_text": "<chatTranscript/>"}).encode()
    assert context_services_answer(CHAT, body, ASKED) == InteractionAnswer(b"<chatTranscript/>", None, stopped=False)


@pytest.mark.parametrize(
    "link",
    [
        "http://other.example.invalid:8080/x",
        "http://ucs.example.invalid/x",
        "http://ucs.example.invalid:8081/x",
        "https://ucs.example.invalid:8080/x",
        "http://user:secret@ucs.example.invalid:8080/x",
        "http://@ucs.example.invalid:8080/x",
        "//other.example.invalid/x",
        "file:///etc/passwd",
        "http://169.254.169.254/x",
        "http://ucs.example.invalid:8080@other.example.invalid/x",
        "http://[::1/x",
        "http://ucs.example.invalid:port/x",
    ],
)
def test_an_address_on_another_origin_is_refused(link: str) -> None:
    refused = same_origin(ASKED, link)
    assert isinstance(refused, Problem)
    assert refused.code == UCS_HTTP_OTHER_ORIGIN
    assert code_of(context_services_answer(CHAT, json.dumps({"structured_text": link}).encode(), ASKED)) == refused.code


@pytest.mark.parametrize(
    ("base", "link", "whole"),
    [
        (ASKED, "/x", "http://ucs.example.invalid:8080/x"),
        (ASKED, "HTTP://UCS.example.invalid:8080/x", "http://UCS.example.invalid:8080/x"),
        ("https://ucs.example.invalid/a", "https://ucs.example.invalid:443/b", "https://ucs.example.invalid:443/b"),
    ],
)
def test_an_address_on_the_same_origin_is_made_absolute(base: str, link: str, whole: str) -> None:
    found = same_origin(base, link)
    assert isinstance(found, str)
    assert found.casefold() == whole.casefold()


CONTENT = {"StructuredText": '<?xml version="1.0" encoding="UTF-16"?><chatTranscript/>', "Text": None}


def test_ucs_9_gives_the_transcript_itself() -> None:
    whole = {"InteractionAttributes": {"Id": CHAT, "Status": 3}, "InteractionContent": CONTENT}
    assert ucs_9_answer(CHAT, json.dumps(whole).encode()) == InteractionAnswer(b"<chatTranscript/>", None, stopped=True)
    flat = {**CONTENT, "Status": "Stopped", "InteractionId": CHAT}
    assert ucs_9_answer(CHAT, json.dumps(flat).encode()) == InteractionAnswer(b"<chatTranscript/>", None, stopped=True)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<html></html>", UCS_HTTP_NOT_JSON),
        (b"{}", UCS_HTTP_NOT_JSON),
        (b'{"InteractionContent": 7}', UCS_HTTP_NOT_JSON),
        (b'{"InteractionContent": {"StructuredText": 7}}', UCS_HTTP_NOT_JSON),
        (b'{"InteractionContent": {"StructuredText": null}}', UCS_HTTP_NO_TEXT),
        (b'{"InteractionContent": {}, "InteractionAttributes": {}}', UCS_HTTP_NO_TEXT),
        (b'{"ErrorCode": 510, "ErrorDescription": "x"}', UCS_HTTP_ERROR_INSIDE),
        (b'{"InteractionAttributes": {"Id": "OTHER"}, "InteractionContent": {"StructuredText": "<x/>"}}', "OTHER"),
    ],
)
def test_what_is_no_interaction_of_ucs_9_has_a_code(body: bytes, code: str) -> None:
    assert code_of(ucs_9_answer(CHAT, body)) == (UCS_HTTP_OTHER_CHAT if code == "OTHER" else code)


def test_lone_surrogates_of_json_reach_the_repair_of_transcripts() -> None:
    body = json.dumps({"InteractionContent": {"StructuredText": "<a>\ud83d</a>"}}).encode()
    assert ucs_9_answer(CHAT, body) == InteractionAnswer(b"<a>\xed\xa0\xbd</a>", None, stopped=False)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\n<!DOCTYPE HTML><html>", UCS_HTTP_NO_TRANSCRIPT),
        (b"\xef\xbb\xbf<HTML>", UCS_HTTP_NO_TRANSCRIPT),
        (b' {"error": 1}', UCS_HTTP_NO_TRANSCRIPT),
        (b" \n", UCS_HTTP_NO_TEXT),
        (b"<chatTranscript", None),
        (b"\x01<chatTranscript>", None),
    ],
)
def test_a_damaged_transcript_is_one_and_a_page_is_none(body: bytes, code: str | None) -> None:
    problem = transcript_problem(body)
    assert (None if problem is None else problem.code) == code


def test_the_charset_of_a_response_counts_only_where_the_bytes_are_no_utf_8() -> None:
    assert in_utf_8("<a>ü</a>".encode(), "ISO-8859-1") == "<a>ü</a>".encode()
    declared = '<?xml version="1.0" encoding="ISO-8859-1"?><a>ü</a>'.encode("iso-8859-1")
    assert in_utf_8(declared, "ISO-8859-1") == "<a>ü</a>".encode()
    assert in_utf_8(declared, None) == declared
    assert in_utf_8(declared, "utf-8") == declared
    for charset in ("no-such-charset", "undefined", "hex", "a\0b"):
        assert in_utf_8(declared, charset) == declared
