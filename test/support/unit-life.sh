#!/usr/bin/env bash
# The life of carelink-tokens.service under systemd; each line is for the test to judge.
set -uo pipefail
unit=carelink-tokens.service
show() { systemctl --user show "$unit" --property="$1" --value; }

timeout 30s systemctl --user start "$unit"
echo "start $? $(show ActiveState) $(show StatusText)"
before="$(show MainPID)"
[ "$before" -gt 0 ] || { cat "$1"; exit 2; }
timeout 10s systemctl --user reload "$unit"
reloaded=$?
# kill returns at once; the server says RELOADING=1, and READY=1 when it is done.
for _ in $(seq 100); do
  [ "$(show ActiveState)" = active ] && grep -q reload_unchanged "$1" && break
  sleep 0.1
done
echo "reload $reloaded $(show ActiveState) $(show StatusText)"
# A server that hangs: the watchdog ends it, and it is started again.
kill -STOP "$before"
for _ in $(seq 300); do
  [ "$(show NRestarts)" = 1 ] && [ "$(show ActiveState)" = active ] && break
  sleep 0.1
done
echo "hung $(show NRestarts) $(show ActiveState) $([ "$(show MainPID)" != "$before" ] && echo another)"
timeout 20s systemctl --user stop "$unit"
echo "stop $? $(show ActiveState) $(show Result)"
