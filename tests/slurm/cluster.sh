#!/usr/bin/env bash
# A real SLURM on this one machine: two nodes, node0 and node1, which claim 4 CPUs each, and accounting for `sacct`.
#
#   cluster.sh up DIR      start it; returns once both nodes take jobs
#   eval "$(cluster.sh env DIR)"   let this shell's sbatch, squeue, ... talk to it
#   cluster.sh down DIR    cancel its jobs and stop it
#
# Configuration, keys, state, sockets, logs and the database lie in DIR; only the names node0 and node1 are added to
# the hosts file, for good. Runs as root. CLUSTER_ACCOUNTING=0 leaves slurmdbd and MariaDB out, so that `sacct` fails.
#
# Partitions: debug (the default); preempted and abrupt, whose jobs are requeued for a job in urgent, after a grace
# time of 30 seconds and of none.
set -euo pipefail

PATIENCE=${CLUSTER_PATIENCE:-60}  # seconds that each daemon has to answer
SLURM_PACKAGES="slurm-wlm munge"
ACCOUNTING_PACKAGES="slurmdbd mariadb-server"

usage() {
    echo "usage: $0 up|down|env DIR" >&2
    exit 2
}

fail() {
    echo "cluster.sh: $1" >&2
    if [ -n "${2:-}" ] && [ -s "$2" ]; then
        echo "--- the end of $2:" >&2
        tail -n 25 "$2" >&2
    fi
    return 1
}

# --- what a shell and the daemons need to know

conf() { echo "$DIR/etc/slurm.conf"; }
pid_file() { echo "$DIR/run/$1.pid"; }
log() { echo "$DIR/log/$1.log"; }

# The process of a daemon of this cluster, if it runs. A stale pid file may name a stranger's process: ours have
# SLURM_CONF in their environment.
pid_of() {
    local pid
    pid=$(cat "$(pid_file "$1")" 2>/dev/null) || return 1
    [ -n "$pid" ] && is_ours "$pid" && echo "$pid"
}

is_ours() { tr '\0' '\n' 2>/dev/null <"/proc/$1/environ" | grep -qxF "SLURM_CONF=$(conf)"; }

running() { pid_of "$1" >/dev/null; }

wait_for() {  # NAME, then the command that is to succeed
    local name=$1 end=$((SECONDS + PATIENCE))
    shift
    until timeout 10 "$@" >"$DIR/log/last-question" 2>&1; do
        if ((SECONDS > end)); then
            cat "$DIR/log/last-question" >&2
            fail "$name did not answer within $PATIENCE s" "$(log "$name")"
            return 1
        fi
        sleep 0.1
    done
}

# --- up

check_machine() {
    [ "$(id -u)" = 0 ] || fail "must run as root: slurmd starts jobs in the name of users" || return
    local packages=$SLURM_PACKAGES programs="slurmctld slurmd munged munge setpriv python3"
    if [ "$ACCOUNTING" = 1 ]; then
        packages="$packages $ACCOUNTING_PACKAGES"
        programs="$programs slurmdbd sacctmgr mariadbd mariadb-install-db mariadb-admin"
    fi
    local program
    for program in $programs; do
        command -v "$program" >/dev/null ||
            fail "there is no $program on this machine: apt-get install $packages" || return
    done
    case $DIR in *[[:space:]%#]*) fail "$DIR: choose a folder without blanks, % and #" || return ;; esac
    # The path of a Unix socket may be 107 bytes long.
    [ ${#DIR} -le 80 ] || fail "$DIR is too long a name for sockets: choose a folder of 80 characters or less"
}

make_folders() {
    mkdir -p "$DIR"/{etc,run,log,state,spool/node0,spool/node1,munge}
    chmod 755 "$DIR" "$DIR/munge"
    if [ ! -s "$DIR/munge/munge.key" ]; then
        head -c 128 /dev/urandom >"$DIR/munge/munge.key"
        chmod 400 "$DIR/munge/munge.key"
    fi
    chown -R munge:munge "$DIR/munge"
    setpriv --reuid munge --regid munge --clear-groups test -r "$DIR/munge/munge.key" ||
        fail "the user munge cannot enter $DIR: choose a folder that all users may enter, such as one in /tmp"
}

# Each node must be found under its name, or what runs in a job waits for ever for the first of its nodes.
name_nodes() {
    local node
    for node in node0 node1; do
        getent hosts "$node" >/dev/null || echo "127.0.0.1 $node # SLURM of rhovideo's tests" >>/etc/hosts
        getent hosts "$node" | grep -q '^127\.' || fail "$node is the name of another machine (see /etc/hosts)" || return
    done
}

# Four ports that are free now, below those that the kernel hands out by itself.
free_ports() {
    python3 - <<'PYTHON'
import random, socket
held = []
while len(held) < 4:
    candidate = socket.socket()
    try:
        candidate.bind(("127.0.0.1", random.randint(20000, 30000)))
        held.append(candidate)
    except OSError:
        candidate.close()
print(*(port.getsockname()[1] for port in held))
PYTHON
}

write_configuration() {
    local host ctld dbd node0 node1 accounting="AccountingStorageType=accounting_storage/none"
    host=$(hostname -s)
    read -r ctld dbd node0 node1 <<<"$(free_ports)"
    if [ "$ACCOUNTING" = 1 ]; then
        accounting="AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$dbd
AccountingStoragePass=$DIR/munge/socket
AccountingStoreFlags=job_comment"
    fi
    # config_overrides: a node has the CPUs that are written here, not those of the machine.
    cat >"$(conf)" <<CONF
ClusterName=rhovideo
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$ctld
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$DIR/munge/socket
SlurmctldPidFile=$(pid_file slurmctld)
SlurmdPidFile=$(pid_file %n)
SlurmctldLogFile=$(log slurmctld)
SlurmdLogFile=$(log %n)
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/spool/%n
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
ReturnToService=2
SlurmdTimeout=60
KillWait=5
MinJobAge=300
OverTimeLimit=0
JobRequeue=1
MaxArraySize=4
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
$accounting
NodeName=node0 NodeHostname=$host NodeAddr=127.0.0.1 Port=$node0 CPUs=4 RealMemory=16000 State=UNKNOWN
NodeName=node1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$node1 CPUs=4 RealMemory=16000 State=UNKNOWN
PartitionName=DEFAULT Nodes=node[0-1] MaxTime=INFINITE DefaultTime=60 State=UP
PartitionName=debug Default=YES PriorityTier=1 PreemptMode=OFF
PartitionName=preempted PriorityTier=1 PreemptMode=REQUEUE GraceTime=30
PartitionName=abrupt PriorityTier=1 PreemptMode=REQUEUE GraceTime=0
PartitionName=urgent PriorityTier=100 PreemptMode=OFF
CONF
    # Read from the folder of SLURM_CONF; slurmdbd insists on the mode.
    cat >"$DIR/etc/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$DIR/munge/socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$dbd
SlurmUser=root
PidFile=$(pid_file slurmdbd)
LogFile=$(log slurmdbd)
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct_db
CONF
    chmod 600 "$DIR/etc/slurmdbd.conf"
}

start_munge() {
    running munged || setpriv --reuid munge --regid munge --clear-groups munged \
        --key-file "$DIR/munge/munge.key" --socket "$DIR/munge/socket" --pid-file "$DIR/munge/munged.pid" \
        --log-file "$DIR/munge/munged.log" --seed-file "$DIR/munge/munged.seed" >>"$(log munged)" 2>&1 ||
        fail "munged does not start" "$(log munged)" || return
    ln -sf ../munge/munged.pid "$(pid_file munged)"
    wait_for munged munge -n -S "$DIR/munge/socket"
}

start_mariadb() {
    if running mariadbd; then return; fi
    if [ ! -e "$DIR/mariadb/installed" ]; then
        rm -rf "$DIR/mariadb"
        mariadb-install-db --no-defaults --datadir="$DIR/mariadb" --user=root --skip-test-db \
            --auth-root-authentication-method=normal >"$(log mariadb-install)" 2>&1 ||
            fail "the database cannot be made" "$(log mariadb-install)" || return
        touch "$DIR/mariadb/installed"
    fi
    # A database of tests may lose its last second in a power cut.
    nohup mariadbd --no-defaults --datadir="$DIR/mariadb" --user=root --skip-networking \
        --socket="$DIR/run/mariadb.sock" --pid-file="$(pid_file mariadbd)" --log-error="$(log mariadbd)" \
        --innodb-buffer-pool-size=32M --innodb-log-file-size=16M --innodb-flush-log-at-trx-commit=0 \
        --innodb-lock-wait-timeout=900 --performance-schema=OFF </dev/null >>"$(log mariadbd)" 2>&1 &
    wait_for mariadbd mariadb-admin --no-defaults --socket="$DIR/run/mariadb.sock" --user=root ping
}

start_accounting() {
    start_mariadb || return
    # The client library takes the database's socket from the environment.
    running slurmdbd || MYSQL_UNIX_PORT=$DIR/run/mariadb.sock slurmdbd >>"$(log slurmdbd)" 2>&1 ||
        fail "slurmdbd does not start" "$(log slurmdbd)" || return
    wait_for slurmdbd sacctmgr -i -n show cluster || return
    sacctmgr -n show cluster format=cluster | grep -q rhovideo ||
        sacctmgr -i add cluster rhovideo >>"$(log slurmdbd)" 2>&1 ||
        fail "slurmdbd does not take the cluster" "$(log slurmdbd)"
}

start_nodes() {
    local node
    for node in node0 node1; do
        # By the absolute path of the configuration: else slurmstepd hangs.
        running "$node" || slurmd -N "$node" -f "$(conf)" >>"$(log "$node")" 2>&1 ||
            fail "the slurmd of $node does not start" "$(log "$node")" || return
    done
}

nodes_ready() { [ "$(sinfo -h -N -p debug -o %T | grep -cxE 'idle|mixed|allocated')" = 2 ]; }

up() {
    if running slurmctld; then ACCOUNTING=$(grep -c '=accounting_storage/slurmdbd$' "$(conf)"); fi
    check_machine || return
    make_folders && name_nodes || return
    if ! running slurmctld; then
        # What an earlier cluster has left here would speak to other ports.
        down && write_configuration || return
    fi
    start_munge || return
    if [ "$ACCOUNTING" = 1 ]; then start_accounting || return; fi
    running slurmctld || slurmctld -f "$(conf)" >>"$(log slurmctld)" 2>&1 ||
        fail "slurmctld does not start" "$(log slurmctld)" || return
    start_nodes || return
    wait_for slurmctld scontrol ping || return
    export -f nodes_ready
    wait_for node0 bash -c nodes_ready ||
        fail "the nodes are not idle; node1 and the controller say:" "$(log node1)" ||
        fail "" "$(log slurmctld)"
}

# --- down

steps_left() { ls "$DIR"/spool/node*/node*_*.* >/dev/null 2>&1; }

cancel_jobs() {
    local end=$((SECONDS + 20)) jobs
    while ((SECONDS < end)); do
        jobs=$(timeout 5 squeue -h -o %A 2>/dev/null) || return 0
        if [ -z "$jobs" ] && ! steps_left; then return 0; fi
        # shellcheck disable=SC2086
        [ -z "$jobs" ] || timeout 5 scancel --quiet $jobs 2>/dev/null || true
        sleep 0.3
    done
}

stop() {
    local pid end=$((SECONDS + 15))
    pid=$(pid_of "$1") || return 0
    kill "$pid" 2>/dev/null || true
    while is_ours "$pid"; do
        if ((SECONDS > end)); then
            kill -KILL "$pid" 2>/dev/null || true
            end=$((SECONDS + 15))
        fi
        sleep 0.1
    done
    rm -f "$(pid_file "$1")"
}

# What a job has left behind where its slurmd or the controller died before it: such processes have no pid file.
# They are known by this cluster's SLURM_CONF, and by SLURMD_NODENAME or the name slurmstepd.
stop_leftovers() {
    local folder pid
    for folder in /proc/[0-9]*; do
        pid=${folder#/proc/}
        if is_ours "$pid" && { grep -qx slurmstepd "$folder/comm" || grep -qzE '^SLURMD_NODENAME=' "$folder/environ"; }
        then
            kill -KILL "$pid" 2>/dev/null || true
        fi
    done 2>/dev/null
}

down() {
    [ -e "$(conf)" ] || return 0
    if running slurmctld; then cancel_jobs; fi
    local daemon
    for daemon in node0 node1 slurmctld slurmdbd mariadbd munged; do stop "$daemon"; done
    stop_leftovers
}

# --- the command line

[ $# = 2 ] || usage
DIR=$(realpath -m "$2")
export DIR
export SLURM_CONF=$DIR/etc/slurm.conf
ACCOUNTING=${CLUSTER_ACCOUNTING:-1}

case $1 in
    up)
        mkdir -p "$DIR"
        (
            flock 9
            # The daemons must not hold the lock.
            if ! up 9>&-; then
                down 9>&-
                exit 1
            fi
        ) 9>"$DIR/lock"
        ;;
    down)
        [ -d "$DIR" ] || exit 0
        (
            flock 9
            down 9>&-
        ) 9>"$DIR/lock"
        ;;
    env) echo "export SLURM_CONF=$SLURM_CONF" ;;
    *) usage ;;
esac
