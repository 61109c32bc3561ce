// Running times, and details that stay open across a refresh. Pages are whole without it.
(() => {
  "use strict";
  const clock = document.documentElement.dataset;
  const start = Number(clock.clockStart);
  const anchor = Number(clock.clockAnchor);
  const speed = Number(clock.clockSpeed);
  const siteNow = () => start + (Date.now() / 1000 - anchor) * speed;

  const words = (seconds) => {
    const s = Math.floor(seconds);
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
  };

  const styles = {
    ago: (at, now) => (now - at < 1 ? "just now" : `${words(now - at)} ago`),
    until: (at, now) => (at - now > 0 ? `in ${words(at - now)}` : "now"),
  };

  const tick = () => {
    const now = siteNow();
    for (const element of document.querySelectorAll("time[data-style]")) {
      const style = styles[element.dataset.style];
      if (!style) continue;
      if (!element.title) element.title = element.textContent;
      element.textContent = style(Date.parse(element.dateTime) / 1000, now);
    }
  };

  let open = [];
  document.addEventListener("htmx:beforeSwap", () => {
    open = [...document.querySelectorAll("details[open]")].map((d) => d.id);
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    tick();
  });
  tick();
  setInterval(tick, 1000);
})();
