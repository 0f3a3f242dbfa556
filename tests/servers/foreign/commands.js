// The commands of tests/servers/foreign_program.py on standard input, and the answers on standard output.
const readline = require("node:readline");

/** handlers: by the word in `do`, functions from URLSearchParams to the answer or its promise. */
exports.serve = async (handlers) => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = new URLSearchParams(line);
    process.stdout.write(JSON.stringify(await handlers[command.get("do")](command)) + "\n");
  }
  process.exit(0);
};

/** The end of an operation as an answer; step: returns a promise of nothing. */
exports.ended = async (step) => {
  try {
    await step();
    return { code: 0, message: "" };
  } catch (error) {
    // The codes of connections are texts, such as ECONNRESET.
    return typeof error.code === "number" && error.code < 80
      ? { code: error.code, message: error.message }
      : { error: String(error) };
  }
};

/** A number of the command, or undefined, which leaves the library its default. */
exports.number = (command, name) => (command.has(name) ? Number(command.get(name)) : undefined);

exports.base64 = (value) => Buffer.from(value).toString("base64");
