"""Request bodies: OpenAI's fields, and the extension object ``t2rl``."""

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PositiveInt, ValidationError

from rl.serve.errors import RequestError

StrategyName = Literal["repeated_sampling", "majority", "weighted_vote", "best_of_n"]

IGNORED = (
    "user",
    "store",
    "metadata",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "parallel_tool_calls",
)
"""Say nothing about the completion."""
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (None, 1),
    "stream": (None, False),
    "stream_options": (None,),
    "best_of": (None, 1),
    "echo": (None, False),
    "suffix": (None, ""),
    "stop": (None, [], ""),
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "logit_bias": (None, {}),
    "frequency_penalty": (None, 0),
    "presence_penalty": (None, 0),
    "response_format": (None, {"type": "text"}),
    "tools": (None, []),
    "tool_choice": (None, "none", "auto"),
}
"""Fields that change the completion and are not served, with the values under which they change nothing."""
WHY = {
    "n": "one answer is returned; t2rl decides how many samples are drawn for it",
    "stream": "the answer is known only when the samples were judged",
    "best_of": "t2rl decides how many samples are drawn; see t2rl.strategy",
}

FORMS: dict[tuple[str, ...], str] = {
    ("prompt",): "give one text, or one list of token ids",
    ("messages", "content"): "give a text, or a list of {type: text, text} parts",
    ("t2rl", "answer"): "give a text or a number",
    ("t2rl", "metadata"): "give an object of JSON values, not nested too deep",
}
"""Fields that take several forms, in words."""


class Hints(BaseModel):
    """The ``t2rl`` object of a request."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str | None = None
    """Looked up in the plan."""
    category: str | None = None
    """Looked up in the plan where the id is not there."""
    answer: str | int | float | None = None
    """Reference answer, for rewards that compare with one."""
    metadata: dict[str, JsonValue] | None = None
    """Further input of the reward: tests, constraints, the item of a generator."""
    budget_tokens: PositiveInt | None = None
    """Hard limit on this request's tokens, prompt and discarded samples included."""
    strategy: StrategyName | None = None

    @property
    def judgeable(self) -> bool:
        """True if the request brings something that a verifier could hold its samples against."""
        return self.answer is not None or self.metadata is not None


class CompletionRequest(BaseModel):
    """Fields of ``POST /v1/completions``, those of ``NEUTRAL`` and ``IGNORED`` aside."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str
    prompt: str | list[int] | list[str] | list[list[int]]
    max_tokens: PositiveInt | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = None
    t2rl: Hints = Field(default_factory=Hints)


class TextPart(BaseModel):
    """A piece of a message."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: Literal["text"]
    text: str


class Message(BaseModel):
    """A message of a chat; ``name`` is for people."""

    model_config = ConfigDict(extra="forbid", strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]
    name: str | None = None

    @property
    def text(self) -> str:
        """All of it."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class ChatRequest(BaseModel):
    """Fields of ``POST /v1/chat/completions``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str
    messages: list[Message] = Field(min_length=1)
    continue_final_message: bool = False
    """Go on with a final message of the assistant; vLLM's name for it."""
    max_tokens: PositiveInt | None = None
    max_completion_tokens: PositiveInt | None = None
    """The newer name of ``max_tokens``; wins."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = None
    t2rl: Hints = Field(default_factory=Hints)


Ask = CompletionRequest | ChatRequest
T = TypeVar("T", CompletionRequest, ChatRequest)


def read_request(kind: type[T], body: Any) -> T:
    """A checked request.

    Raises:
        RequestError: 400, naming the first field that does not fit.
    """
    if not isinstance(body, dict):
        raise RequestError(400, "body: expected a JSON object")
    fields = {name: value for name, value in body.items() if name not in IGNORED}
    for name, allowed in NEUTRAL.items():
        if name in fields and not any(_same(fields[name], value) for value in allowed):
            why = WHY.get(name, "it is not served; leave it out")
            raise RequestError(400, f"{name} is {_shown(fields[name])}: {why}", param=name)
    try:
        return kind.model_validate({name: value for name, value in fields.items() if name not in NEUTRAL})
    except ValidationError as error:
        path, words = _problem(error.errors(include_url=False)[0])
        raise RequestError(400, f"{path}: {words}", param=path) from error


def _same(given: Any, value: Any) -> bool:
    """Equal, and not as False equals 0."""
    return isinstance(given, bool) == isinstance(value, bool) and given == value


def _problem(problem: Any) -> tuple[str, str]:
    """Path and words of a pydantic error; of a field with several forms only the field, since all its forms
    failed."""
    where = problem["loc"]
    for end in range(1, len(where) + 1):
        form = FORMS.get(tuple(part for part in where[:end] if isinstance(part, str)))
        if form is not None and isinstance(where[end - 1], str):
            return ".".join(map(str, where[:end])), form
    if problem["type"] == "extra_forbidden":
        return ".".join(map(str, where)), "no such field"
    return ".".join(map(str, where)), f"{problem['msg'][0].lower()}{problem['msg'][1:]}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
