"""Which form an answer takes, by the request's Accept and Accept-Encoding (RFC 9110, 12.5)."""

from exporters.exposition.page import Form

__all__ = ["choose"]


def _qualities(header: str) -> dict[str, tuple[float, str]]:
    """Return each named thing's quality, with its other parameters; what cannot be read counts as 0."""
    found: dict[str, tuple[float, str]] = {}
    for item in header.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        quality, version = 1.0, ""
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
            elif key.strip() == "version":
                version = value.strip().strip('"')
        if name and quality > found.get(name, (0.0, ""))[0]:
            found[name] = quality, version
    return found


def choose(accept: str, accept_encoding: str) -> Form:
    """Return the form: OpenMetrics where it is wanted as much as plain text or more, gzip where taken."""
    wanted = _qualities(accept)
    openmetrics, version = wanted.get("application/openmetrics-text", (0.0, ""))
    text = wanted.get("text/plain", (0.0, ""))[0]
    encodings = _qualities(accept_encoding)
    gzip = encodings.get("gzip", encodings.get("x-gzip", (0.0, "")))[0]
    return Form(
        openmetrics=openmetrics > 0 and openmetrics >= text and version in ("", "0.0.1", "1.0.0"),
        gzip=gzip > 0,
    )
