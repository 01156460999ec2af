/* The map of vectors: what lies under the pointer, and what lies between, decoded while the pointer moves. */
"use strict";

(function vectorMap() {
  const canvas = $("map-canvas"), context = canvas.getContext("2d"), tip = $("tip");
  const places = arrays.places.values, n = places.length / 2, shown = Array.from(arrays.shown.values);
  const decoder = page.decoder ? seqaeDecoder(page.decoder, decoderArrays()) : null;
  const box = bounds();
  let mark = null, chosen = -1, scheduled = false;

  function decoderArrays() {
    const own = {};
    for (const name of Object.keys(arrays)) if (name.startsWith("decoder/")) own[name.slice(8)] = arrays[name];
    return own;
  }

  function bounds() {
    const [x0, x1, y0, y1] = page.bounds, side = Math.max(x1 - x0, y1 - y0, 1e-9) * 0.54;
    return { x: (x0 + x1) / 2, y: (y0 + y1) / 2, side };
  }

  const toScreen = (x, y) => {
    const size = Math.min(canvas.clientWidth, canvas.clientHeight) / 2;
    return [canvas.clientWidth / 2 + ((x - box.x) / box.side) * size, canvas.clientHeight / 2 - ((y - box.y) / box.side) * size];
  };
  const toMap = (px, py) => {
    const size = Math.min(canvas.clientWidth, canvas.clientHeight) / 2;
    return [box.x + ((px - canvas.clientWidth / 2) / size) * box.side, box.y - ((py - canvas.clientHeight / 2) / size) * box.side];
  };

  // -- colours -------------------------------------------------------------------------------------------------------

  const CIVIDIS = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]];
  const LIGHT = [[0, 34, 78], [0, 76, 140], [60, 120, 150], [150, 140, 90], [200, 150, 40], [213, 94, 0]];
  function ramp(share) {
    const stops = isDark.matches ? CIVIDIS.map((c) => c.map((v) => 70 + v * 0.72)) : LIGHT;
    const at = Math.max(0, Math.min(1, share)) * (stops.length - 1), k = Math.min(Math.floor(at), stops.length - 2);
    return `rgb(${stops[k].map((v, j) => Math.round(v + (at - k) * (stops[k + 1][j] - v))).join()})`;
  }

  const scales = {
    error: { name: "error", values: arrays.error.values },
    length: { name: "length, steps", values: arrays.length.values },
    order: { name: "place in the data", values: arrays.mapped.values },
    kind: { names: Array.from({ length: page.n_kinds }, (_, k) => `kind ${k + 1}`), groups: arrays.kind.values },
  };
  if (page.labels) scales.label = { names: page.labels, groups: arrays.label.values };
  const scaleNames = Object.keys(scales).filter((name) => name !== "kind" || page.n_kinds > 1);
  fill($("colour"), scaleNames);
  $("colour").value = String(scaleNames.indexOf(page.labels ? "label" : page.n_kinds > 1 ? "kind" : "error"));

  function colouring() {
    const scale = scales[scaleNames[Number($("colour").value)]];
    if (scale.groups) return { scale, colour: (i) => OKABE_ITO[scale.groups[i] % 8], shape: (i) => shapeOf(scale.groups[i]) };
    const sorted = Float64Array.from(scale.values).filter(Number.isFinite).sort();
    const low = sorted[0] ?? 0, high = sorted[Math.floor(0.99 * (sorted.length - 1))] ?? 1;
    return { scale, low, high, colour: (i) => ramp((scale.values[i] - low) / (high - low || 1)), shape: () => 0 };
  }

  function legend({ scale, low, high }) {
    const host = $("map-legend");
    if (scale.groups) {
      host.replaceChildren(...scale.names.slice(0, 24).map((name, k) => {
        const item = element("li"), swatch = element("canvas", "", { class: "swatch", width: 28, height: 28, "aria-hidden": "true" });
        const pen = swatch.getContext("2d");
        pen.fillStyle = OKABE_ITO[k % 8];
        shape(pen, shapeOf(k), 14, 14, 9);
        item.append(swatch, element("bdi", name));
        return item;
      }));
      if (scale.names.length > 24) host.append(element("li", `and ${scale.names.length - 24} more`));
      return;
    }
    const bar = element("span", "", { class: "ramp", "aria-hidden": "true" });
    bar.style.background = `linear-gradient(90deg, ${Array.from({ length: 6 }, (_, k) => ramp(k / 5)).join()})`;
    const item = element("li");
    item.append(element("span", `${scale.name}: ${short(low)}`), bar, element("span", `${short(high)} and more`));
    host.replaceChildren(item);
  }

  const shapeOf = (group) => (group + Math.floor(group / 8)) % 4; // so that no two of 32 groups look the same

  function shape(pen, kind, x, y, r) {
    pen.beginPath();
    if (kind === 0) pen.arc(x, y, r, 0, 2 * Math.PI);
    else if (kind === 1) pen.rect(x - r * 0.9, y - r * 0.9, 1.8 * r, 1.8 * r);
    else {
      const points = kind === 2 ? [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]] : [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]];
      points.forEach(([dx, dy], k) => (k ? pen.lineTo(x + dx * r, y + dy * r) : pen.moveTo(x + dx * r, y + dy * r)));
    }
    pen.fill();
  }

  // -- drawing -------------------------------------------------------------------------------------------------------

  let points = null; // all points as a picture, drawn again when colours or size change

  function drawPoints() {
    const scale = devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    points = document.createElement("canvas");
    points.width = canvas.width;
    points.height = canvas.height;
    const pen = points.getContext("2d"), own = colouring();
    pen.scale(scale, scale);
    if (page.density) drawDensity(pen);
    pen.globalAlpha = n > 3000 ? 0.6 : 0.85;
    const radius = n > 3000 ? 2 : n > 500 ? 3 : 4.5;
    for (let i = 0; i < n; i++) {
      const [x, y] = toScreen(places[2 * i], places[2 * i + 1]);
      pen.fillStyle = own.colour(i);
      shape(pen, own.shape(i), x, y, radius);
    }
    legend(own);
    redraw();
  }

  function drawDensity(pen) {
    const { values, shape: [rows, columns] } = arrays.density, [x0, x1, y0, y1] = page.bounds;
    const most = Math.log1p(values.reduce((a, b) => Math.max(a, b), 0));
    pen.fillStyle = style("--soft");
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) {
        if (!values[r * columns + c]) continue;
        pen.globalAlpha = 0.1 + (0.6 * Math.log1p(values[r * columns + c])) / most;
        const [left, bottom] = toScreen(x0 + (c * (x1 - x0)) / columns, y0 + (r * (y1 - y0)) / rows);
        const [right, top] = toScreen(x0 + ((c + 1) * (x1 - x0)) / columns, y0 + ((r + 1) * (y1 - y0)) / rows);
        pen.fillRect(left, top, right - left + 0.5, bottom - top + 0.5);
      }
    }
  }

  function redraw() {
    if (!points || !points.width || !points.height) return;
    const scale = devicePixelRatio || 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(points, 0, 0);
    context.scale(scale, scale);
    context.strokeStyle = style("--ink");
    if (chosen >= 0) ring(...toScreen(places[2 * chosen], places[2 * chosen + 1]), 8);
    if (mark) cross(...toScreen(...mark));
  }

  function ring(x, y, radius) {
    context.lineWidth = 2;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.stroke();
  }

  function cross(x, y) {
    context.lineWidth = 2;
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 4 * dx, y + 4 * dy);
      context.lineTo(x + 12 * dx, y + 12 * dy);
    }
    context.stroke();
  }

  // -- decoding ------------------------------------------------------------------------------------------------------

  const centre = arrays.centre.values, axes = arrays.axes.values, size = centre.length, vectors = arrays.vectors.values;
  const vectorOf = (place) => vectors.subarray(place * size, (place + 1) * size);

  function nearest(x, y) {
    let best = -1, distance = Infinity;
    for (let i = 0; i < n; i++) {
      const d = (places[2 * i] - x) ** 2 + (places[2 * i + 1] - y) ** 2;
      if (d < distance) [best, distance] = [i, d];
    }
    return { i: best, distance: Math.sqrt(distance) };
  }

  function nearestVector(vector) {
    let least = Infinity;
    for (let place = 0; place < shown.length; place++) {
      let sum = 0;
      for (let k = 0, at = place * size; k < size; k++) sum += (vector[k] - vectors[at + k]) ** 2;
      least = Math.min(least, sum);
    }
    return Math.sqrt(least);
  }

  /* The vector at a place of the map. Only a plane of the vectors has an inverse; on another map the nearest vectors'
   * mean, weighted by distance, stands for the place. */
  function vectorAt(x, y) {
    const vector = new Float64Array(size);
    if (page.map === "pca") {
      for (let k = 0; k < size; k++) vector[k] = centre[k] + x * axes[k] + y * axes[size + k];
      return vector;
    }
    const near = shown.map((i, place) => [Math.hypot(places[2 * i] - x, places[2 * i + 1] - y), place]).sort((a, b) => a[0] - b[0]).slice(0, 8);
    const weights = near.map(([distance]) => 1 / (distance ** 2 + 1e-9)), total = weights.reduce((a, b) => a + b, 0);
    near.forEach(([, place], j) => vectorOf(place).forEach((v, k) => { vector[k] += (v * weights[j]) / total; }));
    return vector;
  }

  const mode = () => document.querySelector("input[name=mode]:checked").value;

  function wanted() {
    if (mode() === "between") {
      const [a, b] = [Number($("first").value), Number($("second").value)], share = Number($("share").value) / 100;
      const vector = Float64Array.from(vectorOf(a), (v, k) => (1 - share) * v + share * vectorOf(b)[k]);
      const [i, j] = [shown[a], shown[b]];
      mark = [0, 1].map((axis) => (1 - share) * places[2 * i + axis] + share * places[2 * j + axis]);
      if (page.map !== "pca") mark = null;
      const lengths = [arrays.length.values[i], arrays.length.values[j]];
      return { vector, isBeyond: nearestVector(vector) > page.vector_reach, length: Math.round((1 - share) * lengths[0] + share * lengths[1]),
        name: `${Math.round(100 * share)} % of the way from ${idOf(i)} to ${idOf(j)}` };
    }
    if (mode() === "value") {
      const k = Number($("value").value), by = Number($("deviations").value), vector = Float64Array.from(centre);
      vector[k] += by * arrays.deviations.values[k];
      mark = page.map === "pca" ? [0, 1].map((axis) => by * arrays.deviations.values[k] * axes[axis * size + k]) : null;
      return { vector, isBeyond: Math.abs(by) > arrays.value_reach.values[k], length: page.usual_length,
        name: `the mean vector with value ${k + 1} moved by ${by.toFixed(1)} deviations` };
    }
    if (!mark) mark = [places[2 * Math.max(chosen, 0)] ?? 0, places[2 * Math.max(chosen, 0) + 1] ?? 0];
    const { i, distance } = nearest(...mark);
    return { vector: vectorAt(...mark), isBeyond: distance > page.reach, length: arrays.length.values[i],
      name: page.map === "pca" ? "this place of the map" : "the weighted mean of the vectors nearest to this place" };
  }

  function decodeNow() {
    scheduled = false;
    redraw();
    if (!decoder) return;
    const { vector, isBeyond, length, name } = wanted(), count = Math.min(decoder.lengthOf(vector) ?? length, page.most_decoded);
    const out = decoder.decode(vector, count);
    redraw();
    $("decoded-text").textContent = `Decoded: ${name}, ${counted(count, "step")}.` + (isBeyond ? " Beyond the data: no sequence is near, so what is decoded is a guess." : "");
    $("decoded-text").className = isBeyond ? "beyond" : "";
    if (page.is_tokens) {
      $("decoded-plot").replaceChildren();
      symbolLine($("decoded-plot"), "Decoded", Array.from(out), null);
      return;
    }
    const picked = Number($("decoded-channel").value), channels = picked < page.n_channels ? [picked] : page.channels.slice(0, 8).map((_, k) => k);
    const x = Array.from({ length: count }, (_, t) => t);
    const series = channels.map((k, j) => ({
      label: page.channels[k].name, values: x.map((t) => out[t * page.n_channels + k]),
      colour: isBeyond ? "--soft" : channels.length > 1 ? OKABE_ITO[j] : "--again", isDashed: isBeyond,
    }));
    draw($("decoded-plot"), { x, series });
  }

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(decodeNow);
  }

  // -- pointer and keys ----------------------------------------------------------------------------------------------

  function hover(px, py) {
    const { i } = nearest(...toMap(px, py)), at = i < 0 ? null : toScreen(places[2 * i], places[2 * i + 1]);
    const isNear = at !== null && Math.hypot(at[0] - px, at[1] - py) < 14;
    tip.classList.toggle("hidden", !isNear);
    if (!isNear) return -1;
    tip.textContent = told(i) + (shown.includes(i) ? ". Click to show it below." : "");
    const width = Math.min(256, canvas.clientWidth);
    tip.style.left = `${Math.max(0, Math.min(at[0] + 12, canvas.clientWidth - width))}px`;
    tip.style.top = `${at[1] > canvas.clientHeight / 2 ? at[1] - 12 - tip.offsetHeight : at[1] + 12}px`;
    return i;
  }

  const position = (event) => {
    const edge = canvas.getBoundingClientRect();
    return [event.clientX - edge.left, event.clientY - edge.top];
  };
  let isDown = false;
  canvas.addEventListener("pointerdown", (event) => {
    isDown = true;
    canvas.setPointerCapture(event.pointerId);
    $("mode-place").checked = true;
    showMode();
    const found = hover(...position(event));
    if (found >= 0) {
      chosen = found;
      if (shown.includes(found)) window.seqaeGo(shown.indexOf(found));
    }
    mark = toMap(...position(event));
    schedule();
  });
  canvas.addEventListener("pointermove", (event) => {
    hover(...position(event));
    if (!isDown) return;
    mark = toMap(...position(event));
    schedule();
  });
  canvas.addEventListener("pointerup", () => { isDown = false; });
  canvas.addEventListener("pointerleave", () => tip.classList.add("hidden"));
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!by && event.key !== "Enter") return;
    event.preventDefault();
    $("mode-place").checked = true;
    showMode();
    if (!mark) mark = [box.x, box.y];
    if (by) mark = mark.map((v, axis) => v + (by[axis] * box.side) / 40);
    else {
      chosen = nearest(...mark).i;
      $("decoded-status").textContent = told(chosen);
      if (shown.includes(chosen)) window.seqaeGo(shown.indexOf(chosen));
    }
    schedule();
  });

  function showMode() {
    for (const name of ["between", "value"]) $(`controls-${name}`).classList.toggle("hidden", mode() !== name);
  }

  if (decoder) {
    const names = shown.map((i) => String(idOf(i)));
    fill($("first"), names);
    fill($("second"), names);
    $("second").value = String(names.length - 1);
    fill($("value"), Array.from({ length: size }, (_, k) => `value ${k + 1}`));
    fill($("decoded-channel"), [...page.channels.map((c) => c.name), ...(page.n_channels > 1 && !page.is_tokens ? ["first channels together"] : [])]);
    for (const id of ["first", "second", "share", "value", "deviations", "decoded-channel"]) $(id).addEventListener("input", schedule);
    for (const radio of document.querySelectorAll("input[name=mode]")) {
      radio.addEventListener("change", () => {
        mark = null;
        showMode();
        schedule();
      });
    }
    showMode();
  }
  $("colour").addEventListener("change", drawPoints);
  isDark.addEventListener("change", drawPoints);
  new ResizeObserver(drawPoints).observe(canvas);
  drawPoints();
  schedule();
})();
