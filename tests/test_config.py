from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bridge.config import Config, load, origins
from bridge.errors import ConfigError
from tests.support.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def problems(file: Path | None = None, environ: dict[str, str] | None = None, **flags: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(file, environ or {}, {key.replace("__", "."): value for key, value in flags.items()})
    return [line.strip() for line in caught.value.message.splitlines()[1:]]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, text: str) -> Path:
        file = tmp_path / name
        file.write_text(text)
        return file

    return write


def test_without_any_layer_every_default_holds() -> None:
    config = load(None, {}, {})
    assert config.kafka.bootstrap_servers == "localhost:9092"
    assert config.sources.chat_server.client_version == 106
    assert {origin for _, _, origin in origins(config)} == {"default"}


def test_the_environment_overrides_the_file_and_flags_override_both(
    write: Callable[[str, str], Path],
) -> None:
    file = write("bridge.yaml", "kafka: {group: from-file, partitions: 3, topic_prefix: f.}")
    config = load(
        file,
        {"CHATBRIDGE_KAFKA__GROUP": "from-env", "CHATBRIDGE_KAFKA__PARTITIONS": "4"},
        {"kafka.partitions": "5"},
    )
    assert (config.kafka.topic_prefix, config.kafka.group, config.kafka.partitions) == ("f.", "from-env", 5)
    where = {key: origin for key, _, origin in origins(config)}
    assert where["kafka.topic_prefix"] == f"file {file}"
    assert where["kafka.group"] == "environment CHATBRIDGE_KAFKA__GROUP"
    assert where["kafka.partitions"] == "flag --set kafka.partitions"
    assert where["kafka.compression"] == "default"


def test_toml_says_the_same_as_yaml(write: Callable[[str, str], Path]) -> None:
    yaml = write("a.yml", "http: {port: 0}\nprivacy:\n  rules:\n    - {name: cards, detector: payment_card}\n")
    toml = write("a.toml", "[http]\nport = 0\n[[privacy.rules]]\nname = 'cards'\ndetector = 'payment_card'\n")
    assert load(yaml, {}, {}).model_dump() == load(toml, {}, {}).model_dump()


def test_lists_are_json_in_the_environment() -> None:
    config = load(None, {"CHATBRIDGE_PRIVACY__RULES": '[{"name": "mail", "detector": "email", "action": "drop"}]'}, {})
    assert config.privacy.rules[0].action == "drop"


def test_all_problems_of_all_layers_come_at_once(write: Callable[[str, str], Path]) -> None:
    file = write("bridge.yaml", "kafka: {partitons: 3}\nlog: {level: loud}\n")
    found = problems(
        file,
        {"CHATBRIDGE_HTTP__PORT": "many", "CHATBRIDGE_CHATSERVER__GATEWAY": "x:1"},
        kafka__bootstrap_servers="nowhere",
        http__host="0.0.0.0",  # noqa: S104 - the very thing that is refused without a token
    )
    assert sorted(line.split(":")[0] for line in found) == [
        "chatserver.gateway",
        "http.port",
        "http.token",
        "kafka.bootstrap_servers",
        "kafka.partitons",
        "log.level",
    ]


def test_a_problem_names_what_is_wrong_what_is_expected_and_where_it_came_from() -> None:
    (found,) = problems(environ={"CHATBRIDGE_LOG__LEVEL": "loud"})
    what, where = found.split(" (from ")
    assert what == "log.level: is 'loud'; expected 'debug', 'info', 'warning' or 'error'"
    assert where == "environment CHATBRIDGE_LOG__LEVEL)"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema_registry.url", "http://user:open-sesame@registry:8081"),
        ("schema_registry.url", "http://user:open/sesame@open-sesame@registry"),
        ("schema_registry.url", "user:open-sesame@registry"),
        ("kafka.bootstrap_servers", "user:open-sesame@kafka:9092"),
        ("sources.chat_server.gateway", "user:open-sesame@gateway:4800"),
    ],
)
def test_credentials_in_an_address_are_refused_without_being_shown(key: str, value: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(None, {}, {key: value})
    assert "sesame" not in str(refused.value)
    assert f"***@{value.rpartition('@')[2]}" in str(refused.value)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("kafka.bootstrap_server", "kafka.bootstrap_servers"),
        ("kafak.group", "kafka.group"),
        ("bootstrap_servers", "kafka.bootstrap_servers"),
        ("sources.chat_server.tls.cafile", "sources.chat_server.tls.ca_file"),
        ("chat_server.gateway", "sources.chat_server.gateway"),
        ("chat_server.tls.ca_file", "sources.chat_server.tls.ca_file"),
        ("chat_server.unheard_of", "sources.chat_server"),
        ("replica_id", "worker_id"),
        ("capture.checkpoint_retention_seconds", "capture.closed_retention_seconds"),
    ],
)
def test_an_unknown_key_is_told_its_nearest_match(key: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"{key}: unknown key; did you mean {meant}\\?"):
        load(None, {}, {key: "x"})


def test_an_unknown_section_of_a_file_is_told_its_nearest_match_and_its_file(
    write: Callable[[str, str], Path],
) -> None:
    file = write("bridge.yaml", "chat_server: {gateway: 'gateway:4800'}\nreplica_id: r1\n")
    assert sorted(problems(file)) == [
        f"chat_server: unknown key; did you mean sources.chat_server? (from file {file})",
        f"replica_id: unknown key; did you mean worker_id? (from file {file})",
    ]


def test_the_environment_reaches_the_settings_of_a_source() -> None:
    config = load(None, {"CHATBRIDGE_SOURCES__CHAT_SERVER__TLS__VERIFY_HOSTNAME": "false"}, {})
    assert not config.sources.chat_server.tls.verify_hostname


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http: {port: 1}\nhttp: {port: 2}\n", r"bridge\.yaml:2:1: key 'http' is given twice"),
        ("http:\n\tport: 1\n", r"bridge\.yaml:2:1: .*indent with spaces"),
        ("a: &a [x]\nb: *a\n", r"bridge\.yaml:2:4: aliases"),
        ("a: &a {b: *a}\n", "aliases"),
        ("- 1\n", "expected a mapping of settings at the top, found a list"),
        ("just words", "found a str"),
        ("a: 1\n---\nb: 2\n", "found another document"),
        ("a: !!python/object:os.system x\n", "could not determine a constructor"),
        ("[" * 5000, "nested too deeply|expected"),
        ("a: [", "bridge.yaml:"),
        ("? [1, 2]\n: x\n", "expected simple text as a key"),
        ("a: " + "x" * (1 << 20), "at most"),
    ],
)
def test_an_unusable_yaml_file_is_refused_with_its_line(
    write: Callable[[str, str], Path], text: str, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        load(write("bridge.yaml", text), {}, {})


def test_unusable_files_of_other_kinds_are_refused(write: Callable[[str, str], Path], tmp_path: Path) -> None:
    assert "line 2" in problems(write("a.toml", "a = 1\na = 2\n"))[0]
    assert "expected a name ending in" in problems(write("a.ini", ""))[0]
    assert "No such file" in problems(tmp_path / "none.yaml")[0]
    binary = tmp_path / "b.yaml"
    binary.write_bytes(b"\xff\xfe")
    assert "not UTF-8" in problems(binary)[0]


def test_an_empty_file_and_empty_sections_mean_defaults(write: Callable[[str, str], Path]) -> None:
    sections = load(write("b.yaml", "kafka:\nhttp:\n"), {}, {})
    assert load(write("a.yaml", ""), {}, {}).model_dump() == sections.model_dump()


def test_a_secret_is_read_from_its_file_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-long-enough-token\n")
    (tmp_path / "password").write_text("kafka-password")
    config = load(
        None,
        {"CHATBRIDGE_HTTP__TOKEN_FILE": str(tmp_path / "token")},
        {"kafka.client.sasl_plain_password_file": str(tmp_path / "password"), "http.host": "::"},
    )
    assert config.http.token is not None
    assert config.http.token.get_secret_value() == "a-long-enough-token"
    assert config.kafka.client_arguments()["sasl_plain_password"] == "kafka-password"
    shown = repr(config) + str(config) + str(origins(config)) + config.model_dump_json(exclude={"kafka"})
    assert "a-long-enough-token" not in shown
    assert "kafka-password" not in shown
    values = {key: value for key, value, _ in origins(config)}
    assert values["http.token"] == values["kafka.client.sasl_plain_password"] == "***"


def test_a_secret_that_is_wrong_is_not_shown_either() -> None:
    found = problems(http__token="too-short", kafka__client__sasl_plain_pasword="open-sesame")
    assert [line.split(" (from")[0] for line in found] == [
        "kafka.client.sasl_plain_pasword: unknown client setting; did you mean sasl_plain_password?",
        "http.token: expected at least 16 characters",
    ]
    assert "open-sesame" not in str(found)


def test_a_secret_and_its_file_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-long-enough-token")
    found = problems(http__token="another-long-token", http__token_file=str(tmp_path / "token"))
    assert "expected one of the two" in found[0]


def test_a_missing_or_empty_secret_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    assert "the file is empty" in problems(http__token_file=str(tmp_path / "empty"))[0]
    (found,) = problems(http__token_file=str(tmp_path / "none"), http__host="::")
    assert "http.token_file: cannot be read: No such file" in found


def test_without_a_token_beyond_loopback_each_setting_that_gives_one_is_named() -> None:
    (found,) = problems(http__host="*")
    files = "http.token_file, http.read_token_file, http.announce_token_file, http.metrics_token_file"
    assert found.startswith(f"http.token: a token is required when http.host is not loopback; set one of {files}")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    assert load(None, {}, {"http.host": host}).http.host == host


def test_what_the_promises_rest_on_cannot_be_set_for_the_kafka_client() -> None:
    for key in ("acks", "enable_idempotence", "isolation_level", "transactional_id", "group_id"):
        flags: dict[str, Any] = {f"kafka__client__{key}": "x"}
        assert "unknown client setting" in problems(**flags)[0]


def test_client_settings_get_the_types_that_the_client_expects() -> None:
    client = load(None, {}, {"kafka.client.request_timeout_ms": "5000"}).kafka.client_arguments()
    assert client == {"request_timeout_ms": 5000}


def test_tls_files_are_tried_before_anything_opens(tmp_path: Path) -> None:
    empty, none = tmp_path / "ca.pem", tmp_path / "none.pem"
    empty.write_text("no certificate")
    found = problems(
        kafka__client__security_protocol="SSL",
        kafka__client__ssl_cafile=str(empty),
        sources__chat_server__tls__enabled="true",
        sources__chat_server__tls__ca_file=str(none),
        http__tls__certificate_file=str(none),
        http__tls__key_file=str(none),
    )
    assert [line.split(" (from")[0] for line in found] == [
        f"kafka.client.ssl_cafile: {empty} cannot be used: no certificate or crl found",
        f"sources.chat_server.tls.ca_file: {none} cannot be read: No such file or directory",
        f"http.tls.certificate_file: {none} cannot be read: No such file or directory",
    ]


def test_a_certificate_with_the_key_of_another_is_named_with_both(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = Authority(tmp_path / "a").issue("client"), Authority(tmp_path / "b").issue("client")
    (found,) = problems(
        kafka__client__security_protocol="SSL",
        kafka__client__ssl_certfile=str(first.certificate_file),
        kafka__client__ssl_keyfile=str(second.key_file),
    )
    pair = f"{first.certificate_file} with the key in {second.key_file}"
    assert found.startswith(f"kafka.client.ssl_certfile: {pair} cannot be used: key values mismatch")


@pytest.mark.parametrize("content", [None, ""])
def test_a_password_file_that_gives_no_password_is_reported_once(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_text(content)
    issued = Authority(tmp_path).issue("client")
    for key in ("sasl_plain_password", "ssl_password"):
        flags: dict[str, Any] = {f"kafka__client__{key}_file": str(file)}
        (found,) = problems(
            kafka__client__security_protocol="SASL_SSL",
            kafka__client__ssl_certfile=str(issued.certificate_file),
            kafka__client__ssl_keyfile=str(issued.key_file),
            **flags,
        )
        assert found.startswith(f"kafka.client.{key}_file: ")


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ('{"name": "r"}', "either attribute or detector"),
        ('{"name": "r", "attribute": "a", "detector": "email"}', "either attribute or detector"),
        ('{"name": "r", "detector": "regex"}', "goes with detector"),
        ('{"name": "r", "detector": "regex", "pattern": "("}', r"privacy\.rules\.0\.pattern.*no regular expression"),
        ('{"name": "r", "detector": "regex", "pattern": "(?<=a)b"}', "does not have look-around"),
        ('{"name": "r", "detector": "email", "action": "hash"}', "privacy.hash_key"),
        ('{"detector": "email"}', "required"),
    ],
)
def test_a_privacy_rule_that_makes_no_sense_is_refused(rule: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        load(None, {"CHATBRIDGE_PRIVACY__RULES": f"[{rule}]"}, {})


def test_what_kubernetes_adds_for_a_service_of_our_name_is_not_taken_for_a_setting() -> None:
    names = ["SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT", "PORT_8080_TCP", "PORT_8080_TCP_ADDR"]
    assert isinstance(load(None, {f"CHATBRIDGE_{name}": "x" for name in names}, {}), Config)


def test_the_process_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATBRIDGE_KAFKA__GROUP", "from-the-process")
    monkeypatch.setenv("KAFKA__GROUP", "from-the-process")
    assert load(None, {}, {}).kafka.group == "chatbridge"
