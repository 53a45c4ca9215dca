#!/bin/sh
# Drives a plan over a little project to landed commits, in a directory of its own.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
PATH="$root/.venv/bin:$PATH"
work=$(mktemp -d "${TMPDIR:-/tmp}/autopack-demo.XXXXXX")
AUTOPACK_HOME="$work/state"
export AUTOPACK_HOME PATH
run=demo

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
# Runs a command whose exit status is part of the story, and checks that it is the one told.
expect() {
    wanted=$1
    shift
    printf '\033[2m$ %s\033[0m\n' "$*"
    status=0
    "$@" || status=$?
    if [ "$status" -ne "$wanted" ]; then
        echo "demo: expected exit status $wanted, got $status" >&2
        exit 1
    fi
}

say "A little project with failing tests, unused imports and no documentation"
cp -R "$here/project" "$work/shop"
cd "$work/shop"
git init -q -b main
git config user.name Demo
git config user.email demo@localhost
git add -A
git commit -q -m "The shop as it was found"
git log --oneline

say "The plan: a diamond, a phase that needs a person, a phase that must not land"
expect 0 autopack validate "$here/plan.yaml"
expect 0 autopack run "$here/plan.yaml" --repo . --dry-run

say "Run it: Builder -> Auditor -> Quality Gate, until somebody has to answer (exit status 3)"
expect 3 autopack run "$here/plan.yaml" --repo . --run-id "$run"

say "add-dependency waits for a person: look at the change, then approve exactly that"
expect 0 autopack diff "$run" add-dependency
digest=$(autopack show "$run" --json | python -c '
import json, sys
phases = {phase["id"]: phase for phase in json.load(sys.stdin)["phases"]}
print(phases["add-dependency"]["approval"]["digest"])')
say "The run goes on, and ends with status 1: print-receipts was refused, as it should be"
expect 1 autopack approve "$run" add-dependency --digest "$digest"
expect 0 autopack status "$run"

say "What landed on autopack/$run: every commit names its verdict"
git log --format='%h %s%n    %(trailers:key=Autopack-Phase,separator=%x20) %(trailers:key=Autopack-Attempt,separator=%x20)' "main..autopack/$run"
git checkout -q -B main "autopack/$run"
python -m pytest -q -p no:cacheprovider

say "Merged into main; tidy records what was learned, as one more gated commit"
expect 0 autopack tidy
expect 0 autopack tidy --execute
git log --oneline -1
sed -n '1,40p' docs/BUILD_HISTORY.md
sed -n '1,30p' docs/DEBUG_LOG.md

say "Memory answers from the ledgers"
expect 0 autopack recall "quantity of a line in the cart"

say "Where the time went"
expect 0 autopack trace "$run"

say "Try next (everything is in $work)"
cat <<TXT
  export AUTOPACK_HOME=$AUTOPACK_HOME PATH=$root/.venv/bin:\$PATH; cd $work/shop
  autopack show $run --json
  autopack gate --repo . --base main~1 --head main --category ledger
  autopack do "Say hello in the README" --scope README.md --builder command --run "echo Hello >> README.md"
  autopack doctor
TXT
