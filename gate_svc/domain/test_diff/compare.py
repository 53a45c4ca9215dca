"""What the judge of a base asserts and a change takes away, weakens or can act on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gate_svc.domain.test_diff.items import TestModule, take_apart


@dataclass(frozen=True, slots=True)
class Loss:
    """Something of the base's judge that the change does not keep."""

    path: str
    line: int
    message: str
    assertion: bool
    """Whether it is an assertion, and not what tests lean on."""


def losses(base: Mapping[str, bytes], head: Mapping[str, bytes]) -> tuple[Loss, ...]:
    """What is lost from the files of a base to those of a head, by path: all of the judge that differ.

    What has only moved, was renamed, split, put into or out of a class or made a table is not lost.
    """
    before, after = _read(base), _read(head)
    found = [Loss(path, 0, "cannot be read as Python", False) for path, each in after.items() if each is None]
    old = {path: each for path, each in before.items() if each is not None}
    new = {path: each for path, each in after.items() if each is not None}
    return (*found, *_lost_items(old, new), *_lost_support(old, new), *_acting(old, new))


def _read(files: Mapping[str, bytes]) -> dict[str, TestModule | None]:
    return {path: take_apart(path, source) for path, source in files.items()}


def _lost_items(old: Mapping[str, TestModule], new: Mapping[str, TestModule]) -> Iterator[Loss]:
    kept = {key for module in new.values() for item in module.items for key in (item.key, *item.implied)}
    known = {key for module in old.values() for item in module.items for key in (item.key, *item.implied)}
    told: set[str] = set()
    for path, module in old.items():
        for item in module.items:
            if item.key not in kept and item.key not in told:
                told.add(item.key)
                what = "is asserted no more, or otherwise" if item.asserts else "is done no more"
                yield Loss(path, item.line, f"`{item.shown}` of {item.function} {what}", item.asserts)
    for path, module in new.items():
        last = {
            item.function: number
            for number, item in enumerate(module.items)
            if item.asserts and item.key in known
        }
        for number, item in enumerate(module.items):
            if not item.asserts and item.key not in known and number < last.get(item.function, -1):
                message = f"`{item.shown}` is now done before what {item.function} asserts"
                yield Loss(path, item.line, message, False)


def _lost_support(old: Mapping[str, TestModule], new: Mapping[str, TestModule]) -> Iterator[Loss]:
    before = {
        (name, text) for module in old.values() for name, each in module.support.items() for text, _ in each
    }
    after = {
        (name, text) for module in new.values() for name, each in module.support.items() for text, _ in each
    }
    for path, module in old.items():
        for name, each in module.support.items():
            for text, line in each:
                if (name, text) not in after:
                    yield Loss(path, line, f"{name}, which tests lean on, is not what it was", False)
    leaned_on = {name for module in old.values() for name in (*module.support, *module.used)}
    for path, module in new.items():
        for name, each in module.support.items():
            for text, line in each:
                if name in leaned_on and (name, text) not in before:
                    yield Loss(path, line, f"{name}, which tests lean on, is another one", False)


def _acting(old: Mapping[str, TestModule], new: Mapping[str, TestModule]) -> Iterator[Loss]:
    before = {text for module in old.values() for text in module.automatic}
    after = {text for module in new.values() for text in module.automatic}
    for path, module in new.items():
        if path in old or path.rpartition("/")[2] == "conftest.py":
            for text, line in module.automatic.items():
                if text not in before:
                    yield Loss(path, line, f"`{text.splitlines()[0][:100]}` acts on tests unasked", False)
    for path, module in old.items():
        for text, line in module.automatic.items():
            if text not in after:
                yield Loss(path, line, f"`{text.splitlines()[0][:100]}` is done no more", False)
