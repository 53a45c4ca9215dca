"""The search: see what fails, propose, let the checks judge, choose among what passes, run it all again."""

import ast
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path

import libcst as cst

from .choosing import choose
from .judging import Candidate, ColdJudge, Judged, Judgement
from .localisation import Suspicion, suspicion
from .proposals import propose
from .source import Proposal, Source, TextEdit, apply_edits
from .specification import Check, Findings, Specification
from .targets import SLOW_CPU, Target, warmed

FIRST_CPU, SECOND_CPU = 0.04, 2.0
"""Seconds of CPU for a test: few at first, since most that run long never end; more for who ran out."""
SECOND_TRIES = 40
CHUNK = 24
"""Candidates that one child has a quick look at."""
BEYOND_FIRST = 240
"""Candidates judged after the first plausible one, for the choice; half as many again as came before it."""
BEYOND_FIRST_COLD = 30
"""The same where each is a whole run of a command, and nothing but what is likely tells them apart."""
MAXIMUM_PLAUSIBLE = 48
MAXIMUM_PARTIAL = 24
PAIRED = 1_500
CHEAP_PAIRED = 60
"""First edits for which nothing speaks but that they are likely, in pairs."""
PAIRS_SHARE = 0.35
"""Of the time, kept for pairs of edits."""
CHOOSE_SECONDS = 6.0
VERIFIED = 5
"""Choices that are run in full before the search gives up."""


class Search:
    """One search, from start to end."""

    def __init__(self, specification: Specification, root: Path, clock: Callable[[], float]) -> None:
        self._specification = specification
        self._root = root
        self._clock = clock
        self._deadline = clock() + specification.seconds
        self._findings = Findings()
        self._cold = ColdJudge(root)
        self._cold_lock = threading.Lock()
        self._sources = dict(_parsed(root, specification.files))
        self._targets: list[Target] = []
        self._cold_checks: list[Check] = []

    def run(self) -> Findings:
        """Always gives findings; exceptions are faults of ours."""
        started = self._clock()
        with warmed(self._specification, self._root, self._left) as (self._targets, self._cold_checks):
            self._search()
        self._findings.seconds = self._clock() - started
        return self._findings

    def _left(self) -> float:
        return self._deadline - self._clock()

    # The search

    def _search(self) -> None:
        findings = self._findings
        findings.failing = [test for target in self._targets for test in target.failing]
        if not self._sources:
            return self._end("REPAIR_NO_SOURCE", "no file in scope is Python that can be parsed")
        if not findings.failing and not self._failing_cold():
            return self._end(
                "REPAIR_NOTHING_FAILS", "every check passes as it is, so nothing says what is wrong"
            )
        proposals = self._propose()
        findings.proposed = len(proposals)
        plausible, partial = self._judge_all(proposals)
        if not plausible:
            plausible = self._judge_pairs(proposals, partial)
        findings.plausible = len(plausible)
        target = self._targets[0] if self._targets else None
        choice = choose(plausible, target, self._sources, self._specification.seed)
        findings.behaviours, findings.considered = choice.behaviours, list(choice.considered)
        for likely in choice.best[self._specification.skip :][:VERIFIED]:
            chosen = self._minimised(likely)
            if self._holds(chosen):
                return self._found(chosen)
        tried = "all of them" if findings.exhausted else "as many as the time allowed"
        self._end(
            "REPAIR_NOT_FOUND",
            f"{findings.judged} changes were tried, {tried}; {findings.plausible} passed the failing tests, "
            "none was left that passes every check",
        )

    def _end(self, code: str, message: str) -> None:
        self._findings.code, self._findings.message = code, message

    def _failing_cold(self) -> bool:
        nothing = Candidate({}, False)
        self._cold_checks = [
            check for check in self._cold_checks if not self._cold.run(check, nothing, self._left()).passed
        ]
        return bool(self._cold_checks)

    def _propose(self) -> list[Proposal]:
        observations = [found for target in self._targets for found in target.observations.values()]
        types: dict[str, dict[str, frozenset[str]]] = {}
        for observation in observations:
            for place, names in observation.types.items():
                known = types.setdefault(place, {})
                for name, kinds in names.items():
                    known[name] = known.get(name, frozenset()) | kinds
        suspect: Suspicion = suspicion(observations, self._sources) if not self._cold_checks else {}
        return propose(self._sources, types, suspect)

    def _judge_all(self, proposals: Sequence[Proposal]) -> tuple[list[Judged], list[Judged]]:
        judged = self._judge_in_order(
            ((p.edits, p) for p in proposals), FIRST_CPU, PAIRS_SHARE * self._left()
        )
        if not any(each.plausible for each in judged):
            # Whoever passes all that is quick may take all the time that the check has, a few of them.
            for each in judged:
                each.plausible = each.unfinished
        slow = [each for each in judged if each.out_of_time and not each.plausible][:SECOND_TRIES]
        if not any(each.plausible for each in judged) and slow:
            judged += self._judge_in_order(
                ((each.proposal.edits, each.proposal) for each in slow), SECOND_CPU, CHOOSE_SECONDS
            )
        plausible = [each for each in judged if each.plausible]
        partial = sorted(
            (each for each in judged if each.passed and not each.plausible), key=lambda each: -each.passed
        )
        return plausible, partial

    def _judge_pairs(self, proposals: Sequence[Proposal], partial: Sequence[Judged]) -> list[Judged]:
        """Two edits at once: one that helps already and any other, then two that are likely each."""
        helping = [each.proposal for each in partial[:MAXIMUM_PARTIAL]]
        pairs = [(first, second) for first in helping for second in proposals[:PAIRED]]
        likely = proposals[:CHEAP_PAIRED]
        pairs += [(one, other) for number, one in enumerate(likely) for other in likely[number + 1 :]]
        pairs.sort(
            key=lambda pair: (2 - (pair[0] in helping) - (pair[1] in helping), pair[0].cost + pair[1].cost)
        )
        judged = self._judge_in_order(
            (
                (
                    (*one.edits, *other.edits),
                    Proposal(
                        (*one.edits, *other.edits),
                        f"{one.template} and {other.template}",
                        one.cost + other.cost,
                        one.line,
                        one.place,
                    ),
                )
                for one, other in pairs
            ),
            FIRST_CPU,
            CHOOSE_SECONDS,
        )
        return [each for each in judged if each.plausible]

    def _judge_in_order(
        self, proposals: Iterable[tuple[Sequence[TextEdit], Proposal]], cpu: float, reserve: float
    ) -> list[Judged]:
        """Judges one after the other, on every core; what comes out does not depend on which core was quick.

        Ends a while after the first plausible one, when no more than `reserve` seconds are left, or when
        there are no more.
        """
        judged: dict[int, Judged] = {}
        queue, lock, numbers = iter(proposals), threading.Lock(), count()
        beyond = BEYOND_FIRST if self._targets else BEYOND_FIRST_COLD
        end: list[float] = [float("inf")]
        seen: set[tuple[tuple[str, str], ...]] = set()
        self._findings.exhausted = True

        def take() -> list[tuple[int, Proposal, Candidate]]:
            taken: list[tuple[int, Proposal, Candidate]] = []
            with lock:
                if self._left() < reserve:
                    self._findings.exhausted = False
                    return []
                for edits, proposal in queue:
                    sources = apply_edits(self._sources, edits)
                    if sources is None or (key := tuple(sorted(sources.items()))) in seen:
                        continue
                    seen.add(key)
                    number = next(numbers)
                    if number > end[0]:
                        break
                    taken.append((number, proposal, Candidate(sources, self._is_module_level(proposal))))
                    if len(taken) == (CHUNK if cpu == FIRST_CPU else 1):
                        break
            return taken

        def work(worker: int) -> None:
            while taken := take():
                for number, found in self._judge_chunk(taken, worker, cpu):
                    with lock:
                        judged[number] = found
                        self._findings.judged += 1
                        if found.plausible:
                            end[0] = min(end[0], number + max(beyond, number // 2))
                            if sum(each.plausible for each in judged.values()) >= MAXIMUM_PLAUSIBLE:
                                end[0] = min(end[0], max(judged))

        with ThreadPoolExecutor(self._specification.workers) as pool:
            list(pool.map(work, range(self._specification.workers)))
        return [judged[number] for number in sorted(judged) if number <= end[0]]

    def _is_module_level(self, proposal: Proposal) -> bool:
        """Whether more than the bodies of functions changes."""
        for edit in proposal.edits:
            source = self._sources[edit.path]
            inside = False
            for node in source.nodes:
                if isinstance(node, cst.FunctionDef):
                    start, end = source.span(node.body)
                    if isinstance(node.body, cst.IndentedBlock):
                        # A statement is put in, or taken away, with its indentation.
                        start = source.line_start(source.line_of(start))
                    inside = inside or (start <= edit.start and edit.end <= end + 1)
            if not inside:
                return True
        return False

    def _judge_chunk(
        self, taken: Sequence[tuple[int, Proposal, Candidate]], worker: int, cpu: float
    ) -> Iterator[tuple[int, Judged]]:
        """Most candidates fail what one quick look shows; the others are judged with care."""
        screened: dict[int, Judgement] = {}
        if len(self._targets) == 1 and not self._cold_checks:
            target = self._targets[0]
            simple = [(number, candidate) for number, _, candidate in taken if not candidate.module_level]
            seen = target.judges[worker].screen(
                [candidate for _, candidate in simple], target.limits(target.sample, cpu)
            )
            screened = {number: judgement for (number, _), judgement in zip(simple, seen, strict=True)}
        for number, proposal, candidate in taken:
            look = screened.get(number)
            if (
                look is None
                or look.problem == "cold"
                or (not look.problem and _passed(look) == len(target.sample))
            ):
                yield number, self._judge(proposal, candidate, worker, cpu)
            else:
                out_of_time = "hangs" in look.outcomes.values()
                yield number, Judged(proposal, candidate, _passed(look), out_of_time)

    def _judge(self, proposal: Proposal, candidate: Candidate, worker: int, cpu: float) -> Judged:
        found = Judged(proposal, candidate)
        complete = True
        for target in self._targets:
            sample = target.sample
            judgement = target.judges[worker].judge(candidate, target.limits(sample, cpu), len(sample))
            if judgement.problem == "invalid":
                return found
            if judgement.problem == "cold":
                complete = complete and self._passes_cold(target.check, candidate)
                continue
            found.passed += _passed(judgement)
            found.out_of_time = found.out_of_time or len(judgement.outcomes) < len(sample)
            complete = complete and _passed(judgement) == len(sample)
        if not complete:
            return found
        rest = [self._rest(target, candidate, worker, cpu) for target in self._targets]
        found.unfinished = "slow" in rest and "failed" not in rest
        found.plausible = set(rest) <= {"passed"} and all(
            self._passes_cold(check, candidate) for check in self._cold_checks
        )
        return found

    def _rest(self, target: Target, candidate: Candidate, worker: int, cpu: float) -> str:
        """The failing tests beyond the sample, and the passing ones that run what was changed: passed, slow
        (those that ended passed, one did not end) or failed."""
        tests = [test for test in target.failing if test not in target.sample]
        for test in target.passing:
            seen = target.observations.get(test)
            if seen is None or any(path in seen.lines for path in candidate.sources):
                tests.append(test)
        if not tests:
            return "passed"
        tests.sort(key=lambda test: target.cpu.get(test, SLOW_CPU))
        judgement = target.judges[worker].judge(candidate, target.limits(tests, cpu))
        if judgement.problem == "cold":
            return "passed"
        if _passed(judgement) < len(judgement.outcomes):
            return "failed"
        return "passed" if len(judgement.outcomes) == len(tests) else "slow"

    def _passes_cold(self, check: Check, candidate: Candidate) -> bool:
        with self._cold_lock:
            return self._cold.run(check, candidate, self._left()).passed

    def _holds(self, chosen: Judged) -> bool:
        """Every check, run whole on the changed work tree, gets no worse, and what was to be mended is."""
        for check in self._specification.checks:
            after = self._cold.run(check, chosen.candidate, check.timeout)
            if after.passed:
                continue
            wanted = [test for target in self._targets if target.check == check for test in target.failing]
            before = self._cold.run(check, Candidate({}, False), check.timeout)
            wanted += [test for test, outcome in before.outcomes.items() if outcome == "passed"]
            if before.passed or not wanted or any(after.outcomes.get(test) != "passed" for test in wanted):
                return False
        return True

    def _minimised(self, chosen: Judged) -> Judged:
        """Without edits that are not needed, and without parentheses that change nothing."""
        edits = list(chosen.proposal.edits)
        for edit in chosen.proposal.edits if " and " in chosen.proposal.template else ():
            fewer = [other for other in edits if other != edit]
            if fewer and self._judge_edits(chosen.proposal, fewer).plausible:
                edits = fewer
        for number, edit in enumerate(edits):
            if edit.text.startswith("(") and edit.text.endswith(")"):
                bare = [*edits[:number], replace(edit, text=edit.text[1:-1]), *edits[number + 1 :]]
                if _same_program(apply_edits(self._sources, edits), apply_edits(self._sources, bare)):
                    edits = bare
        proposal = replace(chosen.proposal, edits=tuple(edits))
        sources = apply_edits(self._sources, edits) or {}
        return Judged(proposal, Candidate(sources, chosen.candidate.module_level), plausible=True)

    def _judge_edits(self, proposal: Proposal, edits: Sequence[TextEdit]) -> Judged:
        proposal = replace(proposal, edits=tuple(edits))
        sources = apply_edits(self._sources, edits) or {}
        return self._judge(proposal, Candidate(sources, self._is_module_level(proposal)), 0, SECOND_CPU)

    def _found(self, chosen: Judged) -> None:
        self._findings.sources = dict(chosen.candidate.sources)
        self._findings.template = chosen.proposal.template


def _parsed(root: Path, files: Sequence[str]) -> Iterable[tuple[str, Source]]:
    for path in files:
        try:
            yield path, Source(path, (root / path).read_bytes().decode())
        except (UnicodeDecodeError, cst.ParserSyntaxError):
            continue  # what is no Python today cannot be repaired on its syntax tree


def _same_program(one: dict[str, str] | None, other: dict[str, str] | None) -> bool:
    try:
        return [ast.dump(ast.parse(text)) for text in (one or {}).values()] == [
            ast.dump(ast.parse(text)) for text in (other or {}).values()
        ]
    except SyntaxError:
        return False


def _passed(judgement: Judgement) -> int:
    return sum(outcome in ("passed", "skipped") for outcome in judgement.outcomes.values())


def main(arguments: Sequence[str]) -> None:
    """`SPECIFICATION FINDINGS`: reads the one, writes the other; the work tree is the current directory."""
    specification = Specification.load(Path(arguments[0]))
    findings = Search(specification, Path.cwd(), time.monotonic).run()
    Path(arguments[1]).write_text(findings.dump())
