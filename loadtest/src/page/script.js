// Values under the pointer, at the same moment in all charts. The page reads well without it.
(() => {
  const data = JSON.parse(document.getElementById("values").textContent);
  if (!data.t) return;
  const tip = document.getElementById("tip");
  const figures = [...document.querySelectorAll("figure[data-chart]")];
  const number = (value) =>
    value === null ? "–" : value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
  const place = (seconds) =>
    data.left + ((seconds - data.from) / (data.until - data.from)) * (data.right - data.left);
  const nearest = (seconds) => {
    let best = 0;
    data.t.forEach((at, index) => {
      if (Math.abs(at - seconds) < Math.abs(data.t[best] - seconds)) best = index;
    });
    return best;
  };
  const point = (index) =>
    figures.forEach((figure) => {
      const path = index === null ? "" : `M${place(data.t[index]).toFixed(1)} 22V204`;
      figure.querySelector(".pointer").setAttribute("d", path);
    });
  figures.forEach((figure) => {
    const svg = figure.querySelector(":scope > svg");
    const chart = data.charts[figure.dataset.chart];
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * data.width;
      const share = (x - data.left) / (data.right - data.left);
      if (share < 0 || share > 1) return leave();
      const index = nearest(data.from + share * (data.until - data.from));
      point(index);
      tip.replaceChildren();
      const line = (name, value) => {
        const row = document.createElement("div");
        row.textContent = name;
        const strong = document.createElement("b");
        strong.textContent = value;
        row.append(strong);
        tip.append(row);
      };
      line("at", `${number(data.t[index])} s`);
      chart.s.forEach((series) => line(series.n, `${number(series.v[index])} ${chart.u === "ms" ? "ms" : ""}`));
      tip.hidden = false;
      const left = event.clientX + 16 + tip.offsetWidth > innerWidth ? event.clientX - 16 - tip.offsetWidth : event.clientX + 16;
      tip.style.left = `${left}px`;
      tip.style.top = `${Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 8)}px`;
    });
    svg.addEventListener("pointerleave", leave);
  });
  function leave() {
    tip.hidden = true;
    point(null);
  }
})();
