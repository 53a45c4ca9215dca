"""The search: see what fails, propose, let the checks judge, choose among what passes, run it all again."""

import ast
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import libcst as cst

from .differences import NEVER_SAID, agreement, fidelity, generated_calls, is_crash
from .judging import Candidate, ColdJudge, Judgement, Observation, WarmJudge
from .localisation import Suspicion, suspicion
from .proposals import propose
from .source import Proposal, Source, TextEdit, apply_edits
from .specification import Check, Findings, Specification

SAMPLE = 4
"""Failing tests that every candidate meets; the others only meet who passes these."""
FIRST_CPU, SECOND_CPU = 0.04, 2.0
"""Seconds of CPU for a test: few at first, since most that run long never end; more for who ran out."""
SECOND_TRIES = 40
CPU_FACTOR = 3.0
"""Times what a test took as the code is."""
QUICK_CPU, SLOW_CPU = 0.3, 2.0
"""Seconds of CPU for a test of the code as it is: most that need more than the first never end."""
OBSERVED_FAILING, OBSERVED_PASSING = 12, 40
"""Tests that are run with a tracer."""
CHUNK = 24
"""Candidates that one child has a quick look at."""
BEYOND_FIRST = 240
"""Candidates judged after the first plausible one, for the choice; half as many again as came before it."""
MAXIMUM_PLAUSIBLE = 48
MAXIMUM_PARTIAL = 24
PAIRED = 1_500
CHEAP_PAIRED = 60
"""First edits for which nothing speaks but that they are likely, in pairs."""
PAIRS_SHARE = 0.35
"""Of the time, kept for pairs of edits."""
CHOOSE_SECONDS = 6.0
CONSIDERED = 12
"""Plausible changes that are told of."""
VERIFIED = 5
"""Choices that are run in full before the search gives up."""
AGREEMENT_WEIGHT, CRASH_WEIGHT = 1.5, 2.0
FIDELITY_WEIGHT, FIDELITY_AFTER_CRASHES = 0.7, 8.0


@dataclass(slots=True)
class Judged:
    """A proposal and what the sample of failing tests said of it."""

    proposal: Proposal
    candidate: Candidate
    passed: int = 0
    out_of_time: bool = False
    unfinished: bool = False
    """Whether it passes all tests but for those that take long, of which it did not see the end."""
    plausible: bool = False


@dataclass(slots=True)
class Target:
    """A check whose failures are to be mended, warm."""

    check: Check
    judges: list[WarmJudge]
    failing: list[str] = field(default_factory=list)
    passing: list[str] = field(default_factory=list)
    observations: dict[str, Observation] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    """Seconds that each test took as the code is, where it ended."""

    @property
    def sample(self) -> list[str]:
        """Failing tests, the quickest first."""
        return self.failing[:SAMPLE]

    def limits(self, tests: Sequence[str], least: float) -> dict[str, float]:
        """Seconds of CPU for each."""
        return {test: max(least, CPU_FACTOR * self.cpu.get(test, 0.0)) for test in tests}


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
        try:
            self._start_judges()
            self._search()
        finally:
            for target in self._targets:
                for judge in target.judges:
                    judge.close()
        self._findings.seconds = self._clock() - started
        return self._findings

    def _left(self) -> float:
        return self._deadline - self._clock()

    # What fails

    def _start_judges(self) -> None:
        checks = [check for check in self._specification.checks if check.target]
        warm = [check for check in checks if check.reports == "pytest"]
        self._cold_checks = [check for check in checks if check.reports != "pytest"]
        with ThreadPoolExecutor(self._specification.workers) as pool:
            for check in warm:
                judges = list(
                    pool.map(
                        lambda _, check=check: WarmJudge(check, self._root, self._specification.files),
                        range(self._specification.workers),
                    )
                )
                if all(judge.tests and judge.tests == judges[0].tests for judge in judges):
                    self._targets.append(Target(check, judges))
                else:
                    self._cold_checks.append(check)
                    for judge in judges:
                        judge.close()
            for target in self._targets:
                self._see_what_fails(target, pool)
            for target in self._targets:
                # What fails without running a line in scope is not for us to mend.
                seen = target.observations
                reached = [test for test in target.failing if test not in seen or seen[test].lines]
                target.failing = reached or target.failing  # where nothing was seen, nothing is known
        failing = [target for target in self._targets if target.failing]
        for target in self._targets:
            if failing and target not in failing:
                for judge in target.judges:
                    judge.close()
        self._targets = failing or self._targets

    def _see_what_fails(self, target: Target, pool: ThreadPoolExecutor) -> None:
        tests = list(target.judges[0].tests)
        outcomes = self._outcomes(target, 0, tests, QUICK_CPU)
        slow = [test for test in tests if test not in outcomes]
        # Most that are not quick never end: two of them are asked with patience, all only if one does.
        tried = list(
            pool.map(
                lambda pair: self._outcomes(target, pair[0], [pair[1]], SLOW_CPU),
                enumerate(slow[: len(target.judges)]),
            )
        )
        if any(tried):
            outcomes |= self._outcomes(target, 0, slow, SLOW_CPU)
        outcomes |= dict.fromkeys((test for test in slow if test not in outcomes), "hangs")
        target.failing = [test for test, outcome in outcomes.items() if outcome in ("failed", "hangs")]
        target.failing.sort(key=lambda test: target.cpu.get(test, 2 * SLOW_CPU))
        target.passing = [test for test, outcome in outcomes.items() if outcome == "passed"]
        seen = _spread(target.failing, OBSERVED_FAILING) + _spread(target.passing, OBSERVED_PASSING)
        found = pool.map(
            lambda item: target.judges[item[0] % len(target.judges)].observe(item[1], QUICK_CPU),
            enumerate(seen),
        )
        target.observations = dict(zip(seen, map(self._relative, found), strict=True))
        for test, observation in target.observations.items():
            observation.outcome = outcomes[test]  # with a tracer it may not have come to its end

    def _outcomes(self, target: Target, worker: int, tests: Sequence[str], cpu: float) -> dict[str, str]:
        """Of the code as it is; what does not end in that many seconds of CPU is not in it."""
        found: dict[str, str] = {}
        left = list(tests)
        while left:
            judgement = target.judges[worker].judge(Candidate({}, False), dict.fromkeys(left, cpu), len(left))
            found |= judgement.outcomes
            target.cpu |= judgement.cpu
            left = [test for test in left if test not in judgement.outcomes][1:]
        return found

    def _relative(self, observation: Observation) -> Observation:
        """Paths as the plan has them."""
        prefix = f"{self._root}/"
        observation.lines = {path.removeprefix(prefix): lines for path, lines in observation.lines.items()}
        observation.types = {place.removeprefix(prefix): kinds for place, kinds in observation.types.items()}
        observation.calls = {place.removeprefix(prefix): calls for place, calls in observation.calls.items()}
        return observation

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
        for likely in self._choose(plausible)[self._specification.skip :][:VERIFIED]:
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
                            end[0] = min(end[0], number + max(BEYOND_FIRST, number // 2))
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

    # The choice

    def _choose(self, plausible: Sequence[Judged]) -> list[Judged]:
        """Best first, one for each behaviour: likely, and doing with generated inputs what most others do."""
        if len(plausible) < 2:
            self._findings.behaviours = len(plausible)
            return list(plausible)
        results: list[list[str]] = [[] for _ in plausible]
        original: list[str] = []
        failing: list[str] = []
        for file, function, calls in self._recorded_calls(
            {each.proposal.edits[0].path for each in plausible}
        ):
            generated = generated_calls(list(calls), self._specification.seed)
            before = self._call(Candidate({}, False), file, function, generated)
            failing += [said for said, call in zip(before, generated, strict=True) if calls.get(call)]
            original += before
            for number, each in enumerate(plausible):
                results[number] += self._call(each.candidate, file, function, generated)
        scores = agreement(results, [each.proposal.cost for each in plausible])
        # Where all that failed was a crash or a hang, what the code did give was right.
        trust = FIDELITY_AFTER_CRASHES if failing and all(map(is_crash, failing)) else FIDELITY_WEIGHT
        kept = [fidelity(original, own) for own in results]
        keys = [
            each.proposal.cost - AGREEMENT_WEIGHT * agreed + CRASH_WEIGHT * crashed - trust * same
            for each, (agreed, crashed), same in zip(plausible, scores, kept, strict=True)
        ]
        order = sorted(range(len(plausible)), key=lambda number: (keys[number], number))
        if not any(results):
            self._findings.behaviours = len(plausible)
            return [plausible[number] for number in order]
        self._findings.considered = [
            f"{plausible[number].proposal.template}: cost {plausible[number].proposal.cost:.2f}, "
            f"agreement {scores[number][0]:.2f}, crashes {scores[number][1]:.2f}, "
            f"fidelity {kept[number]:.2f}: "
            + "; ".join(
                f"line {self._sources[e.path].line_of(e.start)}: {e.text.strip()}"
                for e in plausible[number].proposal.edits
            )
            for number in order[:CONSIDERED]
        ]
        behaviours: dict[tuple[str, ...], Judged] = {}
        for number in order:
            behaviours.setdefault(tuple(results[number]), plausible[number])
        self._findings.behaviours = len(behaviours)
        return list(behaviours.values())

    def _call(self, candidate: Candidate, file: str, function: str, calls: Sequence[str]) -> list[str]:
        said = self._targets[0].judges[0].call(candidate, file, function, calls)
        return said + [NEVER_SAID] * (len(calls) - len(said))

    def _recorded_calls(self, paths: set[str]) -> list[tuple[str, str, dict[str, bool]]]:
        """Plain arguments that tests gave to functions of the changed files, and whether those tests fail."""
        found: dict[tuple[str, str], dict[str, bool]] = {}
        for target in self._targets[:1]:
            for test, observation in target.observations.items():
                for place, calls in observation.calls.items():
                    file, _, function = place.partition("::")
                    if file in paths:
                        known = found.setdefault((file, function), {})
                        for call in calls:
                            known[call] = known.get(call, False) or test in target.failing
        return [(file, function, calls) for (file, function), calls in sorted(found.items()) if calls]

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


def _spread(tests: Sequence[str], number: int) -> list[str]:
    """Some of the tests, from all over the list."""
    if len(tests) <= number:
        return list(tests)
    return [tests[index * len(tests) // number] for index in range(number)]


def main(arguments: Sequence[str]) -> None:
    """`SPECIFICATION FINDINGS`: reads the one, writes the other; the work tree is the current directory."""
    specification = Specification.load(Path(arguments[0]))
    findings = Search(specification, Path.cwd(), time.monotonic).run()
    Path(arguments[1]).write_text(findings.dump())
