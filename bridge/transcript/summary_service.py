"""Which human agents served the customer, and how the chat went from one to another."""

from __future__ import annotations


class Service:
    """Follows the human agents that the customer sees, as persons: one who comes back under a new userId is the same.

    A person who joins others is together with them, unless all of them leave without having said anything more: then
    the chat passed to the one who joined.
    """

    def __init__(self) -> None:
        """Begin before the first event."""
        self.persons: set[str] = set()
        self.transfers = 0
        self._conferences = 0
        self._places: dict[str, set[int]] = {}
        self._joined_others: dict[str, set[str]] = {}
        self._last: str | None = None

    @property
    def staffed(self) -> bool:
        """Whether a human agent is there."""
        return bool(self._places)

    @property
    def conferences(self) -> int:
        """How often persons served together, if the chat ends now."""
        return self._conferences + len(self._joined_others)

    def joined(self, person: str, place: int) -> None:
        """Take a party of a person in."""
        if person not in self._places:
            if self._places:
                self._joined_others[person] = set(self._places)
            elif self._last is not None and self._last != person:
                self.transfers += 1
            self._places[person] = set()
        self._places[person].add(place)
        self.persons.add(person)

    def left(self, person: str, place: int) -> None:
        """Take a party of a person out."""
        places = self._places.get(person)
        if places is None or place not in places:
            return
        places.remove(place)
        if places:
            return
        del self._places[person]
        self._last = person
        if self._joined_others.pop(person, None) is not None:
            self._conferences += 1
        for joiner, others in list(self._joined_others.items()):
            others.discard(person)
            if not others:
                self.transfers += 1
                del self._joined_others[joiner]

    def uttered(self, person: str) -> None:
        """Take an utterance of a person that the customer sees: who joined that person serves together with them."""
        for joiner, others in list(self._joined_others.items()):
            if person in others:
                self._conferences += 1
                del self._joined_others[joiner]
