// Reads an AsyncAPI document with the official parser and prints what is wrong with it: `node validate.mjs FILE`.
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(await readFile(process.argv[2], "utf8"));
const wrong = diagnostics.filter(({ severity }) => severity <= 1); // errors and warnings; hints are a matter of taste
for (const { path, message } of wrong) console.error(`${path.join(".")}: ${message}`);
if (document) console.log(document.version());
process.exitCode = document && wrong.length === 0 ? 0 : 1;
