"""Every single change that the templates propose for the files in scope, cheapest first."""

from collections.abc import Iterator, Mapping

import libcst as cst

from .ingredients import Ingredients, Types
from .operators import conditions, operators
from .site import Site
from .source import Proposal, Source
from .statements import Statements, mutable_defaults
from .values import replacements, values

SUSPICION_WEIGHT = 3.0
"""What a line costs that no failing test runs, beside one that only failing tests run."""
_UNTOUCHED = (
    cst.Annotation,
    cst.Decorator,
    cst.ImportFrom,
    cst.Import,
    cst.Global,
    cst.Nonlocal,
    cst.FormattedString,
)


def propose(
    sources: Mapping[str, Source], types: Types, suspicion: Mapping[tuple[str, int], float]
) -> list[Proposal]:
    """Sorted by cost, then place: the same for the same inputs. Without suspicion every line counts alike."""
    found: dict[tuple[object, ...], Proposal] = {}
    for source in sources.values():
        for proposal in _of_file(source, types):
            if suspicion:
                suspect = suspicion.get((source.path, proposal.line), 0.0)
                if not suspect:
                    continue
                cost = proposal.cost + SUSPICION_WEIGHT * (1.0 - suspect)
            else:
                cost = proposal.cost
            if any(source.text[edit.start : edit.end] != edit.text for edit in proposal.edits):
                known = found.get(proposal.edits)
                if known is None or known.cost > cost:
                    found[proposal.edits] = Proposal(
                        proposal.edits, proposal.template, cost, proposal.line, proposal.place
                    )
    return sorted(found.values(), key=lambda proposal: (round(proposal.cost, 6), proposal.edits))


def _of_file(source: Source, types: Types) -> Iterator[Proposal]:
    at_hand: dict[cst.FunctionDef | None, Ingredients] = {}
    for node in source.nodes:
        if isinstance(node, cst.FunctionDef):
            function: cst.FunctionDef | None = node
            at_hand.setdefault(function, Ingredients(source, function, types))
            yield from Statements(source, at_hand[function]).proposals()
        if not isinstance(node, cst.BaseExpression) or _is_fixed(source, node):
            continue
        function = source.function_of(node)
        if function not in at_hand:
            at_hand[function] = Ingredients(source, function, types)
        site = Site(source, node, at_hand[function])
        for variants in (operators(site), values(site), conditions(site), replacements(site)):
            yield from (site.proposal(variant) for variant in variants)
    yield from mutable_defaults(source)


def _is_fixed(source: Source, node: cst.BaseExpression) -> bool:
    """What is no expression of its own: names of parameters, keywords, attributes, types, documentation."""
    above = source.parent(node)
    match above:
        case cst.Param() if above.default is not node:
            return True
        case cst.Attribute() if above.attr is node:
            return True
        case cst.Arg() if above.keyword is node:
            return True
        case cst.FunctionDef() | cst.ClassDef() | cst.AsName() | cst.ImportAlias() | cst.Expr():
            return isinstance(
                above, (cst.FunctionDef, cst.ClassDef, cst.AsName, cst.ImportAlias)
            ) or isinstance(node, cst.SimpleString)
    return any(isinstance(each, _UNTOUCHED) for each in source.ancestors(node))
