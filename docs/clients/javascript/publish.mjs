// Ask voicebus a spoken question with nothing but a NATS client: `node publish.mjs URL WAV ORIGIN SESSION`.
// Prints what was heard and what was answered, and writes the spoken answer as reply-1.wav, reply-2.wav, ...

import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { jetstream } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";

const SECONDS = 60; // how long we wait; the stages are told, and stop working then
const QUEUE_IS_FULL = 10077; // the broker's code

/** The WAVs of sentences 0 to `last` in order, once each has a take with all its pieces; undefined before. */
function whole(takes, attempt, last) {
  const wavs = [];
  for (let n = 0; n <= last; n++) {
    const spoken = [...takes.values()].filter((take) => take.attempt === attempt && take.n === n);
    // pieces are numbered from 0: as many as the number of the one with `end`, plus one, are all
    const complete = spoken.find(({ pieces }) => pieces.get(pieces.size - 1)?.end);
    if (!complete) return undefined;
    for (let piece = 0; piece < complete.pieces.size; piece++) wavs.push(complete.pieces.get(piece).wav);
  }
  return wavs;
}

/** Follow a turn to its end: its reply and its WAVs. Nothing is put together across attempts or takes. */
async function answer(messages, turn) {
  const takes = new Map(); // what comes twice falls on itself
  const last = new Map();
  const replies = new Map();
  let newest = "";
  for await (const message of messages) {
    const name = message.subject.split(".")[1];
    if (name === "utterance") continue;
    const header = message.headers?.get("Voice-Event"); // beside a WAV; any other event is its body
    const event = header ? JSON.parse(header) : message.json();
    if (event.turn !== turn) continue;
    const attempt = event.attempt ?? "";
    if (attempt > newest) newest = attempt; // the name of a later attempt sorts later
    if (name === "transcript") console.log("heard:", event.text);
    if (name === "failed" && (attempt === "" || attempt === newest)) throw new Error(`${event.code}: ${event.message}`);
    if (name === "speech") {
      const key = `${attempt} ${event.n} ${event.take}`;
      if (!takes.has(key)) takes.set(key, { attempt, n: event.n, pieces: new Map() });
      takes.get(key).pieces.set(event.piece ?? 0, { wav: message.data, end: event.end });
    }
    if (event.last) {
      last.set(attempt, event.n);
      replies.set(attempt, event.reply ?? replies.get(attempt) ?? "");
    }
    const wavs = last.has(attempt) ? whole(takes, attempt, last.get(attempt)) : undefined;
    if (wavs) return { reply: replies.get(attempt), wavs };
  }
  throw new Error(`no answer within ${SECONDS} s, or the connection was lost`);
}

/** Publish a question, return its reply and the WAVs. */
async function ask(client, wav, origin, session) {
  const turn = randomUUID();
  const heard = client.subscribe(`voice.*.${origin}.${session}`); // before the question: an answer may be quick
  const timer = setTimeout(() => heard.unsubscribe(), SECONDS * 1000);
  const event = headers();
  event.set("Voice-Event", JSON.stringify({ turn, timeout_ms: SECONDS * 1000 }));
  try {
    const msgID = `${origin}.${session}.${turn}.0.utterance`;
    const stored = await jetstream(client).publish(`voice.utterance.${origin}.${session}`, wav, { headers: event, msgID });
    // A message of this id was there before: not ours, which has just been made.
    if (stored.duplicate) throw new Error("the name of this question is taken: ask again");
    return await answer(heard, turn);
  } catch (error) {
    client.publish(`voice.cancel.${origin}.${session}`, JSON.stringify({ turn }));
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

const [url, path, origin, session] = process.argv.slice(2);
let client;
try {
  client = await connect({ servers: url, reconnect: false });
  const { reply, wavs } = await ask(client, await readFile(path), origin, session);
  console.log("answer:", reply);
  const spoken = wavs.filter((wav) => wav.length); // an empty one only ends a sentence
  await Promise.all(spoken.map((wav, i) => writeFile(`reply-${i + 1}.wav`, wav)));
} catch (error) {
  const busy = error.code === QUEUE_IS_FULL;
  console.error(busy ? "busy: ask again in a moment" : `failed: ${error.message}`);
  process.exitCode = 1;
} finally {
  await client?.drain();
}
