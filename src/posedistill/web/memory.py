"""Memory: how many bytes bodies and pictures of callers take, and a limit on that."""

from threading import Lock

from posedistill.web.errors import busy


class Memory:
    """Count bytes that are held, up to a limit.

    >>> memory = Memory(100)
    >>> with memory.share() as share:
    ...     share.take(60)
    ...     memory.held
    60
    >>> memory.held
    0
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self.held = 0

    def share(self) -> "Share":
        """Give what one request counts its bytes with, until the end of a ``with`` block."""
        return Share(self)

    def add(self, num_bytes: int) -> None:
        """Count bytes that are about to be held, or no longer held; raise `busy` where too many."""
        with self._lock:
            if num_bytes > 0 and self.held + num_bytes > self._limit:
                raise busy(
                    f"the pictures under way take {self.held} bytes and {num_bytes} more would "
                    f"pass the limit of {self._limit}; send it again in a moment"
                )
            self.held += num_bytes


class Share:
    """Count the bytes of one request, and give them back at the end of a ``with`` block."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._held = 0

    def take(self, num_bytes: int) -> None:
        """Count bytes that are about to be held; raise `busy` where there is no room."""
        self._memory.add(num_bytes)
        self._held += num_bytes

    def __enter__(self) -> "Share":
        return self

    def __exit__(self, *error: object) -> None:
        self._memory.add(-self._held)
        self._held = 0
