"""Request bodies: OpenAI's fields, and the extension object ``t2rl``."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, NonNegativeInt, PositiveInt, ValidationError

from rl.serve.errors import RequestError
from rollout.streaming import MAX_TOP_LOGPROBS

StrategyName = Literal["repeated_sampling", "majority", "weighted_vote", "best_of_n", "none"]
NO_STRATEGY = "none"
"""Nothing is planned or judged: the request gets its n samples as they were drawn."""
MAX_SAMPLES = 128
MAX_STOPS = 16

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
    "best_of": (None, 1),
    "echo": (None, False),
    "suffix": (None, ""),
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "logit_bias": (None, {}),
    "frequency_penalty": (None, 0),
    "presence_penalty": (None, 0),
    "response_format": (None, {"type": "text"}),
    "tools": (None, []),
    "tool_choice": (None, "none", "auto"),
}
"""Fields that change the completion and that a kind of request does not serve, with the values under which
they change nothing."""
WHY = {
    "best_of": "t2rl decides how many samples are drawn; see t2rl.strategy, best_of_n among them",
    "echo": "a chat has no text of its own; use POST /v1/completions",
    "top_logprobs": "completions have their number in logprobs",
}

FORMS: dict[tuple[str, ...], str] = {
    ("prompt",): "give one text, or one list of token ids",
    ("stop",): f"give one text, or a list of at most {MAX_STOPS} texts that are not empty",
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


class StreamOptions(BaseModel):
    """``stream_options``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    include_usage: bool = False
    """A last chunk without choices has the usage."""
    include_obfuscation: bool = False
    """Not needed here: nothing is padded."""


StopText = Annotated[str, Field(min_length=1)]
Stops = Annotated[list[StopText], Field(max_length=MAX_STOPS)]


class SampledRequest(BaseModel):
    """Fields of both kinds of requests, those of ``NEUTRAL`` and ``IGNORED`` aside."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str
    n: Annotated[int, Field(ge=1, le=MAX_SAMPLES)] | None = None
    """Choices for each prompt; above 1 with the strategy ``none`` alone."""
    stop: str | Stops | None = None
    """The text ends before the first of these; "" and [] are none."""
    stream: bool | None = None
    """Server-sent events."""
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = None
    t2rl: Hints = Field(default_factory=Hints)

    @property
    def stops(self) -> tuple[str, ...]:
        """None, one or several."""
        return (self.stop,) if isinstance(self.stop, str) and self.stop else tuple(self.stop or ())

    @property
    def samples(self) -> int:
        """Choices for each prompt."""
        return self.n or 1


class CompletionRequest(SampledRequest):
    """Fields of ``POST /v1/completions``."""

    prompt: str | list[int] | list[str] | list[list[int]]
    max_tokens: NonNegativeInt | None = None
    """0 with ``echo`` alone."""
    logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    """So many likeliest tokens beside each token of the text."""
    echo: bool | None = None
    """The text begins with the prompt, and the log-probs with its tokens'."""


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


class ChatRequest(SampledRequest):
    """Fields of ``POST /v1/chat/completions``."""

    messages: list[Message] = Field(min_length=1)
    continue_final_message: bool = False
    """Go on with a final message of the assistant; vLLM's name for it."""
    max_tokens: PositiveInt | None = None
    max_completion_tokens: PositiveInt | None = None
    """The newer name of ``max_tokens``; wins."""
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    """With ``logprobs`` alone."""


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
    neutral = {name: allowed for name, allowed in NEUTRAL.items() if name not in kind.model_fields}
    for name, allowed in neutral.items():
        if name in fields and not any(_same(fields[name], value) for value in allowed):
            why = WHY.get(name, "it is not served; leave it out")
            raise RequestError(400, f"{name} is {_shown(fields[name])}: {why}", param=name)
    try:
        ask = kind.model_validate({name: value for name, value in fields.items() if name not in neutral})
    except ValidationError as error:
        path, words = _problem(error.errors(include_url=False)[0])
        raise RequestError(400, f"{path}: {words}", param=path) from error
    _check_together(ask)
    return ask


def _check_together(ask: CompletionRequest | ChatRequest) -> None:
    """Fields that need one another."""
    if ask.stream_options is not None and not ask.stream:
        raise RequestError(400, "stream_options: needs stream=true", param="stream_options")
    if isinstance(ask, ChatRequest):
        if ask.top_logprobs and not ask.logprobs:
            raise RequestError(400, "top_logprobs: needs logprobs=true", param="top_logprobs")
    elif ask.max_tokens == 0 and not ask.echo:
        raise RequestError(
            400, "max_tokens: should be greater than 0, or come with echo=true", param="max_tokens"
        )


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
