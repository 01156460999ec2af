/* Vectors to sequences: the decoders of seqae in plain JavaScript. It mirrors seqae/model/recurrent.py, symbols.py,
 * convolution.py and hybrids/parts.py; tests/test_live_decoding.py compares both in every preset.
 *
 * seqaeDecoder(told, arrays).decode(vector, nSteps) returns a Float64Array (nSteps * nChannels) in units of the data,
 * or an Int32Array of tokens; .lengthOf(vector) the length that the vector tells, or null.
 * told: what seqae/report/decoding.py tells; arrays: its weights by name, each {values, shape}. */
"use strict";

function seqaeDecoder(told, arrays) {
  const sigmoid = (v) => 1 / (1 + Math.exp(-v));
  const activate = told.activation === "relu" ? (v) => (v > 0 ? v : 0) : Math.tanh;
  const isLstm = told.cell === "lstm";
  const nChannels = told.n_channels;

  /* y = W x + b. x: read from `at` on. */
  function affine(name, x, at = 0, out = null) {
    const { values: weight, shape } = arrays[name + ".weight"];
    const bias = arrays[name + ".bias"].values;
    return product(weight, bias, shape[0], shape[1], x, at, out);
  }

  function product(weight, bias, rows, columns, x, at, out) {
    const y = out || new Float64Array(rows);
    for (let r = 0, w = 0; r < rows; r++) {
      let sum = bias[r];
      for (let c = 0; c < columns; c++) sum += weight[w++] * x[at + c];
      y[r] = sum;
    }
    return y;
  }

  function layerOf(prefix) {
    const input = arrays[prefix + ".weight_ih"], hidden = arrays[prefix + ".weight_hh"];
    return {
      inputSize: input.shape[1], size: hidden.shape[1], rows: hidden.shape[0], input: input.values,
      hidden: hidden.values, inputBias: arrays[prefix + ".bias_ih"].values, hiddenBias: arrays[prefix + ".bias_hh"].values,
      projected: new Float64Array(hidden.shape[0]), recurrent: new Float64Array(hidden.shape[0]),
    };
  }

  const zeroState = (layer) => ({ h: new Float64Array(layer.size), c: new Float64Array(layer.size) });

  /* One step of a cell, from layer.projected = W_ih x + b_ih; changes the state. Gates as torch orders them. */
  function step(layer, state) {
    const { size, projected: x, recurrent } = layer, { h, c } = state;
    product(layer.hidden, layer.hiddenBias, layer.rows, size, h, 0, recurrent);
    for (let j = 0; j < size; j++) {
      if (isLstm) {
        const i = sigmoid(x[j] + recurrent[j]), f = sigmoid(x[size + j] + recurrent[size + j]);
        const g = activate(x[2 * size + j] + recurrent[2 * size + j]);
        const o = sigmoid(x[3 * size + j] + recurrent[3 * size + j]);
        c[j] = f * c[j] + i * g;
        h[j] = o * activate(c[j]);
      } else {
        const r = sigmoid(x[j] + recurrent[j]), z = sigmoid(x[size + j] + recurrent[size + j]);
        const n = activate(x[2 * size + j] + r * recurrent[2 * size + j]);
        h[j] = (1 - z) * n + z * h[j];
      }
    }
    return h;
  }

  const project = (layer, x, at) =>
    product(layer.input, layer.inputBias, layer.rows, layer.inputSize, x, at, layer.projected);

  /* All outputs of a layer, nSteps * size. inputs: one vector for all steps, or a vector for each. */
  function run(layer, inputs, nSteps, state, isConstant, isReversed) {
    const out = new Float64Array(nSteps * layer.size);
    if (isConstant) project(layer, inputs, 0);
    for (let k = 0; k < nSteps; k++) {
      const t = isReversed ? nSteps - 1 - k : k;
      if (!isConstant) project(layer, inputs, t * layer.inputSize);
      out.set(step(layer, state), t * layer.size);
    }
    return out;
  }

  /* A map of every step. */
  function eachStep(name, steps, nSteps, size) {
    const rows = arrays[name + ".weight"].shape[0], out = new Float64Array(nSteps * rows);
    for (let t = 0; t < nSteps; t++) out.set(affine(name, steps, t * size), t * rows);
    return out;
  }

  // -- closed forms, and what recurrence adds to them ----------------------------------------------------------------

  function curve(vector, nSteps) {
    const { values: mean, shape } = arrays["closed_form.mean"], nPoints = shape[0];
    const weight = arrays["closed_form.weight"].values, grid = Float64Array.from(mean);
    for (let k = 0; k < vector.length; k++) {
      for (let j = 0, w = k * grid.length; j < grid.length; j++) grid[j] += vector[k] * weight[w++];
    }
    const out = new Float64Array(nSteps * nChannels);
    for (let t = 0; t < nSteps; t++) {
      const place = nSteps === 1 ? (nPoints - 1) / 2 : (t * (nPoints - 1)) / (nSteps - 1);
      const before = Math.floor(place), after = Math.min(before + 1, nPoints - 1), share = place - before;
      for (let j = 0; j < nChannels; j++) {
        out[t * nChannels + j] = (1 - share) * grid[before * nChannels + j] + share * grid[after * nChannels + j];
      }
    }
    return out;
  }

  function corrected(vector, nSteps) {
    const written = curve(vector, nSteps);
    if (!told.n_layers) return written;
    const read = affine("correction.projection", vector), nTime = 2 + 2 * told.n_waves;
    let size = read.length + nTime + nChannels, inputs = new Float64Array(nSteps * size);
    for (let t = 0; t < nSteps; t++) {
      const time = (t + 0.5) / nSteps, at = t * size + read.length;
      inputs.set(read, t * size);
      inputs[at] = time;
      inputs[at + 1] = 1 - time;
      for (let k = 1; k <= told.n_waves; k++) {
        inputs[at + 1 + k] = Math.sin(2 * Math.PI * time * k);
        inputs[at + 1 + told.n_waves + k] = Math.cos(2 * Math.PI * time * k);
      }
      inputs.set(written.subarray(t * nChannels, (t + 1) * nChannels), at + nTime);
    }
    for (let k = 0; k < told.n_layers; k++) {
      const layers = told.is_bidirectional ? [0, 1] : [0];
      const parts = layers.map((d) => {
        const layer = layerOf(`correction.layers.${k}.${d}`);
        return { size: layer.size, values: run(layer, inputs, nSteps, zeroState(layer), false, d === 1) };
      });
      size = parts.reduce((sum, part) => sum + part.size, 0);
      inputs = new Float64Array(nSteps * size);
      for (let t = 0; t < nSteps; t++) {
        let at = t * size;
        for (const part of parts) {
          inputs.set(part.values.subarray(t * part.size, (t + 1) * part.size), at);
          at += part.size;
        }
      }
    }
    const added = eachStep("correction.head", inputs, nSteps, size);
    for (let j = 0; j < written.length; j++) written[j] += added[j];
    return written;
  }

  // -- recurrent decoders --------------------------------------------------------------------------------------------

  function stackOf() {
    return Array.from({ length: told.n_layers }, (_, k) => layerOf(`layers.${k}`));
  }

  /* The state of each layer before the first step. */
  function statesOf(stack, vector) {
    const states = stack.map(zeroState);
    if (told.latent_as !== "state") return states;
    const values = arrays["conditioning.state_map.weight"] ? affine("conditioning.state_map", vector) : vector;
    let at = 0;
    for (const state of told.fills === "first" ? states.slice(0, 1) : states) {
      for (const part of isLstm ? [state.h, state.c] : [state.h]) {
        for (let j = 0; j < part.length; j++) part[j] = values[at++];
      }
    }
    return states;
  }

  /* A decoder that reads its own steps. first: what it reads first; putOut: from h to [output, next input]. */
  function runFree(vector, nSteps, first, putOut) {
    const stack = stackOf(), states = statesOf(stack, vector), out = [];
    for (let t = 0, x = first; t < nSteps; t++) {
      let h = x;
      stack.forEach((layer, k) => {
        project(layer, h, 0);
        h = step(layer, states[k]);
      });
      const [output, next] = putOut(h);
      out.push(output);
      x = next;
    }
    return out;
  }

  /* The top layer's outputs of a decoder that reads no steps. */
  function unfed(vector, nSteps) {
    const stack = stackOf(), states = statesOf(stack, vector), isSteps = told.latent_as === "steps";
    let inputs = told.latent_as === "state" ? new Float64Array(0) : vector;
    stack.forEach((layer, k) => {
      inputs = run(layer, inputs, nSteps, states[k], k === 0 && !isSteps, false);
    });
    return { steps: inputs, size: stack[stack.length - 1].size, last: states[states.length - 1].h };
  }

  function expanded(steps, lengths) {
    let values = steps.map((v) => Math.max(v, 0));
    lengths.slice(1).forEach((length, k) => {
      const columns = arrays[`writer.times.${k}.map.weight`].shape[1];
      const wide = eachStep(`writer.times.${k}.map`, values, lengths[k], columns);
      values = wide.subarray(0, (wide.length / (lengths[k] * told.strides[k])) * length);
    });
    return values;
  }

  function recurrent(vector, nSteps) {
    if (arrays.start) {
      const putOut = (h) => {
        const output = arrays["head.weight"] ? affine("head", h) : h.slice();
        return [output, output];
      };
      const out = new Float64Array(nSteps * nChannels);
      runFree(vector, nSteps, arrays.start.values, putOut).forEach((row, t) => out.set(row, t * nChannels));
      return out;
    }
    const lengths = [nSteps];
    for (const stride of [...told.strides].reverse()) lengths.unshift(Math.ceil(lengths[0] / stride));
    const { steps, size, last } = unfed(vector, lengths[0]);
    if (told.readout === "final") return arrays["head.weight"] ? eachStep("head", last, nSteps, nChannels) : last;
    if (told.readout === "none") return steps;
    if (told.readout === "attention") { // over the vector alone, which then is every context
      const both = new Float64Array(nSteps * (size + vector.length));
      for (let t = 0; t < nSteps; t++) {
        both.set(steps.subarray(t * size, (t + 1) * size), t * (size + vector.length));
        both.set(vector, t * (size + vector.length) + size);
      }
      return eachStep("head", both, nSteps, size + vector.length);
    }
    const read = eachStep("head", steps, lengths[0], size);
    return told.strides.length ? expanded(read, lengths) : read;
  }

  function symbols(vector, nSteps) {
    const likeliest = (h) => {
      const logits = affine("head", h);
      return logits.reduce((best, v, j) => (v > logits[best] ? j : best), 0);
    };
    const out = new Int32Array(nSteps);
    if (!arrays["embedding.weight"]) {
      const { steps, size } = unfed(vector, nSteps);
      for (let t = 0; t < nSteps; t++) out[t] = likeliest(steps.subarray(t * size, (t + 1) * size));
      return out;
    }
    const { values, shape } = arrays["embedding.weight"];
    const embedded = (symbol) => values.subarray(symbol * shape[1], (symbol + 1) * shape[1]);
    const putOut = (h) => {
      const symbol = likeliest(h);
      return [symbol, embedded(symbol)];
    };
    runFree(vector, nSteps, embedded(shape[0] - 1), putOut).forEach((symbol, t) => { out[t] = symbol; });
    return out;
  }

  function reversed(steps, nSteps) {
    const size = steps.length / nSteps, out = new Float64Array(steps.length);
    for (let t = 0; t < nSteps; t++) out.set(steps.subarray((nSteps - 1 - t) * size, (nSteps - t) * size), t * size);
    return out;
  }

  function decode(vector, nSteps) {
    if (told.family === "symbols") {
      const tokens = symbols(vector, nSteps);
      return told.is_reversed ? tokens.reverse() : tokens;
    }
    let steps = told.family === "closed_form" ? corrected(vector, nSteps) : recurrent(vector, nSteps);
    if (told.is_reversed) steps = reversed(steps, nSteps);
    const out = new Float64Array(steps.length);
    for (let j = 0; j < out.length; j++) {
      const value = told.is_probability ? sigmoid(steps[j]) : steps[j];
      out[j] = value * told.scale[j % nChannels] + told.centre[j % nChannels];
    }
    return out;
  }

  function lengthOf(vector) {
    if (told.n_steps) return told.n_steps;
    if (!told.lengths) return null;
    const { mean, unit, longest } = told.lengths;
    const length = Math.round(affine("length_head", vector)[0] * unit + mean);
    return Math.max(1, Math.min(length, 2 * longest));
  }

  return { decode, lengthOf, nChannels };
}

if (typeof module !== "undefined") module.exports = seqaeDecoder;
