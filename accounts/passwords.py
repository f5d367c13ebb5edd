"""What a password may be, beside Django's own rules."""

from django.core.exceptions import ValidationError

# A generated pass phrase fits many times over; whoever sends megabytes only wants them hashed.
MOST_CHARACTERS = 256
TOO_LONG = f"This password is too long. It may have at most {MOST_CHARACTERS} characters."


class MaximumLengthValidator:
    """Refuse passwords that are longer than anyone needs."""

    def validate(self, password: str, user: object = None) -> None:
        if len(password) > MOST_CHARACTERS:
            raise ValidationError(TOO_LONG, code="password_too_long")

    def get_help_text(self) -> str:
        return f"Your password may have at most {MOST_CHARACTERS} characters."
