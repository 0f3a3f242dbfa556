#!/bin/bash
# up.sh [--users N] [DIR]: provisions, populates and starts a domain. The last line on standard output is its
# directory, and `stop.sh --purge DIR` removes all of it. If DIR has a domain already, it is only started.
. "$(dirname "$0")/lab.sh"

users=500
[ "${1:-}" = --users ] && { users=$2; shift 2; }
case ${1:-} in -*) die "usage: up.sh [--users N] [DIR]" ;; esac

dir=${1:-}
if [ -z "$dir" ] || [ ! -e "$dir/.provisioned" ]; then
    dir=$("$HERE/provision.sh" ${dir:+"$dir"} | tail -n 1)
fi
trap 'say "failed; what was made is in $dir, and stop.sh --purge $dir removes it"' ERR
[ -e "$dir/manifest.json" ] || "$HERE/populate.py" --users "$users" "$dir"
"$HERE/start.sh" "$dir"
echo "$dir"
