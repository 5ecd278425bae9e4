// What two models say differently about one photo.

export const FIRST = { line: "#4fb4ff", dot: "#bfe3ff" };
export const SECOND = { line: "#ff6fae", dot: "#ffc9e0", dash: [6, 5] };

function overlap(a, b) {
  const w = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const h = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (w <= 0 || h <= 0) return 0;
  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  return (w * h) / (area(a) + area(b) - w * h);
}

/** Gives [index, index] of people who are the same: the boxes that overlap most, first. */
export function pairPeople(first, second) {
  const all = first.flatMap((a, i) => second.map((b, j) => [overlap(a.box, b.box), i, j]));
  all.sort((one, other) => other[0] - one[0]);
  const pairs = [];
  for (const [share, i, j] of all) {
    const isFree = !pairs.some(([a, b]) => a === i || b === j);
    if (share > 0.3 && isFree) pairs.push([i, j]);
  }
  return pairs;
}

/**
 * Compares two layers {people, skeleton} joint by joint, by name, where both are shown.
 * Gives {joints: [{name, person, joint, from, to, distance}], onlyFirst, onlySecond, mean},
 * distances in pixels of the photo; the mean is null where no joint is shared.
 */
export function compare(first, second, isShown) {
  const place = new Map(second.skeleton.joints.map((name, index) => [name, index]));
  const joints = [];
  let onlyFirst = 0;
  let onlySecond = 0;
  for (const [person, other] of pairPeople(first.people, second.people)) {
    first.skeleton.joints.forEach((name, joint) => {
      if (!place.has(name)) return;
      const inFirst = isShown(first, person, joint);
      const inSecond = isShown(second, other, place.get(name));
      onlyFirst += inFirst && !inSecond;
      onlySecond += inSecond && !inFirst;
      if (!inFirst || !inSecond) return;
      const from = first.people[person].keypoints[joint];
      const to = second.people[other].keypoints[place.get(name)];
      const distance = Math.hypot(from[0] - to[0], from[1] - to[1]);
      joints.push({ name, person, joint, from, to, distance });
    });
  }
  joints.sort((one, another) => another.distance - one.distance);
  const sum = joints.reduce((total, { distance }) => total + distance, 0);
  return { joints, onlyFirst, onlySecond, mean: joints.length ? sum / joints.length : null };
}
