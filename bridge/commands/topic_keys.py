"""The keys of chats for commands that open what is sealed: read from their topic, unwrapped when they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge import factories
from bridge.commands.progress import Progress
from bridge.errors import ConfigError, SealingFailed, VerificationFailed
from bridge.master_key_factory import master_key_of
from bridge.sealing.chat_seal import ChatSeal
from bridge.sealing.data_keys import parsed_key_record
from bridge.sealing.opened_records import is_sealed_event, opened_as_far_as_possible, opened_event

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from bridge.adapters.kafka.topic_reader import TopicReader
    from bridge.config import Config
    from bridge.sealing.data_keys import KeyWrapper, WrappedKey


class TopicKeys:
    """What the topic of keys holds. `ready` unwraps; then `seal` tells."""

    def __init__(self, wrapper: KeyWrapper) -> None:
        """Begin without any key."""
        self._wrapper = wrapper
        self._values: dict[str, bytes] = {}
        self._seals: dict[str, ChatSeal] = {}
        self._failed: dict[str, str] = {}

    @classmethod
    async def read(cls, config: Config, topics: TopicReader, partitions: Collection[int]) -> TopicKeys:
        """Read the keys on some partitions.

        Raises ConfigError without a master key, KafkaUnavailable, and EnvironmentFault where their topic is missing.
        """
        names = factories.names_of(config)
        wrapper = master_key_of(config)
        if wrapper is None:
            raise ConfigError(
                "no master key is configured", next_step="set sealing.master_key_file or sealing.pkcs11_module"
            )
        await factories.topics_of(config).partitions(names.keys)
        found = cls(wrapper)
        progress = Progress(f"reading {names.keys}", sum((await topics.ends(names.keys, partitions)).values()))
        async for records in topics.whole(names.keys, partitions):
            for record in records:
                found.take((record.key or b"").decode("utf-8", "replace"), record.value)
            progress.reached(records[-1].partition, records[-1].offset + 1)
        progress.end()
        return found

    def take(self, name: str, value: bytes | None) -> None:
        """Take a record of the topic; None is a tombstone."""
        if value is None:
            self._values.pop(name, None)
        else:
            self._values[name] = value

    async def ready(self, names: Iterable[str]) -> None:
        """Unwrap the keys with these names, all at once if possible."""
        wanted: list[WrappedKey] = []
        for name in dict.fromkeys(names):
            if name in self._values and name not in self._seals and name not in self._failed:
                try:
                    wanted.append(parsed_key_record(name, self._values[name]))
                except VerificationFailed as error:
                    self._failed[name] = error.message
        if wanted:
            await self._unwrap(wanted)

    async def _unwrap(self, wanted: list[WrappedKey]) -> None:
        try:
            keys = await self._wrapper.unwrap(wanted)
        except SealingFailed as error:
            if len(wanted) == 1:
                self._failed[wanted[0].name] = error.message
                return
            for one in wanted:
                await self._unwrap([one])
        else:
            self._seals |= {one.name: ChatSeal(one.name, key) for one, key in zip(wanted, keys, strict=True)}

    def seal(self, name: str) -> ChatSeal:
        """Return the seal with this name, which is ready. Raises VerificationFailed, which says why there is none."""
        seal = self._seals.get(name)
        if seal is None:
            raise VerificationFailed(self._why_none(name))
        return seal

    def _why_none(self, name: str) -> str:
        return self._failed.get(name, "there is no key: it was destroyed, or belongs to another installation")

    async def opened_as_far_as_possible(self, event: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Return a decoded event in clear, and of each text that stays as it is: field -> reason."""
        name = event["sessionId"]
        await self.ready([name])
        return opened_as_far_as_possible(event, self._seals.get(name) or self._why_none(name))

    def known(self, names: Iterable[str]) -> list[ChatSeal]:
        """Return the seals with these names that there are."""
        return [self._seals[name] for name in names if name in self._seals]

    async def opened(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return a decoded event in clear, whether it is sealed or not. Raises VerificationFailed."""
        if not is_sealed_event(event):
            return event
        await self.ready([event["sessionId"]])
        return opened_event(event, self.seal(event["sessionId"]))
