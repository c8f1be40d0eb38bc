#!/bin/bash
# `ray up` and `ray submit` end to end with the root's sweep.yaml and a real sshd on loopback.
#
#   VENV=.venv bash tests/cluster/submit.sh        needs root on Debian; installs sshd and rsync if they are missing
#
# The sweep file is the shipped one: the test changes its sweep's name, trials, steps and one knob, and none of Ray's
# keys. The key and the port of the test's sshd come from a client's ssh_config, as a person would set them.
#
# If the kernel allows it, everything runs in network, mount, process and host-name namespaces of its own: sshd listens
# on 127.0.0.1:22 there, `ray stop` sees no other Ray, and the end of the process namespace ends every process.
# Otherwise (or with NO_NAMESPACES=1) sshd listens on a free port of this machine, and the script ends by id what it
# has started.
set -euo pipefail
SCRIPT=$(readlink -f "$0")
ROOT=$(dirname "$(dirname "$(dirname "$SCRIPT")")")
export VENV=$(readlink -f "${VENV:-$ROOT/.venv}") START=${START:-$(date +%s)}
say() { echo "[+$(($(date +%s) - START)) s] $*"; }

install_packages() {
  if [ -x /usr/sbin/sshd ] && command -v rsync ip unshare >/dev/null; then return; fi
  local policy=/usr/sbin/policy-rc.d ours=
  # Debian starts a newly installed sshd unless this file forbids it.
  if [ ! -e $policy ]; then printf '#!/bin/sh\nexit 101\n' >$policy; chmod +x $policy; ours=1; fi
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    openssh-server rsync iproute2 util-linux; } >"$WORK/apt.log" 2>&1 || { tail -5 "$WORK/apt.log"; exit 1; }
  if [ -n "$ours" ]; then rm -f $policy; fi
  say "installed sshd and rsync"
}

end_without_namespaces() {
  if [ -f "$WORK/client/sweep.yaml" ]; then
    (cd "$WORK/client" && timeout 60 "$VENV/bin/ray" down -y sweep.yaml </dev/null >/dev/null 2>&1) || true
  fi
  if [ -f "$WORK/sshd.pid" ]; then kill "$(cat "$WORK/sshd.pid")" || true; fi
  rm -f /etc/ssh/ssh_config.d/srsweep-test.conf /tmp/ray/cluster-srsweep-here.{state,lock}
  rm -rf "$WORK"
}

if [ "${1:-}" != inside ]; then
  export WORK=$(mktemp -d /var/tmp/srsweep-submit.XXXXXX)
  install_packages
  spaces=(--net --mount --uts --pid --fork --kill-child --mount-proc)
  if [ -z "${NO_NAMESPACES:-}" ] && unshare "${spaces[@]}" true 2>/dev/null; then
    trap 'rm -rf "$WORK"' EXIT
    OWN=1 unshare "${spaces[@]}" bash "$SCRIPT" inside
  else
    say "without namespaces"
    trap end_without_namespaces EXIT
    OWN= bash "$SCRIPT" inside
  fi
  exit 0
fi

# ---- the machine ---------------------------------------------------------------------------------------------------
PORT=22
if [ -n "$OWN" ]; then
  ip link set lo up
  hostname localhost
  mount --make-rprivate /
  mkdir -m 1777 "$WORK/tmp"
  mkdir "$WORK/outer-tmp"
  mount --bind /tmp "$WORK/outer-tmp"
  mount --bind "$WORK/tmp" /tmp
  # A checkout or a virtual environment below /tmp keeps its path.
  for folder in "$ROOT" "$VENV"; do
    if [[ $folder == /tmp/* && ! -d $folder ]]; then
      mkdir -p "$folder"
      mount --bind "$WORK/outer-tmp/${folder#/tmp/}" "$folder"
    fi
  done
  mount -t tmpfs -o size=2g tmpfs /dev/shm
  mount -t tmpfs tmpfs /run
  # No name server answers here, and waiting for one costs Ray 25 seconds.
  : >"$WORK/resolv.conf"
  mount --bind "$WORK/resolv.conf" /etc/resolv.conf
  mount -t tmpfs tmpfs /etc/ssh/ssh_config.d
else
  PORT=$("$VENV/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
fi
# ssh reads its settings from the account's home folder and from here, not from $HOME.
printf 'Host 127.0.0.1\n  Port %s\n  IdentityFile %s\n' "$PORT" "$WORK/key" >/etc/ssh/ssh_config.d/srsweep-test.conf
HEAD=$WORK/head    # the home folder of the head node
mkdir -p "$HEAD" "$WORK/client" /run/sshd
for key in key hostkey; do ssh-keygen -q -t ed25519 -N '' -f "$WORK/$key"; done
cat >"$WORK/sshd.conf" <<EOF
Port $PORT
ListenAddress 127.0.0.1
HostKey $WORK/hostkey
PidFile $WORK/sshd.pid
AuthorizedKeysFile $WORK/key.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
UseDNS no
PrintMotd no
PrintLastLog no
SetEnv HOME=$HEAD
EOF
/usr/sbin/sshd -f "$WORK/sshd.conf" -E "$WORK/sshd.log"
# Python and Ray come from the provider in sweep.yaml, not from here. PYTHONPATH makes the environment use this checkout.
cat >"$HEAD/.bashrc" <<EOF
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH=$ROOT
EOF
cp "$HEAD/.bashrc" "$HEAD/.profile"
export PATH=$VENV/bin:$PATH PYTHONPATH=$ROOT RAY_USAGE_STATS_ENABLED=0 RAY_LOG_STYLE=record
unset SRSWEEP_DB SRSWEEP_FOLDER

# ---- the person ----------------------------------------------------------------------------------------------------
cd "$WORK/client"
change() {  # the shipped text, what stands for it in the test
  grep -qF "$1" sweep.yaml || fail "the shipped sweep.yaml has no '$1'"
  sed -i "s/$1/$2/" sweep.yaml
}
write_sweep() {  # name, trials, steps, knob
  cp "$ROOT/sweep.yaml" .
  change "name: first" "name: $1"
  change "trials: 12" "trials: $2"
  change "steps: 600" "steps: $3"
  change "evaluate_every: 200" "evaluate_every: 20"
  change "n_feats: " "${4:-n_feats}: "
}
quietly() { timeout 600 "$@" </dev/null >"$WORK/out" 2>&1; }
fail() {
  say "FAILED: $*"
  if [ -f "$WORK/out" ]; then tail -60 "$WORK/out"; fi
  exit 1
}
submit=(ray submit sweep.yaml "$ROOT/sweeps/submit.py")
look() { "$VENV/bin/python" "$ROOT/tests/cluster/look.py" "$WORK/client/results.db" "$@"; }

write_sweep first 3 20
if ! quietly ray up -y sweep.yaml; then
  # Ray gives its own head 30 seconds to come up, however busy the machine is; no setting changes this.
  grep -q "timed out during startup" "$WORK/out" || fail "a cold cluster"
  say "the machine is too busy for Ray's start: once more"
  quietly ray up -y sweep.yaml || fail "a cold cluster"
fi
quietly "${submit[@]}" || fail "the first sweep"
grep -q "submitted sweep-first.1" "$WORK/out" || fail "no Ray job"
grep -q "sweep first: 3 of 3 trials complete" "$WORK/out" || fail "the first sweep"
look complete first 3 || fail "rows of the first sweep"
[ ! -e "$HEAD/results.db" ] || fail "results belong in the folder of the command"
say "a cold cluster: 3 of 3 trials in the database beside sweep.yaml"

write_sweep first 4 20
quietly "${submit[@]}" || fail "the old text"
grep -q "text unchanged since its last run" "$WORK/out" || fail "the head should not know the new text yet"
look complete first 3 || fail "the old text asks for three trials"
say "an edited file that was not brought to the head: its old text is told and run"

write_sweep second 6 60 n_feets
quietly ray up -y --no-restart sweep.yaml || fail "ray up of a wrong file"
if quietly "${submit[@]}"; then fail "a wrong file gave exit code 0"; fi
grep -q "metadata.sweep.families.slwsr.n_feets" "$WORK/out" || fail "the wrong knob is not named"
grep -q "exit code 2" "$WORK/out" || fail "exit code 2"
say "a wrong file: non-zero, and the place in it is named"

write_sweep second 6 60
quietly ray rsync-up sweep.yaml sweep.yaml '~/sweep.yaml' || fail "rsync-up"
look kill second 2 &
killer=$!
if quietly "${submit[@]}"; then fail "a killed driver gave exit code 0"; fi
wait $killer || fail "the driver could not be killed"
grep -q "submitted sweep-second.1" "$WORK/out" || fail "the first life"
say "the driver killed in mid-sweep: non-zero"
write_sweep second 7 60
quietly ray rsync-up sweep.yaml sweep.yaml '~/sweep.yaml' || fail "rsync-up"
look stop second 4 &
stopper=$!
if quietly "${submit[@]}"; then fail "a stopped driver gave exit code 0"; fi
wait $stopper || fail "the job could not be stopped"
grep -q "submitted sweep-second.2" "$WORK/out" || fail "the second life"
grep -q "text changed since its last run.*'trials': 6.*'trials': 7" "$WORK/out" || fail "the change is not told"
look free second 4 || fail "the stopped driver has left its lease or a trial behind"
say "the same command again, with an edited file that was uploaded, then ray job stop: the lease is free at once"
quietly "${submit[@]}" || fail "the same command once more"
grep -q "submitted sweep-second.3" "$WORK/out" || fail "the third life"
look complete second 7 || fail "a trial is lost or doubled"
say "the same command once more: each of 7 trials once"

quietly ray down -y sweep.yaml || fail "ray down"
if [ -n "$OWN" ] && pgrep -f raylet/raylet >/dev/null; then fail "a raylet is left"; fi
say "ray down: nothing is left; passed"
