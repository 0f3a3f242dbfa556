# shellcheck shell=bash disable=SC2034  # Other scripts use these settings.
# The settings and functions that the scripts of this folder share. They read this file with `.`.
#
# provision.sh takes the settings from the environment and writes them to DIR/lab.env. The later scripts read them
# there.

set -euo pipefail
umask 022

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Samba's Python modules belong to Debian's own interpreter. The python3 of pyenv or of a virtual environment, which
# may come first in PATH, does not find them.
PYTHON=/usr/bin/python3

# Nobody needs this data after a power failure, and every write takes half the time without fsync.
export TDB_NO_FSYNC=1

# Sets each setting that is not set yet to its default, and computes the others. LAB_DIR must be set.
lab_defaults() {
    LAB_IP=${LAB_IP:-127.0.0.10}
    LAB_REALM=${LAB_REALM:-CORP.EXAMPLE}
    LAB_DOMAIN=${LAB_DOMAIN:-CORP}
    LAB_HOST=${LAB_HOST:-dc1}
    LAB_MODEL=${LAB_MODEL:-prefork}
    LAB_LOG_LEVEL=${LAB_LOG_LEVEL:-1}
    LAB_ADMIN_PW=${LAB_ADMIN_PW:-Lab-Admin-Passw0rd1}
    LAB_SVC_PW=${LAB_SVC_PW:-Lab-Sync-Passw0rd1}
    LAB_USER_PW=${LAB_USER_PW:-Lab-User-Passw0rd1}
    LAB_ODD_PW=${LAB_ODD_PW:-pÄss wörd \"1\",+<>;=#%*()\\}
    # With a fixed SID every run has the same objectSid values.
    LAB_SID=${LAB_SID:-S-1-5-21-1111111111-2222222222-3333333333}

    LAB_DNSDOMAIN=${LAB_REALM,,}
    LAB_FQDN=$LAB_HOST.$LAB_DNSDOMAIN
    LAB_BASE=DC=${LAB_DNSDOMAIN//./,DC=}
    LAB_SVC_DN="CN=svc-mimecast,OU=Service Accounts,$LAB_BASE"
    LAB_SVC_UPN=svc-mimecast@$LAB_DNSDOMAIN
    LAB_SVC_NT=$LAB_DOMAIN\\svc-mimecast
    LAB_LDAP=ldap://$LAB_IP
    LAB_LDAPS=ldaps://$LAB_IP
    LAB_GC=ldap://$LAB_IP:3268
    LAB_GCS=ldaps://$LAB_IP:3269
    LAB_CA=$LAB_DIR/tls/ca.crt
}

LAB_SETTINGS=(
    LAB_DIR LAB_IP LAB_REALM LAB_DOMAIN LAB_HOST LAB_MODEL LAB_LOG_LEVEL
    LAB_ADMIN_PW LAB_SVC_PW LAB_USER_PW LAB_ODD_PW LAB_SID LAB_DNSDOMAIN
    LAB_FQDN LAB_BASE LAB_SVC_DN LAB_SVC_UPN LAB_SVC_NT LAB_LDAP LAB_LDAPS
    LAB_GC LAB_GCS LAB_CA
)

die() { echo "${0##*/}: $*" >&2; exit 1; }
say() { echo "${0##*/}: $*" >&2; }

# lab_new_dir DIR: makes DIR, or takes it if it is empty, and sets LAB_DIR to its absolute path.
lab_new_dir() {
    mkdir -p "$1"
    LAB_DIR=$(cd "$1" && pwd -P)
    [ -z "$(ls -A "$LAB_DIR")" ] || die "$LAB_DIR is not empty; name a directory that is empty or does not exist"
    # smb.conf has no quoting for blanks, and reads % as the start of a variable.
    case $LAB_DIR in *[[:space:]%]*) die "choose a path without blanks and %, not $LAB_DIR" ;; esac
    chmod 755 "$LAB_DIR"
}

# Writes the settings to lab.env, and all files that hold the directory's path or the address. After it comes
# mkcerts.sh, since the certificate names the address as well.
lab_configure() {
    case $LAB_IP in 127.*) ;; *) die "LAB_IP=$LAB_IP is not an address of loopback (127.0.0.0/8)" ;; esac
    local name
    mkdir -p "$LAB_DIR"/{etc,private,state,cache,lock,run,ncalrpc,bind-dns,sysvol,log,winbindd,ntp_signd}
    {
        echo "# The settings of this lab, for '.' in a shell."
        for name in "${LAB_SETTINGS[@]}"; do echo "export $name='${!name//\'/\'\\\'\'}'"; done
    } >"$LAB_DIR/lab.env"
    # shellcheck disable=SC2163  # The names are in the array.
    export "${LAB_SETTINGS[@]}"

    cat >"$LAB_DIR/etc/smb.conf" <<END
[global]
    netbios name = ${LAB_HOST^^}
    workgroup = $LAB_DOMAIN
    realm = $LAB_REALM
    server role = active directory domain controller

    # These are LDAP, LDAPS, the global catalog, connectionless LDAP and Kerberos. SMB, RPC, DNS and replication are
    # left out. None of these services opens a connection itself.
    server services = ldap, cldap, kdc
    interfaces = $LAB_IP/8
    bind interfaces only = yes
    disable netbios = yes

    tls enabled = yes
    tls keyfile = $LAB_DIR/tls/dc.key
    tls certfile = $LAB_DIR/tls/dc.crt
    tls cafile = $LAB_DIR/tls/ca.crt

    # A hardened domain controller permits no simple bind without TLS either.
    ldap server require strong auth = yes

    ldb:nosync = yes
    prefork children = 2
    log level = $LAB_LOG_LEVEL
    log file = $LAB_DIR/log/samba.log
    max log size = 20000

    # By default all of these are below /var and /run.
    private dir = $LAB_DIR/private
    state directory = $LAB_DIR/state
    cache directory = $LAB_DIR/cache
    lock directory = $LAB_DIR/lock
    pid directory = $LAB_DIR/run
    ncalrpc dir = $LAB_DIR/ncalrpc
    binddns dir = $LAB_DIR/bind-dns
    winbindd socket directory = $LAB_DIR/winbindd
    ntp signd socket directory = $LAB_DIR/ntp_signd

# The provisioning code wants these shares. Nothing serves them.
[sysvol]
    path = $LAB_DIR/sysvol
[netlogon]
    path = $LAB_DIR/sysvol/$LAB_DNSDOMAIN/scripts
END

    cat >"$LAB_DIR/etc/ldap.conf" <<END
TLS_CACERT $LAB_CA
TLS_REQCERT demand
REFERRALS off
END

    cat >"$LAB_DIR/etc/krb5.conf" <<END
[libdefaults]
    default_realm = $LAB_REALM
    dns_lookup_kdc = false
    dns_lookup_realm = false
    rdns = false
[realms]
    $LAB_REALM = {
        kdc = $LAB_IP
        kpasswd_server = $LAB_IP
    }
[domain_realm]
    .$LAB_DNSDOMAIN = $LAB_REALM
    $LAB_DNSDOMAIN = $LAB_REALM
END
}

# lab_load DIR: reads DIR/lab.env. DIR must be where the domain was made.
lab_load() {
    [ -n "${1:-}" ] || die "usage: ${0##*/} DIR"
    [ -f "$1/lab.env" ] || die "$1 has no lab.env, so it is not the directory of a lab (run provision.sh first)"
    local dir
    dir=$(cd "$1" && pwd -P)
    # shellcheck disable=SC1091  # The file is made at run time.
    . "$dir/lab.env"
    [ "$LAB_DIR" = "$dir" ] ||
        die "$dir was made as $LAB_DIR, and its smb.conf holds that path; copy it to where it shall run with clone.sh"
}

# Prints the pid of the domain controller of LAB_DIR, or fails if it does not run. The number in a pid file that was
# left behind may belong to another process now, so the process must have the database of this directory open.
lab_pid() {
    local pid
    pid=$(tr -dc 0-9 2>/dev/null <"$LAB_DIR/run/samba.pid") || return 1
    [ -n "$pid" ] && [ -d "/proc/$pid" ] || return 1
    find "/proc/$pid/fd" -lname "$LAB_DIR/private/*" 2>/dev/null | grep -q . || return 1
    echo "$pid"
}

# lab_tree PID...: prints these pids and those of all processes below them.
lab_tree() {
    local pid children
    for pid in "$@"; do
        echo "$pid"
        children=()
        read -ra children 2>/dev/null <"/proc/$pid/task/$pid/children" || true
        lab_tree "${children[@]}"
    done
}

# lab_ldap TOOL ARGUMENT...: runs ldapsearch and the like. It ignores the ldap.conf of the user and of the machine, and
# verifies the server's certificate against the lab's CA.
lab_ldap() {
    local tool=$1
    shift
    HOME=$LAB_DIR/etc LDAPCONF=$LAB_DIR/etc/ldap.conf \
        LDAPTLS_CACERT=${LAB_TLS_CACERT:-$LAB_CA} LDAPTLS_REQCERT=demand \
        timeout "${LAB_TIMEOUT:-120}" "$tool" -x "$@"
}
