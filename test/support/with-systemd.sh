#!/usr/bin/env bash
# Runs a script beside a real systemd, a user manager, in namespaces of its own: nothing of this machine is changed, and
# nothing stays. $1: a directory whose files become units; the others: the script and its arguments. Ends with 77 where
# the kernel or the rights of this user do not allow it.
set -euo pipefail

if [ "${WITH_SYSTEMD_INSIDE:-}" != yes ]; then
  command -v unshare >/dev/null && [ -x /lib/systemd/systemd ] || exit 77
  export WITH_SYSTEMD_INSIDE=yes CARELINK_TEST_GROUP="carelink-test-$$"
  code=0
  timeout --kill-after=2s 100s unshare --mount --pid --cgroup --fork --mount-proc --kill-child "$0" "$@" || code=$?
  # All of them have ended; their control groups are empty, and stay until somebody removes them.
  group="$(findmnt --noheadings --types cgroup2 --output TARGET | head -1)/$CARELINK_TEST_GROUP"
  [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} +
  # 1: of unshare, which may not.
  [ "$code" = 1 ] && exit 77
  exit "$code"
fi

mount --make-rprivate /
mount -t tmpfs tmpfs /run
# The sign of a machine that systemd has booted; else it refuses.
mkdir -p /run/systemd/system /run/user/0 /run/home/.config/systemd
mount -t cgroup2 none /sys/fs/cgroup || exit 77
group="/sys/fs/cgroup/$CARELINK_TEST_GROUP"
mkdir "$group" && echo $$ >"$group/cgroup.procs" || exit 77
export HOME=/run/home XDG_RUNTIME_DIR=/run/user/0
cp -r "$1" /run/home/.config/systemd/user
shift
/lib/systemd/systemd --user --unit=basic.target >/dev/null 2>&1 &
for _ in $(seq 100); do
  systemctl --user is-system-running >/dev/null 2>&1 && break
  sleep 0.1
done
systemctl --user is-system-running >/dev/null || exit 77
"$@"
