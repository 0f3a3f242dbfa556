#!/bin/bash
# clone.sh DIR NEWDIR IP: copies the stopped domain of DIR to NEWDIR, where it can run on another address of loopback,
# for instance as the second domain controller in a test of fail-over. Both have the same objects, GUIDs, SIDs,
# passwords, host name and CA, but do not replicate. DIR may have been moved since it was made.
. "$(dirname "$0")/lab.sh"
[ $# = 3 ] || die "usage: clone.sh DIR NEWDIR IP"
[ -e "$1/.provisioned" ] || die "$1 has no complete domain (run provision.sh first)"
source=$(cd "$1" && pwd -P)
# shellcheck disable=SC1091  # The file is made at run time.
. "$source/lab.env"
LAB_DIR=$source
if pid=$(lab_pid); then die "the domain controller of $source is running (pid $pid); stop it with stop.sh first"; fi

lab_new_dir "$2"
cp -a --sparse=always "$source/." "$LAB_DIR/"
rm -rf "$LAB_DIR"/run/* "$LAB_DIR"/log/* "$LAB_DIR"/private/{msg.sock,ldapi,ldap_priv}
LAB_IP=$3
lab_defaults
lab_configure
"$HERE/mkcerts.sh" --keep-ca "$LAB_DIR"
echo "$LAB_DIR"
