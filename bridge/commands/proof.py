"""`chatbridge proof`: proves that certificates are in the log of their partition, and checks such proofs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bridge import factories
from bridge.adapters.kafka.partitioner import partitions_of
from bridge.adapters.kafka.topic_reader import reader
from bridge.adapters.timestamping.stamp_checks import StampChecks
from bridge.commands import settings
from bridge.commands.filed_certificates import certificates_in
from bridge.commands.formatting import escaped, say
from bridge.commands.interruption import run_until_interrupted
from bridge.commands.stored_values import StoredValues
from bridge.commands.text_files import text_of
from bridge.commands.whole_files import whole_file
from bridge.errors import EXIT_OK, EXIT_RUNTIME, EnvironmentFault, UsageError, VerificationFailed
from bridge.evidence.anchors import KIND, parsed_tree_head
from bridge.evidence.certificate_signature import split_signature
from bridge.evidence.key_list import keys_trusted, parsed_key_list
from bridge.evidence.log_audit import LogAudit
from bridge.evidence.proof_bundle import ProofBundle, StampProof, parsed_bundle
from bridge.evidence.signed_note import PublicKey, parsed_key, parsed_note
from bridge.records.avro import SESSION_RECORD
from bridge.records.payload_framing import unframe
from bridge.transcript.times import rfc3339

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterable, Sequence
    from typing import Any

    from bridge.adapters.kafka.topic_reader import TopicReader
    from bridge.config import Config
    from bridge.evidence.log_stamps import StampCheck
    from bridge.records.findings import Finding

    _Certificate = tuple[str, bytes, dict[str, Any] | None]

_KEY_LIST_MARK = "— "


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument(
        "session", nargs="?", metavar="SESSION", type=settings.chat_id, help="prove the certificates of this chat"
    )
    parser.add_argument(
        "--records",
        metavar="PATH",
        type=Path,
        help="its certificates, exported: a file or folder, in place of the topic",
    )
    parser.add_argument("--check", metavar="FILE", type=Path, help="check a proof that was written, without Kafka")
    parser.add_argument(
        "--keys",
        metavar="FILE",
        type=Path,
        help="public keys, one a line, or a list of keys; default: evidence.key_list_file",
    )
    parser.add_argument(
        "--earlier", metavar="FILE", type=Path, help="an earlier signed head, to prove the growth from it"
    )
    parser.add_argument(
        "--timestamp-ca", metavar="FILE", type=Path, help="check time stamps of heads with these certificates, PEM"
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the proof of the last certificate there")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    settings.define_output(parser)
    settings.define(
        parser,
        """\
  chatbridge proof 0000SIMA00000001 --config bridge.yaml --keys keys.txt --out proof.json
  chatbridge proof 0000SIMA00000001 --keys keys.txt --records exported/
  chatbridge proof --check proof.json --keys keys.txt

Reads sessions, leaves and anchors of the chat's partition. Every head has to be signed by a known key and to be that of
the leaves up to its size, so each has grown from those before it. The keys are those of --keys, else of
evidence.key_list_file; those that a published list adds to them count, too. With --records the certificates are those
in files of `chatbridge export`: they may be gone from the sessions topic, which leaves and anchors outlast. Exit code 0
when every certificate of the chat is proved; 1 when not, or when a head is wrong; 3 when Kafka or a file cannot be
read.""",
    )


def run(args: argparse.Namespace) -> int:
    """Prove, or check a proof."""
    if (args.session is None) == (args.check is None):
        raise UsageError("proof: expected either SESSION or --check FILE")
    config = settings.config_of(args)
    file = args.keys or (Path(config.evidence.key_list_file) if config.evidence.key_list_file else None)
    if file is None:
        raise UsageError("proof: expected --keys FILE or evidence.key_list_file: without a key nothing is proved")
    if args.records is not None and args.session is None:
        raise UsageError("proof: --records goes with SESSION")
    _refuse_to_overwrite(args.out)
    keys = read_keys(file)
    check_stamp = StampChecks.with_file(args.timestamp_ca, "--timestamp-ca") if args.timestamp_ca else None
    if args.check is not None:
        return _check(args.check, keys, check_stamp)
    earlier = text_of(args.earlier).encode() if args.earlier else b""
    given = None if args.records is None else certificates_in(args.records, args.session)
    proving = prove(config, args.session, keys, earlier, check_stamp, given)
    found = run_until_interrupted(factories.explained(config, "proof", proving))
    if args.out and found.bundles:
        _write(args.out, found.bundles[-1])
    if args.json:
        say(json.dumps(found.plain()))
    else:
        for finding in found.findings:
            say(f"BROKEN {finding.promise}: {escaped(finding.message)}")
        for bundle in found.bundles:
            size = parsed_tree_head(parsed_note(bundle.checkpoint).text).size
            since = "" if check_stamp is None else _since(bundle, check_stamp)
            say(f"leaf {bundle.index} of {bundle.origin}: proved by a signed head of {size} leaves{since}")
        if not found.certificates:
            say(f"nothing to prove: there is no certificate of chat {escaped(args.session)}")
        say(f"{found.certificates} certificates, {found.heads} heads, {found.leaves} leaves checked")
    return EXIT_OK if found.sound else EXIT_RUNTIME


def read_keys(file: Path) -> list[PublicKey]:
    """Return the public keys in a file: one a line, or a list of keys. Raises EnvironmentFault."""
    text = text_of(file)
    try:
        if f"\n{_KEY_LIST_MARK}" in text:
            listed = parsed_key_list(text)
            return keys_trusted([listed], [one.key for one in listed])
        keys = [parsed_key(line) for line in text.split()]
    except VerificationFailed as error:
        raise EnvironmentFault(f"{file}: {error.message}", next_step="`chatbridge keys list` prints keys") from error
    if not keys:
        raise EnvironmentFault(f"{file} has no key", next_step="`chatbridge keys list` prints keys")
    return keys


def _refuse_to_overwrite(out: Path | None) -> None:
    """Raise UsageError for a file that is no proof, such as the keys."""
    if out is not None and out.is_file() and out.stat().st_size:
        try:
            parsed_bundle(text_of(out))
        except (VerificationFailed, EnvironmentFault):
            raise UsageError(f"{out} exists and is no proof", next_step="name another file after --out") from None


def _write(file: Path, bundle: ProofBundle) -> None:
    with whole_file(file, replaces=True) as out:
        out.write(bundle.text().encode())


def _since(bundle: ProofBundle, check_stamp: StampCheck) -> str:
    """Return what a time stamp proves of a bundle. Raises VerificationFailed."""
    at = bundle.stamped_at(check_stamp)
    return "; no time stamp covers it" if at is None else f"; a time stamp proves that it was there at {rfc3339(at)}"


def _check(file: Path, keys: Sequence[PublicKey], check_stamp: StampCheck | None) -> int:
    try:
        bundle = parsed_bundle(text_of(file))
        head = bundle.check(keys)
        since = "; its time stamp was not checked (--timestamp-ca)" if bundle.stamped else ""
        since = since if check_stamp is None else _since(bundle, check_stamp)
    except VerificationFailed as error:
        say(f"BROKEN log: {escaped(error.message)}")
        return EXIT_RUNTIME
    signed = f"signed by {bundle.signed_by}" if bundle.signed_by else "not signed"
    leaf = f"leaf {bundle.index} of {head.origin}, whose head of {head.size} leaves is signed{since}"
    say(f"the record is {signed}, and {leaf}")
    return EXIT_OK


@dataclass(slots=True)
class ProvedCertificates:
    """What of one chat is proved. `heads` and `leaves` are those of its partition that were checked."""

    certificates: int = 0
    heads: int = 0
    leaves: int = 0
    bundles: list[ProofBundle] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether there are certificates, all are proved and nothing is wrong."""
        return 0 < self.certificates == len(self.bundles) and not self.findings

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "certificates": self.certificates,
            "heads": self.heads,
            "leaves": self.leaves,
            "proofs": [json.loads(one.text()) for one in self.bundles],
            "findings": [one.message for one in self.findings],
        }


async def prove(  # noqa: PLR0913, PLR0917 - what to prove, and with what
    config: Config,
    session_id: str,
    keys: Sequence[PublicKey],
    earlier: bytes = b"",
    check_stamp: StampCheck | None = None,
    given: Sequence[_Certificate] | None = None,
) -> ProvedCertificates:
    """Check the log of a chat's partition, and prove the chat's certificates.

    Raises KafkaUnavailable, and EnvironmentFault where there is no log.

    `given`: the certificates, where they are not to be read from the sessions topic.
    """
    names, manager = factories.names_of(config), factories.topics_of(config)
    for name in (names.leaves, names.anchors):
        await manager.partitions(name)  # a reader would only say that nothing is told of one that is missing
    count = await manager.partitions(names.sessions)
    partitions = partitions_of([session_id.encode()], factories.numbers_of(config, count))
    proofs = (
        await prove_partition(config, one, keys, session_id, earlier=earlier, check_stamp=check_stamp, given=given)
        for one in partitions
    )
    return await proof_of_chat(proofs, given=given is not None)


async def proof_of_chat(proofs: AsyncIterable[ProvedCertificates], *, given: bool) -> ProvedCertificates:
    """Return what is proved on the partition on which the chat is, of those on which it may be.

    That is where it has certificates; where these were `given`, a log that proves one. Without any, all is returned
    that is wrong with the logs.
    """
    found = ProvedCertificates()
    findings: list[Finding] = []
    async for found in proofs:
        if found.bundles or (found.certificates and not given):
            return found
        findings += found.findings
    found.findings = findings
    return found


async def prove_partition(  # noqa: PLR0913 - what to prove, and with what
    config: Config,
    partition: int,
    keys: Sequence[PublicKey],
    session_id: str | None = None,
    *,
    earlier: bytes = b"",
    check_stamp: StampCheck | None = None,
    given: Sequence[_Certificate] | None = None,
) -> ProvedCertificates:
    """Check the log of a partition, and prove the certificates of one chat, or of all. Raises KafkaUnavailable."""
    names = factories.names_of(config)
    audit, found = LogAudit(partition, factories.key_name_of(config, names), keys, check_stamp), ProvedCertificates()
    async with reader(factories.client_of(config)) as topics:
        async for records in topics.whole(names.leaves, [partition]):
            for record in records:
                audit.feed_leaf(record.key, record.value, record.offset)
        async for records in topics.whole(names.anchors, [partition]):
            for record in records:
                audit.feed_anchor(record.value, record.offset, dict(record.headers).get(KIND))
        if given is None:
            async with StoredValues(config.schema_registry) as stored:
                given = await _certificates(topics, stored, names.sessions, partition, session_id)
    found.findings += audit.findings()
    found.certificates, found.heads, found.leaves = len(given), audit.heads, audit.leaves
    for name, payload, signature in given:
        try:
            found.bundles.append(_bundle(audit, payload, signature, earlier))
        except VerificationFailed as error:
            found.findings.append(audit.finding(f"certificate of {name}: {error.message}"))
    return found


async def _certificates(
    topics: TopicReader, stored: StoredValues, topic: str, partition: int, session_id: str | None
) -> list[_Certificate]:
    """Return chat, payload and signature of session records with a certificate, in order; of one chat, or of all."""
    found: list[_Certificate] = []
    async for records in topics.whole(topic, [partition]):
        for record in records:
            if session_id is None or record.key == session_id.encode():
                value = record.value or b""
                decoded = await stored.decode(SESSION_RECORD, value)
                if decoded["certificate"] is not None:
                    found.append((decoded["sessionId"], unframe(value)[1], decoded["signature"]))
    return found


def _bundle(audit: LogAudit, payload: bytes, signature: dict[str, Any] | None, earlier: bytes) -> ProofBundle:
    """Return the proof of one certificate, checked as anybody would. Raises VerificationFailed."""
    statement = split_signature(payload, signature)
    logged = audit.proof(statement)
    growth = audit.consistency(parsed_tree_head(parsed_note(earlier).text), logged.head) if earlier else []
    bundle = ProofBundle(
        statement,
        logged.origin,
        logged.index,
        logged.inclusion,
        logged.checkpoint,
        signed_by="" if signature is None else signature["keyId"],
        signature=b"" if signature is None else signature["signature"],
        earlier=earlier,
        consistency=growth,
        stamped=None
        if logged.stamped is None
        else StampProof(logged.stamped.checkpoint, logged.stamped_inclusion, logged.stamped.reply),
    )
    bundle.check(audit.keys)
    return bundle
