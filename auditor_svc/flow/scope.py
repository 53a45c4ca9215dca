"""Variables of a function, and what is gathered about it."""

from auditor_svc.flow.analysis import Pending
from auditor_svc.flow.modules import FunctionNode
from auditor_svc.flow.values import NOTHING, Value


class Scope:
    """Variables of a function, or of the module."""

    def __init__(self, parent: "Scope | None" = None, function: FunctionNode | None = None) -> None:
        self.variables: dict[str, Value] = {}
        self.parent = parent
        self.function = function
        self.owner = ""
        """The class around the function."""
        self.assigning = ""
        """The name that is being assigned to."""
        self.is_handler = False
        self.pending: list[Pending] = []
        self.returns: Value = NOTHING

    def find(self, name: str) -> Value | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.variables:
                return scope.variables[name]
            scope = scope.parent
        return None
