"""Settings from a command line and the environment, with wrong ones named."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, CliApp

_Settings = TypeVar("_Settings", bound=BaseSettings)


class OptionError(ValueError):
    """Options or variables that are wrong or missing, one a line."""


def parse(settings_type: type[_Settings], arguments: Sequence[str]) -> _Settings:
    """The settings. Raises OptionError; an unknown option ends the process with code 2."""
    try:
        return CliApp.run(settings_type, cli_args=list(arguments))
    except ValidationError as error:
        prefix = settings_type.model_config.get("env_prefix", "")
        raise OptionError(
            "\n".join(
                f"--{'.'.join(map(str, one['loc'])).replace('_', '-')} "
                f"({prefix}{'__'.join(map(str, one['loc'])).upper()}): {one['msg']}"
                for one in error.errors(include_url=False, include_input=False)
            )
        ) from error
