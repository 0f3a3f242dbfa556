#!/bin/bash
# stop.sh [--purge] DIR: stops the domain controller of DIR and waits until all its processes have ended. With --purge
# it also deletes DIR. It succeeds if nothing runs.
. "$(dirname "$0")/lab.sh"

purge=
[ "${1:-}" = --purge ] && { purge=1; shift; }
lab_load "${1:-}"

# identity PID: prints the pid and the time of its start, which together name one process for ever. For a process that
# has ended, reaped or not, it prints the pid alone.
identity() { echo "$1 $(sed 's/.*) //; /^[ZX]/d' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20)"; }

# Prints the pids of those processes in $tree that still run.
running() {
    local pid started
    while read -r pid started; do
        if [ -n "$started" ] && [ "$(identity "$pid")" = "$pid $started" ]; then echo "$pid"; fi
    done <<<"$tree"
}

if pid=$(lab_pid); then
    # Samba's children end by themselves when their parent does. One that does not is killed by its own pid.
    tree=$(for p in $(lab_tree "$pid"); do identity "$p"; done)
    kill -TERM "$pid"
    for attempt in {1..100}; do
        mapfile -t alive < <(running)
        [ ${#alive[@]} -gt 0 ] || break
        if [ "$attempt" = 80 ]; then
            say "still running after 8 s, so they are killed: ${alive[*]}"
            kill -KILL "${alive[@]}" 2>/dev/null || true
        fi
        sleep 0.1
    done
    [ ${#alive[@]} = 0 ] || die "these processes do not end: ${alive[*]}"
    say "stopped (pid $pid)"
else
    say "not running"
fi
rm -f "$LAB_DIR/run/samba.pid"
if [ -n "$purge" ]; then rm -rf "$LAB_DIR"; fi
