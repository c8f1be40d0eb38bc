"""Turns errors of optional packages into UserError, so that callers of the API catch one type of error."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from searchspace.errors import UserError
from srsweep.errors import missing_extra

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def with_user_errors(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Wraps `function` so that it raises UserError if it needs an optional package that is not installed."""

    @wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except ModuleNotFoundError as error:
            if line := missing_extra(error):
                raise UserError(line) from error
            raise

    return call
