"""The one exception of the embedded servers."""


class CannotStart(Exception):
    """Say in one sentence what prevents a start, and the remedy; it is printed without a traceback."""
