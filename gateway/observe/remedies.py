"""What to do about each bad state that the status page shows, and where the documentation says more.

A link is a name below docs/ and an anchor there (gateway/observe/page/documents.py).
"""

from __future__ import annotations

from typing import Final

from gateway.net.observer import Trouble
from gateway.net.transport.failures import FailureCause

SIGN_IN: Final = "operations#ldapgatewaysyncaccountrefused"
OWN_ACCOUNT: Final = "operations#ldapgatewayownaccountrefused"
LOCKOUT: Final = "operations#somebody-cannot-sign-in"
UNREACHABLE: Final = "operations#ldapgatewayserversunreachable"
SERVER_DOWN: Final = "operations#ldapgatewayserverdown"
DOUBTFUL: Final = "operations#ldapgatewayserverdoubtful"
DISCOVERY: Final = "operations#ldapgatewaydiscoveryfails"
OVERDUE: Final = "operations#ldapgatewaysyncoverdue"
NO_SYNC: Final = "operations#ldapgatewaynosyncseen"
NOT_COMPLETE: Final = "operations#ldapgatewaysyncnotcomplete"
SHRANK: Final = "operations#ldapgatewayresultshrank"
CERTIFICATES: Final = "operations#ldapgatewaycertificateexpiressoon-ldapgatewaycertificateexpiresnow"
TLS_FILES: Final = "operations#ldapgatewaytlsfilesnotused"
RELOAD: Final = "operations#ldapgatewayreloadrefused"
CHANGE: Final = "operations#changing-the-configuration"
AUDIT: Final = "operations#ldapgatewayauditlost-ldapgatewayauditnotwritten"
LOCKOUT_STORE: Final = "operations#ldapgatewaylockoutstoregone"
REFUSALS: Final = "operations#ldapgatewayrefusals"
LINK_DOWN: Final = "operations#ldapgatewaylinkdown"
AGENT_DOWN: Final = "operations#ldapgatewaylinkagentdown"
LINK_REFUSES: Final = "operations#ldapgatewaylinkrefuses"
LINK_WAITS: Final = "operations#ldapgatewaylinkwaits"
LINK_KEY: Final = "operations#ldapgatewaylinkkeyold"
REASON: Final = "reasons"

OF_CAUSES: Final[dict[FailureCause, str]] = {
    FailureCause.name_unknown: "Its name does not resolve on this host: put DNS right, or give its address with "
    "`server_name`.",
    FailureCause.refused: "Nothing listens there: start the server, or correct the port in `servers`.",
    FailureCause.timeout: "A firewall drops the packets, or the server hangs: look at both.",
    FailureCause.certificate: "Its certificate is not issued by a CA in `ca_file`, has expired, or lacks the name in "
    "`server_name`: `ldap-gateway doctor` says which.",
    FailureCause.tls: "It speaks no TLS on this port, or no version from 1.2 on: LDAPS is on port 636.",
    FailureCause.no_answer: "It accepts connections and does not answer in time: look at the server itself.",
    FailureCause.other: "The log has the whole text.",
}
OF_TROUBLES: Final[dict[Trouble, str]] = {
    Trouble.bind_unanswered: "It does not answer binds in time: look at its database, its disk, and domains that it "
    "trusts.",
    Trouble.bind_failed: "It ends connections on a bind, or says that it is busy: look at the server's log.",
    Trouble.unanswered: "It accepts binds and does not answer behind them: look at its database and its disk.",
    Trouble.failed: "It accepts binds and fails behind them: look at the server's log, and for a search that it does "
    "not stand.",
}
ALL_DOWN: Final = "Look at the servers below: each says what is wrong."
UNKNOWN: Final = "Look at `discover.domain`, at `site` and at the DNS server: `ldap-gateway doctor` tries it."
NOT_WRITTEN: Final = "Make room, or bring the server of the audit back: what waits is written then."
LOST: Final = "Find out why the output took nothing: the audit has a record of each gap."
NO_AGENT: Final = (
    "Look at the other gateway: does it run, does it reach this one, and what does its log say of the link?"
)
NO_LINE: Final = "Does the gateway outside run, is its port open from here, and does it have this agent's certificate?"
NO_BERTH: Final = "Look at `connections` of the link inside, and at what a proxy on the way permits."
DIFFERS: Final = "Make these the same at both ends: `ldap-gateway link export` prints what the other end needs."
BREAK_IN: Final = (
    "The two configurations differ, or the gateway outside is not itself any more. Until you know which, treat it as a "
    "break-in: `ldap-gateway audit --denied` has the requests."
)
DOCTOR: Final = "`ldap-gateway doctor` walks the whole way and says where it ends."
