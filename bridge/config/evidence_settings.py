"""The section `evidence` of the settings: the signing key, and how often the heads of the log are published."""

from __future__ import annotations

from pydantic import Field

from bridge.config.section import Count, Seconds, Section


class EvidenceSection(Section):
    """Signatures and the transparency log. Without a signing key nothing is signed, and no topic is needed for it."""

    signing_key_file: str | None = Field(
        default=None,
        description="File with the Ed25519 private key that signs session records and anchors: PEM, PKCS #8, without a "
        "password (`chatbridge keys new`). It is read again when it changes.",
    )
    signing_key_name: str | None = Field(
        default=None,
        max_length=300,
        pattern=r"^[^\s+]+$",
        description="Name of the key in signatures, and what origins of the log begin with; unique for the "
        "installation, and to be kept. Without it `chatbridge/<site>/<name of the sessions topic>`.",
    )
    key_list_file: str | None = Field(
        default=None,
        description="File with the list of public keys, former ones included, that is published beside the anchors. "
        "`chatbridge keys new` writes it.",
    )
    anchor_seconds: Seconds = Field(
        default=60.0, description="Time between two anchors of a partition to which something was written."
    )
    anchor_records: Count = Field(
        default=10_000, description="Records of a partition after which an anchor is due before that time is over."
    )
