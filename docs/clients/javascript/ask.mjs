// Ask voicebus a question, save the spoken answer as reply.wav: `node ask.mjs URL WAV`.
// Node 22 or later needs nothing installed; an older one needs `npm install ws`.
import { readFile, writeFile } from "node:fs/promises";

const WebSocket = globalThis.WebSocket ?? (await import("ws")).WebSocket;
const key = process.env.VOICEBUS_KEY; // where the edge asks for one; a browser can send it in no other way
const protocols = key ? ["voicebus", `voicebus.key.${key}`] : [];

/** The answer in text, and its WAV. */
function ask(url, question) {
  return new Promise((resolve, reject) => {
    const voicebus = new WebSocket(url, protocols);
    let answer;
    voicebus.binaryType = "arraybuffer";
    voicebus.onopen = () => voicebus.send(question);
    voicebus.onerror = () => reject(new Error("the connection failed"));
    voicebus.onclose = () => reject(new Error("the connection was closed before there was an answer"));
    voicebus.onmessage = ({ data }) => {
      if (typeof data === "string") answer = JSON.parse(data);
      if (answer.error) reject(new Error(`${answer.error.code}: ${answer.error.message}`));
      if (typeof data !== "string") resolve({ answer, wav: data });
      if (answer.error || typeof data !== "string") voicebus.close(1000);
    };
  });
}

const [url, path] = process.argv.slice(2);
try {
  const { answer, wav } = await ask(url, await readFile(path));
  console.log("heard:", answer.transcription);
  console.log("answer:", answer.llama);
  await writeFile("reply.wav", new Uint8Array(wav));
} catch (error) {
  console.error(`failed: ${error.message}`);
  process.exitCode = 1;
}
