#!/bin/bash
# start.sh [--foreground] DIR: starts the domain controller of DIR and waits until it answers.
#
# With --foreground the script becomes the domain controller, which logs to standard output. It then also ends when
# its standard input is a pipe and the other end closes, so a test that holds the other end leaves no process behind,
# however the test ends. Give it </dev/null where this is not wanted.
. "$(dirname "$0")/lab.sh"

foreground=
[ "${1:-}" = --foreground ] && { foreground=1; shift; }
wanted_model=${LAB_MODEL:-}
lab_load "${1:-}"
LAB_MODEL=${wanted_model:-$LAB_MODEL}
[ -e "$LAB_DIR/.provisioned" ] || die "$LAB_DIR has no complete domain; run provision.sh again"
# The path of a Unix socket has 107 octets at most, and Samba makes its sockets below DIR.
[ ${#LAB_DIR} -le 70 ] || die "$LAB_DIR is longer than 70 characters, too long for the Unix sockets below it"

if pid=$(lab_pid); then
    say "already running (pid $pid)"
    exit 0
fi

# Samba only writes to its log that a port was taken, and goes on without it.
for port in 88 389 464 636 3268 3269; do
    if (exec 3<>"/dev/tcp/$LAB_IP/$port") 2>/dev/null; then
        die "another server has port $port of $LAB_IP; choose another LAB_IP when you provision (127.0.0.11 ...), or stop a server that listens on 0.0.0.0:$port"
    fi
done

run=(samba --configfile="$LAB_DIR/etc/smb.conf" --model="$LAB_MODEL")
[ -z "$foreground" ] || exec "${run[@]}" --interactive --no-process-group

"${run[@]}" --daemon </dev/null >>"$LAB_DIR/log/stdout.log" 2>&1
for attempt in {1..300}; do
    if lab_pid >/dev/null &&
        LAB_TIMEOUT=2 lab_ldap ldapsearch -LLL -H "$LAB_LDAPS" -s base -b '' \
            -o nettimeout=2 dnsHostName 2>/dev/null | grep -q '^dnsHostName:'; then
        say "up on $LAB_IP (pid $(lab_pid), model $LAB_MODEL)"
        exit 0
    fi
    # A domain controller that cannot start ends within a moment and removes its pid file.
    [ "$attempt" -lt 30 ] || lab_pid >/dev/null || break
    sleep 0.1
done
tail -n 20 "$LAB_DIR/log/samba.log" "$LAB_DIR/log/stdout.log" >&2 || true
die "no answer on $LAB_LDAPS"
