"""An agent that is deleted is told to those who name it, who stand above this app and register themselves."""

from collections.abc import Callable

from orgs.models import Agent

_holders: list[Callable[[Agent, str], None]] = []


def on_departure(release: Callable[[Agent, str], None]) -> None:
    """Have `release` called, with the agent and who deletes it, inside the transaction: then nothing may name it."""
    _holders.append(release)


def release_all(agent: Agent, actor: str) -> None:
    for release in _holders:
        release(agent, actor)
