// What a browser with scripts can do besides: tick a whole page of rows, and say when figures are old.
"use strict";

const every = document.getElementById("every");
if (every) {
  const boxes = () => [...document.querySelectorAll(`input[name="${every.dataset.every}"]`)];
  const follow = () => {
    const ticked = boxes().filter((box) => box.checked).length;
    every.checked = ticked > 0 && ticked === boxes().length;
    every.indeterminate = ticked > 0 && !every.checked;
  };
  every.hidden = false;
  every.addEventListener("change", () => boxes().forEach((box) => { box.checked = every.checked; }));
  document.addEventListener("change", follow);
  follow();
}

const old = document.getElementById("old");
if (old) {
  const LIMIT_MS = 60000;
  let told = null;
  let heardAt = performance.now();
  setInterval(() => {
    const seen = document.querySelector("[data-seen]")?.dataset.seen;
    if (seen !== told) {
      told = seen;
      heardAt = performance.now();
    }
    old.hidden = performance.now() - heardAt < LIMIT_MS;
  }, 1000);
}
