// The page: what is pressed, dropped and chosen, put together with what listens, asks and speaks.
import { bubble } from "./bubble.js";
import { hold } from "./hold.js";
import { Link } from "./link.js";
import { Microphone } from "./microphone.js";
import { Speaker } from "./speaker.js";
import { ofMicrophone, trouble } from "./troubles.js";
import { Turn } from "./turn.js";
import { forget, listLanguages, wishes } from "./wishes.js";
import { current, spoken, speak, write } from "./words.js";

const SHORTEST_SECONDS = 0.35;
const on = Object.fromEntries([...document.querySelectorAll("[id]")].map((node) => [node.id, node]));

const speaker = new Speaker();
const microphone = new Microphone((level) => {
  on.meter.firstElementChild.style.width = `${100 * level}%`;
  on.meter.ariaValueNow = String(Math.round(100 * level));
});
const chosen = wishes(on, renew, () => complain({ code: "bad_key" }));
const link = new Link(chosen, tell, complain);

function renew() {
  link.renew();
  tell("");
}

function tell(word) {
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
  if (/key|unauthorized|voice|language/.test(error.code)) on.settings.open = true;
}

/** Whoever speaks is listened to: what is being said ends, and the service hears how much was heard of it. */
function interrupt() {
  const speaking = link.isBusy || speaker.isPlaying;
  const heard = speaker.stop();
  if (speaking) link.cancel(heard);
}

function ask(wav) {
  on.empty.hidden = true;
  const view = bubble(on.conversation, (error) => {
    tell("");
    if (/unauthorized|voice|language/.test(error.code)) on.settings.open = true;
  });
  link.ask(new Turn(wav, view, speaker));
}

let held = false;

async function start() {
  held = true;
  speaker.wake();
  interrupt();
  link.warm();
  try {
    const wasOpen = microphone.isOpen;
    if (!wasOpen) tell("opening");
    await microphone.open();
    if (!held) return tell("allowed");
    microphone.start();
    tell("listening");
  } catch (problem) {
    complain(ofMicrophone(problem));
  }
}

async function stop() {
  held = false;
  if (!microphone.isRecording) return;
  const { wav, seconds } = await microphone.stop();
  if (seconds < SHORTEST_SECONDS) return tell("short");
  tell("");
  ask(wav);
}

async function send(file) {
  if (!file) return;
  speaker.wake();
  interrupt();
  tell("");
  ask(await file.arrayBuffer());
}

function translate(tongue) {
  speak(tongue);
  on.tongue.value = tongue;
  listLanguages(on.language, spoken("any"));
}

hold(on.talk, start, stop);
on.file.addEventListener("change", async () => {
  await send(on.file.files[0]);
  on.file.value = "";
});
on.tongue.addEventListener("change", () => translate(on.tongue.value));
on.again.addEventListener("click", () => {
  interrupt();
  forget();
  link.renew();
  on.conversation.replaceChildren();
  on.empty.hidden = false;
  tell("");
});
on.fields.addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("keydown", (event) => event.key === "Escape" && interrupt());
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("drop");
});
document.addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("drop"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("drop");
  send(event.dataTransfer.files[0]);
});
translate(current());
link.warm(); // whether a key is wanted is said before anybody speaks
