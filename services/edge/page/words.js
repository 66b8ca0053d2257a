// Every word of the page, in English and Portuguese; nodes remember their word, so the language can change at any time.
import { en } from "./words.en.js";
import { pt } from "./words.pt.js";

const TONGUES = { en, pt };
let tongue = navigator.languages.map((name) => name.slice(0, 2).toLowerCase()).find((name) => TONGUES[name]) ?? "en";

export const current = () => tongue;
export const known = (word) => word in en;

/** A new element. */
export function element(name, kind = "") {
  const node = document.createElement(name);
  if (kind) node.className = kind;
  return node;
}

/** Write a word into a node; `{name}` in it is filled from `values`. */
export function write(node, word, values = {}) {
  node.dataset.t = word;
  node.dataset.values = JSON.stringify(values);
  node.textContent = spoken(word, values);
  return node;
}

/** Change the language, of what is there already, too. */
export function speak(name) {
  tongue = name;
  document.documentElement.lang = tag();
  for (const node of document.querySelectorAll("[data-t]"))
    node.textContent = spoken(node.dataset.t, JSON.parse(node.dataset.values ?? "{}"));
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", spoken(node.dataset.label));
  for (const node of document.querySelectorAll("[data-hint]")) node.placeholder = spoken(node.dataset.hint);
}

/** A word in the language of the page; a number in `values` is written as that language does. */
export function spoken(word, values = {}) {
  const text = (value) => (typeof value === "number" ? value.toLocaleString(tag(), { maximumFractionDigits: 2 }) : value);
  return (TONGUES[tongue][word] ?? en[word]).replace(/\{(\w+)\}/g, (_, name) => text(values[name]));
}

const tag = () => (tongue === "pt" ? "pt-BR" : tongue);
