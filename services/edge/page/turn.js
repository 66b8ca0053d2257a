// One question and its answer: turns the frames of the protocol into what is seen and heard, each sentence once.
export class Turn {
  name = ""; // on the bus; empty until it is stored there
  cancelled = false;
  #texts = []; // of the sentences that came whole
  #kept = []; // texts of those that come again: who has them skips them
  #next = null; // the frame whose sound comes next
  #saying = "";
  #skipping = false;
  #began = performance.now();

  constructor(question, view, speaker) {
    this.question = question;
    this.view = view;
    this.speaker = speaker;
  }

  /** Take a text frame; true when it ends the turn. */
  frame(frame) {
    const ends = Boolean(frame.error || frame.done);
    if (this.cancelled) return ends;
    if (frame.error) this.view.failed(frame.error);
    else if (frame.done) this.view.done(frame, performance.now() - this.#began);
    else if (frame.restarted) this.#forget(frame.same ?? 0);
    else if (frame.n !== undefined) this.#sentence(frame);
    else if (frame.transcription !== undefined) this.view.heard(frame.transcription);
    else if (frame.turn) this.name = frame.turn;
    return ends;
  }

  /** Take the sound that belongs to the frame before it. */
  sound(wav) {
    if (this.cancelled || this.#skipping) return;
    this.speaker.add(this.#next.n, wav, !this.#next.more);
  }

  /** The link broke and came back: the answer will be told from its beginning. */
  again() {
    if (!this.cancelled) this.#forget(this.#texts.length);
  }

  /** Nobody wants more of it. */
  cancel() {
    this.cancelled = true;
    this.view.interrupted();
  }

  #sentence(frame) {
    this.#next = frame;
    const { n, llama, more } = frame;
    if (llama !== undefined) {
      this.#skipping = n < this.#kept.length && llama === this.#kept[n];
      if (!this.#skipping && n < this.#kept.length) this.#forget(n);
      if (!this.#skipping) this.view.sentence(n, llama);
      this.#saying = llama;
    }
    if (!more) this.#texts[n] = this.#saying;
  }

  /** Sentences from `n` on are void. */
  #forget(n) {
    this.#kept = this.#texts.slice(0, n);
    this.#texts = this.#kept.slice();
    this.speaker.dropFrom(n);
    this.view.forget(n);
  }
}
