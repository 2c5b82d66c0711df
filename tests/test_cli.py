from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge import __version__
from bridge.adapters.kafka.access_probe import AccessProbe, RightsCheck
from bridge.adapters.kafka.connection_causes import Cause
from bridge.cli import COMMANDS, main
from bridge.config import load
from bridge.errors import KafkaUnavailable
from bridge.factories import explained

SAMPLES = Path(__file__).parent / "samples"
NOWHERE = "127.0.0.1:1"
ENVIRON = {key: value for key, value in os.environ.items() if not key.startswith("CHATBRIDGE_")}


def chatbridge(
    *words: str | Path, stdin: str = "", environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bridge", *map(str, words)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**ENVIRON, **(environ or {})},
    )


def test_the_help_names_every_command_and_the_exit_codes() -> None:
    done = chatbridge("--help")
    assert done.returncode == 0
    assert re.findall(r"^ {4}(\S+)", done.stdout, re.MULTILINE) == list(COMMANDS)
    assert "exit codes: 0 done" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_has_examples(name: str) -> None:
    done = chatbridge(name, "--help")
    assert done.returncode == 0
    assert f"examples:\n  chatbridge {name}" in done.stdout
    assert COMMANDS[name] in done.stdout


def test_the_version_is_printed() -> None:
    assert chatbridge("--version").stdout == f"chatbridge {__version__}\n"


@pytest.mark.parametrize("words", [[], ["fly"], ["topics"], ["topics", "fly"], ["tail", "--max", "many"]])
def test_wrong_words_are_exit_code_2(words: list[str]) -> None:
    done = chatbridge(*words)
    assert done.returncode == 2
    assert "usage: chatbridge" in done.stderr


def test_a_number_of_events_that_is_never_reached_is_refused() -> None:
    done = chatbridge("tail", "--max", "-1")
    assert (done.returncode, "--max is 0 or more" in done.stderr) == (2, True)


@pytest.mark.parametrize(("name", "package"), [("demo", "bridge.sandbox"), ("simulate", "bridge.simulator")])
def test_a_command_whose_packages_are_left_out_says_where_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, package: str
) -> None:
    for module in list(sys.modules):
        if module.startswith((package, f"bridge.commands.{name}")):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [_WithoutPackage(package), *sys.meta_path])
    assert main([name, "--help"]) == 2
    assert f"chatbridge: {name}: {package} is not in this installation" in capsys.readouterr().err


class _WithoutPackage:
    """A finder that comes first and finds that a package is missing."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, name: str, *_: object) -> None:
        if name == self._package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize(
    "command", [["run"], ["tail"], ["verify"], ["topics", "plan"], ["schemas", "print"], ["config"]]
)
def test_a_wrong_configuration_lists_all_problems_before_anything_opens(command: list[str], tmp_path: Path) -> None:
    file = tmp_path / "bridge.yaml"
    file.write_text("kafka:\n  partitons: 3\nhttp:\n  host: 0.0.0.0\n")
    done = chatbridge(*command, "--config", file, "--set", "log.level=loud", environ={"CHATBRIDGE_HTTP__PORT": "x"})
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0] == "chatbridge: the configuration has 4 problems:"
    assert sorted(line.split(":")[0].strip() for line in lines[1:-1]) == [
        "http.port",
        "http.token",
        "kafka.partitons",
        "log.level",
    ]
    assert lines[-1].startswith("  next: ")


def test_a_set_without_a_value_is_refused() -> None:
    done = chatbridge("config", "--set", "kafka.group")
    assert (done.returncode, "expected KEY=VALUE" in done.stderr) == (2, True)


def test_config_prints_values_with_their_origin_and_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "bridge.toml"
    file.write_text("[kafka]\ngroup = 'trial'\n")
    environ = {"CHATBRIDGE_CONFIG": str(file), "CHATBRIDGE_HTTP__TOKEN": "a-long-enough-token"}
    done = chatbridge("config", "--set", "worker_id=r1", environ=environ)
    lines = done.stdout.splitlines()
    assert f"kafka.group = trial  # from file {file}" in lines
    assert "http.token = ***  # from environment CHATBRIDGE_HTTP__TOKEN" in lines
    assert "worker_id = r1  # from flag --set worker_id" in lines
    assert "kafka.partitions = 12  # from default" in lines
    assert "a-long-enough-token" not in done.stdout
    as_json = json.loads(chatbridge("config", "--json", environ=environ).stdout)
    assert as_json["kafka.group"] == {"value": "trial", "origin": f"file {file}"}


@pytest.mark.parametrize(
    "command",
    [
        ["tail"],
        ["verify"],
        ["topics", "plan"],
        ["topics", "apply"],
        ["announce", "s1", "chat-1:4800"],
        ["simulate", "--kafka"],
    ],
)
def test_without_kafka_a_command_says_so_and_what_to_do(command: list[str]) -> None:
    done = chatbridge(*command, "--bootstrap-servers", NOWHERE)
    assert done.returncode == 3
    assert f"chatbridge: KAFKA_REFUSES: Kafka at {NOWHERE} does not answer" in done.stderr
    assert "  next: check kafka.bootstrap_servers" in done.stderr
    assert "Traceback" not in done.stderr


def test_where_no_setting_names_kafka_the_next_step_is_a_settings_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def refused(_: object) -> Cause:
        return Cause("KAFKA_REFUSES", "Kafka at localhost:9092 refuses the connection", "check the broker")

    async def denied(_: object) -> None:
        raise KafkaUnavailable("no answer")

    async def nothing() -> None:
        return

    monkeypatch.setattr(AccessProbe, "cause", refused)
    monkeypatch.setattr(RightsCheck, "check", denied)
    file = tmp_path / "bridge.yaml"
    file.write_text("kafka: {group: g}")
    lost = "no settings file was given: --config or CHATBRIDGE_CONFIG"
    named = {"kafka.bootstrap_servers": "localhost:9092"}
    for config, step in (
        (load(None, {}, {}), lost),
        (load(None, {}, named), "check the broker"),
        (load(file, {}, {}), "check the broker"),
    ):
        with pytest.raises(KafkaUnavailable) as caught:
            asyncio.run(explained(config, "tail", nothing()))
        assert caught.value.next_step == step


def test_what_ends_a_worker_is_also_a_line_of_its_log() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = chatbridge("run", "--set", f"http.port={port}", "--bootstrap-servers", NOWHERE)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    (failed,) = [json.loads(line) for line in lines if line.startswith("{")]
    assert (failed["event"], failed["level"], failed["code"]) == ("run_failed", "error", "CONFIGURATION")
    (message,) = [line.removeprefix("chatbridge: ") for line in lines if line.startswith("chatbridge: ")]
    assert failed["detail"].startswith(message)


@pytest.mark.parametrize("action", ["check", "register"])
def test_without_a_registry_schemas_say_so(action: str) -> None:
    done = chatbridge("schemas", action)
    assert (done.returncode, "next: set schema_registry.url" in done.stderr) == (3, True)
    away = chatbridge("schemas", action, "--set", f"schema_registry.url=http://{NOWHERE}")
    assert (away.returncode, "does not answer" in away.stderr) == (3, True)


def test_schemas_are_printed_whole() -> None:
    done = chatbridge("schemas", "print", "--subject", "chat.transcript.events.v1-value")
    assert json.loads(done.stdout)["name"] == "TranscriptEvent"
    all_of_them = json.loads(chatbridge("schemas", "print", "--topic-prefix", "p.").stdout)
    assert sorted(all_of_them) == [
        "p.chat.transcript.events.v1-value",
        "p.chat.transcript.quarantine.v1-value",
        "p.chat.transcript.sessions.v1-value",
    ]
    assert chatbridge("schemas", "print", "--subject", "unknown").returncode == 2


def test_an_unknown_option_is_refused_with_the_usage_of_its_command() -> None:
    done = chatbridge("verify", "--nosuch")
    assert done.returncode == 2
    assert "usage: chatbridge verify" in done.stderr
    assert "unrecognized arguments: --nosuch" in done.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["s 1", "chat-1:4800"], "sessionId: expected"),
        (["s1", "chat-1"], "expected host:port"),
        (["s1"], "expected HOST:PORT"),
        (["s1", "chat-1:4800", "chat-2"], "servers: entry 1"),
    ],
)
def test_an_announcement_that_makes_no_sense_is_refused(words: list[str], reason: str) -> None:
    done = chatbridge("announce", *words)
    assert done.returncode == 2
    assert reason in done.stderr


def test_convert_prints_a_record_a_line() -> None:
    done = chatbridge("convert", *sorted(SAMPLES.glob("*.xml")))
    assert (done.returncode, done.stderr) == (0, "")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert {record["origin"] for record in records} == {"ARCHIVE"}
    assert [record["sequence"] for record in records if record["sessionId"] == "0000SIMA00000001"] == [*range(1, 16)]


def test_convert_names_a_bad_file_and_converts_the_others(tmp_path: Path) -> None:
    good = next(iter(sorted(SAMPLES.glob("*.xml"))))
    bad = tmp_path / "bad.xml"
    bad.write_text("<chatTranscript sessionId='s' startAt='2031-01-01T00:00:00Z'>\n<message>\n</chatTranscript>")
    done = chatbridge("convert", "--strict", bad, tmp_path / "none.xml", good)
    assert done.returncode == 1
    assert done.stdout.count("\n") > 5
    first, second = done.stderr.splitlines()
    assert first.startswith(f"{bad}:3: ")
    assert second == f"{tmp_path / 'none.xml'}:0: No such file or directory"


def test_convert_writes_an_avro_container_that_another_reader_reads(tmp_path: Path) -> None:
    import avro.datafile  # noqa: PLC0415 - the foreign reader, for this test alone
    import avro.io  # noqa: PLC0415

    out = tmp_path / "records.avro"
    done = chatbridge("convert", "--avro", out, *sorted(SAMPLES.glob("*.xml")))
    assert (done.returncode, done.stdout) == (0, "")
    with out.open("rb") as stream, avro.datafile.DataFileReader(stream, avro.io.DatumReader()) as reader:
        records: Any = list(reader)
    lines = chatbridge("convert", *sorted(SAMPLES.glob("*.xml"))).stdout.splitlines()
    assert [record["id"] for record in records] == [json.loads(line)["id"] for line in lines]


def test_convert_applies_the_privacy_rules() -> None:
    rule = '[{"name": "words", "detector": "regex", "pattern": "order", "action": "drop"}]'
    done = chatbridge("convert", SAMPLES / "bot-agent-forced-close.xml", environ={"CHATBRIDGE_PRIVACY__RULES": rule})
    assert "order number" not in done.stdout
    assert '"rule":"words"' in done.stdout


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    sample = (SAMPLES / "bot-agent-forced-close.xml").read_text("utf-8")
    files = [str(tmp_path / f"{number}.xml") for number in range(40)]
    for number, file in enumerate(files):
        Path(file).write_text(sample.replace("0000SIMA00000001", f"0000SIMA{number:08}"), "utf-8")
    command = [sys.executable, "-m", "bridge", "convert", *files]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRON) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 128 + signal.SIGPIPE


def test_simulate_announces_with_the_kafka_settings_of_run(tmp_path: Path) -> None:
    file = tmp_path / "bridge.yaml"
    file.write_text("kafka:\n  client:\n    sasl_mechanism: OAUTHBEARER\n    security_protocol: SASL_PLAINTEXT\n")
    done = chatbridge("simulate", "--kafka", NOWHERE, "--config", file)
    assert done.returncode == 2
    assert "kafka.oauth: OAUTHBEARER needs tokens" in done.stderr
    file.write_text("kafka:\n  partitons: 3\n")
    assert "kafka.partitons" in chatbridge("simulate", "--kafka", "--config", file).stderr


def test_simulate_ends_on_sigterm_with_its_summary() -> None:
    command = [sys.executable, "-m", "bridge", "simulate", "--no-traffic", "--seed", "7"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRON) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["seed"] == 7
        process.terminate()
        assert json.loads(process.stdout.readline())["chats_started"] == 0
        assert process.wait(30) == 0


def test_a_second_signal_ends_simulate_while_its_chats_are_played() -> None:
    words = ["--concurrent-chats", "1", "--think-scale", "50", "--seed", "7"]
    command = [sys.executable, "-m", "bridge", "simulate", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRON) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        while process.poll() is None:  # the first one may not have been taken yet
            process.terminate()
        assert process.wait(30) == -signal.SIGTERM
        assert process.stdout.read() == b""


@pytest.mark.parametrize(
    "words",
    [
        ["--listen", "nowhere"],
        ["--replay", "/no/such/folder"],
        ["--announce-url", "http://x", "--kafka", "x:1"],
        ["--announce-address", "x"],
        ["--announce-url", "http://x", "--kafka"],
        ["--set", "kafka.topic_prefix=p."],
        ["--kafka-topic", "p.chat.capture.announcements.v1"],
        ["--kafka", "x:1", "--kafka-topic", "announcements"],
    ],
)
def test_simulate_refuses_what_makes_no_sense(words: list[str]) -> None:
    done = chatbridge("simulate", *words)
    assert done.returncode == 2
    assert done.stderr.startswith("chatbridge: simulate: ")
