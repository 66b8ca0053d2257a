// Reads messages of a stream by every way of the JavaScript client and prints what it got, a JSON object a line:
// `node every_way.mjs URL STREAM SUBJECT COUNT`. It says "listening" when a publisher may begin.

import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const [url, stream, subject, count] = process.argv.slice(2);
const client = await connect({ servers: url });

function show(way, message) {
  const header = (message.headers ?? message.header)?.get("Voice-Event"); // what was stored has it under the other name
  const event = header ? JSON.parse(header) : message.json();
  console.log(JSON.stringify({ way, reply: event.reply }));
}

const live = client.subscribe(subject, { max: Number(count) });
await client.flush();
console.log("listening");
for await (const message of live) show("core", message);

const manager = await jetstreamManager(client);
const consumer = await jetstream(client).consumers.get(stream, stream === "VOICE_SENTENCE" ? "tts" : undefined);
const last = (await manager.streams.info(stream)).state.last_seq;
for (let seq = last - Number(count) + 1; seq <= last; seq++) {
  show("direct get", await manager.direct.getMessage(stream, { seq }));
  show("stream get", await manager.streams.getMessage(stream, { seq }));
  const pulled = await consumer.next({ expires: 5000 });
  show("pull", pulled);
  pulled.ack();
}
await client.drain();
