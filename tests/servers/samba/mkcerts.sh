#!/bin/bash
# mkcerts.sh [--keep-ca] DIR: makes a CA and the domain controller's certificate in DIR/tls. provision.sh calls it. For
# new certificates run it again, then stop.sh and start.sh. With --keep-ca the CA stays as it is.
#
#   ca.crt         the CA that clients trust    other-ca.crt  a CA that signed nothing here
#   dc.crt dc.key  the certificate of the domain controller, for its host name, its domain and its address
. "$(dirname "$0")/lab.sh"
keep=
[ "${1:-}" = --keep-ca ] && { keep=1; shift; }
lab_load "${1:-}"

mkdir -p "$LAB_DIR/tls"
cd "$LAB_DIR/tls"
# Samba refuses a key that others may read.
umask 077
# Keys of this kind are made in a moment, those of RSA are not.
new_key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256)

quietly() {
    local said
    said=$("$@" 2>&1) || die "openssl failed: $said"
}
make_ca() { # make_ca NAME SUBJECT
    quietly openssl req -x509 "${new_key[@]}" -days 3650 -keyout "$1.key" -out "$1.crt" -subj "$2" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
}
if [ -z "$keep" ]; then
    make_ca ca "/O=AD lab/CN=AD lab root CA"
    make_ca other-ca "/O=AD lab/CN=AD lab unrelated CA"
fi

cat >dc.ext <<END
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:$LAB_FQDN, DNS:$LAB_DNSDOMAIN, IP:$LAB_IP
END
quietly openssl req "${new_key[@]}" -keyout dc.key -out dc.csr -subj "/O=AD lab/CN=$LAB_FQDN"
quietly openssl x509 -req -in dc.csr -CA ca.crt -CAkey ca.key -CAcreateserial \
    -sha256 -days 825 -extfile dc.ext -out dc.crt
rm -f dc.csr dc.ext
chmod 644 ./*.crt
chmod 755 .
