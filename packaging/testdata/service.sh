#!/bin/sh
# The life of the deb where systemd is the machine's first process: what the package's
# scripts ask of systemd, and what the unit leaves the agent of root. Arguments: the
# earlier package, the later one. Runs as a service on a copy of this machine's root.
set -eu
old=$1 new=$2
step=start
trap 'c=$?; [ $c = 0 ] || { echo "FAILED at: $step"; systemctl status --no-pager --lines=0 faultline-agent || true; faultline-agent status || true; }; exit $c' EXIT
must() { step="$*"; "$@" || exit 1; }
not() { if "$@"; then exit 1; fi; } # a "!" would not end this
until_() { # seconds, command
  n=0 limit=$(($1 * 10))
  shift
  step="until $*"
  until "$@" 2>/dev/null; do
    n=$((n + 1))
    [ $n -lt $limit ] || exit 1
    sleep 0.1
  done
}
main() { systemctl show -P MainPID faultline-agent; }
runs() { systemctl is-active --quiet faultline-agent && [ "$(main)" != 0 ]; }
# measured tells whether this process of the agent has measured the host and reached a
# machine by ICMP.
measured() {
  runs || return 1
  said=$(faultline-agent status --json | tr -d ' \n')
  for target in here ping; do echo "$said" | grep -q "{\"id\":\"$target\"[^}]*\"up\":true" || return 1; done
}
other() { runs && [ "$(main)" != "$1" ]; }

must dpkg -i "$old"
step="not started before it is enrolled"
not systemctl is-active --quiet faultline-agent
not systemctl is-enabled --quiet faultline-agent

cat >/etc/faultline/agent.yaml <<YAML
agent: here
interval: 1s
listen: 127.0.0.1:9198
collector: {url: "https://127.0.0.1:9", token: none-that-counts}
targets:
  - {id: here, input: host}
  - {id: ping, input: probe, address: 127.0.0.1, options: {module: icmp}}
syslog: {udp: "127.0.0.1:514"}
YAML
chmod 0640 /etc/faultline/agent.yaml
chgrp faultline-agent /etc/faultline/agent.yaml
must systemctl enable --quiet --now faultline-agent
until_ 30 measured
first=$(main)
step="nothing of the host is kept from it" # without a bus systemd's units are nobody's but root's
not sh -c 'faultline-agent status | grep partial'

step="it is not root, and has two capabilities and no way to more"
[ "$(stat -c %U /proc/$first)" = faultline-agent ]
for set in CapPrm CapEff CapBnd CapAmb; do # CAP_NET_BIND_SERVICE 10, CAP_NET_RAW 13
  [ "$(sed -n "s/^$set:[[:space:]]*//p" /proc/$first/status)" = 0000000000002400 ]
done
grep -q '^NoNewPrivs:[[:space:]]*1' /proc/$first/status
step="it can write to its own directory and nowhere else"
nsenter --target $first --mount sh -c '! touch /etc/x /usr/x /var/x /home/x 2>/dev/null && touch /var/lib/faultline-agent/x && rm /var/lib/faultline-agent/x'

step="killed, it comes back"
kill -KILL $first
until_ 30 other $first
until_ 30 measured

before=$(main)
must dpkg -i "$new"
until_ 30 other $before
until_ 30 measured
step="the later version runs"
[ "$(/proc/$(main)/exe --version)" = "$NEW" ]

before=$(main)
must dpkg -i --force-downgrade "$old"
until_ 30 other $before
until_ 30 measured
step="the earlier version runs"
[ "$(/proc/$(main)/exe --version)" = "$OLD" ]

step="a stop is orderly"
before=$(main)
must systemctl stop faultline-agent
[ "$(systemctl show -P Result faultline-agent)" = success ]
[ ! -e /proc/$before ]
must systemctl start faultline-agent
until_ 30 measured

before=$(main)
must dpkg -P faultline-agent
step="nothing of it is left"
for f in /proc/$before /usr/bin/faultline-agent /var/lib/faultline-agent /etc/faultline /etc/systemd/system/multi-user.target.wants/faultline-agent.service; do
  step="$f is gone"
  not test -e "$f"
  not test -L "$f"
done
echo "lived well"
