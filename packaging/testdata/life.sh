#!/bin/sh
# The life of a package on a machine: installed, run, upgraded, downgraded, removed,
# purged. Arguments: deb or rpm, the earlier package, the later one. Runs in a mount
# namespace of its own, on a copy of this machine's root that is thrown away.
set -eu
kind=$1 old=$2 new=$3
step=start
trap '[ $? = 0 ] || echo "FAILED at: $step"' EXIT
must() { step="$*"; "$@" || exit 1; }
not() { if "$@"; then exit 1; fi; } # a "!" would not end this
gone() { step="gone: $*"; for f in "$@"; do [ ! -e "$f" ] || exit 1; done; }
version() { step="version $1"; [ "$(faultline-agent --version)" = "$1" ] || exit 1; }

case $kind in
deb)
  put() { dpkg -i "$1"; }
  back() { dpkg -i --force-downgrade "$1"; }
  remove() { dpkg -r faultline-agent; }
  whole() { [ -z "$(dpkg --verify faultline-agent)" ]; }
  purge() { dpkg -P faultline-agent; }
  ;;
rpm) # the machine's own packages are dpkg's: what they provide is unknown to rpm
  put() { rpm -U --nodeps "$1"; }
  back() { rpm -U --nodeps --oldpackage "$1"; }
  remove() { rpm -e faultline-agent; }
  whole() { rpm -V --nodeps faultline-agent; }
  purge() { # rpm has none: by hand, as docs/packages.md says
    rpm -e faultline-agent && rm -r /var/lib/faultline-agent /etc/faultline && userdel faultline-agent
  }
  ;;
esac

# run starts the agent as its user for a while and ends it as systemd does.
run() {
  step="run as the agent's user"
  touch /tmp/before
  sleep 0.1
  setpriv --reuid faultline-agent --regid faultline-agent --clear-groups /usr/bin/faultline-agent run --config /etc/faultline/agent.yaml >/tmp/agent.log 2>&1 &
  pid=$!
  n=0
  until [ -n "$(find /var/lib/faultline-agent/spool -type f -size +1k -newer /tmp/before 2>/dev/null)" ]; do
    n=$((n + 1))
    [ $n -lt 300 ] && kill -0 $pid || { cat /tmp/agent.log; exit 1; }
    sleep 0.1
  done
  kill -TERM $pid
  wait $pid || { cat /tmp/agent.log; exit 1; }
}
kept() { # what belongs to the operator and to the agent is as it was
  step="kept after $1"
  sha256sum -c --quiet /tmp/operator.sum
  [ "$(stat -c '%U %a' /var/lib/faultline-agent)" = "faultline-agent 700" ] || exit 1
  [ -n "$(find /var/lib/faultline-agent/spool -type f -size +1k)" ] || exit 1
}

must put "$old"
version "$OLD"
must whole
must id faultline-agent
step="directory of the data"; [ "$(stat -c '%U %a' /var/lib/faultline-agent)" = "faultline-agent 700" ]
step="nothing is started that was not enrolled"; not pgrep -x faultline-agent
if command -v systemd-analyze >/dev/null; then
  must systemd-analyze verify /usr/lib/systemd/system/faultline-agent.service
fi

cat >/etc/faultline/agent.yaml <<YAML
agent: here
interval: 1s
collector: {url: "https://127.0.0.1:9", token: none-that-counts}
targets: [{id: here, input: host}]
YAML
chmod 0640 /etc/faultline/agent.yaml
chgrp faultline-agent /etc/faultline/agent.yaml
echo key >/var/lib/faultline-agent/kept-by-the-agent
chown faultline-agent /var/lib/faultline-agent/kept-by-the-agent
sha256sum /etc/faultline/agent.yaml /var/lib/faultline-agent/kept-by-the-agent >/tmp/operator.sum
run

must put "$new"
version "$NEW"
must whole
kept upgrade
run

must back "$old"
version "$OLD"
must whole
kept downgrade
run

must remove
gone /usr/bin/faultline-agent /usr/bin/faultline-plugin-host /usr/lib/systemd/system/faultline-agent.service
kept removal

must put "$new"
kept "coming back"
run
must purge
gone /var/lib/faultline-agent /etc/faultline /usr/bin/faultline-agent /usr/bin/faultline-plugin-host /usr/lib/systemd/system/faultline-agent.service
step="the user is gone"; not id faultline-agent 2>/dev/null

must put "$new" # as on a machine that never had it
version "$NEW"
step="nothing of before is there"; [ -z "$(ls -A /var/lib/faultline-agent)" ]; [ "$(stat -c '%U %a' /var/lib/faultline-agent)" = "faultline-agent 700" ]
echo "lived well"
