// The microphone: opened at the first press, kept open while the page is looked at, heard only between start and stop.
import { wavOf } from "./wav.js";

const LAST_SYLLABLE_MS = 150; // people let go of the button while they still speak

export class Microphone {
  #context = null;
  #stream = null;
  #blocks = null;
  #opening = null;

  /** `level(0 to 1)` is told how loud it is, while something is recorded; `level(null)` when it is over. */
  constructor(level) {
    this.level = level;
    document.addEventListener("visibilitychange", () => document.hidden && !this.#blocks && this.close());
  }

  get isOpen() {
    return this.#stream !== null;
  }

  get isRecording() {
    return this.#blocks !== null;
  }

  /** Ask the browser for it. Throws a DOMException where it is not allowed or not there. */
  async open() {
    this.#opening ??= this.#open().finally(() => (this.#opening = null));
    await this.#opening;
  }

  async #open() {
    if (this.isOpen) return;
    if (!navigator.mediaDevices) throw new DOMException("no secure context", "SecurityError");
    const audio = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    const stream = await navigator.mediaDevices.getUserMedia({ audio });
    const context = new AudioContext();
    await context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
    const recorder = new AudioWorkletNode(context, "recorder");
    recorder.port.onmessage = ({ data }) => this.#heard(data);
    context.createMediaStreamSource(stream).connect(recorder);
    recorder.connect(context.destination); // silence: some browsers run no node that leads nowhere
    stream.getAudioTracks()[0].addEventListener("ended", () => this.close());
    [this.#context, this.#stream] = [context, stream];
  }

  start() {
    this.#blocks = [];
    this.#context.resume();
  }

  /** The WAV of what was said since `start`, and its seconds. */
  async stop() {
    const blocks = this.#blocks ?? []; // the next recording may begin meanwhile
    await new Promise((resolve) => setTimeout(resolve, LAST_SYLLABLE_MS));
    const rate = this.#context?.sampleRate ?? 1;
    if (this.#blocks === blocks) {
      this.#blocks = null;
      this.level(null);
    }
    const seconds = blocks.reduce((count, block) => count + block.length, 0) / rate;
    return { wav: await wavOf(blocks, rate), seconds };
  }

  close() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#context?.close();
    this.#stream = this.#context = null;
  }

  #heard(block) {
    if (!this.#blocks) return;
    this.#blocks.push(block);
    const power = block.reduce((sum, sample) => sum + sample * sample, 0) / block.length;
    this.level(Math.min(1, Math.max(0, 1 + Math.log10(power + 1e-9) / 5))); // -50 dB is nothing, 0 dB is full
  }
}
