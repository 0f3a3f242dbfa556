#!/bin/bash
# provision.sh [--force] [DIR]: makes a new domain without people in DIR, by default in a new temporary directory. The
# last line on standard output is the directory. The script writes nothing outside DIR.
. "$(dirname "$0")/lab.sh"

force=
[ "${1:-}" = --force ] && { force=1; shift; }
case ${1:-} in -*) die "usage: provision.sh [--force] [DIR]" ;; esac
LAB_DIR=${1:-}

[ "$(id -u)" = 0 ] || die "must run as root: the ports are below 1024, and Samba wants root"
for program in samba openssl ldapsearch; do
    command -v "$program" >/dev/null || die "$program is missing; README.md lists the Debian packages"
done
"$PYTHON" -c 'import samba.provision' 2>/dev/null ||
    die "$PYTHON has no Samba modules; README.md lists the Debian packages"

if [ -n "$LAB_DIR" ] && [ -e "$LAB_DIR/lab.env" ]; then
    LAB_DIR=$(cd "$LAB_DIR" && pwd -P)
    [ -n "$force" ] || [ ! -e "$LAB_DIR/.provisioned" ] ||
        die "$LAB_DIR has a domain already; --force deletes it and makes a new one"
    if pid=$(lab_pid); then die "the domain controller of $LAB_DIR is running (pid $pid); stop it with stop.sh first"; fi
    find "$LAB_DIR" -mindepth 1 -delete
fi
lab_new_dir "${LAB_DIR:-$(mktemp -d "${TMPDIR:-/tmp}/samba-ad.XXXXXX")}"
lab_defaults
lab_configure
"$HERE/mkcerts.sh" "$LAB_DIR"

if ! "$PYTHON" "$HERE/provision.py" "$LAB_DIR/etc/smb.conf" >"$LAB_DIR/log/provision.log" 2>&1; then
    tail -20 "$LAB_DIR/log/provision.log" >&2
    die "provisioning failed; see $LAB_DIR/log/provision.log"
fi
touch "$LAB_DIR/.provisioned"
echo "$LAB_DIR"
