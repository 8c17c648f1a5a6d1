#!/bin/sh
# tunewright-audit of this checkout, in its locked environment, on files of the folder it is started in.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"
exec uv run --quiet --project "$root" --locked --no-default-groups --package tunewright-audit tunewright-audit "$@"
