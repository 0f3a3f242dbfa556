#!/bin/bash
# measure.sh [N...]: makes a domain of N users for each N (default: 500 5000 20000) in a temporary directory, and prints
# a table of how long that takes, what it needs, and how fast ldapsearch reads from it.
. "$(dirname "$0")/lab.sh"

now() { date +%s%N; }
seconds() { awk -v from="$1" -v to="$2" 'BEGIN { printf "%.1f", (to - from) / 1e9 }'; }
# memory: that of the domain controller and all its children in MB, with shared pages counted once.
memory() {
    local process
    for process in $(lab_tree "$(lab_pid)"); do grep -h ^Pss: "/proc/$process/smaps_rollup" 2>/dev/null; done |
        awk '{ sum += $2 } END { printf "%d", sum / 1024 }'
}
twelve=(mail proxyAddresses displayName givenName sn telephoneNumber department title sAMAccountName
    userAccountControl objectGUID memberOf)
# rate PAGE_SIZE ATTRIBUTE...: the best of three in entries/s, with the TLS handshake and the bind.
rate() {
    local best=0 size=$1 began count result
    shift
    for _ in 1 2 3; do
        began=$(now)
        count=$(lab_ldap ldapsearch -LLL -H "$LAB_LDAPS" -D "$LAB_SVC_DN" -w "$LAB_SVC_PW" \
            -b "OU=Staff,$LAB_BASE" -E pr="$size"/noprompt \
            '(&(objectCategory=person)(objectClass=user))' "$@" | grep -c '^dn:')
        [ "$count" = "$users" ] || die "expected $users entries, got $count"
        result=$((count * 1000 / (($(now) - began) / 1000000)))
        [ $result -le $best ] || best=$result
    done
    echo $best
}

echo "| users | provision s | populate s | start s | disk MB | memory MB idle | memory MB after the searches | entries/s, DNs only | 12 attributes | 12 attributes, pages of 1,000 | all attributes |"
echo "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
[ $# -gt 0 ] || set -- 500 5000 20000
dir=
trap '[ -z "$dir" ] || "$HERE/stop.sh" --purge "$dir"' EXIT
for users in "$@"; do
    times=("$(now)")
    dir=$("$HERE/provision.sh")
    times+=("$(now)")
    "$HERE/populate.py" --users "$users" "$dir" 2>/dev/null
    times+=("$(now)")
    "$HERE/start.sh" "$dir" 2>/dev/null
    times+=("$(now)")
    lab_load "$dir"
    idle=$(memory)
    rates="$(rate 200 1.1) | $(rate 200 "${twelve[@]}") | $(rate 1000 "${twelve[@]}") | $(rate 200 '*')"
    echo "| $users | $(seconds "${times[@]:0:2}") | $(seconds "${times[@]:1:2}") | $(seconds "${times[@]:2:2}") | $(du -sm "$dir" | cut -f 1) | $idle | $(memory) | $rates |"
    "$HERE/stop.sh" --purge "$dir" 2>/dev/null
    dir=
done
