r"""Docker's json-file log: ``{"log":"…\n","stream":"stdout","time":"…"}`` a line, long lines in parts."""

from typing import Final

import msgspec

__all__ = ["PREFIX", "unwrap"]

PREFIX: Final = b'{"log":"'


class _Envelope(msgspec.Struct, gc=False):
    log: str
    stream: str = "stdout"


_DECODER: Final = msgspec.json.Decoder(_Envelope)


def unwrap(chunk: bytes) -> tuple[bytes, int, int]:
    """Return the lines of standard output inside, the bytes of the chunk they end at, and the bad envelopes.

    The engine splits a line every 16 KiB (moby, daemon/logger/copier.go); the parts up to the last whole line
    count as done, the rest must be given again with what follows.
    """
    whole: list[str] = []
    parts: list[str] = []
    done = position = bad = 0
    for line in chunk.split(b"\n")[:-1]:
        position += len(line) + 1
        try:
            envelope = _DECODER.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            bad += 1 if line.strip() else 0
            envelope = None
        if envelope is not None and envelope.stream == "stdout":
            parts.append(envelope.log)
            if envelope.log.endswith("\n"):
                whole += parts
                parts.clear()
        if not parts:
            done = position
    return "".join(whole).encode("utf-8", "replace"), done, bad
