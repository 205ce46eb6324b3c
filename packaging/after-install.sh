#!/bin/sh
# After the files are in place, at an installation and at an upgrade.
set -e
if ! getent passwd faultline-agent >/dev/null 2>&1; then
  useradd --system --user-group --home-dir /var/lib/faultline-agent --no-create-home --shell /usr/sbin/nologin faultline-agent
fi
if [ ! -d /var/lib/faultline-agent ]; then
  install -d -m 0700 -o faultline-agent -g faultline-agent /var/lib/faultline-agent
fi
if [ -e /etc/faultline/agent.yaml ]; then
  chgrp faultline-agent /etc/faultline/agent.yaml || true
fi
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  if [ -e /etc/faultline/agent.yaml ]; then
    systemctl enable --quiet faultline-agent
    systemctl restart faultline-agent
  fi
fi
if [ ! -e /etc/faultline/agent.yaml ]; then
  echo "faultline-agent: enrol this machine: faultline-agent enrol --url https://COLLECTOR --token TOKEN"
fi
