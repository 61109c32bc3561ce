// Shows the schema with Redoc, within the page's Content-Security-Policy.
(() => {
  "use strict";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const { nonce } = document.documentElement.dataset;

  // Redoc adds style elements without a nonce, and its maker's logo from another host.
  const create = document.createElement.bind(document);
  const isOwn = (url) => new URL(url, location).origin === location.origin;
  document.createElement = (name, ...options) => {
    const element = create(name, ...options);
    if (name === "style") element.nonce = nonce;
    if (name === "img") {
      const set = element.setAttribute.bind(element);
      const src = (url) => (isOwn(url) ? set("src", url) : (element.hidden = true));
      element.setAttribute = (key, value) => (key === "src" ? src(value) : set(key, value));
      Object.defineProperty(element, "src", { set: src });
    }
    return element;
  };

  const fonts = {
    fontFamily: "system-ui, sans-serif",
    headings: { fontFamily: "system-ui, sans-serif", fontWeight: "600" },
    code: { fontFamily: "ui-monospace, monospace" },
  };
  const light = {
    colors: { primary: { main: "#1d4ed8" } },
    typography: { ...fonts, links: { color: "#1d4ed8" } },
  };
  const night = {
    colors: {
      primary: { main: "#7aa2ff" },
      success: { main: "#3fb950" },
      text: { primary: "#e6e9ef", secondary: "#aab2c0" },
      border: { dark: "#3a4048", light: "#2a2f36" },
      gray: { 50: "#22272b", 100: "#2a2f36" },
      responses: {
        success: { color: "#56d364", backgroundColor: "#1b2a20" },
        error: { color: "#ff8a80", backgroundColor: "#2e1f1f" },
        redirect: { color: "#d0d6e0", backgroundColor: "#262b30" },
        info: { color: "#7aa2ff", backgroundColor: "#1c2533" },
      },
    },
    schema: { nestedBackground: "#22272b", typeNameColor: "#aab2c0", typeTitleColor: "#aab2c0" },
    sidebar: { backgroundColor: "#22272b", textColor: "#e6e9ef" },
    rightPanel: { backgroundColor: "#15181a" },
    typography: {
      ...fonts,
      code: { ...fonts.code, color: "#ffb4a8", backgroundColor: "#2a2f36" },
      links: { color: "#7aa2ff", visited: "#7aa2ff", hover: "#a9c3ff" },
    },
  };

  // Its search would run in a worker made of a text, which the policy refuses.
  const options = { disableSearch: true, hideDownloadButton: true, nativeScrollbars: true };
  document.addEventListener("DOMContentLoaded", () => {
    const place = document.getElementById("redoc");
    Redoc.init(place.dataset.schema, { ...options, theme: dark.matches ? night : light }, place);
  });
  dark.addEventListener("change", () => location.reload());
})();
