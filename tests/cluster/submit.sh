#!/bin/bash
# `ray submit` end to end against a real sshd on loopback, as a person at a laptop would use it.
#
#   VENV=.venv bash tests/cluster/submit.sh        needs root on Debian; installs sshd and rsync where missing
#
# Where the kernel allows it, everything runs in network, mount, process and host-name namespaces of its own: sshd
# takes 127.0.0.1:22 there, `ray stop` sees no Ray but ours, and the end of the process namespace ends every process.
# Otherwise (or with NO_NAMESPACES=1) sshd takes a free port of this machine, and what was started is ended by its id.
set -euo pipefail
SCRIPT=$(readlink -f "$0")
ROOT=$(dirname "$(dirname "$(dirname "$SCRIPT")")")
export VENV=$(readlink -f "${VENV:-$ROOT/.venv}") START=${START:-$(date +%s)}
say() { echo "[+$(($(date +%s) - START)) s] $*"; }

install_packages() {
  if [ -x /usr/sbin/sshd ] && command -v rsync ip unshare >/dev/null; then return; fi
  local policy=/usr/sbin/policy-rc.d ours=
  # Debian starts an installed sshd at once unless this says no.
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
  rm -f /etc/ssh/ssh_config.d/srsweep-test.conf /tmp/ray/cluster-srsweep-test.{state,lock}
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
  # A checkout or a virtual environment below /tmp stays where it was.
  for folder in "$ROOT" "$VENV"; do
    if [[ $folder == /tmp/* && ! -d $folder ]]; then
      mkdir -p "$folder"
      mount --bind "$WORK/outer-tmp/${folder#/tmp/}" "$folder"
    fi
  done
  mount -t tmpfs -o size=2g tmpfs /dev/shm
  mount -t tmpfs tmpfs /run
  # Nothing answers names here; asking a server that is not there costs Ray 25 seconds.
  : >"$WORK/resolv.conf"
  mount --bind "$WORK/resolv.conf" /etc/resolv.conf
else
  PORT=$("$VENV/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  # ssh takes its settings from the account's home or from here, not from $HOME.
  printf 'Host 127.0.0.1\n  Port %s\n' "$PORT" >/etc/ssh/ssh_config.d/srsweep-test.conf
fi
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
cat >"$HEAD/.bashrc" <<EOF
export PATH=$VENV/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export RAY_AUTH_MODE=disabled RAY_USAGE_STATS_ENABLED=0
EOF
cp "$HEAD/.bashrc" "$HEAD/.profile"
export PATH=$VENV/bin:$PATH RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=disabled RAY_LOG_STYLE=record

# ---- the person ----------------------------------------------------------------------------------------------------
cd "$WORK/client"
write_sweep() {  # name, trials, steps, knob
  cat >sweep.yaml <<EOF
cluster_name: srsweep-test
provider: {type: local, head_ip: 127.0.0.1, worker_ips: []}
auth: {ssh_user: root, ssh_private_key: $WORK/key}
max_workers: 0
setup_commands:
  - python -c 'import sweeps'
head_start_ray_commands:
  - ray stop
  - unset OMP_NUM_THREADS; ray start --head --node-ip-address=127.0.0.1 --port=6379 --dashboard-host=127.0.0.1
    --num-cpus=2 --object-store-memory=200000000 --autoscaling-config=~/ray_bootstrap_config.yaml --disable-usage-stats
worker_start_ray_commands: []
metadata:
  sweep:
    name: $1
    scale: 2
    families: {slwsr: {${4:-n_feats}: [2, 3, 4], n_blocks: [2, 3], local_blocks: 2, pool_layers: [none, default]}}
    search: {sampler: random, trials: $2}
    train: {steps: $3, patch_size: 8, batch_size: 2, evaluate_every: 20, learning_rate: 1.0e-5, precision: float32}
    resources: {cpu: 1}
EOF
}
quietly() { timeout 300 "$@" </dev/null >"$WORK/out" 2>&1; }
fail() {
  say "FAILED: $*"
  tail -60 "$WORK/out"
  exit 1
}
submit=(ray submit sweep.yaml "$ROOT/sweeps/submit.py")
look() { "$VENV/bin/python" "$ROOT/tests/cluster/look.py" "$HEAD/results.db" "$@"; }

write_sweep first 3 20
start=(ray submit --start sweep.yaml "$ROOT/sweeps/submit.py")
if ! quietly "${start[@]}"; then
  # Ray gives its own head 30 seconds to come up, whatever else the machine has to do; nothing sets this.
  grep -q "timed out during startup" "$WORK/out" || fail "a cold cluster"
  say "the machine is too busy for Ray's start: once more"
  quietly "${start[@]}" || fail "a cold cluster"
fi
grep -q "submitted sweep-first.1" "$WORK/out" || fail "no Ray job"
grep -q "sweep first: 3 of 3 trials complete" "$WORK/out" || fail "the first sweep"
look complete first 3 || fail "rows of the first sweep"
say "a cold cluster: 3 of 3 trials in the database"

write_sweep first 4 20
quietly "${submit[@]}" || fail "the old text"
grep -q "text unchanged since its last run" "$WORK/out" || fail "the head should not know the new text yet"
look complete first 3 || fail "the old text asks for three trials"
say "an edited file that was not brought to the head: its old text is told and run"

write_sweep second 6 300 n_feets
quietly ray up -y --no-restart sweep.yaml || fail "ray up of a wrong file"
if quietly "${submit[@]}"; then fail "a wrong file gave exit code 0"; fi
grep -q "metadata.sweep.families.slwsr.n_feets" "$WORK/out" || fail "the wrong knob is not named"
grep -q "exit code 2" "$WORK/out" || fail "exit code 2"
say "a wrong file: non-zero, and the place in it is named"

write_sweep second 8 300
quietly ray up -y --no-restart sweep.yaml || fail "ray up"
look kill second 2 &
killer=$!
if quietly "${submit[@]}"; then fail "a killed driver gave exit code 0"; fi
wait $killer || fail "the driver could not be killed"
grep -q "submitted sweep-second.1" "$WORK/out" || fail "the first life"
say "the driver killed in mid-sweep: non-zero"
write_sweep second 9 300
quietly ray rsync-up sweep.yaml sweep.yaml '~/sweep.yaml' || fail "rsync-up"
look stop second 4 &
stopper=$!
if quietly "${submit[@]}"; then fail "a stopped driver gave exit code 0"; fi
wait $stopper || fail "the job could not be stopped"
grep -q "submitted sweep-second.2" "$WORK/out" || fail "the second life"
grep -q "text changed since its last run.*'trials': 8.*'trials': 9" "$WORK/out" || fail "the change is not told"
look free second 4 || fail "the stopped driver has left its lease or a trial behind"
say "the same command again, with an edited file that was uploaded, then ray job stop: the lease is free at once"
quietly "${submit[@]}" || fail "the same command once more"
grep -q "submitted sweep-second.3" "$WORK/out" || fail "the third life"
look complete second 9 || fail "a trial is lost or doubled"
say "the same command once more: each of 9 trials once"

quietly ray down -y sweep.yaml || fail "ray down"
if [ -n "$OWN" ] && pgrep -f raylet/raylet >/dev/null; then fail "a raylet is left"; fi
say "ray down: nothing is left; passed"
