// Ask voicebus a question, hear the answer while it is made: `node stream.mjs URL WAV`.
// Node 22 or later needs nothing installed; an older one needs `npm install ws`. In a browser: page.html.
// Each piece of the answer is a WAV file: reply-1.wav, reply-2.wav, ...
import { readFile, writeFile } from "node:fs/promises";

const WebSocket = globalThis.WebSocket ?? (await import("ws")).WebSocket;
const key = process.env.VOICEBUS_KEY; // where the edge asks for one; a browser can send it in no other way
const protocols = key ? ["voicebus", `voicebus.key.${key}`] : [];

/** Ask a question; `play(wav)` gets each piece of sound as it comes. Resolves to the last frame. */
function ask(url, question, play, forget) {
  return new Promise((resolve, reject) => {
    const voicebus = new WebSocket(`${url}?stream=1`, protocols);
    voicebus.binaryType = "arraybuffer";
    voicebus.onopen = () => voicebus.send(question);
    voicebus.onerror = () => reject(new Error("the connection failed"));
    voicebus.onclose = () => reject(new Error("the connection was closed before the answer was whole"));
    voicebus.onmessage = ({ data }) => {
      if (typeof data !== "string") return play(data);
      const frame = JSON.parse(data);
      if (frame.transcription !== undefined && !frame.done) console.log("heard:", frame.transcription);
      if (frame.llama !== undefined && !frame.done) console.log(`sentence ${frame.n}:`, frame.llama);
      if (frame.restarted) forget();
      if (frame.error) reject(new Error(`${frame.error.code}: ${frame.error.message}`));
      if (frame.done) resolve(frame);
      if (frame.done || frame.error) voicebus.close(1000);
    };
  });
}
// To interrupt: voicebus.send(nextQuestion), or voicebus.send('{"cancel": true, "sentences": 1}').

const [url, path] = process.argv.slice(2);
const wavs = [];
try {
  const done = await ask(
    url,
    await readFile(path),
    (wav) => wavs.push(wav),
    () => wavs.splice(0),
  );
  console.log("answer:", done.llama);
  await Promise.all(wavs.map((wav, i) => writeFile(`reply-${i + 1}.wav`, new Uint8Array(wav))));
} catch (error) {
  console.error(`failed: ${error.message}`);
  process.exitCode = 1;
}
