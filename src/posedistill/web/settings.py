"""Settings of the server: what it serves, and how much of it."""

from dataclasses import dataclass

from posedistill.runtime.detector import embedded_detectors

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_MEBIBYTE = 2**20


@dataclass(frozen=True)
class Settings:
    """Say what is served, and the limits that requests have.

    Attributes:
        models: what may be asked for, the first by default; nothing else is ever opened.
        detectors: likewise; ``none``, the whole image, may be asked for besides.
        token: callers must give it; None lets everyone in.
        max_bytes: of a request's body. max_pixels: of a picture, by its header.
        max_memory: bytes that bodies and decoded pictures may take together.
        max_queue: pictures that may wait. max_batch: pictures that are estimated together.
        max_streams: connections that send frames. timeout_s: of a request.

    Raises ValueError for what cannot be.

    >>> Settings().models
    ('wholebody-t',)
    """

    models: tuple[str, ...] = ("wholebody-t",)
    detectors: tuple[str, ...] = ()
    token: str | None = None
    max_bytes: int = 20 * _MEBIBYTE
    max_pixels: int = 50_000_000
    max_memory: int = 1024 * _MEBIBYTE
    max_queue: int = 64
    max_batch: int = 8
    max_streams: int = 8
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        if not self.models:
            raise ValueError("no model is given; expected one or more")
        if not self.detectors:
            object.__setattr__(self, "detectors", (embedded_detectors()[0],))
        if self.token is not None and (not self.token or not self.token.isascii()):
            raise ValueError(
                "the token is empty or not ASCII; take one such as `openssl rand -hex 16` gives"
            )
        for name, value in self.limits().items():
            if not value > 0:
                raise ValueError(f"{name} is {value}; expected more than 0")

    def limits(self) -> dict[str, float]:
        """Give the limits by name.

        >>> Settings(max_queue=3).limits()["max_queue"]
        3
        """
        return {
            name: getattr(self, name)
            for name in (
                *("max_bytes", "max_pixels", "max_memory", "max_queue", "max_batch"),
                *("max_streams", "timeout_s"),
            )
        }


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a host name or address.

    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, False)
    """
    return host in _LOOPBACK or host.startswith("127.")
