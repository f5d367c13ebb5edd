"""The operator and the browser of the console's tests."""

from tests.orgs.conftest import browser, operator, quick_passwords

__all__ = ["browser", "operator", "quick_passwords"]
