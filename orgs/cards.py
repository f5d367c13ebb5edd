"""What an agent tells of itself: the owner's part of its A2A agent card (A2A 1.0 §4.4.1), in this API's spelling.

Interfaces, security schemes and signatures are the service's to know, name and description the agent's own fields.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, HttpUrl, StringConstraints, TypeAdapter, ValidationError, field_validator
from pydantic_core import core_schema

from api import documents
from api.values import Flag
from orgs.schemas import In

MAX_CARD_BYTES = 64 * 1024
MAX_SKILLS = 100
MAX_LISTED = 50
_url = TypeAdapter(HttpUrl)


def _web_address(text: str) -> str:
    """Take an address as it is written; a card is shown to everyone, so it holds no password."""
    try:
        read = _url.validate_python(text)
    except ValidationError:
        raise ValueError("is no http or https address") from None
    if read.username is not None or read.password is not None:
        raise ValueError("must hold no user and no password")
    return text


def _unique(*names: str) -> AfterValidator:
    def check(listed: list[Any]) -> list[Any]:
        for name in names:
            found = [getattr(each, name) for each in listed]
            if len(set(found)) < len(found):
                raise ValueError(f"names one {name} twice")
        return listed

    return AfterValidator(check)


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
# The characters of RFC 3986: as a browser does, pydantic would drop a line's end and find a host in https:///host.
WebAddress = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[A-Za-z0-9\[][!#-;=?-\[\]_a-z~]*$", max_length=2000),
    AfterValidator(_web_address),
    Field(description="An absolute http or https URL.", examples=["https://example.com/agent"]),
]
MediaType = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9!#$&^_.+*-]+/[A-Za-z0-9!#$&^_.+*-]+( ?; ?[A-Za-z0-9!#$&^_.+-]+=[A-Za-z0-9!#$&^_.+-]+)*$",
        max_length=200,
    ),
]
MediaTypes = Annotated[list[MediaType], Field(max_length=MAX_LISTED)]


class Part(In):
    """What may be left out is left out, and is not null."""

    @field_validator("*", mode="before")
    @classmethod
    def _not_null(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("may be left out, but not be null")
        return value


class CardProvider(Part):
    """Who offers the agent."""

    organization: Line
    url: WebAddress


class CardExtension(Part):
    """An extension of the protocol that the agent understands; `required` where its callers must, too."""

    uri: WebAddress
    description: Text | None = None
    required: Flag | None = None
    params: dict[str, Any] | None = None


class CardCapabilities(Part):
    streaming: Flag | None = None
    push_notifications: Flag | None = None
    extended_agent_card: Flag | None = None
    extensions: Annotated[list[CardExtension], Field(max_length=MAX_LISTED), _unique("uri")] | None = None


class CardSkill(Part):
    """Something that the agent can do; modes are those of the card where none are given."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    name: Line
    description: Text
    tags: Annotated[list[Line], Field(min_length=1, max_length=MAX_LISTED)]
    examples: Annotated[list[Text], Field(max_length=MAX_LISTED)] | None = None
    input_modes: MediaTypes | None = None
    output_modes: MediaTypes | None = None


class Card(Part):
    """The owner's part of the agent's card: at most 64 KiB, kept with the fields that are given."""

    version: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)] | None = None
    provider: CardProvider | None = None
    documentation_url: WebAddress | None = None
    icon_url: WebAddress | None = None
    capabilities: CardCapabilities | None = None
    default_input_modes: MediaTypes | None = None
    default_output_modes: MediaTypes | None = None
    skills: Annotated[list[CardSkill], Field(max_length=MAX_SKILLS), _unique("id")] | None = None


def document(card: Card) -> dict[str, Any]:
    """Return the card as it is kept: what was given and nothing else."""
    return card.model_dump(exclude_unset=True)


def _small(card: Card) -> Card:
    if len(documents.dumps(document(card)).encode()) > MAX_CARD_BYTES:
        raise ValueError(f"takes at most {MAX_CARD_BYTES} bytes")
    return card


class _AsKept:
    """A card from the database, whose text goes out as it stands, described as what came in."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.any_schema()

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: core_schema.CoreSchema, handler: Any) -> dict[str, Any]:
        described: dict[str, Any] = handler(Card.__pydantic_core_schema__)
        return described


SmallCard = Annotated[Card, AfterValidator(_small)]
ShownCard = Annotated[Any, _AsKept]
