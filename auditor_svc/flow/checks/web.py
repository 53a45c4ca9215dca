"""What a server lets anybody do or see."""

import ast
import re
from collections.abc import Iterator

from auditor_svc.flow.modules import FUNCTIONS, Module

_LOGGED_IN = re.compile(
    r"(?i)auth(?!or)|login|session|current_user|permission|token|api_?key|is_(?:staff|admin|superuser)|identity|jwt|credential|user_passes_test|"
    r"\bDepends\(|\bSecurity\(|require|protected|\babort\(40[13]\)"
)
_SERIOUS = re.compile(
    r"(?i)(?:^|_|/|-)(?:admin\w*|delete\w*|remove\w*|destroy\w*|drop\w*|shutdown|restart|reset\w*|grant\w*|promote\w*|ban\w*|transfer\w*|withdraw\w*|"
    r"create_?(?:user|account|admin)\w*|update_?(?:user|account|profile|role|password|email)\w*|change_?(?:role|password|email)\w*|payments?|refund\w*|upload\w*|backup\w*|config\w*|dashboard|settings?|manage\w*|accounts?|balance|salary|private\w*|internal\w*)(?:$|_|/|-)"
)


def missing_authentication(module: Module) -> Iterator[ast.AST]:
    """A handler that deletes, pays or administers, in a module where nobody is asked who they are."""
    if re.search(
        r"before_request|login_manager|LoginManager|HTTPBasicAuth|dependencies=|permission_classes|authentication_classes|middleware",
        module.text(module.tree),
    ):
        return
    for function in module.of(*FUNCTIONS):
        if not function.decorator_list or not module.is_handler(function):
            continue
        paths = [
            item.value
            for decorator in function.decorator_list
            for item in ast.walk(decorator)
            if isinstance(item, ast.Constant) and isinstance(item.value, str)
        ]
        if any(_SERIOUS.search(name) for name in (_snake(function.name), *paths)):
            text = "\n".join(map(module.text, (*function.decorator_list, function.args, *function.body)))
            if not _LOGGED_IN.search(text):
                yield function


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)


_PROTECTIONS = {"WTF_CSRF_ENABLED", "CSRF_ENABLED", "CSRF_COOKIE_SECURE", "SESSION_COOKIE_SECURE"}


def csrf_unprotected(module: Module) -> Iterator[ast.AST]:
    for function in module.of(*FUNCTIONS, ast.ClassDef):
        for decorator in function.decorator_list:
            if "csrf_exempt" in ast.unparse(decorator) or ast.unparse(decorator).endswith("csrf.exempt"):
                yield decorator
    for assign in module.of(ast.Assign):
        names = {target.id for target in assign.targets if isinstance(target, ast.Name)}
        if names & _PROTECTIONS and isinstance(assign.value, ast.Constant) and assign.value.value is False:
            yield assign


def traceback_shown(module: Module) -> Iterator[ast.AST]:
    for function in module.of(*FUNCTIONS):
        if module.is_handler(function):
            for node in ast.walk(function):
                if (
                    isinstance(node, ast.Return)
                    and node.value is not None
                    and re.search(
                        r"traceback\.|sys\.exc_info|locals\(\)|globals\(\)|os\.environ\b(?!\[|\.get)|__dict__",
                        ast.unparse(node.value),
                    )
                ):
                    yield node


def debug_setting(module: Module) -> Iterator[ast.AST]:
    """Django's settings: DEBUG on, or every host allowed, in a module that holds other settings."""
    names = {
        target.id
        for assign in module.tree.body
        if isinstance(assign, ast.Assign)
        for target in assign.targets
        if isinstance(target, ast.Name)
    }
    if not names & {
        "INSTALLED_APPS",
        "MIDDLEWARE",
        "ROOT_URLCONF",
        "DATABASES",
        "TEMPLATES",
        "ALLOWED_HOSTS",
        "SECRET_KEY",
        "SQLALCHEMY_DATABASE_URI",
    }:
        return
    for assign in module.tree.body:
        if isinstance(assign, ast.Assign) and isinstance(assign.targets[0], ast.Name):
            name, value = assign.targets[0].id, ast.unparse(assign.value)
            if (name == "DEBUG" and value == "True") or (name == "ALLOWED_HOSTS" and value == "['*']"):
                yield assign


def bound_to_all(module: Module) -> Iterator[ast.AST]:
    for call in module.of(ast.Call):
        if (
            isinstance(call.func, ast.Attribute)
            and call.func.attr == "bind"
            and call.args
            and isinstance(call.args[0], ast.Tuple)
            and call.args[0].elts
        ):
            host = call.args[0].elts[0]
            if isinstance(host, ast.Constant) and host.value in {"", "0.0.0.0", "::"}:
                yield call


def account_not_checked(module: Module) -> Iterator[ast.AST]:
    """PAM says who it is; whether the account may still be used is another question."""
    text = module.text(module.tree)
    if "pam_authenticate" in text and "pam_acct_mgmt" not in text:
        for call in module.of(ast.Call):
            if "pam_authenticate" in ast.unparse(call.func) or re.search(
                r"pam_authenticate", module.text(call)
            ):
                yield call


CHECKS = (
    account_not_checked,
    missing_authentication,
    csrf_unprotected,
    traceback_shown,
    debug_setting,
    bound_to_all,
)
