#!/bin/sh
# Makes the secrets of docker-compose.yml with random passwords, in the folder given or in deployments/secrets. What is
# there already stays: the database keeps the passwords that it was made with.
set -eu
umask 022
dir=${1:-$(dirname "$0")/secrets}
mkdir -p "$dir"
# The containers' own users read the files, so these are open to all and the folder is not.
chmod 700 "$dir"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
# Written aside first: half a secret must not pass for a whole one.
keep() {
	[ -e "$dir/$1" ] && return
	printf '%s\n' "$2" >"$dir/.new"
	mv "$dir/.new" "$dir/$1"
}

keep mysql_root_password "$(random)"
keep mysql_password "$(random)"
keep database_url "mysql://muster:$(cat "$dir/mysql_password")@mysql:3306/muster"
keep redis_conf "requirepass $(random)"
keep redis_url "redis://:$(sed -n 's/^requirepass //p' "$dir/redis_conf")@redis:6379/0"
keep admin_password "$(random)"
