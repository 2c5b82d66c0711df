from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.records.pseudonyms import HashKey
from bridge.records.redactor import Redaction, Redactor
from bridge.records.rules import Rule
from bridge.records.secret_names import scrub
from bridge.transcript.events import Item

if TYPE_CHECKING:
    from bridge.transcript.events import Items

SECRET = "Zx9-hidden-71"


def attributes(values: dict[str, str], *rules: Rule) -> tuple[dict[str, str], dict[str, str], list[Redaction]]:
    kept, types = dict(values), dict.fromkeys(values, "binary")
    done: list[Redaction] = []
    Redactor(rules, KEY).attributes("userData", kept, types, done)
    return kept, types, done


@pytest.mark.parametrize(
    "path",
    [
        "GCTI_Chat_SessionPassword",
        "gcti_chat_sessionpassword",
        "ChatServerSessionPassword",
        "SecureKey",
        "secureKey",
        "secure_key",
        "SECURE-KEY",
        "SecureKey#2",
        "push_notification_deviceid",
        "GCTI_GMS_PushDeviceId",
        "outer.SecureKey",
        "SecureKey.inner",
        "SecureKey#3.inner.more",
        "a\\.b.ChatServerSessionPassword.c",
        "old_GCTI_Chat_SessionPassword",
    ],
)
def test_a_secret_is_removed_from_attributes_wherever_its_name_stands_in_the_path(path: str) -> None:
    kept, types, done = attributes({"FirstName": "Nora", path: SECRET, "LastName": "Sample"})
    assert kept == {"FirstName": "Nora", "LastName": "Sample"}
    assert path not in types
    assert done == [Redaction(f"userData.{path}", "secret", 1)]


@pytest.mark.parametrize("path", ["Secure.Key", "Password", "push_notification_type", "DeviceModel", "keysecure"])
def test_what_only_looks_a_little_like_a_secret_stays(path: str) -> None:
    assert attributes({path: "value"}) == ({path: "value"}, {path: "binary"}, [])


@pytest.mark.parametrize(
    ("name", "text"),
    [("secureKey", SECRET), ("SECUREKEY", ""), ("login", f'{{"user": "a", "secureKey": "{SECRET}"}}')],
)
def test_a_secret_inside_an_unknown_attribute_takes_the_attribute_with_it(name: str, text: str) -> None:
    done: list[Redaction] = []
    values = {name: text, "volume": "low"}
    assert Redactor().unknown(values, done) == {"volume": "low"}
    assert done == [Redaction(f"unknownAttributes.{name}", "secret", 1)]
    assert values == {name: text, "volume": "low"}


MAIL = "nora@example.org"
KEY = HashKey("k1", b"k" * 16)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule("r", detector="email", action="drop"), "write to  or "),
        (Rule("r", detector="email", action="mask"), "write to **************** or ****************"),
        (
            Rule("r", detector="email", action="hash"),
            "write to k1:{0} or k1:{0}".format(hmac.digest(KEY.key, MAIL.encode(), "sha256").hex()[:16]),
        ),
    ],
)
def test_each_action_replaces_every_find_in_a_text_and_counts_them(rule: Rule, expected: str) -> None:
    done: list[Redaction] = []
    assert Redactor([rule], KEY).text("message.text", f"write to {MAIL} or {MAIL}", done) == expected
    assert done == [Redaction("message.text", "r", 2)]


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("drop", {}),
        ("mask", {"FirstName": "****"}),
        ("hash", {"FirstName": "k1:" + hmac.digest(KEY.key, b"Nora", "sha256").hex()[:16]}),
    ],
)
def test_each_action_replaces_a_whole_attribute(action: str, expected: dict[str, str]) -> None:
    kept, types, done = attributes({"FirstName": "Nora"}, Rule("names", attribute="FirstName", action=action))  # type: ignore[arg-type]
    assert kept == expected
    assert types == {}
    assert done == [Redaction("userData.FirstName", "names", 1)]


@pytest.mark.parametrize(
    ("glob", "path", "hit"),
    [
        ("FirstName", "firstname", True),
        ("*Name", "LastName", True),
        ("Customer.*", "Customer.Address.City", True),
        ("Customer.*", "Customers", False),
        ("_genesys_?rl", "_genesys_url", True),
        ("Name", "LastName", False),
    ],
)
def test_the_path_of_a_rule_is_a_glob(glob: str, path: str, hit: bool) -> None:
    kept, _, _ = attributes({path: "value"}, Rule("r", attribute=glob, action="drop"))
    assert (path not in kept) == hit


def test_rules_are_followed_in_their_order_and_what_one_hid_another_does_not_find() -> None:
    done: list[Redaction] = []
    rules = [Rule("mail", detector="email"), Rule("words", detector="regex", pattern=r"example|stay")]
    assert Redactor(rules).text("notice.text", f"{MAIL} stay", done) == "**************** ****"
    assert done == [Redaction("notice.text", "mail", 1), Redaction("notice.text", "words", 1)]


def test_detectors_look_into_attributes_too() -> None:
    kept, _, done = attributes({"Note": f"see {MAIL}"}, Rule("mail", detector="email", action="drop"))
    assert kept == {"Note": "see "}
    assert done == [Redaction("userData.Note", "mail", 1)]


def test_all_wrong_rules_are_named_in_one_message() -> None:
    rules = [
        Rule("one", detector="email", action="hash"),
        Rule("two", detector="shoe_size"),
        Rule("three"),
        Rule("four", detector="regex"),
        Rule("five", detector="regex", pattern="(?=a)b"),
        Rule("six", attribute="x", detector="email"),
        Rule("fine", detector="email"),
    ]
    with pytest.raises(ConfigError) as caught:
        Redactor(rules)
    for name in ("one", "two", "three", "four", "five", "six"):
        assert f"rule {name}: " in caught.value.message
    assert "fine" not in caught.value.message


@pytest.mark.parametrize("action", ["drop", "mask", "hash"])
def test_half_a_character_in_a_text_is_no_obstacle(action: str) -> None:
    rule = Rule("r", detector="regex", pattern="(?i)é.", action=action)  # type: ignore[arg-type]
    done: list[Redaction] = []
    redacted = Redactor([rule], KEY).text("message.text", "\ud800aÉ\udc80b", done)
    assert (redacted[:2], redacted[-1]) == ("\ud800a", "b")
    assert done == [Redaction("message.text", "r", 1)]


def test_a_key_is_not_shown() -> None:
    assert "kkkk" not in repr(KEY)


@given(st.text(max_size=60))
@example(text="@0.")
@example(text="a@b.")
def test_what_was_done_never_holds_the_text(text: str) -> None:
    done: list[Redaction] = []
    secret = f"{text}nora@example.org"
    Redactor([Rule("mail", detector="email")]).text("message.text", secret, done)
    assert done == [Redaction("message.text", "mail", done[0].times)]


# --- attributes as they come ------------------------------------------------------------------------------------------


def redacted(items: Items, *rules: Rule) -> tuple[dict[str, str], dict[str, str], list[Redaction]]:
    done: list[Redaction] = []
    return *Redactor(rules, KEY).items("userData", items, done), done


CARD = 4111111111111111
NUMBERS = [
    Item("Account", "long", CARD),
    Item("Customer", "kvlist", [Item("Account", "long", CARD), Item("Age", "int", 33)]),
    Item("Empty", "kvlist", []),
]


@pytest.mark.parametrize("action", ["mask", "hash"])
@pytest.mark.parametrize("target", [{"attribute": "*Account"}, {"detector": "payment_card"}])
def test_what_was_masked_or_hashed_is_a_string_also_where_it_was_a_number_or_nested(
    action: str, target: dict[str, str]
) -> None:
    values, types, done = redacted(NUMBERS, Rule("r", action=action, **target))  # type: ignore[arg-type]
    hidden = "*" * 16 if action == "mask" else "k1:" + hmac.digest(KEY.key, str(CARD).encode(), "sha256").hex()[:16]
    assert values == {"Account": hidden, "Customer.Account": hidden, "Customer.Age": "33", "Empty": ""}
    assert types == {"Customer.Age": "int", "Empty": "kvlist"}
    assert done == [Redaction("userData.Account", "r", 1), Redaction("userData.Customer.Account", "r", 1)]


def test_a_rule_for_a_list_hides_all_below_it_and_a_rule_for_a_key_its_repeats() -> None:
    below = [Item("City", "string", "Sampletown"), Item("City", "string", "Othertown")]
    items = [Item("Address", "kvlist", below), Item("Address", "kvlist", below[:1]), Item("Addressee", "string", "N")]
    kept = {"Addressee": "N"}
    assert redacted(items, Rule("r", attribute="Address", action="drop"))[0] == kept
    assert redacted(items, Rule("r", attribute="Address.City", action="drop"))[0] == kept
    assert list(redacted(items, Rule("r", attribute="Address#2", action="drop"))[0]) == [
        "Address.City",
        "Address.City#2",
        "Addressee",
    ]


def test_keys_are_redacted_like_texts_and_no_value_gets_lost() -> None:
    items = [
        Item("write to a@example.org", "string", "1"),
        Item("write to b@example.org", "odd", [Item("deep", "int", 2)]),
        Item("plain", "kvlist", [Item("b@example.org", "int", 3)]),
    ]
    values, types, done = redacted(items, Rule("mail", detector="email", action="drop"))
    assert values == {"write to ": "1", "write to #2.deep": "2", "plain.": "3"}
    assert types == {"write to #2": "odd", "write to #2.deep": "int", "plain.": "int"}
    assert done == [Redaction("userData", "mail", 1)] * 3


def test_a_rule_goes_by_the_true_name_of_an_attribute_and_tells_the_redacted_one() -> None:
    items = [Item("of a@example.org", "string", "hidden")]
    rules = [Rule("mail", detector="email", action="drop"), Rule("r", attribute="*@example*", action="drop")]
    assert redacted(items, *rules) == ({}, {}, [Redaction("userData", "mail", 1), Redaction("userData.of ", "r", 1)])


def test_unknown_attributes_whose_names_become_equal_are_all_kept() -> None:
    values = {"a@example.org": "1", "#2": "2", "b@example.org": "3"}
    done: list[Redaction] = []
    rule = Rule("mail", detector="email", action="drop")
    assert Redactor([rule]).unknown(values, done) == {"": "1", "#2": "2", "#3": "3"}
    assert done == [Redaction("unknownAttributes", "mail", 1)] * 2


@pytest.mark.parametrize(
    ("detector", "said"),
    [("phone", "+49 30 1234567"), ("iban", "GB82 WEST 1234 5698 7654 32"), ("email", "nora@example.org")],
)
def test_what_stands_after_an_escaped_line_end_is_found_too(detector: str, said: str) -> None:
    text = json.dumps({"note": json.dumps(["call\n" + said])})
    done: list[Redaction] = []
    shown = Redactor([Rule("r", detector=detector)]).text("message.text", text, done)
    assert said not in shown
    assert json.loads(json.loads(shown)["note"]) == ["call\n" + "*" * len(said)]
    assert done == [Redaction("message.text", "r", 1)]


# --- the quarantine ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b'{"key":"GCTI_Chat_SessionPassword","type":"string","value":"Zx9-hidden-71"',
        b'{"value":"Zx9-hidden-71","key":"gcti_chat_sessionpassword"}',
        b'<item key="SecureKey" type="string">Zx9-hidden-71',
        b'{"\\u0053ecureKey":"Zx9-hidden-71"}',
        b"<item key='&#83;ecureKey'>Zx9-hidden-71</item>",
        b"<item key='&#x0053;ecureKey'>Zx9-hidden-71</item>",
        '{"secureKey":"Zx9-hidden-71"}'.encode("utf-16"),
        b'{"sessionId":"0000TEST00000001","password":"Zx9-hidden-71",}',
    ],
)
def test_input_that_names_a_secret_goes_to_the_quarantine_without_letters_or_digits(raw: bytes) -> None:
    masked = scrub(raw)
    assert len(masked) == len(raw)
    assert b"hidden" not in masked.replace(b"\0", b"")
    assert b"71" not in masked.replace(b"\0", b"")
    assert [byte for byte in masked if byte in b'{}"<>'] == [byte for byte in raw if byte in b'{}"<>']


@given(st.binary(max_size=80))
def test_other_input_goes_to_the_quarantine_as_it_came(raw: bytes) -> None:
    assert scrub(raw) == raw
