"""Container images, which here are names of local programs."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from playground.process_node.environment import ContainerConfigError


class Images:
    """Patterns (searched in the image's name) and the command each stands for: its entry point."""

    def __init__(self, commands: Mapping[str, Sequence[str]]) -> None:
        self._commands = [(re.compile(pattern), tuple(command)) for pattern, command in commands.items()]

    def program(self, image: str) -> tuple[str, ...]:
        """Return the entry point of an image; raises `ContainerConfigError` when no pattern matches."""
        for pattern, command in self._commands:
            if pattern.search(image):
                return command
        raise ContainerConfigError("ErrImageNeverPull", f'the process node has no program for image "{image}"')

    @staticmethod
    def command(entry_point: Sequence[str], command: Sequence[str], args: Sequence[str]) -> list[str]:
        """Return the words to run: a container's `command` replaces the entry point.

        A command that names the entry point's own program by another path means that program: images and this
        machine keep it in different folders.
        """
        if not command:
            return [*entry_point, *args]
        if PurePath(command[0]).name == PurePath(entry_point[0]).name:
            return [entry_point[0], *command[1:], *args]
        return [*command, *args]
