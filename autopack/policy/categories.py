"""Categories of a change, found from its paths; what a plan declares only adds to them."""

from collections.abc import Iterable

from autopack.policy.paths import CI_FILES, LEDGERS, POLICY_FILES, matches_any_case
from autopack.policy.policy import Policy

DEPENDENCY_FILES = (
    "requirements*.txt",
    "requirements*.in",
    "requirements/**",
    "constraints*.txt",
    "*.lock",
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "Pipfile",
    "environment.yml",
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "bun.lockb",
    ".npmrc",
    "Cargo.toml",
    "go.mod",
    "go.sum",
    "Gemfile",
    "*.gemspec",
    "composer.json",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "gradle.properties",
    "libs.versions.toml",
)

INFRASTRUCTURE_FILES = (
    *(
        "Dockerfile*",
        "*.dockerfile",
        "Containerfile*",
        "docker-compose*.y*ml",
        "compose.y*ml",
        ".dockerignore",
    ),
    *("*.tf", "*.tfvars", "*.hcl", "*.bicep", "Vagrantfile", "Procfile", "skaffold.yaml", "serverless.y*ml"),
    *(
        "deploy/",
        "deployment/",
        "terraform/",
        "k8s/",
        "kubernetes/",
        "helm/",
        "ansible/",
        "pulumi/",
        "infra/",
    ),
    *("charts/**/*.yaml", "*.service", "fly.toml", "app.yaml", ".devcontainer/"),
)
"""What runs the product, and where."""

SECRET_FILES = (
    *(".env*", "*.env", "secrets/", ".secrets/", "*secrets.y*ml", "credentials*", "*.pem", "*.key", "*.p12"),
    *("*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.asc", "*.gpg", "id_rsa*", "id_ed25519*", "id_ecdsa*"),
    *(".netrc", ".pypirc", ".pgpass", ".htpasswd", ".aws/", ".ssh/", ".kube/", ".docker/config.json"),
    *("!.env.example", "!.env.sample", "!.env.template", "!*.example.env"),
)
"""What holds secrets, or should."""

_BUILT_IN = {
    "dependency": DEPENDENCY_FILES,
    "ci": CI_FILES,
    "policy": POLICY_FILES,
    "ledger": LEDGERS,
    "infrastructure": INFRASTRUCTURE_FILES,
    "secrets": SECRET_FILES,
}


def categories(paths: Iterable[str], policy: Policy, declared: str = "") -> tuple[str, ...]:
    """Sorted names of all categories of a change to these canonical paths."""
    patterns: dict[str, tuple[tuple[str, ...], ...]] = {name: (globs,) for name, globs in _BUILT_IN.items()}
    patterns["test_harness"] = (policy.judge.paths,)
    for name, globs in policy.categories.items():
        patterns[name] = (*patterns.get(name, ()), globs)
    paths = tuple(paths)
    found = {
        name
        for name, alternatives in patterns.items()
        if any(globs and matches_any_case(globs, path) for globs in alternatives for path in paths)
    }
    return tuple(sorted(found | ({declared} if declared else set())))
