"""HTTP connections with bounds: how many there are, and how long a request may take to arrive.

uvicorn bounds neither, so a client that opens many and sends a byte now and then would take every descriptor.
The sizes of bodies are the applications'.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS = 512
"""At once; half of the descriptors that a process has by default."""
REQUEST_S = 60.0
"""Seconds until a request must be whole, from its first byte; the first one's from the connection's start."""
HEAD_BYTES = 32 << 10
"""Most of a request's first line and headers."""
ARRIVING = (h11.IDLE, h11.SEND_BODY)


class BoundedConnection(H11Protocol):
    """A connection that is closed when there are too many, or when a request takes too long to arrive."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept it, or close it at once."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.close()
        else:
            self._late = self.loop.call_later(REQUEST_S, self._close_late)

    def data_received(self, data: bytes) -> None:
        """Start the clock with a request's first byte, stop it with the last."""
        super().data_received(data)
        if self.conn.their_state not in ARRIVING:
            self._stop_clock()
        elif self._late is None:
            self._late = self.loop.call_later(REQUEST_S, self._close_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def _stop_clock(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close_late(self) -> None:
        self._late = None
        if self.conn.their_state in ARRIVING:
            self.transport.close()


SERVER: dict[str, Any] = {
    "http": BoundedConnection,
    "h11_max_incomplete_event_size": HEAD_BYTES,
    "ws": "none",
    "access_log": False,
}
"""uvicorn's settings of every service."""
