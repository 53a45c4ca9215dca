"""Random inputs of QuixBugs' programs, in the domains that their descriptions give, and what is compared.

`python quixbugs_inputs.py PROGRAM MODULE REFERENCE NODE SEED` prints `correct`, or the first input on which
the module does something else than the reference.
"""

import copy
import importlib.util
import itertools
import random
import signal
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

INPUTS = 150
SECONDS = 2.0
"""For one call; an input on which the reference takes longer is passed over."""
MAXIMUM_ITEMS = 5_000

R = random.Random()


def ints(least: int = 0, most: int = 12, low: int = -20, high: int = 60) -> list[int]:
    return [R.randint(low, high) for _ in range(R.randint(least, most))]


def word(letters: str = "abc", most: int = 6) -> str:
    return "".join(R.choice(letters) for _ in range(R.randint(0, most)))


def ascending(most: int = 10) -> list[int]:
    return sorted(R.sample(range(40), R.randint(0, most)))


def nearly_sorted() -> tuple[list[int], int]:
    """Every element at most k places from where it belongs."""
    k, items = R.randint(0, 4), ascending(12)
    for start in range(0, len(items), k + 1):
        block = items[start : start + k + 1]
        R.shuffle(block)
        items[start : start + k + 1] = block
    return items, k


def nested(depth: int = 3) -> list[Any]:
    return [
        nested(depth - 1) if depth and R.random() < 0.4 else R.randint(0, 9) for _ in range(R.randint(0, 4))
    ]


def reverse_polish(depth: int = 3) -> list[Any]:
    if depth == 0 or R.random() < 0.3:
        return [float(R.randint(1, 9))]
    return [*reverse_polish(depth - 1), *reverse_polish(depth - 1), R.choice("+-*/")]


def infix() -> list[Any]:
    tokens: list[Any] = [R.randint(1, 9)]
    for _ in range(R.randint(0, 5)):
        tokens += [R.choice("+-*/"), R.randint(1, 9)]
    return tokens


def weighted(nodes: int, low: int, density: float = 0.4) -> dict[tuple[int, int], int]:
    pairs = itertools.permutations(range(nodes), 2)
    return {pair: R.randint(low, 9) for pair in pairs if R.random() < density}


def acyclic(nodes: int) -> dict[tuple[int, int], int]:
    """Negative lengths without negative cycles."""
    return {pair: R.randint(-3, 9) for pair in itertools.combinations(range(nodes), 2) if R.random() < 0.5}


def connected(nodes: int) -> dict[tuple[int, int], int]:
    """Distinct weights, so that there is one tree only."""
    edges = {(R.randrange(node), node) for node in range(1, nodes)}
    edges |= {pair for pair in itertools.combinations(range(nodes), 2) if R.random() < 0.4}
    return dict(zip(sorted(edges), R.sample(range(1, 100), len(edges)), strict=True))


def digits() -> list[int]:
    if R.random() < 0.3:
        return [9] * R.randint(1, 5)
    half = [R.randint(0, 9) for _ in range(R.randint(0, 2))]
    return [R.randint(1, 9), *half]


def palindrome_digits() -> list[int]:
    found = digits()
    return found + found[::-1] if R.random() < 0.5 else found + found[-2::-1]


def text() -> tuple[str, int]:
    words = "".join(R.choice(("ab ", "cde ", "f ", "ghij ", "klm ")) for _ in range(R.randint(0, 12)))
    return words, R.randint(6, 12)


def sorted_and_target() -> tuple[list[int], int]:
    items = ascending()
    return items, R.choice(items) if items and R.random() < 0.6 else R.randint(-2, 42)


def factors_of_ten() -> tuple[int, int]:
    return R.randint(1, 500), R.randint(2, 36)


def ranked() -> tuple[list[int], int]:
    items = ints(1, 10)
    return items, R.randrange(len(items))


def not_last_permutation() -> tuple[list[int]]:
    while True:
        items = R.sample(range(9), R.randint(2, 5))
        if items != sorted(items, reverse=True):
            return (items,)


def span() -> tuple[int, int, int]:
    low = R.randint(0, 5)
    high = low + R.randint(0, 5)
    return low, high, R.randint(0, 4)


PLAIN: dict[str, Callable[[], tuple[Any, ...]]] = {
    "bitcount": lambda: (R.randint(0, 5000),),
    "bucketsort": lambda: ([R.randrange(12) for _ in range(R.randint(0, 12))], 12),
    "find_first_in_sorted": lambda: (lambda items, x: (sorted(items + items[:3]), x))(*sorted_and_target()),
    "find_in_sorted": sorted_and_target,
    "flatten": lambda: (nested(),),
    "gcd": lambda: (R.randint(1, 400), R.randint(0, 400)),
    "get_factors": lambda: (R.randint(1, 900),),
    "hanoi": lambda: (R.randint(0, 6), *R.sample((1, 2, 3), 2)),
    "is_valid_parenthesization": lambda: (word("()", 10),),
    "kheapsort": nearly_sorted,
    "knapsack": lambda: (
        R.randint(1, 40),
        [[R.randint(1, 15), R.randint(1, 30)] for _ in range(R.randint(0, 6))],
    ),
    "kth": ranked,
    "lcs_length": lambda: (word(), word()),
    "levenshtein": lambda: (word(most=5), word(most=5)),
    "lis": lambda: (ints(),),
    "longest_common_subsequence": lambda: (word(), word()),
    "max_sublist_sum": lambda: (ints(),),
    "mergesort": lambda: (ints(),),
    "next_palindrome": lambda: (palindrome_digits(),),
    "next_permutation": not_last_permutation,
    "pascal": lambda: (R.randint(1, 12),),
    "possible_change": lambda: (R.sample((1, 2, 3, 5, 10, 25), R.randint(1, 4)), R.randint(0, 40)),
    "powerset": lambda: (R.sample("abcdef", R.randint(0, 5)),),
    "quicksort": lambda: (ints(),),
    "rpn_eval": lambda: (reverse_polish(),),
    "shunting_yard": lambda: (infix(),),
    "sieve": lambda: (R.randint(1, 120),),
    "sqrt": lambda: (R.randint(1, 300), R.choice((0.1, 0.01, 0.001))),
    "subsequences": span,
    "to_base": factors_of_ten,
    "wrap": text,
    "minimum_spanning_tree": lambda: (connected(R.randint(2, 7)),),
    "shortest_path_lengths": lambda: (lambda n: (n, acyclic(n)))(R.randint(2, 6)),
    "shortest_paths": lambda: (0, {(0, 1): R.randint(1, 9), **acyclic(R.randint(2, 6))}),
}


def graph(node: type, count: int) -> list[Any]:
    nodes = [node(value=number, successors=[], predecessors=[]) for number in range(count)]
    for each in nodes:
        each.successors = [other for other in nodes if R.random() < 0.25]
        each.incoming_nodes, each.outgoing_nodes = [], []
    return nodes


def linked(node: type) -> Any:
    """A list of nodes, sometimes with a cycle."""
    nodes = [node(value=number) for number in range(R.randint(1, 7))]
    for one, other in itertools.pairwise(nodes):
        one.successor = other
    return nodes


def of_nodes(program: str, node: type) -> tuple[Any, ...]:
    if program in ("breadth_first_search", "depth_first_search"):
        nodes = graph(node, R.randint(1, 8))
        return R.choice(nodes), R.choice(nodes)
    if program == "shortest_path_length":
        nodes = graph(node, R.randint(1, 7))
        return (
            {(a, b): R.randint(1, 9) for a in nodes for b in a.successors},
            R.choice(nodes),
            R.choice(nodes),
        )
    if program == "detect_cycle":
        nodes = linked(node)
        nodes[-1].successor = R.choice([None, None, *nodes])
        return (nodes[0],)
    if program == "reverse_linked_list":
        return (linked(node)[0] if R.random() < 0.95 else None,)
    nodes = graph(node, R.randint(1, 8))  # topological_ordering
    for number, each in enumerate(nodes):
        each.outgoing_nodes = [other for other in nodes[number + 1 :] if R.random() < 0.4]
        for other in each.outgoing_nodes:
            other.incoming_nodes.append(each)
    return (nodes,) if R.random() < 0.5 else (R.sample(nodes, len(nodes)),)


def arguments(program: str, node: type) -> Iterator[tuple[Any, ...]]:
    for _ in range(INPUTS):
        yield PLAIN[program]() if program in PLAIN else of_nodes(program, node)


def shown(value: Any, seen: int = 0) -> Any:
    """The result as something that compares: nodes by value, chains of nodes as lists."""
    if hasattr(value, "successor"):
        chain, here = [], value
        while here is not None and len(chain) < 50:
            chain.append(here.value)
            here = here.successor
        return ("node", value.value, chain)
    if hasattr(value, "__next__"):
        return [shown(item, seen + 1) for item in itertools.islice(value, MAXIMUM_ITEMS)]
    if isinstance(value, (list, tuple)):
        return [shown(item, seen + 1) for item in value]
    if isinstance(value, set):
        return sorted(map(str, map(shown, value)))
    if isinstance(value, dict):
        return {str(shown(key)): shown(item) for key, item in value.items()}
    return round(value, 9) if isinstance(value, float) else value


class TooSlow(BaseException):
    """A call took more than its time."""


def outcome(function: Callable[..., Any], given: tuple[Any, ...], seconds: float) -> Any:
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        return shown(function(*given))
    except TooSlow:
        return "took too long"
    except Exception as error:
        return f"raised {type(error).__name__}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def load(path: str, name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def close(program: str, given: tuple[Any, ...], found: Any, wanted: Any) -> bool:
    if program == "sqrt" and isinstance(found, float) and isinstance(wanted, float):
        return bool(abs(found - given[0] ** 0.5) <= given[1])  # the interval is all that is promised
    return bool(found == wanted)


def main(program: str, module: str, reference: str, node: str, seed: str) -> None:
    R.seed(int(seed))

    def stop(*_: object) -> None:
        raise TooSlow

    signal.signal(signal.SIGPROF, stop)
    ours, theirs = getattr(load(module, "ours"), program), getattr(load(reference, "theirs"), program)
    sound = 0
    for given in arguments(program, load(node, "node").Node):
        wanted = outcome(theirs, copy.deepcopy(given), SECONDS)
        if isinstance(wanted, str) and wanted in ("took too long", "raised RecursionError"):
            continue
        sound += 1
        found = outcome(ours, copy.deepcopy(given), 10 * SECONDS)
        if not close(program, given, found, wanted):
            print(f"wrong on {shown(given)}: {found!r} where the reference gives {wanted!r}"[:400])
            return
    print("correct" if sound >= INPUTS // 2 else f"only {sound} inputs told anything")


if __name__ == "__main__":
    main(*sys.argv[1:])
