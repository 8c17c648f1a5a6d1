#!/usr/bin/env bash
# Audit the datasets that changed since $BASE (all that git tracks, where it is empty). $PATHS are git pathspecs; $CONFIG is optional.
# Writes a SARIF file, and its name to $GITHUB_OUTPUT. Exit code: the audit's.
set -euo pipefail
set -f # pathspecs are git's to expand
read -ra globs <<<"$PATHS"
work=$(mktemp -d "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/tunewright.XXXXXX")

# Into a file: a failing git must fail the step, not look like a change without datasets.
if [ -n "${BASE:-}" ]; then
    git diff --name-only -z --diff-filter=d --end-of-options "$BASE...HEAD" -- "${globs[@]}" >"$work/files"
else
    git ls-files -z -- "${globs[@]}" >"$work/files"
fi
files=()
while IFS= read -r -d '' file; do files+=("$file"); done <"$work/files"
if [ ${#files[@]} -eq 0 ]; then
    echo "No dataset changed ($PATHS)."
    exit 0
fi

options=(--format github --sarif "$work/audit.sarif")
[ -z "${CONFIG:-}" ] || options+=(--config "$CONFIG")
code=0
"$(dirname -- "$0")/tunewright_audit.sh" "${options[@]}" -- "${files[@]}" || code=$?
[ ! -s "$work/audit.sarif" ] || echo "sarif=$work/audit.sarif" >>"$GITHUB_OUTPUT"
exit "$code"
