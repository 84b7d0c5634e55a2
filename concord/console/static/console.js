// What a browser with scripts can do besides: tick a whole page of rows, follow changes, and say when figures are old.
"use strict";

const arm = () => {
  const every = document.getElementById("every");
  if (!every) return;
  const boxes = () => [...document.querySelectorAll(`input[name="${every.dataset.every}"]`)];
  const follow = () => {
    const ticked = boxes().filter((box) => box.checked).length;
    every.checked = ticked > 0 && ticked === boxes().length;
    every.indeterminate = ticked > 0 && !every.checked;
  };
  every.hidden = false;
  every.addEventListener("change", () => boxes().forEach((box) => { box.checked = every.checked; }));
  every.closest("form").addEventListener("change", follow);
  follow();
};
arm();

const live = document.getElementById("live");
const old = document.getElementById("old");
if (live && old) {
  const LIMIT_MS = 60000;
  const newer = document.getElementById("newer");
  let heardAt = performance.now();
  let source = null;
  let version = "";
  let waiting = 0;

  // Nothing that somebody has typed, ticked or is about to press is taken away.
  const isInUse = () => live.contains(document.activeElement) || [...live.querySelectorAll("input, select, textarea")]
    .some((one) => (one.type === "checkbox" || one.type === "radio" ? one.checked !== one.defaultChecked
      : one.tagName === "SELECT" ? [...one.options].some((option) => option.selected !== option.defaultSelected)
      : one.value !== one.defaultValue));

  const renew = async () => {
    document.body.dispatchEvent(new Event("changed"));
    if (!("live" in live.dataset)) return;
    if (isInUse()) { newer.hidden = false; return; }
    const answer = await fetch(location.href, { headers: { "hx-request": "true" } }).catch(() => null);
    if (!answer || !answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("live");
    if (!fresh) { location.assign("/sign-in"); return; }
    if (isInUse()) { newer.hidden = false; return; }
    live.replaceChildren(...fresh.childNodes);
    document.querySelector("footer time")?.replaceWith(page.querySelector("footer time"));
    newer.hidden = true;
    window.htmx?.process(live);
    arm();
  };

  const stop = () => { source?.close(); source = null; };
  const listen = () => {
    clearTimeout(waiting);
    if (source || document.hidden) return;
    source = new EventSource(`/live?since=${encodeURIComponent(version)}`);
    const heard = (event) => { version = event.lastEventId; heardAt = performance.now(); };
    source.addEventListener("beat", heard);
    source.addEventListener("changed", (event) => { heard(event); renew(); });
    source.addEventListener("over", () => location.assign("/sign-in"));
    source.addEventListener("error", () => { stop(); waiting = setTimeout(listen, 3000); });
  };
  // A browser has few connections to one host: tabs that nobody looks at give theirs back.
  document.addEventListener("visibilitychange", () => { if (document.hidden) stop(); else listen(); });
  addEventListener("pagehide", stop);
  addEventListener("pageshow", listen);
  setInterval(() => { old.hidden = performance.now() - heardAt < LIMIT_MS; }, 1000);
}
