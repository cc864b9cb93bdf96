"""The addresses of ``t2rl watch`` as an OpenAPI 3.1 document. There is nothing but GET and HEAD."""

from typing import Any

ROUTES: dict[str, tuple[str, tuple[str, ...], tuple[int, ...]]] = {
    "/": ("The page", ("text/html",), ()),
    "/static/{name}": ("A file of the page", ("text/css", "text/javascript", "text/html"), (404,)),
    "/api/runs": ("All runs", ("application/json",), ()),
    "/api/runs/{run}": ("All parts of a run", ("application/json",), (404,)),
    "/api/runs/{run}/events": ("Parts as they change", ("text/event-stream",), (404, 503)),
    "/api/runs/{run}/figures/{figure}": ("A Plotly figure", ("application/json",), (204, 304, 404)),
    "/openapi.json": ("This document", ("application/json",), ()),
}
"""Address -> what is there, its media types, statuses beside 200, 401 and 421."""
MEANINGS = {
    204: "The run lacks the data.",
    304: "It is what you have.",
    401: "Missing or wrong token.",
    404: "There is none of that name.",
    421: "A name that is not this machine's.",
    503: "Too many pages are open.",
}


def describe(version: str) -> dict[str, Any]:
    """The document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "t2rl watch", "version": version},
        "security": [{}, {"token": []}],
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": {path: {"get": _operation(path, *facts)} for path, facts in ROUTES.items()},
    }


def _operation(path: str, summary: str, media: tuple[str, ...], more: tuple[int, ...]) -> dict[str, Any]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    content: dict[str, Any] = {kind: {"schema": {}} for kind in media}
    refusal: dict[str, Any] = {
        "content": {kind: {"schema": {}} for kind in ("application/json", "text/plain")}
    }
    return {
        "summary": summary,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ],
        "responses": {
            "200": {"description": "Done.", "content": content},
            **{
                str(status): {"description": MEANINGS[status], **(refusal if status >= 400 else {})}
                for status in (*more, 401, 421)
            },
        },
    }
