#!/bin/sh
# Before the files go. An upgrade (deb: upgrade, rpm: 1) leaves the agent running
# until the new one is in place.
set -e
case "${1:-}" in
upgrade | 1 | failed-upgrade) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
  systemctl disable --quiet --now faultline-agent || true
fi
