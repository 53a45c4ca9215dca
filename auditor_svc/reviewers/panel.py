"""Asks the reviewers that a policy names, at once and apart, and the judge where they disagree."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from auditor_svc.analyzers.scanner import Text
from auditor_svc.domain.change import ChangedFile, decode
from auditor_svc.domain.findings import AnalyzerReport, Detection
from auditor_svc.domain.reviews import ModelReview, disagree
from auditor_svc.reviewers.answer import SCHEMA, Answer, parse
from auditor_svc.reviewers.prompt import SYSTEM, user_text
from autopack.errors import AutopackError, Reason
from autopack.policy.policy import AuditRules, Reviewer


class Panel:
    """The reviewers of all policies; each review is a call of its own with nothing kept between them."""

    def __init__(self, secrets: Mapping[str, tuple[str, frozenset[str]]]) -> None:
        """`secrets`: of each its value, and the HOST:PORTs that it may go to."""
        self._secrets = secrets

    async def review(
        self, files: Sequence[ChangedFile], rules: AuditRules, required: int
    ) -> tuple[list[ModelReview], ModelReview | None]:
        """The reviews that are asked for, and the judge's where they disagree; none raises."""
        chosen = sorted(rules.reviewers.items())[:required]
        reviews = list(await asyncio.gather(*(self._one(name, reviewer, files) for name, reviewer in chosen)))
        if rules.judge is None or not disagree(reviews):
            return reviews, None
        return reviews, await self._one("judge", rules.judge, files)

    async def _one(self, name: str, reviewer: Reviewer, files: Sequence[ChangedFile]) -> ModelReview:
        start = time.perf_counter()
        analyzer = f"review-{name}"
        texts = {item.path: decode(item.new) for item in files if not item.is_binary}
        try:
            answer = await self._ask(
                reviewer, files, {path: text.count("\n") + 1 for path, text in texts.items()}
            )
        except AutopackError as error:
            reasons = tuple(
                Reason(each.code, f"{name} has not reviewed the change: {each.message}", each.fix)
                for each in error.reasons
            )
            report = AnalyzerReport(
                analyzer, reviewer.model, 0, time.perf_counter() - start, failures=reasons
            )
            return ModelReview(name, approves=False, report=report)
        found = tuple(_detections(analyzer, answer, texts))
        report = AnalyzerReport(analyzer, reviewer.model, len(files), time.perf_counter() - start, found)
        return ModelReview(name, answer.approves, report)

    async def _ask(
        self, reviewer: Reviewer, files: Sequence[ChangedFile], lines: Mapping[str, int]
    ) -> Answer:
        shown = await asyncio.to_thread(user_text, files)
        if shown is None:
            raise AutopackError(
                Reason(
                    "REVIEW_TOO_LARGE",
                    "the change is too large to be shown to a reviewer",
                    "split the change",
                )
            )
        # An HTTP client takes a third of a second and 10 MB, which an audit without a model need not pay.
        from auditor_svc.reviewers.endpoint import Endpoint

        text, cut_off = await Endpoint(self._secrets).ask(reviewer, SYSTEM, shown, SCHEMA)
        return parse(text, lines, cut_off=cut_off)


def _detections(analyzer: str, answer: Answer, texts: Mapping[str, str]) -> list[Detection]:
    found = []
    for remark in answer.remarks:
        text = Text(texts[remark.path])
        found.append(
            Detection(
                analyzer=analyzer,
                rule_id="remark",
                severity=remark.severity,
                message=f"A reviewer says: {remark.message}",
                path=remark.path,
                line=remark.line,
                end_line=remark.line,
                evidence=text.evidence(remark.line, remark.line),
                masked_evidence=text.masked_evidence(remark.line, remark.line),
            )
        )
    return found
