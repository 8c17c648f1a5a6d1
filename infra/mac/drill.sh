#!/bin/sh
# Takes a host through everything that a run needs, and writes a transcript to send back. Run it in a checkout, on the laptop:
#
#     sh infra/mac/drill.sh HOST [--real]
#
# It trains the tiny model (some minutes), stops it, goes on, and pulls the result; with --real the default recipe too.
# It removes nothing and promotes nothing. Names of users, machines and folders are masked in the transcript.
set -eu

host=${1-} real=${2-}
case $host,$real in
  ,* | -*) echo 'usage: sh infra/mac/drill.sh HOST [--real]' >&2; exit 2 ;;
  *, | *,--real) ;;
  *) echo 'usage: sh infra/mac/drill.sh HOST [--real]' >&2; exit 2 ;;
esac
cd "$(dirname "$0")/../.."
inv=${TUNEWRIGHT_INV:-./inv}
out=drill-$(date +%Y%m%d-%H%M%S).txt
passed=0 failed=0

# What is whose is nobody's business: home, user, machine and checkout get plain names.
masked() {
  sed -e "s|$(pwd)|CHECKOUT|g" -e "s|$HOME|HOME|g" -e "s|$(uname -n)|LAPTOP|g" -e "s|$(id -un)@|USER@|g" \
    -e "s|/Users/[A-Za-z0-9._-]*|HOME|g" -e "s|/home/[A-Za-z0-9._-]*|HOME|g"
}
say() { printf '%s\n' "$1" | tee -a "$out"; }

# step WANTED COMMAND...: run it, keep its end in the transcript, and compare its exit code.
step() {
  wanted=$1
  shift
  say "== $*"
  began=$(date +%s) code=0
  "$inv" "$@" >"$out.step" 2>&1 </dev/null || code=$?
  tail -n 60 "$out.step" | masked >>"$out"
  rm -f "$out.step"
  case " $wanted " in
    *" $code "*) verdict=ok passed=$((passed + 1)) ;;
    *) verdict="NOT as expected, which is $wanted" failed=$((failed + 1)) ;;
  esac
  say "-- exit $code after $(($(date +%s) - began)) s: $verdict"
}

say "drill of $(date -u +%Y-%m-%dT%H:%MZ), $(git rev-parse --short HEAD 2>/dev/null || echo 'no commit'), laptop $(uname -sm)"
step '0' host.check --host "$host"
step '0' host.setup --host "$host"
step '0' plan --host "$host"
# 1 and 3: the tiny model need not pass its gates.
step '0 1 3' train --host "$host" --recipe tiny --fresh
step '0' status --host "$host"
step '0' train --host "$host" --recipe tiny --fresh --detach
step '0' cancel
step '0 1 3' resume
step '0' logs
step '0' runs
[ "$real" = --real ] && step '0 1 3' train --host "$host" --fresh
step '0' queue --host "$host"
# It asks before it removes anything, and nobody answers.
step '0 2' clean --host "$host"
say "$passed as expected, $failed not"
echo "Read $out, then send it back: it says which commands ran, their last 60 lines and their times."
[ "$failed" = 0 ]
