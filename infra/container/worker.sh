#!/bin/sh
# The SSH server of a worker, as an ordinary user. Two folders are to be mounted: ~/host-key, the worker's own, and ~/.ssh, which
# the laptop's container has as its ~/.ssh: the keys are made once, and the laptop knows this worker's key from the start.
# TUNEWRIGHT_WORKER: the name or address that the laptop reaches the worker by.
set -eu
umask 077
name=${TUNEWRIGHT_WORKER:-worker}
[ -f "$HOME/host-key/ed25519" ] || ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$HOME/host-key/ed25519"
[ -f "$HOME/.ssh/id_ed25519" ] || ssh-keygen -q -t ed25519 -N '' -C laptop -f "$HOME/.ssh/id_ed25519"
cp "$HOME/.ssh/id_ed25519.pub" "$HOME/host-key/authorized_keys"
printf '[%s]:2222 %s\n' "$name" "$(cut -d ' ' -f 1,2 "$HOME/host-key/ed25519.pub")" >"$HOME/.ssh/known_hosts"
printf 'Host worker\n    HostName %s\n    Port 2222\n    User tunewright\n' "$name" >"$HOME/.ssh/config"
exec /usr/sbin/sshd -D -e -f /opt/tunewright/sshd_config
