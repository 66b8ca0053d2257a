// Runs beside the sound card: hands on what the microphone hears, some 40 ms at a time.
const SAMPLES = 2048;

class Recorder extends AudioWorkletProcessor {
  #block = new Float32Array(SAMPLES);
  #filled = 0;

  process([input]) {
    const channel = input[0];
    if (!channel) return true;
    for (const sample of channel) {
      this.#block[this.#filled++] = sample;
      if (this.#filled === SAMPLES) {
        this.port.postMessage(this.#block);
        this.#block = new Float32Array(SAMPLES);
        this.#filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
