"""Generated inputs on which plausible candidates differ, and which of them agree with most."""

import base64
import math
import pickle
import random
from collections.abc import Sequence
from typing import Any

MAXIMUM_INPUTS = 80
CRASHED = "!"
NEVER_SAID = "!time"


def is_crash(result: str) -> bool:
    """Whether a call raised, or did not end."""
    return result.startswith(CRASHED)


def fidelity(original: Sequence[str], candidate: Sequence[str]) -> float:
    """On how many of the inputs that the original could take the candidate does the same; 0 to 1."""
    sound = [(old, new) for old, new in zip(original, candidate, strict=True) if not is_crash(old)]
    return sum(old == new for old, new in sound) / len(sound) if sound else 1.0


def generated_calls(recorded: Sequence[str], seed: int) -> list[str]:
    """Arguments like those that tests gave, changed a little at random; pickled, in base64.

    Their values come from our own observer's pickles of plain values; they are read inside the sandbox.
    """
    chance = random.Random(seed)
    originals = [pickle.loads(base64.b64decode(text)) for text in recorded]
    found = dict.fromkeys(recorded)
    for _ in range(20 * MAXIMUM_INPUTS):
        if not originals or len(found) >= MAXIMUM_INPUTS + len(recorded):
            break
        arguments = list(chance.choice(originals))
        if not arguments:
            break
        for _ in range(chance.choice((1, 1, 2))):
            place = chance.randrange(len(arguments))
            others = [item for other in arguments if isinstance(other, (list, tuple, dict)) for item in other]
            alike = [item for item in others if type(item) is type(arguments[place])]
            if alike and chance.random() < 0.5:
                arguments[place] = chance.choice(alike)
            else:
                arguments[place] = _changed(arguments[place], chance, 3)
        found.setdefault(base64.b64encode(pickle.dumps(arguments)).decode())
    return list(found)


def _changed(value: Any, chance: random.Random, depth: int) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return chance.choice(
            (value + 1, value - 1, value * 2, value // 2, 0, 1, value + chance.randint(2, 9))
        )
    if isinstance(value, float):
        return chance.choice((value + 1.0, value / 2, value * 3, 0.0, 1.0))
    if isinstance(value, str) and value:
        place = chance.randrange(len(value))
        shorter, doubled = value[:place] + value[place + 1 :], value + value[place:]
        return chance.choice((value[:place], value[place:], shorter, doubled, value[::-1]))
    if isinstance(value, (list, tuple)) and value:
        items = list(value)
        place = chance.randrange(len(items))
        match chance.randrange(6):
            case 0:
                del items[place]
            case 1:
                items.insert(place, items[chance.randrange(len(items))])
            case 2:
                chance.shuffle(items)
            case 3:
                items = items[: place + 1]
            case _ if depth:
                items[place] = _changed(items[place], chance, depth - 1)
        return type(value)(items)
    if isinstance(value, dict) and value:
        keys = list(value)
        key = keys[chance.randrange(len(keys))]
        if chance.random() < 0.4:
            return {other: value[other] for other in keys if other != key}
        return {**value, key: _changed(value[key], chance, depth - 1) if depth else value[key]}
    return value


def agreement(results: Sequence[Sequence[str]], costs: Sequence[float]) -> list[tuple[float, float]]:
    """For each candidate how much of the others' weight agrees with it, and where it alone crashes; 0 to 1.

    Unlikely candidates weigh little. Inputs on which most of the weight crashes say nothing.
    """
    weights = [math.exp(-cost) for cost in costs]
    inputs = min(map(len, results), default=0)
    telling = []
    for number in range(inputs):
        sound = sum(w for w, found in zip(weights, results, strict=True) if not is_crash(found[number]))
        if sound >= 0.5 * sum(weights):
            telling.append(number)
    scores = []
    for own in results:
        if not telling:
            scores.append((1.0, 0.0))
            continue
        agreed = crashed = 0.0
        for number in telling:
            same = sum(w for w, found in zip(weights, results, strict=True) if found[number] == own[number])
            agreed += same / sum(weights)
            crashed += is_crash(own[number])
        scores.append((agreed / len(telling), crashed / len(telling)))
    return scores
