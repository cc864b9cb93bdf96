"""Names and arguments of the reward shapings, (required, optional): readable without torch. A test holds them
to the functions."""

SHAPING_ARGS: dict[str, tuple[set[str], set[str]]] = {
    "overlong": (set(), {"buffer_share", "penalty"}),
    "trust": ({"component"}, {"alpha", "threshold"}),
    "handover": ({"first"}, {"second", "start", "end"}),
}
