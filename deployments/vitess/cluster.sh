#!/usr/bin/env bash
# A sharded database on one machine, to try Muster with: etcd, vtgate, and a MySQL with a vttablet for the jobs and for each of two
# shards of users. It is no production set-up: nothing is replicated, and accounts have simple passwords. Everything is in the folder.
#
#   cluster.sh start FOLDER    prints the address for MUSTER_DATABASE
#   cluster.sh stop FOLDER
#
# It takes etcd and mysqld (MySQL 8.4 or later, not MariaDB) from PATH, and vtgate, vttablet and vtctldclient from PATH or from
# bin/vitess of this checkout (make bin/vitess). Vitess refuses to run as root.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PATH="$here/../../bin/vitess:$PATH"
[[ $# == 2 ]] || { sed -n '2,10p' "$0"; exit 2; }
mkdir -p "$2" && dir=$(cd "$2" && pwd)
topology=(--topo-implementation etcd2 --topo-global-server-address 127.0.0.1:24379 --topo-global-root /vitess/global)
export VTDATAROOT="$dir"

# background NAME COMMAND...
background() {
	local name=$1
	shift
	setsid "$@" >"$dir/$name.log" 2>&1 </dev/null &
	echo $! >"$dir/$name.pid"
}

# eventually COMMAND... runs it until it succeeds.
eventually() {
	for _ in $(seq 120); do
		"$@" >"$dir/last.log" 2>&1 && return
		sleep 0.5
	done
	cat "$dir/last.log" >&2
	exit 1
}

control() { eventually vtctldclient --server internal "${topology[@]}" "$@"; }

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# shard NUMBER KEYSPACE SHARD starts a server and its tablet.
shard() {
	local n=$1 data="$dir/mysql-$1"
	local port=$((24400 + n)) socket="$dir/mysql-$1.sock"
	if [[ ! -d $data ]]; then
		mysqld --no-defaults --datadir="$data" --initialize-insecure >"$dir/mysql-$n.log" 2>&1
		printf "CREATE DATABASE vt_%s; CREATE USER vt@'%%' IDENTIFIED BY 'vt'; GRANT ALL ON *.* TO vt@'%%' WITH GRANT OPTION;\n" "$2" >"$dir/init.sql"
	else
		: >"$dir/init.sql"
	fi
	background "mysql-$n" mysqld --no-defaults --datadir="$data" --port="$port" --bind-address=127.0.0.1 --socket="$socket" --mysqlx=OFF \
		--secure-file-priv=NULL --gtid-mode=ON --enforce-gtid-consistency --max-allowed-packet=64M --init-file="$dir/init.sql"
	eventually test -S "$socket"
	background "tablet-$n" vttablet "${topology[@]}" --tablet-path "zone1-$((100 + n))" --init-keyspace "$2" --init-shard "$3" \
		--init-tablet-type replica --init-db-name-override "vt_$2" --tablet-hostname 127.0.0.1 --bind-address 127.0.0.1 --grpc-bind-address 127.0.0.1 \
		--port $((24500 + n)) --grpc-port $((24600 + n)) --service-map grpc-queryservice,grpc-tabletmanager,grpc-updatestream --unmanaged \
		--db-socket "$socket" --db-charset utf8mb4 --db-app-user vt --db-app-password vt --db-dba-user root --db-allprivs-user root \
		--db-repl-user root --db-filtered-user root --db-appdebug-user root \
		--queryserver-config-transaction-timeout 10s --queryserver-config-query-timeout 300s --queryserver-config-max-result-size 50000
	control TabletExternallyReparented "zone1-$((100 + n))"
}

start() {
	background etcd etcd --data-dir "$dir/etcd" --listen-client-urls http://127.0.0.1:24379 --advertise-client-urls http://127.0.0.1:24379 \
		--listen-peer-urls http://127.0.0.1:24380 --initial-advertise-peer-urls http://127.0.0.1:24380 --initial-cluster default=http://127.0.0.1:24380
	eventually listens 24379
	if [[ ! -d $dir/mysql-0 ]]; then
		control AddCellInfo --root /vitess/zone1 --server-address 127.0.0.1:24379 zone1
		control CreateKeyspace --durability-policy=none muster
		control CreateKeyspace --durability-policy=none muster_users
	fi
	shard 0 muster 0
	shard 1 muster_users -80
	shard 2 muster_users 80-
	control ApplyVSchema --vschema-file "$here/vschema-muster.json" muster
	control ApplyVSchema --vschema-file "$here/vschema-muster_users.json" muster_users
	control ApplyRoutingRules --rules-file "$here/routing-rules.json"
	background vtgate vtgate "${topology[@]}" --cell zone1 --cells-to-watch zone1 --tablet-types-to-wait PRIMARY --port 24700 --grpc-port 24701 \
		--bind-address 127.0.0.1 --grpc-bind-address 127.0.0.1 --service-map grpc-vtgateservice --mysql-auth-server-impl none \
		--mysql-server-port 24306 --mysql-server-bind-address 127.0.0.1 --mysql-server-version 8.4.6-Vitess --transaction-mode SINGLE
	eventually listens 24306
	echo "vitess://root@127.0.0.1:24306/muster"
}

# In this order nothing loses what it writes to.
stop() {
	for name in vtgate tablet-2 tablet-1 tablet-0 mysql-2 mysql-1 mysql-0 etcd; do
		[[ -f $dir/$name.pid ]] || continue
		pid=$(cat "$dir/$name.pid")
		kill "$pid" 2>/dev/null || true
		while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
		rm "$dir/$name.pid"
	done
}

case $1 in
start | stop) "$1" ;;
*) sed -n '2,10p' "$0"; exit 2 ;;
esac
