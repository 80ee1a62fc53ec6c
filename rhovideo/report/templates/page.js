"use strict";
(() => {
  const root = document.documentElement;
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  const points = JSON.parse(document.getElementById("points").textContent);
  const hover = document.getElementById("hover"), image = hover.querySelector("img"), text = hover.querySelector("span");
  const place = (event) => {
    const right = event.clientX + 14 + hover.offsetWidth > innerWidth, low = event.clientY + 14 + hover.offsetHeight > innerHeight;
    hover.style.left = `${event.clientX + (right ? -14 - hover.offsetWidth : 14)}px`;
    hover.style.top = `${event.clientY + (low ? -14 - hover.offsetHeight : 14)}px`;
  };
  for (const figure of document.querySelectorAll("[data-points]")) {
    points[figure.dataset.points].forEach((group, number) => {
      const marks = figure.querySelectorAll(`#map-${number} use`);
      group.forEach(([words, source], index) => {
        const mark = marks[index];
        if (!mark) return;
        mark.addEventListener("mouseenter", (event) => {
          text.textContent = words;
          if (source) image.src = source; else image.removeAttribute("src");
          hover.hidden = false;
          place(event);
        });
        mark.addEventListener("mousemove", place);
        mark.addEventListener("mouseleave", () => { hover.hidden = true; });
      });
    });
  }
})();
