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

keep mysql_password.txt "$(random)"
keep database_url.txt "mysql://muster:$(cat "$dir/mysql_password.txt")@mysql:3306/muster"
keep admin_password.txt "$(random)"
keep grafana_password.txt "$(random)"
keep s3_secret.txt "$(random)"
# Where files are: MUSTER_FILES_IN picks one.
keep files_folder.txt file:///files
keep files_s3.txt "s3://muster:$(cat "$dir/s3_secret.txt")@muster?endpoint=http://s3:7070"
