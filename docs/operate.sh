#!/usr/bin/env bash
# A cluster's life, as whoever operates it sees it: three brokers start, a topic is written and read by a group, a leader is killed, a
# broker is added, another one is drained and goes, and all stop.
#
# To be read, and to be run: PATH=$PWD/target/debug:$PATH docs/operate.sh
# It takes free ports and a temporary directory, checks what each step was to do, and ends with status 0 if all of it was done.
set -euo pipefail

dir=$(mktemp -d)
trap cleanup EXIT

# --- What the steps below are made of ---------------------------------------------------------------------------------------------

say() { printf '\n==> %s   (after %s s)\n' "$*" "$SECONDS"; }

fail() { echo "failed: $*" >&2; exit 1; }

# The process id of a broker that runs.
pid() { cat "$dir/broker-$1/.lock"; }

# Whatever happens, nothing is left.
cleanup() {
    for id in 1 2 3 4; do
        if [ -e "$dir/broker-$id" ]; then kbroker stop --data-dir "$dir/broker-$id" >/dev/null 2>&1 || true; fi &
    done
    wait
    rm -rf "$dir"
}

# Waits until a command succeeds.
eventually() {
    for _ in $(seq 300); do
        if "$@"; then return; fi
        sleep 0.2
    done
    fail "not so after a minute: $*"
}

# Ports that nobody listens on.
ports=()
port=$((20000 + RANDOM % 10000))
while [ "${#ports[@]}" -lt 4 ]; do
    (exec 3<>"/dev/tcp/localhost/$port") 2>/dev/null || ports+=("$port")
    port=$((port + 1))
done
# The first three brokers keep the metadata; it is enough for clients to know some.
voters=localhost:${ports[0]},localhost:${ports[1]},localhost:${ports[2]}

# The configuration of a broker, in Kafka's keys.
configure() {
    cat >"$dir/broker-$1.properties" <<-PROPERTIES
	node.id=$1
	process.roles=$2
	listeners=PLAINTEXT://localhost:${ports[$(($1 - 1))]}
	log.dirs=$dir/broker-$1
	controller.quorum.bootstrap.servers=$voters
	default.replication.factor=3
	offsets.topic.replication.factor=3
	offsets.topic.num.partitions=3
	min.insync.replicas=2
	PROPERTIES
    kbroker config check "$dir/broker-$1.properties"
}

start() { kbroker --daemon "$dir/broker-$1.properties"; }

stop() { kbroker stop "$dir/broker-$1.properties"; }

describe() { ktopics --bootstrap-server "$voters" --describe "$@"; }

# For each partition of a topic: partition, leader, replicas.
partitions() { describe --topic "$1" | awk -F'\t' '$3 ~ /^Partition:/ { gsub(/[A-Za-z]+: /, ""); print $3, $4, $5 }'; }

# Orders from one number to another, each under a key of its own.
produce() {
    seq "$1" "$2" | sed 's/.*/&:order &/' |
        kproduce --bootstrap-server "$voters" --topic orders --property parse.key=true --property key.separator=:
}

# As many orders as are asked for, by a member of a group; it leaves when it has them.
consume() {
    kconsume --bootstrap-server "$voters" --topic orders --group "$1" --from-beginning --max-messages "$2" --timeout-ms 60000
}

# What a group has yet to read.
lag() {
    kgroups --bootstrap-server "$voters" --describe --group "$1" |
        awk '/LAG/ { for (i = 1; i <= NF; i++) if ($i == "LAG") column = i; next } column && NF { sum += $column } END { print sum + 0 }'
}

brokers_are() { [ "$(kcluster list-endpoints --bootstrap-server "$voters" | grep -c unfenced)" = "$1" ]; }

leads_nothing() { ! partitions orders | awk '{ print $2 }' | grep -qx "$1"; }

all_in_sync() { [ -z "$(describe --under-replicated-partitions)" ]; }

has_no_replica() { ! { partitions orders; partitions __consumer_offsets; } | awk '{ print $3 }' | tr , '\n' | grep -qx "$1"; }

preferred_lead() { partitions orders | awk '{ split($3, replicas, ","); if ($2 != replicas[1]) exit 1 }'; }

# Moves both topics to some brokers, and waits until they are there.
move_to() {
    echo '{"version": 1, "topics": [{"topic": "orders"}, {"topic": "__consumer_offsets"}]}' >"$dir/topics.json"
    kreassign --bootstrap-server "$voters" --generate --topics-to-move-json-file "$dir/topics.json" --broker-list "$1" |
        sed '1,/^Proposed/d' >"$dir/plan.json"
    kreassign --bootstrap-server "$voters" --execute --yes --reassignment-json-file "$dir/plan.json" --throttle 50000000 >"$dir/begun"
    tail -1 "$dir/begun"
    eventually moved
}

# Also takes the throttle away when nothing is under way any more.
moved() {
    kreassign --bootstrap-server "$voters" --verify --reassignment-json-file "$dir/plan.json" >"$dir/verified" || fail "kreassign --verify"
    ! grep -q 'in progress' "$dir/verified"
}

# --- The cluster's life -----------------------------------------------------------------------------------------------------------

say "three brokers start, each a process in the background"
for id in 1 2 3; do
    configure "$id" broker,controller
    start "$id"
done
eventually brokers_are 3
kquorum --bootstrap-server "$voters" describe --status

say "a topic is created, written, and read by a group"
ktopics --bootstrap-server "$voters" --create --topic orders --partitions 6 --replication-factor 3
produce 1 10000
consume billing 10000 >"$dir/billed"
[ "$(sort -u "$dir/billed" | wc -l)" = 10000 ] || fail "the group has read other records than were written"

say "the group falls behind, which is seen, and catches up"
produce 10001 10500
[ "$(lag billing)" = 500 ] || fail "the lag is $(lag billing)"
kgroups --bootstrap-server "$voters" --describe --group billing
consume billing 500 >>"$dir/billed"
[ "$(lag billing)" = 0 ] || fail "the lag is $(lag billing)"

say "the leader of partition 0 is killed: others take over, and the work goes on"
leader=$(partitions orders | awk '$1 == 0 { print $2 }')
kill -9 "$(pid "$leader")"
produce 10501 11000
consume billing 500 >>"$dir/billed"
eventually leads_nothing "$leader"
describe --topic orders

say "it starts again, catches up, and an election gives it its partitions back"
start "$leader"
eventually all_in_sync
kelect --bootstrap-server "$voters"
eventually preferred_lead

say "a fourth broker joins, and gets its share"
configure 4 broker
start 4
move_to 1,2,3,4
partitions orders | awk '{ print $3 }' | tr , '\n' | grep -qx 4 || fail "broker 4 has no replica"
klogdirs --bootstrap-server "$voters" --describe --broker-list 4 --topic-list orders

say "broker 3 is drained, stops, and is forgotten"
move_to 1,2,4
eventually has_no_replica 3
stop 3
kcluster unregister --bootstrap-server "$voters" --id 3
eventually brokers_are 3
describe --topic orders

say "all of it is still there: for the group, which reads on, and for one that begins now"
produce 11001 11500
consume billing 500 >>"$dir/billed"
consume audit 11500 >"$dir/audited"
seq 1 11500 | sed 's/^/order /' | sort >"$dir/expected"
sort "$dir/billed" | cmp - "$dir/expected" || fail "billing has not read each order once"
sort "$dir/audited" | cmp - "$dir/expected" || fail "audit has not read each order once"

say "all stop"
for id in 4 2 1; do stop "$id"; done
say "done"
