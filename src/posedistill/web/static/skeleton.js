// Skeletons as the server tells them, and to which switch each joint belongs.

import { getJson } from "./api.js";

const asked = new Map();

function partOf(group) {
  if (group.includes("foot") || group.includes("feet")) return "feet";
  if (group.includes("hand")) return "hands";
  return group.includes("face") ? "face" : "body";
}

function complete(skeleton) {
  const parts = new Array(skeleton.joints.length).fill("body");
  const groups = new Array(skeleton.joints.length).fill("body");
  for (const [group, joints] of Object.entries(skeleton.groups)) {
    for (const joint of joints) {
      parts[joint] = partOf(group);
      groups[joint] = group;
    }
  }
  const fine = Object.entries(skeleton.groups).filter(([group]) => /hand|face/.test(group));
  return { ...skeleton, parts, groupOf: groups, fine };
}

/** Gives a skeleton by its name; asked for once. */
export function getSkeleton(name) {
  if (!asked.has(name)) {
    const wanted = getJson(`/v1/skeletons/${encodeURIComponent(name)}`).then(complete);
    wanted.catch(() => asked.delete(name));
    asked.set(name, wanted);
  }
  return asked.get(name);
}

/** Gives the words for a joint: "left wrist". */
export const jointWords = (skeleton, joint) => skeleton.joints[joint].replaceAll("_", " ");
