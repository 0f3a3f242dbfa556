// The client of tests/servers/foreign_program.py that is made with ldapjs.
const fs = require("node:fs");
const ldapjs = require("ldapjs");
const { base64, ended, number, serve } = require("./commands.js");

const SCOPES = ["base", "one", "sub"];

let client;

function open(command) {
  return new Promise((resolve, reject) => {
    client?.destroy();
    const tlsOptions = { ca: [fs.readFileSync(command.get("ca"))] };
    client = ldapjs.createClient({ url: command.get("url"), tlsOptions });
    // Whoever does not listen is ended by Node.js when the connection breaks.
    client.on("error", reject);
    client.on("connectError", reject);
    client.on("connect", () => {
      if (!command.has("starttls")) return resolve();
      // ldapjs does not tell TLS whose certificate it is to be.
      const host = new URL(command.get("url")).hostname;
      client.starttls({ ...tlsOptions, host }, [], (error) => (error ? reject(error) : resolve()));
    });
  });
}

const called = (start) =>
  new Promise((resolve, reject) => start((error, value) => (error ? reject(error) : resolve(value))));

function begin(command, filter) {
  // ldapjs would wait for a connection that nobody makes.
  if (!client.connected) throw new Error("the connection has ended");
  const asked = { filter, scope: SCOPES[number(command, "scope") ?? 2] };
  if (command.has("attribute")) asked.attributes = command.getAll("attribute");
  if (command.has("size")) asked.sizeLimit = number(command, "size");
  if (command.has("time")) asked.timeLimit = number(command, "time");
  if (command.has("deref")) asked.derefAliases = number(command, "deref");
  if (command.has("types")) asked.typesOnly = true;
  if (command.has("page")) asked.paged = { pageSize: number(command, "page") };
  const controls = command.has("control")
    ? [new ldapjs.Control({ type: command.get("control"), criticality: command.has("critical") })]
    : [];
  return called((callback) => client.search(command.get("base"), asked, controls, callback));
}

/** entries, references: lists that are filled; they have something also where the search ends in an error. */
async function collect(command, filter, entries, references) {
  const found = await begin(command, filter);
  await new Promise((resolve, reject) => {
    found.on("searchEntry", (each) => {
      const attributes = {};
      for (const attribute of each.attributes) attributes[attribute.type] = attribute.buffers.map(base64);
      entries.push({ dn: each.objectName.toString(), attributes });
    });
    found.on("searchReference", (each) => references.push(...each.uris));
    found.on("error", reject);
    found.on("end", (result) => (result.status === 0 ? resolve() : reject(result)));
  });
}

serve({
  open: (command) => ended(() => open(command)),
  bind: (command) =>
    ended(() => called((callback) => client.bind(command.get("name"), command.get("password"), callback))),
  search: async (command) => {
    const entries = [];
    const references = [];
    const reply = await ended(() => collect(command, command.get("filter"), entries, references));
    return { ...reply, entries, references };
  },
  searches: async (command) => ({
    results: await Promise.all(
      command.getAll("filter").map(async (filter) => {
        const entries = [];
        const reply = await ended(() => collect(command, filter, entries, []));
        return { ...reply, names: entries.map((each) => each.dn) };
      }),
    ),
  }),
  abandon: (command) =>
    ended(async () => {
      const found = await begin(command, command.get("filter"));
      // That it was abandoned, which it says of the search later, and to nobody.
      found.on("error", () => {});
      const { messageId } = await new Promise((resolve) => found.once("searchRequest", resolve));
      await called((callback) => client.abandon(messageId, callback));
    }),
  delete: (command) => ended(() => called((callback) => client.del(command.get("dn"), callback))),
  unbind: () => ended(() => called((callback) => client.unbind(callback))),
});
