// Running times, and what stays as it is across a refresh. Pages are whole without it.
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

  // What a refresh would lose: open details, how far tables are scrolled, the focus.
  const scrolled = () => [...document.querySelectorAll("#live .scroll")];
  const nameOf = (stop) => stop.getAttribute("href") ?? stop.parentElement.id;
  const stopsOf = (name) =>
    [...document.querySelectorAll("#live :is(a, summary)")].filter((stop) => nameOf(stop) === name);

  let restore = () => {};
  document.addEventListener("htmx:beforeSwap", () => {
    const open = [...document.querySelectorAll("details[open]")].map((d) => d.id);
    const lefts = scrolled().map((box) => box.scrollLeft);
    const focused = document.activeElement?.closest("#live :is(a, summary)");
    const name = focused && nameOf(focused);
    const place = focused ? stopsOf(name).indexOf(focused) : -1;
    restore = () => {
      for (const id of open) document.getElementById(id)?.setAttribute("open", "");
      scrolled().forEach((box, i) => { box.scrollLeft = lefts[i] ?? 0; });
      if (place >= 0) stopsOf(name)[place]?.focus({ preventScroll: true });
    };
  });
  document.addEventListener("htmx:afterSwap", () => {
    restore();
    tick();
  });
  tick();
  setInterval(tick, 1000);
})();
