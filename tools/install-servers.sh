#!/usr/bin/env bash
# Installs the servers that the tests use, MariaDB and Redis, where they are missing; with --with-compiler also what
# `go test -race` needs (cgo, hence a C compiler), make, and the programs that single tests need: promtool, Chromium, curl, jq. It acts only as root where apt-get is; elsewhere it changes
# nothing and succeeds: the tests say for themselves what they skipped.
set -euo pipefail

have() { command -v "$1" >/dev/null || [[ -x /usr/sbin/$1 ]]; }

packages=()
have mariadbd || packages+=(mariadb-server)
have redis-server || packages+=(redis-server)
if [[ ${1:-} == --with-compiler ]]; then
	have gcc || packages+=(gcc libc6-dev)
	have make || packages+=(make)
	have promtool || packages+=(prometheus)
	have chromium || packages+=(chromium)
	have curl || packages+=(curl)
	have jq || packages+=(jq)
fi
if ((${#packages[@]} == 0)); then
	exit 0
fi
if ((EUID != 0)) || ! have apt-get; then
	echo "install-servers: missing ${packages[*]}; not root on Debian, so nothing is installed" >&2
	exit 0
fi

# The packages would start system-wide services; the tests start private ones instead. A policy-rc.d that is already
# there is somebody's decision and stays.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi

echo "install-servers: installing ${packages[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq </dev/null >&2
apt-get install -qq -y --no-install-recommends "${packages[@]}" </dev/null >&2
