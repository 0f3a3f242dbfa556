#!/bin/bash
# check.sh DIR: shows with ldapsearch that the running domain controller of DIR behaves as tests of a gateway need it,
# and as README.md says. It prints one line for each check and ends with status 0 if all passed.
. "$(dirname "$0")/lab.sh"
lab_load "${1:-}"
pid=$(lab_pid) || die "the domain controller is not running (start it with start.sh)"
[ -f "$LAB_DIR/manifest.json" ] || die "the domain has no people (run populate.py before start.sh)"
# A check that fails is counted, and the script goes on.
set +e
# Answers are put on one line by leaving out the quotes, so file names must not match in them.
set -f
LC_ALL=C.UTF-8
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

version=$(samba --version)
version=${version#Version }
case $version in
    4.17.*) whoami="Protocol error (2)" ;;
    4.22.*) whoami="u:$LAB_SVC_NT" ;;
    *)
        say "Samba $version is unknown here and taken for 4.22; see whether its differences from Windows are still those of README.md"
        whoami="u:$LAB_SVC_NT"
        ;;
esac

passed=0 failed=0 skipped=0
is() { # is NAME EXPECTED ACTUAL
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
        echo "ok    $1"
    else
        failed=$((failed + 1))
        echo "FAIL  $1: expected '$2', got '$3'"
    fi
}
has() { # has NAME EXPECTED-PART ACTUAL
    case $3 in *"$2"*) is "$1" "$2" "$2" ;; *) is "$1" "...$2..." "$3" ;; esac
}
skip() {
    skipped=$((skipped + 1))
    echo "skip  $*"
}

# rows KIND: prints the rows of one kind from the manifest, with tabs between their columns.
"$PYTHON" - "$LAB_DIR/manifest.json" >"$work/manifest" <<'END'
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    manifest = json.load(file)
rows = [("unit", unit["dn"], unit["users"]) for unit in manifest["special_ous"]]
# A bind by DN shows as well that the server finds the DN.
accounts = manifest["accounts"].values()
rows += [("account", *(account[key] or "" for key in ("dn", "password", "note", "bind_data"))) for account in accounts]
others = manifest["special_objects"].keys() - {account["dn"] for account in accounts}
rows += [("object", dn, manifest["special_objects"][dn]) for dn in others]
rows += [(f"count of {kind}", count) for kind, count in manifest["counts"].items()]
rows += [(key, value) for key, value in manifest.items() if not isinstance(value, (list, dict))]
for row in rows:
    print(*row, sep="\t")
END
rows() { grep "^$1"$'\t' "$work/manifest" | cut -f 2-; }
count() { rows "count of $1"; }

service=(-H "$LAB_LDAPS" -D "$LAB_SVC_DN" -w "$LAB_SVC_PW")
search() { lab_ldap ldapsearch -LLL -o ldif-wrap=no "${service[@]}" "$@"; }
search_catalog() { lab_ldap ldapsearch -LLL -o ldif-wrap=no -H "$LAB_GCS" "${service[@]:2}" "$@"; }
entries() { grep -c '^dn:'; }
on_one_line() {
    # shellcheck disable=SC2046,SC2005  # echo puts one blank between the words.
    echo $(cat)
}
# bind URI NAME PASSWORD [OPTION]: prints the result code and all output of a bind and a search behind it.
bind() {
    lab_ldap ldapsearch -LLL -H "$1" -D "$2" -w "$3" "${@:4}" \
        -s base -b "$LAB_BASE" '(objectClass=domainDNS)' dc >"$work/bind" 2>&1
    on_one_line <<<"$? $(cat "$work/bind")"
}
success="0 dn: $LAB_BASE dc: ${LAB_DNSDOMAIN%%.*}"
staff=$(count staff) staff_ou=$(rows staff_ou) first=$(rows first_user) big=$(rows big_group)
people='(&(objectCategory=person)(objectClass=user))'

# This check takes its 2 seconds while the others run; its result is read further down.
(
    LAB_TIMEOUT=2 search -E '!1.2.3.4' -b "$staff_ou" -s base '(objectClass=*)' 1.1 >/dev/null 2>&1
    echo $? >"$work/critical"
) &
critical=$!

echo "# Samba $version: TLS"
is "LDAPS: the lab's CA verifies the certificate" "$success" \
    "$(bind "$LAB_LDAPS" "$LAB_SVC_DN" "$LAB_SVC_PW")"
has "LDAPS: a client that trusts another CA refuses the certificate" "255 ldap_sasl_bind(SIMPLE): Can't contact" \
    "$(LAB_TLS_CACERT=$LAB_DIR/tls/other-ca.crt bind "$LAB_LDAPS" "$LAB_SVC_DN" "$LAB_SVC_PW")"
has "LDAPS: the certificate names $LAB_FQDN as well" "Verification: OK" \
    "$(timeout 120 openssl s_client -connect "$LAB_IP:636" -CAfile "$LAB_CA" -verify_return_error \
        -verify_hostname "$LAB_FQDN" </dev/null 2>&1)"
is "StartTLS on port 389" "$success" "$(bind "$LAB_LDAP" "$LAB_SVC_DN" "$LAB_SVC_PW" -ZZ)"
has "a simple bind without TLS is strongerAuthRequired" "8 ldap_bind: Strong(er) authentication required" \
    "$(bind "$LAB_LDAP" "$LAB_SVC_DN" "$LAB_SVC_PW")"

echo "# Binds of the sync account"
is "by user principal name" "$success" "$(bind "$LAB_LDAPS" "$LAB_SVC_UPN" "$LAB_SVC_PW")"
is "by DOMAIN\\user" "$success" "$(bind "$LAB_LDAPS" "$LAB_SVC_NT" "$LAB_SVC_PW")"
has "not by the bare user name" "49 " "$(bind "$LAB_LDAPS" svc-mimecast "$LAB_SVC_PW")"

echo "# Failed binds"
has "a wrong password is 49, data 52e" "49 ldap_bind: Invalid credentials (49) additional info: 80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 52e, v1db1" \
    "$(bind "$LAB_LDAPS" "$LAB_SVC_DN" wrong)"
has "a wrong password with a user principal name is data 52e" "data 52e," "$(bind "$LAB_LDAPS" "$LAB_SVC_UPN" wrong)"
has "an unknown user is data 52e" "data 52e," "$(bind "$LAB_LDAPS" "nobody@$LAB_DNSDOMAIN" wrong)"
has "a wrong password of a disabled user is data 52e" "data 52e," \
    "$(bind "$LAB_LDAPS" "t-disabled@$LAB_DNSDOMAIN" wrong)"
has "a search without a bind is operationsError" "Operations error (1)" \
    "$(lab_ldap ldapsearch -LLL -H "$LAB_LDAPS" -b "$LAB_BASE" '(cn=x)' 2>&1)"

echo "# Each account of the manifest"
while IFS=$'\t' read -r dn password note data; do
    if [ -z "$data" ]; then
        is "bind as $dn ($note)" "$success" "$(bind "$LAB_LDAPS" "$dn" "$password")"
    else
        has "bind as $dn ($note) is data $data" "data $data," "$(bind "$LAB_LDAPS" "$dn" "$password")"
    fi
done < <(rows account)
is "the sync account's password does not expire" 1 \
    "$(search -b "$LAB_BASE" -s base '(maxPwdAge=-9223372036854775808)' 1.1 | entries)"

echo "# Paged search"
search -b "$staff_ou" -E pr=200/noprompt "$people" mail displayName proxyAddresses >"$work/paged" 2>&1
is "pages of 200 give all $staff people" "$staff" "$(entries <"$work/paged")"
is "... and each of them once" "$staff" "$(grep '^dn:' "$work/paged" | sort -u | wc -l)"

echo "# Base DNs that need escaping"
while IFS=$'\t' read -r dn users; do
    is "base $dn" "$users" "$(search -b "$dn" -s one -E pr=200/noprompt "$people" 1.1 2>&1 | entries)"
done < <(rows unit)
while IFS=$'\t' read -r dn note; do
    is "base $dn ($note)" 1 "$(search -b "$dn" -s base '(objectClass=*)' 1.1 2>&1 | entries)"
done < <(rows object)
for dn in 'OU=Sales\2C EMEA' 'ou=r\2Bd' 'OU=\23Ops' 'OU=\20Leading space' 'OU=Trailing space\20' \
    'OU=M\C3\BCller' 'OU=m\C3\9CLLER' 'OU=A\2FB Testing' 'OU="Sales, EMEA"'; do
    is "also written as $dn" 1 "$(search -b "$dn,$staff_ou" -s base '(objectClass=*)' 1.1 2>&1 | entries)"
done
is "a filter with escapes" 1 "$(search -b "$LAB_BASE" "(cn=O'Brien, \\28Pat\\29\\2a)" 1.1 | entries)"

echo "# Matching rules and filters"
# count_staff FILTER: how many entries below OU=Staff match.
count_staff() { search -b "$staff_ou" -E pr=500/noprompt "$1" 1.1 | entries; }
bit_and=userAccountControl:1.2.840.113556.1.4.803:
is "bit-and: disabled staff" "$(count staff_disabled)" "$(count_staff "($bit_and=2)")"
is "bit-and, negated" $((staff - $(count staff_disabled))) "$(count_staff "(&$people(!($bit_and=2)))")"
# Samba walks up the groups of every candidate, so an index keeps these few.
few='(|(sAMAccountName=u00001)(sAMAccountName=u00002)(sAMAccountName=u00003)(sAMAccountName=u00004)(sAMAccountName=GG-Loop-A)(sAMAccountName=GG-Loop-B))'
chain=memberOf:1.2.840.113556.1.4.1941: top=$(rows nest_top)
is "in-chain: users in nested groups" "$(rows nest_users)" "$(search -b "$LAB_BASE" "(&$few($chain=$top))" 1.1 | entries)"
is "... where memberOf alone finds none" 0 "$(search -b "$LAB_BASE" "(&$people(memberOf=$top))" 1.1 | entries)"
is "in-chain: groups in a loop" 4 "$(search -b "$LAB_BASE" "(&$few($chain=$(rows loop_group)))" 1.1 | entries)"
if [ "$staff" -le 2000 ]; then
    is "in-chain over the whole domain" "$(rows nest_users)" \
        "$(search -b "$LAB_BASE" "(&$people($chain=$top))" 1.1 | entries)"
else
    skip "in-chain over the whole domain takes minutes with so many people"
fi
is "staff with mail" "$(count staff_with_mail)" "$(count_staff '(mail=*)')"
is "staff with a photo" "$(count staff_with_photo)" "$(count_staff '(thumbnailPhoto=*)')"
is "contacts" "$(count contacts)" \
    "$(search -b "OU=Contacts,$LAB_BASE" -E pr=500/noprompt '(objectClass=contact)' 1.1 | entries)"
is "computers match objectClass=user" "$(count computers)" \
    "$(search -b "CN=Computers,$LAB_BASE" '(objectClass=user)' 1.1 | entries)"

echo "# Attributes"
entry=$(search -b "$first" -s base '(objectClass=*)')
for part in 'objectGUID:: ' 'objectSid:: ' 'thumbnailPhoto:: /9j/' 'proxyAddresses: SMTP:' \
    'proxyAddresses: smtp:' 'memberOf: CN=' 'directReports: CN=' 'employeeID: LEAK-EMP-' 'pager: LEAK-PGR-'; do
    has "a user has $part" "$part" "$entry"
done
is "descriptions that must not get out" "$(count staff_hidden_text)" "$(count_staff '(description=SECRET-*)')"
# members RANGE: how many values come in answer to a request for it, and with which option.
members() { search -b "$big" -s base '(objectClass=*)' "member;range=$1" | sed -n 's/^member;\([^:]*\):.*/\1/p' | uniq -c | on_one_line; }
is "a range of members" "10 range=0-9" "$(members 0-9)"
is "the last range of members" "10 range=$((staff - 10))-*" "$(members $((staff - 10))-$((staff + 1489)))"

echo "# Referrals"
# referrals OPTION...: the referrals of a search from the domain's root, without `ref: `.
referrals() { lab_ldap ldapsearch -o ldif-wrap=no "${service[@]:2}" -b "$LAB_BASE" "$@" '(cn=none)' 2>&1 | sed -n 's/^ref: //p' | sort | on_one_line; }
below="ldaps://$LAB_DNSDOMAIN"
is "the domain's root refers to its three sub-partitions" \
    "$below/CN=Configuration,$LAB_BASE $below/DC=DomainDnsZones,$LAB_BASE $below/DC=ForestDnsZones,$LAB_BASE" \
    "$(referrals -H "$LAB_LDAPS")"
is "with the domain scope control there is none" "" "$(referrals -H "$LAB_LDAPS" -E '!domainScope')"

echo "# The global catalog"
is "a bind on port 3269 with TLS" "$success" "$(bind "$LAB_GCS" "$LAB_SVC_UPN" "$LAB_SVC_PW")"
is "a bind on port 3268 with StartTLS" "$success" "$(bind "$LAB_GC" "$LAB_SVC_UPN" "$LAB_SVC_PW" -ZZ)"
is "an empty base" 1 "$(search_catalog -b '' "(mail=plain@$LAB_DNSDOMAIN)" 1.1 | entries)"
is "no referrals" "" "$(referrals -H "$LAB_GCS")"

echo "# The sync account writes nothing"
modify() {
    lab_ldap ldapmodify "${service[@]}" >/dev/null 2>&1
    echo $?
}
for dn in "$LAB_SVC_DN" "$first"; do
    is "modifying $dn is insufficientAccessRights" 50 "$(modify <<<"dn: $dn
changetype: modify
replace: telephoneNumber
telephoneNumber: 1")"
done
is "adding a computer is insufficientAccessRights" 50 "$(modify <<<"dn: CN=PC-NEW,CN=Computers,$LAB_BASE
changetype: add
objectClass: computer
sAMAccountName: PC-NEW\$")"
is "deleting is insufficientAccessRights" 50 "$(modify <<<"dn: $first
changetype: delete")"

echo "# Ways round a filter that knows attributes by their names alone"
# leak ATTRIBUTE: whether employeeID comes where this is asked for.
leak() { search -b "$first" -s base '(objectClass=*)' "$1" 2>&1 | grep -c LEAK-EMP; }
is "employeeID asked for by its OID" 1 "$(leak 1.2.840.113556.1.4.35)"
is "employeeID asked for with a range" 1 "$(leak 'employeeID;range=0-*')"
is "a filter on employeeID" 1 "$(count_staff '(employeeID=LEAK-EMP-00001)')"
is "a filter on the OID of employeeID" 1 \
    "$(search -b "$staff_ou" '(1.2.840.113556.1.4.35=LEAK-EMP-00001)' 2.5.4.3 | entries)"
is "a compare" 6 "$(lab_ldap ldapcompare -z "${service[@]}" "$first" employeeID:LEAK-EMP-00001 >/dev/null 2>&1; echo $?)"
is "a base DN given as <SID=...>" 1 "$(search -b "<SID=$LAB_SID>" -s base '(objectClass=*)' 1.1 | entries)"

echo "# Unlike Windows (README.md)"
is "no MaxPageSize: all come in one page" 1 "$(lab_ldap ldapsearch "${service[@]}" \
    -b "$staff_ou" -E pr=99999/noprompt "$people" 1.1 | grep -c '^# *pagedresults:\|^pagedresults: cookie=')"
is "a size limit is ignored" "$staff" "$(search -z 3 -b "$staff_ou" "$people" 1.1 2>&1 | entries)"
is "no range unless asked for" "$staff" "$(search -b "$big" -s base '(objectClass=*)' member | grep -c '^member:')"
is "a range without an end gives all" "$staff range=0-*" "$(members '0-*')"
is "= in a DN must be escaped" 34 \
    "$(search -b "OU=x=y,$staff_ou" -s base '(objectClass=*)' 1.1 >/dev/null 2>&1; echo $?)"
is "an OID in a filter has no effect without one in the attribute list" 0 \
    "$(search -b "$staff_ou" '(1.2.840.113556.1.4.35=LEAK-EMP-00001)' cn | entries)"
has "a DN with an empty password is 49" "49 " "$(bind "$LAB_LDAPS" "$LAB_SVC_DN" '')"
has "Who Am I? is answered with $whoami" "$whoami" "$(lab_ldap ldapwhoami "${service[@]}" 2>&1)"
is "the global catalog gives attributes outside the partial set" 1 \
    "$(search_catalog -b "$first" -s base '(objectClass=*)' employeeID | grep -c LEAK-EMP)"
wait "$critical"
is "an unknown critical control is answered without a SearchResultDone, so ldapsearch waits" 124 "$(cat "$work/critical")"

echo "# Kerberos and sockets"
is "the sync account gets a ticket" ok "$(KRB5_CONFIG=$LAB_DIR/etc/krb5.conf timeout 120 "$PYTHON" - 2>&1 <<'END' | tail -n 1
import os

from samba.credentials import Credentials
from samba.param import LoadParm

settings = LoadParm()
settings.load(os.environ["LAB_DIR"] + "/etc/smb.conf")
account = Credentials()
account.guess(settings)
account.set_username("svc-mimecast")
account.set_realm(os.environ["LAB_REALM"])
account.set_password(os.environ["LAB_SVC_PW"])
account.get_named_ccache(settings, "MEMORY:check")
print("ok")
END
)"
# The kernel's tables have addresses in hexadecimal, the last octet first.
IFS=. read -r a b c d <<<"$LAB_IP"
hexadecimal=$(printf '%02X%02X%02X%02X' "$d" "$c" "$b" "$a")
for process in $(lab_tree "$pid"); do find "/proc/$process/fd" -lname 'socket:*' -printf '%l\n'; done 2>/dev/null |
    tr -dc '0-9\n' >"$work/sockets"
set +f
is "Samba listens on $LAB_IP only" "$hexadecimal" "$(
    awk 'NR == FNR { own[$1]; next }
        $10 in own && ($4 == "0A" || FILENAME ~ /udp/) { sub(/:.*/, "", $2); print $2 }' \
        "$work/sockets" /proc/"$pid"/net/{tcp,udp}* | sort -u | on_one_line
)"

echo "# $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
