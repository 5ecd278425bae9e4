// The controls at the side: what they are set to, and what the server offers.

const element = (id) => document.getElementById(id);
const PARTS = ["body", "feet", "hands", "face"];

/** Gives what the controls say. */
export function readSettings() {
  return {
    choice: { model: element("model").value, detector: element("detector").value },
    parts: Object.fromEntries(PARTS.map((part) => [part, element(`show-${part}`).checked])),
    boxes: element("show-boxes").checked,
    ids: element("show-ids").checked,
    threshold: Number(element("threshold").value),
    control: element("show-control").checked,
    preset: element("preset").value,
    compare: element("compare").checked,
    second: element("second").value,
  };
}

function fill(select, rows, { chosen } = {}) {
  const options = rows.map((row) => new Option(row.title, row.name, row.default, row.default));
  select.replaceChildren(...options);
  if (chosen) select.value = chosen;
  select.disabled = rows.length < 2;
}

function describe({ models }) {
  const row = models.find(({ name }) => name === element("model").value);
  const [w, h] = row.input_wh;
  const licence = row.licence ? `, ${row.licence}` : "";
  element("model-note").textContent = `Looks at ${w} × ${h} pixels a person${licence}.`;
}

/** Fills the lists with what the server offers. */
export function fillSettings(offer) {
  const { models } = offer;
  fill(element("model"), models);
  fill(element("detector"), offer.detectors);
  fill(element("preset"), offer.presets);
  const other = models.find(({ name }) => name !== element("model").value);
  fill(element("second"), models.map((row) => ({ ...row, default: false })), { chosen: other?.name });
  element("compare").disabled = !other;
  if (!other) {
    element("compare").parentElement.append(
      Object.assign(document.createElement("span"), {
        className: "note",
        textContent: "This server has one model; start it with --model twice to compare.",
      }),
    );
  }
  describe(offer);
  element("model").addEventListener("change", () => describe(offer));
}

/** Calls back with the settings, and with what was changed, whenever a control is. */
export function onSettings(call) {
  const side = document.querySelector(".side");
  side.addEventListener("input", (event) => {
    const settings = readSettings();
    element("threshold-value").value = settings.threshold.toFixed(2);
    element("preset-box").hidden = !settings.control;
    element("compare-box").hidden = !settings.compare;
    call(settings, event.target.id);
  });
}
