#!/bin/sh
# After the files are gone. Configuration, identity and what was not sent yet stay,
# but for a purge (deb: dpkg -P).
set -e
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
if [ "${1:-}" = purge ]; then
  rm -rf /var/lib/faultline-agent /etc/faultline/agent.yaml
  rmdir /etc/faultline 2>/dev/null || true
  if getent passwd faultline-agent >/dev/null 2>&1; then
    userdel faultline-agent 2>/dev/null || true
  fi
fi
