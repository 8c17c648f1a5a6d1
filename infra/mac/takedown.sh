#!/bin/sh
# Looks at what Tunewright left on a Mac that was a host, and with --apply takes it away: what starts runs after a
# restart, the power settings that setup.sh changed, and ~/tunewright. Runs are removed with --runs only.
set -eu

apply=no runs=no
for argument in "$@"; do
  case $argument in
    --apply) apply=yes ;;
    --runs) runs=yes ;;
    *) echo "usage: sh takedown.sh [--apply [--runs]]" >&2; exit 2 ;;
  esac
done

if [ "$(uname -s)" != Darwin ]; then
  echo "This is for a Mac. On Linux: ./inv host.at-boot --remove --host NAME, then remove ~/tunewright." >&2
  exit 2
fi

root=$HOME/tunewright
left=0
gone() { printf '  ok    %s\n' "$1"; }
todo() { printf '  TO DO %s\n        %s\n' "$1" "$2"; left=1; }
kept() { printf '  kept  %s\n        %s\n' "$1" "$2"; }

echo 'What is at work'
if [ -x "$root/tunewright-host" ]; then
  busy=$("$root/tunewright-host" status) || { echo "$busy"; busy='at work   unknown'; }
  busy=$(echo "$busy" | grep -E '^(at work|waiting|also) ' | grep -v '^at work   nothing$' || true)
  if [ -n "$busy" ]; then
    echo "$busy"
    todo 'a run is at work, or waits' "$root/tunewright-host stop: each saves a checkpoint. Nothing is taken away before."
    exit 1
  fi
fi
gone 'nothing runs'

echo 'After a restart'
agent=$HOME/Library/LaunchAgents/tunewright.recover.plist
daemon=${TUNEWRIGHT_LIBRARY:-/Library}/LaunchDaemons/tunewright.recover.plist
if [ -f "$agent" ] && [ "$apply" = yes ]; then
  launchctl bootout "gui/$(id -u)/tunewright.recover" >/dev/null 2>&1 || true  # not loaded: nothing to end
  rm -f "$agent"
fi
if [ -f "$daemon" ] && [ "$apply" = yes ]; then
  sudo launchctl bootout system/tunewright.recover >/dev/null 2>&1 || true
  sudo rm -f "$daemon"
fi
for file in "$agent" "$daemon"; do
  if [ -f "$file" ]; then todo "$file" 'starts runs that a restart ended'; fi
done
if [ ! -f "$agent" ] && [ ! -f "$daemon" ]; then gone 'nothing of ours starts'; fi

echo 'Power, on mains'
before=$root/power.before
if [ -f "$before" ]; then
  values=$(grep -E '^[a-z]+ [0-9]+$' "$before" | tr '\n' ' ')
  if [ -n "$values" ] && [ "$apply" = yes ]; then
    # Names and numbers, by the pattern above.
    # shellcheck disable=SC2086
    sudo pmset -c $values
    rm -f "$before"
    gone "set back: $values"
  elif [ -n "$values" ]; then todo 'setup.sh changed settings' "they were: $values"
  else gone 'nothing noted'; fi
else gone 'setup.sh changed nothing that is not set back'; fi

echo 'Files'
if [ ! -d "$root" ]; then gone "there is no $root"
else
  number=$(find "$root/runs" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | wc -l | tr -d ' ')
  size=$(du -sh "$root" | awk '{ print $1 }')
  if [ "$number" != 0 ] && [ "$runs" = no ]; then
    kept "$root: $size, runs: $number" \
      'At the laptop, ./inv clean --host NAME says what is safe to remove. With --apply --runs all of it goes.'
  elif [ "$apply" = yes ]; then
    # Perhaps a link to another volume. Blobs and packages are read-only.
    real=$(cd "$root" && pwd -P)
    chmod -R u+w "$real" && rm -rf "$real" "$root"
    gone "removed $real ($size)"
  else todo "$root: $size, runs: $number" 'sh takedown.sh --apply --runs removes it.'
  fi
fi

if [ "$left" = 1 ]; then
  echo 'To take it away: sh takedown.sh --apply'
  exit 1
fi
echo 'Left to you: uv, Remote Login, and the key of your laptop in ~/.ssh/authorized_keys.'
