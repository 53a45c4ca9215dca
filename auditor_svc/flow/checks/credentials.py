"""Passwords, keys and tokens: written down, compared, accepted or not verified."""

import ast
import re
from collections.abc import Iterator

from auditor_svc.flow.modules import FUNCTIONS, Module

_PASSWORD = re.compile(r"(?:^|_)(?:passw(?:or)?d|passwd|passphrase|pwd|passwort|pass)\d*\Z", re.IGNORECASE)
_SECRET = re.compile(
    r"(?:^|_)(?:passw(?:or)?d|passwd|passphrase|pwd|secret|secret_?key|api_?key|private_?key|signature|hmac|"
    r"digest|csrf_?token|auth_?token|access_?token|api_?token)\d*\Z",
    re.IGNORECASE,
)
_CONNECT = re.compile(
    r"(?:connect|login|auth\w*|create_engine|Connection|Client|sign_?in|simple_bind\w*|Redis|bind|Server)\(\)\Z"
)
_PLACEHOLDER = re.compile(
    r"[<{$%*]|\A(?:x+|\.+|none|null|changeme|change_?me|your\w*|todo|example|redacted|test\w*|dummy)\Z",
    re.IGNORECASE,
)
_SECRETLY = re.compile(
    r"(?:^|_)(?:pw|pass|password|passwd|pwd|secret|token|key|hash|digest|mac|signature)(?:$|_|\d)",
    re.IGNORECASE,
)
_STORES = re.compile(
    r"(?i)(?:create|register|add|new|set|change|reset|update|sign_?up)_?(?:\w*_)?(?:user|account|password|member)|register|sign_?up"
)
_CHECKED = re.compile(
    r"(?i)len\(|re\.|valid|strength|policy|isdigit|isupper|minimum|min_length|strong|complex"
)


def _named(node: ast.AST) -> str:
    """The last part of what an expression is called."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    ):
        return node.slice.value
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        return str(node.args[0].value) if _named(node.func) in {"get", "pop", "getenv"} else ""
    return ""


def _word(node: ast.AST | None) -> str:
    """A constant that could be a password; empty for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
        text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        return "" if not text or " " in text or _PLACEHOLDER.search(text) or len(text) > 200 else text
    return ""


def hard_coded_credential(module: Module) -> Iterator[ast.AST]:
    for compare in module.of(ast.Compare):
        if isinstance(compare.ops[0], (ast.Eq, ast.NotEq)):
            for one, other in (
                (compare.left, compare.comparators[0]),
                (compare.comparators[0], compare.left),
            ):
                if (
                    _SECRET.search(_named(one))
                    and not _is_type(one)
                    and isinstance(other, ast.Constant)
                    and _word(other)
                ):
                    yield compare
    for call in module.of(ast.Call):
        connects = _CONNECT.search(module.name(call)) is not None
        for keyword in call.keywords:
            if keyword.arg and _PASSWORD.search(keyword.arg) and connects and _word(keyword.value):
                yield keyword.value
    for assign in module.of(ast.Assign):
        value = _word(assign.value)
        for target in assign.targets:
            name = _named(target)
            if value and _SECRET.search(name) and _could_be_secret(name, value):
                yield assign
    for mapping in module.of(ast.Dict):
        for key, item in zip(mapping.keys, mapping.values, strict=True):
            name = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""
            if name and _PASSWORD.search(name) and (word := _word(item)) and _could_be_secret(name, word):
                yield item


def _is_type(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in {"type", "kind", "mac"}


def _could_be_secret(name: str, value: str) -> bool:
    """Not a field's name, a prompt or a path."""
    plain, other = value.lower().strip("_"), name.lower().strip("_")
    return (
        len(value) >= 5
        and plain not in other
        and other not in plain
        and re.search(r"[\s/.:\[\]()]", value) is None
        and (re.search(r"\d", value) is not None or re.search(r"[A-Z_-]", value) is None)
    )


def empty_password(module: Module) -> Iterator[ast.AST]:
    for call in module.of(ast.Call):
        if _CONNECT.search(module.name(call)):
            for keyword in call.keywords:
                if keyword.arg and _PASSWORD.search(keyword.arg) and _is_empty(keyword.value):
                    yield keyword.value
    for mapping in module.of(ast.Dict):
        names = {
            key.value: item
            for key, item in zip(mapping.keys, mapping.values, strict=True)
            if isinstance(key, ast.Constant)
        }
        lower = {str(name).lower() for name in names}
        for name, item in names.items():
            if (
                isinstance(name, str)
                and _PASSWORD.search(name)
                and _is_empty(item)
                and lower & {"host", "user", "username", "engine", "database"}
            ):
                yield item


def _is_empty(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value in {"", b""}


def timing_comparison(module: Module) -> Iterator[ast.AST]:
    own = {
        id(node)
        for function in module.of(*FUNCTIONS)
        if function.name in {"__eq__", "__ne__"}
        for node in ast.walk(function)
    }
    for compare in module.of(ast.Compare):
        if id(compare) in own:
            continue
        if len(compare.ops) == 1 and isinstance(compare.ops[0], (ast.Eq, ast.NotEq)):
            sides = (compare.left, compare.comparators[0])
            if any(isinstance(side, ast.Constant) for side in sides):
                continue
            digests = [
                side
                for side in sides
                if re.search(r"hmac\.|HMAC|\.mac\b", module.name(side) or ast.unparse(side))
                and "digest(" in ast.unparse(side)
            ]
            both = all(
                _SECRET.search(_named(side))
                for side in sides
                if isinstance(side, (ast.Name, ast.Attribute, ast.Subscript, ast.Call))
            )
            indexed = all(
                isinstance(side, ast.Subscript) and _SECRETLY.search(_named(side.value)) for side in sides
            )
            named = sum(bool(_SECRET.search(_named(side))) for side in sides) == 2 and both
            if digests or indexed or (named and "confirm" not in ast.unparse(compare).lower()):
                yield compare


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)


def weak_password_rule(module: Module) -> Iterator[ast.AST]:
    """A function that sets a password that it is given, without a look at it, or asks for too little."""
    for compare in module.of(ast.Compare):
        match = re.fullmatch(
            r"len\((\w*(?:password|passwd|pwd)\w*)\) (>=|>|<|<=) (\d+)", ast.unparse(compare), re.IGNORECASE
        )
        if match and int(match[3]) < {"<": 8, ">=": 8, ">": 7, "<=": 7}[match[2]] and int(match[3]) > 0:
            yield compare
    for call in module.of(ast.Call):
        if re.search(r"(?:CharField|StringField|PasswordField|TextField)\Z", module.name(call.func)):
            least = [
                keyword.value.value
                for keyword in call.keywords
                if keyword.arg in {"min_length", "min"} and isinstance(keyword.value, ast.Constant)
            ]
            if any(isinstance(value, int) and value < 8 for value in least) and "assw" in ast.unparse(call):
                yield call
    for function in module.of(*FUNCTIONS):
        parameters = {item.arg.lower() for item in function.args.args}
        given = any(
            _PASSWORD.search(name.removeprefix("new_")) or _PASSWORD.search(name) for name in parameters
        )
        given = (
            given
            or re.search(
                r"request\.(?:form|POST|json)(?:\.get\(|\[)['\"](?:new_)?passw", module.text(function)
            )
            is not None
        )
        text = module.text(function)
        if (
            given
            and _STORES.search(_snake(function.name))
            and not _CHECKED.search(text)
            and re.search(
                r"(?i)insert\s+into|\.save\(|\.add\(|\.commit\(|create_user|password\s*=|update\b", text
            )
        ):
            yield function


def token_options(module: Module) -> Iterator[ast.AST]:
    for call in module.of(ast.Call):
        if (
            _named(call.func).startswith("decode")
            and "jwt" in ast.unparse(call.func).lower() + module.name(call.func).lower()
        ):
            for keyword in call.keywords:
                if keyword.arg == "options" and re.search(
                    r"['\"]verify_(?:signature|exp|aud|iss)['\"]: False", ast.unparse(keyword.value)
                ):
                    yield call


_KEY = re.compile(
    r"(?i)(?:^|_)(?:secret|encryption|encrypt|crypto|private|signing|sign|aes|des|master|hmac|jwt|api|app)_?key(?:$|_)"
)
_CRYPTIC = re.compile(r"(?i)encrypt|decrypt|cipher|hmac|sign(?:ed|ing|ature)?(?:_|$)|crypt")


def hard_coded_key(module: Module) -> Iterator[ast.AST]:
    for assign in module.of(ast.Assign):
        value = assign.value
        if (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Attribute)
            and value.func.attr == "encode"
        ):
            value = value.func.value
        if _word(value) and any(
            _KEY.search(name) and _could_be_key(name, _word(value)) for name in _names(assign)
        ):
            yield assign
    for function in module.of(*FUNCTIONS):
        for node in ast.walk(function) if _CRYPTIC.search(function.name) else ():
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.value, ast.Constant)
                and _word(node.value)
                and {"key", "secret"} & {name.lower() for name in _names(node)}
            ):
                yield node


def _names(assign: ast.Assign) -> list[str]:
    return [_named(target) for target in assign.targets]


def _could_be_key(name: str, value: str) -> bool:
    """Not the name of a setting or a column."""
    return len(value) >= 6 and value.lower() not in name.lower() and name.lower() not in value.lower()


_NO_PASSWORD = re.compile(r"\A[a-z][a-z0-9+]*://[^/:@\s]+:@[^/\s]+")


def empty_password_in_address(module: Module) -> Iterator[ast.AST]:
    for constant in module.of(ast.Constant):
        if isinstance(constant.value, str) and _NO_PASSWORD.search(constant.value):
            yield constant


CHECKS = (
    hard_coded_key,
    empty_password_in_address,
    hard_coded_credential,
    empty_password,
    timing_comparison,
    weak_password_rule,
    token_options,
)
