// The list of what two models say differently.

import { FIRST, SECOND } from "./compare.js";

const MOST = 10;

function made(tag, text, attributes = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...attributes });
}

function legend(layers) {
  const list = made("ul", "", { className: "legend" });
  [FIRST, SECOND].forEach(({ line }, index) => {
    const item = made("li", layers[index].title);
    const swatch = made("span", "", { className: index ? "swatch dashed" : "swatch" });
    swatch.style.borderColor = line;
    item.prepend(swatch);
    list.append(item);
  });
  return list;
}

function words({ joints, onlyFirst, onlySecond, mean }, layers) {
  if (mean === null) return "No joint is found by both.";
  const lone = [[onlyFirst, layers[0]], [onlySecond, layers[1]]]
    .filter(([count]) => count)
    .map(([count, { title }]) => ` ${count} by ${title} alone.`);
  return `${joints.length} joints found by both, ${mean.toFixed(1)} pixels apart in the mean.${lone.join("")}`;
}

/** Shows the differences, or what stands in their way; choose({person, joint}) goes to one. */
export function showDifferences(differences, layers, choose) {
  const box = document.getElementById("differences");
  if (!differences) {
    box.replaceChildren(made("p", "Choose a second model.", { className: "note" }));
    return;
  }
  const list = made("ol", "", { className: "worst" });
  for (const { name, person, joint, distance } of differences.joints.slice(0, MOST)) {
    const button = made("button", "", { type: "button" });
    button.append(made("span", name.replaceAll("_", " ")), made("span", `${distance.toFixed(1)} px`));
    button.addEventListener("click", () => choose({ person, joint }));
    const item = made("li", "");
    item.append(button);
    list.append(item);
  }
  box.replaceChildren(legend(layers), made("p", words(differences, layers)), list);
}
