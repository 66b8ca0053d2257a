// The page: what is pressed, dropped and chosen, put together with what listens, asks and speaks.
import { bubble } from "./bubble.js";
import { drops } from "./drop.js";
import { hold } from "./hold.js";
import { levels } from "./level.js";
import { Link } from "./link.js";
import { Microphone } from "./microphone.js";
import { Settings } from "./settings.js";
import { Speaker } from "./speaker.js";
import { ofMicrophone, ofSettings, trouble } from "./troubles.js";
import { Turn } from "./turn.js";
import { current, speak, write } from "./words.js";

const SHORTEST_SECONDS = 0.35;
const on = Object.fromEntries([...document.querySelectorAll("[id]")].map((node) => [node.id, node]));

const speaker = new Speaker();
const microphone = new Microphone(levels(on.meter));
const settings = new Settings(on, renew);
const link = new Link(() => settings.wishes, tell, complain);
let held = false;
let turn = null; // the last one, until all of it was said

function renew() {
  link.renew();
  tell("");
  link.warm(); // whether the key is known is said at once
}

/** Write a word on the line above the button; what is over is wiped off by "" and by a link that opens. */
function tell(word) {
  if (word === "open") word = held ? on.status.dataset.t : "";
  on.status.classList.remove("trouble");
  if (word) write(on.status, word);
  else {
    on.status.textContent = "";
    delete on.status.dataset.t;
  }
}

function complain(error) {
  on.status.classList.add("trouble");
  trouble(on.status, error);
  if (ofSettings(error)) settings.open(error);
}

/** Whoever speaks is listened to: what is being said ends, and the service hears how much was heard of it. */
function interrupt() {
  if (!link.isBusy && !speaker.isPlaying) return;
  const heard = speaker.heard;
  turn?.cancel();
  speaker.stop();
  link.cancel(heard);
}

function ask(wav, began) {
  on.empty.hidden = true;
  speaker.stop();
  const view = bubble(on.conversation, (error) => {
    tell("");
    if (ofSettings(error)) settings.open(error);
  });
  turn = new Turn(wav, view, speaker, began);
  link.ask(turn);
  follow(turn);
}

/** Show what a turn does, picture by picture, until all of it was said. */
function follow(followed) {
  const goesOn = followed.tick();
  if (!goesOn && followed === turn) turn = null;
  label();
  if (goesOn) requestAnimationFrame(() => follow(followed));
}

function label() {
  const word = held ? "talk_held" : turn ? "talk_over" : "talk";
  if (on["talk-word"].dataset.t !== word) write(on["talk-word"], word);
  on.stop.hidden = held || !turn;
}

async function start() {
  held = true;
  speaker.wake();
  interrupt();
  link.warm();
  label();
  try {
    if (!microphone.isOpen) tell("opening");
    await microphone.open();
    if (!held) return tell("allowed");
    microphone.start();
    tell("listening");
    count(performance.now());
  } catch (problem) {
    complain(ofMicrophone(problem));
  }
}

async function stop() {
  held = false;
  label();
  if (!microphone.isRecording) return;
  const began = performance.now();
  const { wav, seconds } = await microphone.stop();
  if (seconds < SHORTEST_SECONDS) return tell("short");
  if (!held) tell("");
  ask(wav, began);
}

/** The seconds of the recording, beside its button. */
function count(began) {
  const seconds = Math.floor((performance.now() - began) / 1000);
  const [minutes, rest] = [Math.floor(seconds / 60), String(seconds % 60).padStart(2, "0")];
  on.clock.textContent = held ? `${minutes}:${rest}` : "";
  if (held) setTimeout(() => count(began), 200);
}

async function send(file) {
  if (!file) return;
  const began = performance.now();
  speaker.wake();
  interrupt();
  tell("");
  ask(await file.arrayBuffer(), began);
}

function translate(tongue) {
  speak(tongue);
  on.tongue.value = tongue;
  settings.translate();
}

hold(on.talk, start, stop);
on.stop.addEventListener("click", interrupt);
on.file.addEventListener("change", async () => {
  await send(on.file.files[0]);
  on.file.value = "";
});
on.tongue.addEventListener("change", () => translate(on.tongue.value));
on.again.addEventListener("click", () => {
  interrupt();
  settings.forget();
  link.renew();
  on.conversation.replaceChildren();
  on.empty.hidden = false;
  tell("");
});
for (const touch of ["pointerup", "keydown"]) document.addEventListener(touch, () => turn && speaker.wake());
document.addEventListener("keydown", (event) => event.key === "Escape" && !on.settings.open && interrupt());
drops(send);
document.addEventListener("visibilitychange", () => document.hidden || link.warm());
window.addEventListener("online", () => link.warm());
translate(current());
link.warm(); // whether a key is wanted is said before anybody speaks
