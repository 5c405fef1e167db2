"""What must be atomic together: drafts that need each other in a circle; and the order of all groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter

from pgcraft_core.plan.draft_context import Draft
from pgcraft_core.schema.base import ObjectId


def group_drafts(drafts: Sequence[Draft]) -> tuple[tuple[Draft, ...], ...]:
    """Return the drafts in groups: circles of foreign keys together, all others alone, needed ones first."""
    makers: dict[ObjectId, int] = {}
    for number, draft in enumerate(drafts):
        for change in draft.changes:
            if change.object is not None:
                makers[change.id] = number
    edges = {
        number: sorted({makers[need] for need in draft.needs if need in makers} - {number})
        for number, draft in enumerate(drafts)
    }
    component = _components(edges)
    members: dict[int, list[int]] = {}
    for number in range(len(drafts)):
        members.setdefault(component[number], []).append(number)
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for group in members:
        sorter.add(group)
    for number, needed in edges.items():
        for other in needed:
            if component[other] != component[number]:
                sorter.add(component[number], component[other])
    sorter.prepare()
    ordered: list[tuple[Draft, ...]] = []
    while sorter.is_active():
        # In declared order among those that are free of each other: the same resources always give the same plan.
        ready = sorted(sorter.get_ready(), key=lambda group: members[group][0])
        ordered += [tuple(drafts[number] for number in members[group]) for group in ready]
        sorter.done(*ready)
    return tuple(ordered)


def _components(edges: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """Return the strongly connected component of each node (Tarjan 1972), without recursion."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    on_stack: set[int] = set()
    stack: list[int] = []
    component: dict[int, int] = {}
    for root in edges:
        if root in index:
            continue
        work = [(root, iter(edges[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, successors = work[-1]
            for successor in successors:
                if successor not in index:
                    index[successor] = low[successor] = len(index)
                    stack.append(successor)
                    on_stack.add(successor)
                    work.append((successor, iter(edges[successor])))
                    break
                if successor in on_stack:
                    low[node] = min(low[node], index[successor])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        component[member] = node
                        if member == node:
                            break
    return component
