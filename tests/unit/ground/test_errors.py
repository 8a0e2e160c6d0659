"""Every error tells what, to what, and what next; its exit code stands in the table of its module."""

import re

import pytest

from swarmstead import errors


def kinds() -> list[type[errors.SwarmsteadError]]:
    return [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_the_table_in_the_docstring_is_true(kind: type[errors.SwarmsteadError]) -> None:
    line = next(
        line for line in (errors.__doc__ or "").splitlines() if re.search(rf"\b{kind.__name__}\s+\d", line)
    )
    assert str(kind.exit_code) in re.findall(r"\d+", line)
    if kind is not errors.SwarmsteadError:
        assert ("(retry" in line) is kind.retryable


def test_no_two_kinds_that_differ_for_a_script_share_a_code() -> None:
    roots = [kind for kind in kinds() if kind.__base__ is errors.SwarmsteadError]
    codes = [kind.exit_code for kind in roots]
    assert len(set(codes)) == len(codes)


def test_an_error_says_to_what_and_what_next() -> None:
    error = errors.InputError("not a number: x", subject="plan.json:12", hint="Write 3.")
    assert str(error) == "plan.json:12: not a number: x\n  Write 3."
    assert error.as_dict()["exit_code"] == 3
