"""Walks a tenant with Microsoft's SDK, for tests/entra/second_client.py: `walk_graph.py ORIGIN CA_FILE TOKEN`.

It runs under a Python that has msgraph-sdk and nothing of the gateway. With each line that it reads it makes one round
of delta queries, and writes what it knows then as one line of JSON: by id the properties, and by group the members.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from typing import Any

import httpx
from kiota_abstractions.authentication import (
    AccessTokenProvider,
    AllowedHostsValidator,
    BaseBearerTokenAuthenticationProvider,
)
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.contacts.delta.delta_request_builder import DeltaRequestBuilder as Contacts
from msgraph.generated.groups.delta.delta_request_builder import DeltaRequestBuilder as Groups
from msgraph.generated.users.delta.delta_request_builder import DeltaRequestBuilder as Users

SELECT = {
    "users": ["displayName", "mail", "accountEnabled", "userType", "manager"],
    "groups": ["displayName", "mail", "members"],
    "contacts": ["displayName", "mail"],
}
BUILDERS: dict[str, Any] = {"users": Users, "groups": Groups, "contacts": Contacts}


class Token(AccessTokenProvider):  # type: ignore[misc]
    """The token that whoever started the program has. The SDK is not there where types are checked."""

    def __init__(self, token: str, host: str) -> None:
        self._token = token
        self._validator = AllowedHostsValidator([host])

    async def get_authorization_token(self, uri: str, additional_authentication_context: Any = None) -> str:
        return self._token

    def get_allowed_hosts_validator(self) -> AllowedHostsValidator:
        return self._validator


class Walk:
    """What is known after the last round. links: where the next one begins, by collection."""

    def __init__(self, client: GraphServiceClient) -> None:
        self.client = client
        self.objects: dict[str, dict[str, Any]] = {}
        self.members: dict[str, dict[str, None]] = {}
        self.links: dict[str, str] = {}

    async def round(self) -> None:
        for collection, builder in BUILDERS.items():
            delta = getattr(self.client, collection).delta
            if collection in self.links:
                page = await delta.with_url(self.links[collection]).get()
            else:
                query = builder.DeltaRequestBuilderGetQueryParameters(select=SELECT[collection])
                page = await delta.get(request_configuration=RequestConfiguration(query_parameters=query))
            while True:
                for each in page.value or []:
                    self.take(collection, each)
                if page.odata_delta_link is not None:
                    self.links[collection] = page.odata_delta_link
                    break
                page = await delta.with_url(page.odata_next_link).get()

    def take(self, collection: str, found: Any) -> None:
        if "@removed" in found.additional_data:
            self.objects.pop(found.id, None)
            return
        known = self.objects.setdefault(found.id, {"collection": collection})
        told = {"displayName": found.display_name, "mail": found.mail, "userType": getattr(found, "user_type", None)}
        known.update({name: value for name, value in told.items() if value is not None})
        if collection == "groups":
            for link in found.additional_data.get("members@delta", []):
                members = self.members.setdefault(found.id, {})
                # The SDK takes for an id whatever looks like one.
                id = str(link["id"])
                if "@removed" in link:
                    members.pop(id, None)
                else:
                    members[id] = None


async def main(origin: str, ca_file: str, token: str) -> None:
    client = httpx.AsyncClient(verify=ssl.create_default_context(cafile=ca_file), trust_env=False, base_url=origin)
    provider = BaseBearerTokenAuthenticationProvider(Token(token, httpx.URL(origin).host))
    adapter = GraphRequestAdapter(provider, client=client)
    adapter.base_url = f"{origin}/v1.0"
    walk = Walk(GraphServiceClient(request_adapter=adapter))
    for _ in sys.stdin:
        await walk.round()
        members = {id: sorted(found) for id, found in walk.members.items()}
        print(json.dumps({"objects": walk.objects, "members": members}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
