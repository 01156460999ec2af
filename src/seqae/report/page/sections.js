/* Lengths, training, and the sequences to step through. */
"use strict";

(function lengthsAndTraining() {
  const { counts, edges } = page.histogram, middles = counts.map((_, k) => (edges[k] + edges[k + 1]) / 2);
  if (counts.length > 1) {
    const series = [{ label: "sequences", values: counts, colour: "--data" }];
    draw($("lengths-plot"), { x: middles, series, xLabel: "length, steps", yLabel: "sequences", kind: "bars" });
  }
  const epochs = page.epochs;
  if (epochs.length) {
    const series = [{ label: "training", values: epochs.map((e) => e[0]), colour: "--data" }];
    if (epochs[0][1] !== null) series.push({ label: "validation", values: epochs.map((e) => e[1]), colour: "--again", isDashed: true });
    const all = epochs.flat().filter((v) => v !== null), isLog = Math.min(...all) > 0 && Math.max(...all) > 10 * Math.min(...all);
    draw($("loss-plot"), { x: epochs.map((_, k) => k + 1), series, xLabel: "epoch", yLabel: "loss", isLog });
  }
})();

(function stepThrough() {
  const n = arrays.shown.values.length, shown = Array.from(arrays.shown.values);
  const errorOf = (place) => arrays.error.values[shown[place]] || 0;
  const orders = {
    "worst first": () => shown.map((_, p) => p).sort((a, b) => errorOf(b) - errorOf(a)),
    "best first": () => shown.map((_, p) => p).sort((a, b) => errorOf(a) - errorOf(b)),
    "as in the data": () => shown.map((_, p) => p),
  };
  const slider = $("at"), order = $("order");
  let places = [], channel = -1;
  fill(order, Object.keys(orders));
  slider.max = Math.max(0, n - 1);

  function show() {
    const place = places[Number(slider.value)], sequence = held(place), i = shown[place];
    const position = `${Number(slider.value) + 1} of ${n}`;
    $("which").textContent = `${position}: ${told(i)}`;
    slider.setAttribute("aria-valuetext", `${position}, ${page.id_name} ${idOf(i)}`);
    if (page.is_tokens) {
      const host = $("sequence-plot");
      host.replaceChildren();
      symbolLine(host, "Data", sequence.tokens, null);
      symbolLine(host, "Reconstruction (what differs is underlined)", sequence.tokensAgain, sequence.tokens);
    } else {
      listChannels(place);
      drawChannel(sequence, channel < 0 ? worstChannel(place) : channel);
    }
    listNeighbours(place);
  }

  const errorsOf = (place) => arrays.errors.values.subarray(place * page.n_channels, (place + 1) * page.n_channels);
  const worstChannel = (place) => errorsOf(place).reduce((best, v, k, all) => (v > all[best] || Number.isNaN(all[best]) ? k : best), 0);

  function drawChannel(sequence, k) {
    const series = [
      { label: `${page.channels[k].name}: data`, values: sequence.data(k), colour: "--data" },
      { label: "reconstruction", values: sequence.again(k), colour: "--again", isDashed: true },
    ];
    draw($("sequence-plot"), { x: sequence.steps, series });
    $("thinned").textContent = sequence.isThinned ? "Thinned: of each stretch, the least and the greatest value are drawn." : "";
  }

  function listChannels(place) {
    const errors = errorsOf(place), most = Math.max(...Array.from(errors, (v) => v || 0)) || 1;
    const chosen = channel < 0 ? worstChannel(place) : channel;
    const order = Array.from(errors, (_, k) => k).sort((a, b) => (errors[b] || 0) - (errors[a] || 0));
    const list = $("channels"), focused = list.contains(document.activeElement) ? document.activeElement.dataset.channel : null;
    list.replaceChildren(...order.map((k) => {
      const button = element("button", "", { type: "button", "aria-pressed": k === chosen, "data-channel": k });
      const bar = element("span", "", { class: "bar" });
      bar.style.width = `${(100 * (errors[k] || 0)) / most}%`;
      button.append(element("bdi", page.channels[k].name), bar, element("span", short(errors[k])));
      button.addEventListener("click", () => {
        channel = k;
        show();
      });
      const item = element("li");
      item.append(button);
      return item;
    }));
    if (focused !== null) list.querySelector(`[data-channel="${focused}"]`)?.focus();
  }

  function listNeighbours(place) {
    const count = arrays.neighbours.shape[1], own = Array.from(arrays.neighbours.values.subarray(place * count, (place + 1) * count));
    const host = $("neighbours");
    host.replaceChildren(element("span", count ? "Most alike: " : ""));
    for (const i of own) {
      const other = shown.indexOf(i), name = element("bdi", String(idOf(i)));
      if (other < 0) host.append(name, " ");
      else {
        const button = element("button", "", { type: "button" });
        button.append(name);
        button.addEventListener("click", () => go(other));
        host.append(button, " ");
      }
    }
  }

  /* Show the sequence at this place among those that the page holds. */
  function go(place) {
    slider.value = places.indexOf(place);
    show();
  }

  const move = (by) => {
    slider.value = Number(slider.value) + by;
    show();
  };
  slider.addEventListener("input", show);
  $("previous").addEventListener("click", () => move(-1));
  $("next").addEventListener("click", () => move(1));
  $("worst-channel").addEventListener("click", () => {
    channel = -1;
    show();
  });
  order.addEventListener("change", () => {
    places = Object.values(orders)[Number(order.value)]();
    slider.value = 0;
    show();
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, select, textarea, canvas") || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      move(event.key === "ArrowRight" ? 1 : -1);
    }
  });
  for (const button of document.querySelectorAll("[data-show]")) {
    button.addEventListener("click", () => {
      go(Number(button.dataset.show));
      $("reconstructions").scrollIntoView();
      slider.focus({ preventScroll: true });
    });
  }
  places = orders["worst first"]();
  show();
  window.seqaeGo = go;
})();
