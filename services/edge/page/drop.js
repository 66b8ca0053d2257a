// Files that are dropped, anywhere on the page.

/** `taken(file)` for each drop. */
export function drops(taken) {
  const mark = (isOver) => document.body.classList.toggle("drop", isOver);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    mark(true);
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget || mark(false));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(false);
    taken(event.dataTransfer.files[0]);
  });
}
