"""Bodies that are larger than all the values that they may hold."""

from api.requests import BodyTooLarge


class ValuesTooLarge(BodyTooLarge):
    """Raised when a body is so large that its values must be: it is answered as they are, before it is read."""
