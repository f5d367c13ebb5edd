"""A strict reader of the structured fields that the tests look at (RFC 9651): Lists of Strings with Integers."""

import re

MEMBER = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"((?:; *[a-z*][a-z0-9_.*-]*=-?[0-9]{1,15})*)')
PARAMETER = re.compile(r"; *([a-z*][a-z0-9_.*-]*)=(-?[0-9]{1,15})")


def parse_list(text: str) -> list[tuple[str, dict[str, int]]]:
    """Return the members with their parameters; raises AssertionError for anything else."""
    found, position = [], 0
    while True:
        member = MEMBER.match(text, position)
        assert member is not None, text
        found.append((member[1], {name: int(value) for name, value in PARAMETER.findall(member[2])}))
        position = member.end()
        if position == len(text):
            return found
        separator = re.compile(r"[ \t]*,[ \t]*").match(text, position)
        assert separator is not None, text
        position = separator.end()
