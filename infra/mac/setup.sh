#!/bin/sh
# Looks at a Mac that is to be a host, and with --apply sets its power settings. Downloads nothing.
# What it changes is noted in ~/tunewright/power.before, from which takedown.sh sets it back.
set -eu

apply=no
case "${1-}" in
  '') ;;
  --apply) apply=yes ;;
  *) echo "usage: sh setup.sh [--apply]" >&2; exit 2 ;;
esac

if [ "$(uname -s)" != Darwin ]; then
  echo "This is for a Mac. On Linux a host needs an SSH server, uv and g++." >&2
  exit 2
fi

wrong=0
good() { printf '  ok    %s\n' "$1"; }
bad() { printf '  TO DO %s\n        %s\n' "$1" "$2"; wrong=1; }

echo 'The machine'
if [ "$(uname -m)" = arm64 ]; then good "$(sysctl -n machdep.cpu.brand_string)"
else bad 'not Apple Silicon, or a shell under Rosetta' 'mlx needs an M-series chip and a native shell.'; fi
version=$(sw_vers -productVersion)
if [ "${version%%.*}" -ge 14 ]; then good "macOS $version"
else bad "macOS $version" 'mlx needs macOS 14 or later.'; fi

echo 'Programs'
uv=
for candidate in "$HOME/.local/bin/uv" /opt/homebrew/bin/uv /usr/local/bin/uv; do
  if [ -x "$candidate" ]; then uv=$candidate; break; fi
done
if [ -n "$uv" ]; then good "$("$uv" --version) at $uv"
else bad 'no uv' 'brew install uv, or https://docs.astral.sh/uv/getting-started/installation/'; fi

echo 'Access'
# Asking for the SSH server's state needs root; whether its port answers does not.
if nc -z 127.0.0.1 22 >/dev/null 2>&1; then good 'Remote Login is on'
else bad 'Remote Login is off' 'System Settings > General > Sharing > Remote Login, for your user only.'; fi
case $(fdesetup status 2>/dev/null || true) in
  *'FileVault is On'*) good 'FileVault is on: after a restart somebody must unlock the disk at the Mac' ;;
  *) good 'FileVault is off: the disk is not encrypted, and a restart needs nobody' ;;
esac

echo 'Power, on mains'
# The value of a setting in the AC section of `pmset -g custom`; empty where this Mac does not have it.
setting() {
  pmset -g custom | awk -v name="$1" '/^AC Power/ { ac = 1; next } /^[A-Z]/ { ac = 0 } ac && $1 == name { print $2; exit }'
}
before=$HOME/tunewright/power.before
todo='' changed=''
want() { # name, wanted value, why
  now=$(setting "$1")
  if [ -z "$now" ]; then good "$1: this Mac does not have it"
  elif [ "$now" = "$2" ]; then good "$1 $now"
  else bad "$1 is $now, wanted $2: $3" "sudo pmset -c $1 $2"; todo="$todo $1 $2" changed="$changed $1=$now"; fi
}
want sleep 0 'a sleeping Mac does not answer'
want displaysleep 5 'macOS ends long GPU kernels while a display is lit'
want womp 1 'wakes for network access'
want disksleep 0 'an external volume stays there'
want autorestart 1 'starts again after a power cut'

if [ -n "$todo" ] && [ "$apply" = yes ]; then
  echo "Setting:$todo"
  # A list of names and values of our own.
  # shellcheck disable=SC2086
  sudo pmset -c $todo
  mkdir -p "${before%/*}"
  # The oldest value of a setting is its owner's; a later one may be ours.
  for name in $changed; do
    grep -q "^${name%=*} " "$before" 2>/dev/null || echo "${name%=*} ${name#*=}" >>"$before"
  done
  echo 'Done. Run it again without --apply to see.'
  exit 0
fi
if [ "$wrong" = 1 ]; then
  [ -z "$todo" ] || [ "$apply" = yes ] || echo 'To set the power settings: sh setup.sh --apply'
  exit 1
fi
echo 'This Mac is ready. From the laptop: ./inv host.check --host NAME'
