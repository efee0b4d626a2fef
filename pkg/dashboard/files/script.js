"use strict";

// What moves by itself: times that run down, and what the daemon tells. Without this file the
// pages are the same and stand still.
(() => {
  const span = (s) => {
    if (s < 120) return `${s} s`;
    if (s < 7200) return `${Math.floor(s / 60)} min`;
    if (s < 172800) return `${Math.floor(s / 3600)} h`;
    return `${Math.floor(s / 86400)} days`;
  };
  const tick = () => {
    for (const e of document.querySelectorAll("time[data-until]")) {
      const at = Date.parse(e.dataset.until);
      if (!(at > 0)) continue;
      const left = Math.round((at - Date.now()) / 1000);
      e.textContent = left > 0 ? `in ${span(left)}` : "now";
    }
  };
  setInterval(tick, 1000);

  // The parts of the page that the daemon changes are had again as a whole.
  let due = 0;
  const reload = async () => {
    due = 0;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const other = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
      if (other && other.innerHTML !== part.innerHTML && !part.contains(document.activeElement)) part.replaceChildren(...other.childNodes);
    }
    tick();
  };
  const soon = () => {
    if (!due) due = setTimeout(() => reload().catch(() => {}), 300);
  };
  const from = document.body.dataset.events;
  if (!from || !document.querySelector("[data-live]")) return;
  const feed = new EventSource(from);
  for (const kind of ["published", "changed", "holding", "failing", "recovered", "target", "source", "edited", "follows", "lags", "transferred", "reloaded"]) {
    feed.addEventListener(kind, soon);
  }
  setInterval(soon, 15000);
})();
