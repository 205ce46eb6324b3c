#!/bin/bash
# A router's command line for tests, started by sshd in place of a shell: banner,
# login question, user and privileged mode, echo, a pager that erases its prompt.
# ROUTER is the directory with its configuration; style names what it plays.
cd "$ROUTER" || exit 1
exec 3<&0 # the terminal, also while a file is read
style=$(cat style)
stty -echo -icanon min 1 time 0 onlcr 2>/dev/null
name=core1 page=5 mode='>'
case $style in
  huawei) left='<' right='>' ;;
  *) left='' right='' ;;
esac
prompt() { if [ "$style" = huawei ]; then printf '<%s>' "$name"; else printf '%s%s' "$name" "$mode"; fi; }
show() { # file: a page at a time
  local n=0 line
  while IFS= read -r line || [ -n "$line" ]; do
    if [ "$page" -gt 0 ] && [ $n -ge "$page" ]; then
      if [ "$style" = huawei ]; then printf '  ---- More ----'; else printf ' --More-- '; fi
      IFS= read -r -n 1 -d '' _ <&3
      if [ "$style" = huawei ]; then printf '\033[16D                \033[16D'; else printf '\b\b\b\b\b\b\b\b\b\b          \b\b\b\b\b\b\b\b\b\b'; fi
      n=0
    fi
    printf '%s\r\n' "$line"
    n=$((n + 1))
  done <"$1"
}
type_line() { # reads one line and shows it again, as a terminal of its own does
  REPLY=''
  local c
  while IFS= read -r -n 1 -d '' c; do
    case $c in
      $'\n' | $'\r') [ -n "$hidden" ] || printf '\r\n'; return 0 ;;
      *) REPLY+=$c; [ -n "$hidden" ] || printf '%s' "$c" ;;
    esac
  done
  return 1
}
printf '\r\nUnauthorized access is prohibited. Core1 > see the rules #\r\n\r\n'
if [ "$style" = huawei ]; then
  printf 'Warning: The initial password poses security risks.\r\nThe password needs to be changed. Change now? [Y/N]:'
  type_line; [ "$REPLY" = N ] || exit 1
fi
while prompt; type_line; do
  echo "$REPLY" >>typed
  case $REPLY in
    'terminal length 0' | 'screen-length 0 temporary') [ -e no-paging-command ] || page=0 ;;
    'terminal width 512') printf '%% Invalid input detected at '"'^'"' marker.\r\n' ;;
    enable)
      printf 'Password: '; hidden=1; type_line; hidden=''; printf '\r\n'
      if [ "$REPLY" = "$(cat enable)" ]; then mode='#'; else printf '%% Access denied\r\n'; fi ;;
    'show running-config' | 'display current-configuration')
      if [ "$style" != huawei ] && [ "$mode" != '#' ]; then printf '%% Invalid input detected\r\n'
      elif [ -e endless ]; then while :; do printf 'line without end\r\n'; done
      elif [ -e stalls ]; then head -n 3 config; sleep 60
      else show config; fi ;;
    exit | quit) exit 0 ;;
    '') ;;
    *) printf '%% Unknown command\r\n' ;;
  esac
done
