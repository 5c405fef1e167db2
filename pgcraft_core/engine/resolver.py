"""Put steps in an order in which every key is produced before it is required."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter

from pgcraft_core.engine.errors import CircularKeysError, DuplicateKeyError, MissingKeyError
from pgcraft_core.engine.key import AnyKey, CollectedKey
from pgcraft_core.engine.plugin import Step


def resolve(steps: Sequence[Step], inputs: Iterable[AnyKey]) -> tuple[Step, ...]:
    """Return `steps` in topological order; steps that are free of each other keep their given order.

    `inputs` are the keys the run starts with.

    Raises:
        DuplicateKeyError: a single-valued key has two producers, or is an input as well.
        MissingKeyError: a required single-valued key has no producer. (A collected key without any is an empty tuple.)
        CircularKeysError: the steps cannot be ordered.
    """
    given = set(inputs)
    producers: dict[AnyKey, list[Step]] = defaultdict(list)
    for step in steps:
        for key in step.produces:
            producers[key].append(step)

    for key, steps_of_key in producers.items():
        single = not isinstance(key, CollectedKey)
        if single and (len(steps_of_key) > 1 or key in given):
            names = ["the run's input"] if key in given else []
            raise DuplicateKeyError(key, names + [str(step) for step in steps_of_key])

    sorter: TopologicalSorter[int] = TopologicalSorter()
    position = {id(step): number for number, step in enumerate(steps)}
    for number, step in enumerate(steps):
        sorter.add(number)
        for key in step.requires:
            if key in given:
                continue
            if key not in producers:
                if isinstance(key, CollectedKey):
                    continue
                raise MissingKeyError(key, str(step), sorted(str(known) for known in [*given, *producers]))
            for producer in producers[key]:
                sorter.add(number, position[id(producer)])

    try:
        sorter.prepare()
    except CycleError as error:
        raise CircularKeysError([str(steps[number]) for number in error.args[1]]) from None
    ordered: list[Step] = []
    while sorter.is_active():
        # Sorting what is ready makes the order a function of the plugins alone, never of hashing.
        ready = sorted(sorter.get_ready())
        ordered.extend(steps[number] for number in ready)
        sorter.done(*ready)
    return tuple(ordered)
