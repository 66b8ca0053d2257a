// Hold to talk: a finger, a mouse, a pen or the space bar. A click without a press (a screen reader's) starts and stops.
const TYPING = "input, select, textarea, summary, dialog, [contenteditable]";

/** `start()` when it is pressed, `stop()` when it is let go. */
export function hold(button, start, stop) {
  let by = "";
  const press = (how) => {
    if (by) return;
    by = how;
    button.setAttribute("aria-pressed", "true");
    start();
  };
  const release = (how) => {
    if (by !== how) return;
    by = "";
    button.setAttribute("aria-pressed", "false");
    stop();
  };
  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    button.setPointerCapture(event.pointerId);
    press("pointer");
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
    button.addEventListener(end, () => release("pointer"));
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  button.addEventListener("click", (event) => {
    if (event.detail !== 0) return;
    if (by === "click") release("click");
    else press("click");
  });
  const isOurs = ({ code, target }) =>
    code === "Space" && (target === button || !target.closest?.(`${TYPING}, button`));
  document.addEventListener("keydown", (event) => {
    if (!isOurs(event)) return;
    event.preventDefault();
    if (!event.repeat) press("space");
  });
  document.addEventListener("keyup", (event) => {
    if (event.code !== "Space" || by !== "space") return;
    event.preventDefault();
    release("space");
  });
  window.addEventListener("blur", () => by && release(by));
}
