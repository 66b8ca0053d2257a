// What the tests read afterwards: when each piece is played, which were stopped, how many words are shown when, what the page said.
window.sounds = [];
window.stopped = 0;
window.shown = [];
window.notes = [];
const { start, stop } = AudioBufferSourceNode.prototype;
AudioBufferSourceNode.prototype.start = function (at) {
  if (this.context instanceof AudioContext) {
    window.sounds.push([at, this.buffer.duration]);
    window.soundCard = this.context;
  }
  return start.call(this, at);
};
AudioBufferSourceNode.prototype.stop = function (at) {
  window.stopped += 1;
  return stop.call(this, at);
};
(function look() {
  const said = document.querySelectorAll(".sentence > span:not(.unsaid)").length;
  const whole = document.querySelectorAll(".sentence > span").length;
  if (whole && window.soundCard && window.shown.at(-1)?.said !== said)
    window.shown.push({ at: window.soundCard.currentTime, said, whole });
  for (const node of document.querySelectorAll(".note, #status")) {
    const word = node.dataset.t;
    if (word && window.notes.at(-1) !== word && !window.notes.slice(-2).includes(word)) window.notes.push(word);
  }
  requestAnimationFrame(look);
})();
