"""`autopack contracts check`: what does not hold is found in real repositories, with place and mend."""

import json
import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from autopack.errors import InvalidInput
from autopack.ledger import table
from autopack.ledger.contracts import check, write
from autopack.ledger.derived import README_PATH, render_derived
from autopack.ledger.document import Ledger, append, empty
from autopack.ledger.entry import LEDGERS, Content, Kind, make_content
from autopack.ledger.files import parse_files, render_files
from autopack.ledger.history import Repository

DEC = LEDGERS[Kind.DECISION].path
BUILD = LEDGERS[Kind.BUILD].path
DAY = date(2026, 1, 31)
README = "# Ours\n\n<!-- AUTOPACK_SUMMARY_START -->\n<!-- AUTOPACK_SUMMARY_END -->\n"
VERDICT = "d" * 64
MISSPELT = "AUTOPACK_" + "HOMEE"  # in two parts: this repository is checked too


class Project:
    """A repository with ledgers, and a person who writes into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ledgers = {kind: empty(kind) for kind in Kind}
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Ada")
        self.git("config", "user.email", "ada@example.org")
        self.write(README_PATH, README)
        self.publish("begin")

    def git(self, *arguments: str) -> str:
        environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull}
        command = ["git", "-C", str(self.root), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(exist_ok=True)
        (self.root / path).write_text(text)

    def read(self, path: str) -> str | None:
        file = self.root / path
        return file.read_text() if file.exists() else None

    def commit(self, message: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def publish(self, message: str) -> str:
        """Writes the ledgers as tidy would, and commits them."""
        for ledger in self.ledgers.values():
            for path, text in render_files(ledger).items():
                self.write(path, text)
        for path, text in render_derived(self.read, self.ledgers).items():
            self.write(path, text)
        return self.commit(message)

    def add(self, *contents: Content, day: date = DAY) -> str:
        for content in contents:
            kind = content.kind
            self.ledgers[kind] = append(self.ledgers[kind], [(content, day)], day)
        return self.publish("tidy")

    def found(self, since: str = "") -> list[tuple[str, str, int]]:
        return [(r.code, r.path, r.line) for r in check(Repository(self.root), since)]

    def codes(self) -> list[str]:
        return [code for code, _, _ in self.found()]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def decision(title: str, **fields: str) -> Content:
    values = {"Context": "c", "Decision": "d", "Alternatives": "a", "Consequences": "e", **fields}
    return make_content(Kind.DECISION, title, values)


def build(run: str, commit: str, verdict: str = VERDICT, tree: str = "") -> Content:
    phases = f"1 of 1 landed\n- `fix` LANDED commit `{commit}` verdict `{verdict}`"
    fields = {"What changed": "w", "Verified": "v", "Run": run, "Phases": phases}
    return make_content(Kind.BUILD, f"Run {run}", fields | ({"Tree": f"`{tree}`"} if tree else {}))


def landed(project: Project, name: str = "a.txt") -> str:
    project.write(name, name)
    return project.commit(f"Fix\n\nAutopack-Run: r\nAutopack-Verdict: sha256:{VERDICT}\n")


def test_what_tidy_wrote_holds(project: Project) -> None:
    project.add(decision("One"))
    project.add(build("run-1", landed(project)), decision("Two", Supersedes="DEC-0001"))
    assert project.found() == []


def test_a_repository_without_ledgers_or_commits_holds(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert check(Repository(tmp_path)) == []


def test_no_repository_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        Repository(tmp_path)
    assert refused.value.reasons[0].code == "REPOSITORY_INVALID"


def test_an_altered_entry_is_named_with_its_line_and_the_mend_mends(project: Project) -> None:
    project.add(decision("One"), decision("Two"))
    text = project.read(DEC) or ""
    project.write(DEC, text.replace("## DEC-0002: Two", "## DEC-0002: Too"))

    (reason, *_) = check(Repository(project.root))
    assert (reason.code, reason.path) == ("LEDGER_DIGEST_MISMATCH", DEC)
    assert text.splitlines()[reason.line - 1] == "## DEC-0002: Two"
    subprocess.run(reason.fix, shell=True, check=True, cwd=project.root, capture_output=True)
    assert project.found() == []


def test_a_history_written_anew_and_sealed_again_is_found(project: Project) -> None:
    project.add(decision("One"), decision("Two"))
    before = project.git("rev-parse", "HEAD").strip()
    project.ledgers[Kind.DECISION] = empty(Kind.DECISION)
    project.add(decision("One"), decision("Tampered"), decision("Three"))

    (reason,) = check(Repository(project.root))
    assert (reason.code, reason.path) == ("LEDGER_NOT_APPEND_ONLY", DEC)
    assert "DEC-0002 is not what commit" in reason.message
    assert reason.fix == f"git checkout {before[:12]} -- {DEC}"


def test_entries_that_went_away_are_found_also_when_they_came_back(project: Project) -> None:
    project.add(decision("One"), decision("Two"))
    whole = project.ledgers[Kind.DECISION]
    project.ledgers[Kind.DECISION] = empty(Kind.DECISION)
    project.add(decision("One"))
    assert project.codes() == ["LEDGER_NOT_APPEND_ONLY"]

    project.ledgers[Kind.DECISION] = whole
    restored = project.publish("restore")
    assert project.codes() == ["LEDGER_NOT_APPEND_ONLY"]
    assert project.found(since=restored) == []


def test_a_removed_ledger_is_found(project: Project) -> None:
    project.add(decision("One"))
    (project.root / DEC).unlink()
    assert "LEDGER_REMOVED" in project.codes()


def test_cut_off_history_proves_nothing(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    project.add(decision("One"))
    clone = tmp_path_factory.mktemp("clone")
    source = f"file://{project.root}"
    subprocess.run(["git", "clone", "-q", "--depth", "1", source, str(clone)], check=True)
    (reason,) = check(Repository(clone))
    assert (reason.code, reason.fix) == ("SHALLOW_REPOSITORY", "git fetch --unshallow")


def test_a_commit_that_is_not_there_or_carries_another_verdict_is_found(project: Project) -> None:
    commit = landed(project)
    project.add(build("run-1", "f" * 40))
    project.add(build("run-2", commit, "e" * 64))
    project.add(decision("One", Commit=f"`{'9' * 40}`"))

    codes = [(code, path) for code, path, _ in project.found()]
    assert codes == [("COMMIT_NOT_FOUND", BUILD), ("VERDICT_NOT_CARRIED", BUILD), ("COMMIT_NOT_FOUND", DEC)]


def test_a_squashed_run_holds_by_its_tree(project: Project) -> None:
    project.git("checkout", "-q", "-b", "autopack/run-1")
    commit = landed(project)
    tree = project.git("rev-parse", "HEAD^{tree}").strip()
    project.git("checkout", "-q", "main")
    project.git("merge", "-q", "--squash", "autopack/run-1")
    project.commit("Squashed by a forge")
    project.git("branch", "-q", "-D", "autopack/run-1")
    project.git("reflog", "expire", "--expire=now", "--all")
    project.git("gc", "-q", "--prune=now")

    project.add(build("run-1", commit, tree=tree))
    assert project.found() == []
    project.add(build("run-2", commit, tree="9" * 40))
    assert project.codes() == ["COMMIT_NOT_FOUND"]


@pytest.mark.parametrize("path", ["README.md", "docs/INDEX.md", "docs/CHANGELOG.md"])
def test_generated_blocks_say_what_the_ledgers_say_or_are_written_anew(project: Project, path: str) -> None:
    project.add(decision("One"))
    stale = (project.read(path) or "").replace("DEC-0001", "DEC-0009").replace("[1](docs", "[7](docs")
    project.write(path, stale)

    ((code, where, line),) = [one for one in project.found() if one[0] != "LINK_DEAD"]
    assert (code, where) == ("LEDGER_INDEX_STALE", path)
    assert "DEC-0009" in stale.splitlines()[line - 1] or "[7](docs" in stale.splitlines()[line - 1]
    assert write(Repository(project.root)) == [path]
    assert project.found() == []


def test_half_a_summary_is_found(project: Project) -> None:
    project.write(README_PATH, "# Ours\n\n<!-- AUTOPACK_SUMMARY_END -->\n")
    (reason,) = check(Repository(project.root))
    assert (reason.path, reason.line) == (README_PATH, 3)
    project.write(README_PATH, "# Ours\n\n<!-- AUTOPACK_SUMMARY_START -->\n\nwords\n")
    assert project.codes() == ["LEDGER_INDEX_STALE"]
    write(Repository(project.root))
    assert project.found() == []
    assert "words" in (project.read(README_PATH) or "")


def test_dead_links_are_found_with_their_line(project: Project) -> None:
    project.write("docs/guide.md", "# Guide\n\n[a](INDEX.md) [b](#guide)\n[c](gone.md)\n[d](INDEX.md#x)\n")
    project.commit("docs")
    assert project.found() == [("LINK_DEAD", "docs/guide.md", 4), ("LINK_DEAD", "docs/guide.md", 5)]


def test_settings_that_are_not_documented_are_found(project: Project) -> None:
    project.write("docs/SETTINGS.md", "# Settings\n\n| Name |\n| --- |\n| `AUTOPACK_HOME` |\n")
    project.write("run.sh", f"echo $AUTOPACK_HOME\nexport {MISSPELT}=1\n")
    project.commit("settings")
    (reason,) = check(Repository(project.root))
    assert (reason.code, reason.path, reason.line) == ("SETTING_UNDOCUMENTED", "run.sh", 2)
    assert "is AUTOPACK_HOME meant?" in reason.message


def test_years_are_kept_apart_and_nothing_breaks(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "SPLIT_OVER", 4)
    for number in range(1, 5):
        project.add(decision(f"D{number}"), day=date(2024 if number < 3 else 2025, 1, number))
    project.write("docs/guide.md", "[one](ARCHITECTURE_DECISIONS.md#dec-0001)\n")
    project.add(decision("D5", Supersedes="DEC-0001"), day=date(2026, 1, 1))
    project.add(decision("D6"), day=date(2025, 6, 1))

    text = project.read("docs/ARCHITECTURE_DECISIONS_2024.md") or ""
    assert "## DEC-0002: D2" in text
    assert "(superseded by [DEC-0005](ARCHITECTURE_DECISIONS.md#dec-0005))" in text
    assert "## DEC-0002" not in (project.read(DEC) or "")
    assert project.found() == []
    assert parse_files(Kind.DECISION, project.read) == project.ledgers[Kind.DECISION]

    project.write("docs/ARCHITECTURE_DECISIONS_2024.md", text.replace("D2", "DX"))
    assert "LEDGER_DIGEST_MISMATCH" in project.codes()
    (project.root / "docs/ARCHITECTURE_DECISIONS_2024.md").unlink()
    assert "LEDGER_REMOVED" in project.codes()


def test_blank_lines_that_an_editor_left_break_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "SPLIT_OVER", 2)
    project.add(decision("One"), decision("Two"), day=date(2024, 1, 1))
    for path in (DEC, BUILD):
        project.write(path, (project.read(path) or "").rstrip("\n") + "\n")
    project.commit("tidy my files")
    assert project.found() == []
    project.add(decision("Three"), decision("Four"), day=date(2025, 1, 1))
    earlier = "docs/ARCHITECTURE_DECISIONS_2024.md"
    project.write(earlier, (project.read(earlier) or "") + "\n\n")
    project.commit("again")
    project.add(decision("Five"), day=date(2025, 1, 1))

    assert project.found() == []


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_two_branches_that_both_sealed_an_entry_never_share_its_id(project: Project, side: str) -> None:
    project.add(decision("One"))
    common = dict(project.ledgers)
    project.git("checkout", "-q", "-b", "other")
    project.add(decision("Theirs"))
    project.git("checkout", "-q", "main")
    project.ledgers = common
    project.add(decision("Ours"))

    project.git("merge", "-q", "-X", side, "-m", "merge", "other")

    if side == "ours":
        assert project.found() == []
        assert "Theirs" not in (project.read(DEC) or "")
    else:
        (reason, *_) = check(Repository(project.root))
        assert (reason.code, reason.path) == ("LEDGER_NOT_APPEND_ONLY", DEC)
        subprocess.run(reason.fix, shell=True, check=True, cwd=project.root, capture_output=True)
        write(Repository(project.root))
        merge = project.git("rev-parse", "HEAD").strip()
        (reason,) = check(Repository(project.root))
        assert reason.message.endswith("these are back")
        assert f"--since {merge[:12]}" in reason.fix
        assert project.found(since=merge) == []


def test_entries_joined_by_hand_from_two_branches_are_refused(project: Project) -> None:
    project.add(decision("One"))
    common = dict(project.ledgers)
    project.add(decision("Ours"))
    ours = project.read(DEC) or ""
    project.ledgers = common
    project.add(decision("Theirs"))
    theirs = (project.read(DEC) or "").partition('<a id="dec-0002"></a>')
    project.write(DEC, ours + theirs[1] + theirs[2])

    assert {"LEDGER_ID_INVALID", "LEDGER_CHAIN_BROKEN"} <= set(project.codes())


def test_drafts_of_two_branches_are_all_sealed(project: Project) -> None:
    """Whoever merges them keeps both, one below the other."""
    draft = (
        "## DEC: {}\n\n- **Context:** c\n- **Decision:** d\n- **Alternatives:** a\n- **Consequences:** e\n"
    )
    text = project.read(DEC) or ""
    project.write(DEC, text + draft.format("Ours") + "\n\n\n" + draft.format("Theirs"))
    project.commit("merge")
    assert project.found() == []

    project.ledgers = {kind: parse_files(kind, project.read) for kind in Kind}
    project.add(decision("Three"))

    assert [entry.content.title for entry in project.ledgers[Kind.DECISION].entries] == [
        "Ours",
        "Theirs",
        "Three",
    ]
    assert project.found() == []


def test_the_hook_looks_at_what_would_be_committed(project: Project) -> None:
    project.add(decision("One"))
    text = project.read(DEC) or ""
    project.write(DEC, text.replace("One", "Two"))
    assert check(Repository(project.root, staged=True)) == []
    project.git("add", DEC)
    project.write(DEC, text)
    assert "LEDGER_DIGEST_MISMATCH" in [r.code for r in check(Repository(project.root, staged=True))]


def run_alone(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Where there is nothing but git and Python: no site-packages at all."""
    root = Path(__file__).parents[2]
    program = (
        f"import runpy, sys; sys.path.insert(0, {str(root)!r}); sys.argv[0] = 'x'; "
        "runpy.run_module('autopack.ledger', run_name='__main__')"
    )
    command = [sys.executable, "-I", "-S", "-c", program, str(project.root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd="/")


def test_it_needs_nothing_but_git_and_python(project: Project) -> None:
    project.add(decision("One"))
    assert run_alone(project).stdout == "the contracts hold\n"

    text = project.read(DEC) or ""
    project.write(DEC, text.replace("DEC-0001: One", "DEC-0001: \x1b[31mTwo"))
    refused = run_alone(project)
    assert refused.returncode == 1
    place, mend = refused.stdout.splitlines()[:2]
    assert place.startswith(f"{DEC}:")
    assert "\x1b" not in refused.stdout
    assert mend.startswith(f"    mend: git checkout HEAD -- {DEC}")
    document = json.loads(run_alone(project, "--json").stdout)
    assert (document["schema"], document["holds"]) == ("contracts/v1alpha1", False)
    assert run_alone(project, "--since", "nowhere").returncode == 2


def test_five_thousand_entries_take_less_than_two_seconds(project: Project) -> None:
    commits = [landed(project, f"{number}.txt") for number in range(20)]
    tree = project.git("rev-parse", "HEAD^{tree}").strip()
    ledger: Ledger = project.ledgers[Kind.BUILD]
    contents = [
        (build(f"run-{number}", commits[number % 20], tree=tree), date(2022 + number // 1000, 1, 1))
        for number in range(5000)
    ]
    for part in range(0, 5000, 1000):
        ledger = append(ledger, contents[part : part + 1000], DAY)
        project.ledgers[Kind.BUILD] = ledger
        project.publish("tidy")

    begin = time.process_time()
    assert project.found() == []
    # Of this process: the machine's other work is not the check's.
    assert time.process_time() - begin < 2.0
