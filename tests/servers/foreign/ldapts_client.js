// The client of tests/servers/foreign_program.py that is made with ldapts.
const fs = require("node:fs");
const { Client, Control } = require("ldapts");
const { base64, ended, number, serve } = require("./commands.js");

const SCOPES = ["base", "one", "sub", "children"];
const ALIASES = ["never", "search", "find", "always"];
// ldapts gives the values of all others as texts.
const BINARY = ["objectGUID", "thumbnailPhoto"];

let client;

function options(command, filter) {
  const asked = { filter, scope: SCOPES[number(command, "scope") ?? 2], explicitBufferAttributes: BINARY };
  if (command.has("attribute")) asked.attributes = command.getAll("attribute");
  if (command.has("size")) asked.sizeLimit = number(command, "size");
  if (command.has("time")) asked.timeLimit = number(command, "time");
  if (command.has("deref")) asked.derefAliases = ALIASES[number(command, "deref")];
  if (command.has("types")) asked.returnAttributeValues = false;
  if (command.has("page")) asked.paged = { pageSize: number(command, "page") };
  return asked;
}

function entry({ dn, ...values }) {
  const attributes = {};
  for (const [name, value] of Object.entries(values)) {
    attributes[name] = (Array.isArray(value) ? value : [value]).map(base64);
  }
  return { dn, attributes };
}

serve({
  open: (command) =>
    ended(async () => {
      await client?.unbind().catch(() => {});
      const tlsOptions = { ca: [fs.readFileSync(command.get("ca"))] };
      const url = command.get("url");
      client = new Client(url.startsWith("ldaps:") ? { url, tlsOptions } : { url });
      if (command.has("starttls")) await client.startTLS(tlsOptions);
    }),
  bind: (command) => ended(() => client.bind(command.get("name"), command.get("password"))),
  search: async (command) => {
    const controls = command.has("control")
      ? [new Control(command.get("control"), { critical: command.has("critical") })]
      : [];
    let found = { searchEntries: [], searchReferences: [] };
    const reply = await ended(async () => {
      found = await client.search(command.get("base"), options(command, command.get("filter")), controls);
    });
    return { ...reply, entries: found.searchEntries.map(entry), references: found.searchReferences };
  },
  searches: async (command) => ({
    results: await Promise.all(
      command.getAll("filter").map(async (filter) => {
        let names = [];
        const reply = await ended(async () => {
          const found = await client.search(command.get("base"), options(command, filter));
          names = found.searchEntries.map((each) => each.dn);
        });
        return { ...reply, names };
      }),
    ),
  }),
  delete: (command) => ended(() => client.del(command.get("dn"))),
  unbind: () => ended(() => client.unbind()),
});
