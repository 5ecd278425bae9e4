// Draws people: on the view at any zoom, and on the picture that is saved.
// Widths follow posedistill's own drawing: the smaller a part, the finer.

const RIM = "rgb(16, 16, 24)";
const BOX = "rgb(235, 235, 235)";
const GOLDEN = (5 ** 0.5 - 1) / 2; // of a turn: hues that follow each other lie far apart
const SLIGHT = /nose|eye|ear|head_top|upper_neck/;
const FAR = 2 ** 20;

const clip = (value, low, high) => Math.min(Math.max(value, low), Math.max(high, low));

/** Says whether a joint is drawn. */
export function isShown(person, joint, skeleton, look) {
  const [x, y, score] = person.keypoints[joint];
  return (
    score >= look.threshold && look.parts[skeleton.parts[joint]] &&
    Math.abs(x) < FAR && Math.abs(y) < FAR
  );
}

/** Gives the colour of an id: always the same, and unlike that of the next. */
export function idColor(id) {
  return `hsl(${(360 * id * GOLDEN) % 360} 100% 70%)`;
}

function extent(points) {
  if (!points.length) return 0;
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  return Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
}

/** Gives line widths and dot radii of a person's joints in pixels of the photo. */
function sizes(person, skeleton, look, shortSide) {
  const joints = person.keypoints.map((_, joint) => joint);
  const shown = (list) =>
    list.filter((joint) => isShown(person, joint, skeleton, look)).map((joint) => person.keypoints[joint]);
  const limb = clip(0.014 * extent(shown(joints)), 1, Math.max(0.012 * shortSide, 1));
  const lines = joints.map((joint) => {
    const isSlight = skeleton.parts[joint] === "feet" || SLIGHT.test(skeleton.joints[joint]);
    return limb * (isSlight ? 0.6 : 1);
  });
  const dots = lines.map((width) => width * (width < limb ? 0.83 : 0.75));
  for (const [group, indices] of skeleton.fine) {
    const size = extent(shown(indices));
    const isFace = group === "face";
    for (const joint of indices) {
      lines[joint] = isFace ? 0.6 : clip(0.025 * size, 0.8, limb);
      dots[joint] = clip((isFace ? 0.011 : 0.016) * size, 0.7, 0.7 * limb);
    }
  }
  return { lines, dots };
}

function strokeLink(context, [from, to], { width, color, rim, dash }) {
  context.setLineDash(dash ?? []);
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  if (rim && width > 1.5) {
    context.strokeStyle = RIM;
    context.lineWidth = width + 2 * rim;
    context.stroke();
  }
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke();
}

function fillDot(context, [x, y], { radius, color, rim }) {
  context.beginPath();
  context.arc(x, y, radius + rim, 0, 2 * Math.PI);
  context.fillStyle = RIM;
  context.fill();
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = color;
  context.fill();
}

function drawPerson(context, person, place, { skeleton, look, shortSide, colors }) {
  const { lines, dots } = sizes(person, skeleton, look, shortSide);
  const shown = person.keypoints.map((_, joint) => isShown(person, joint, skeleton, look));
  const rim = clip((shortSide / 500) * place.unit, 0.6, 3);
  const links = skeleton.links
    .map(([a, b], index) => ({ a, b, index, width: Math.min(lines[a], lines[b]) }))
    .filter(({ a, b }) => shown[a] && shown[b])
    .sort((one, other) => other.width - one.width);
  for (const { a, b, index, width } of links) {
    strokeLink(context, [place.at(person.keypoints[a]), place.at(person.keypoints[b])], {
      width: Math.max(width * place.unit, place.thinnest),
      color: colors?.line ?? skeleton.link_colors[index],
      rim,
      dash: colors?.dash,
    });
  }
  context.setLineDash([]);
  const order = dots.map((_, joint) => joint).filter((joint) => shown[joint]);
  order.sort((one, other) => dots[other] - dots[one]);
  for (const joint of order) {
    const radius = Math.max(dots[joint] * place.unit, 0.8 * place.thinnest);
    fillDot(context, place.at(person.keypoints[joint]), {
      radius,
      color: colors?.dot ?? skeleton.joint_colors[joint],
      rim: 0.6 * Math.min(rim, radius),
    });
  }
}

function drawBox(context, person, place, { color }) {
  const [x1, y1] = place.at(person.box.slice(0, 2));
  const [x2, y2] = place.at(person.box.slice(2));
  for (const [style, width] of [[RIM, 3], [color, 1.5]]) {
    context.strokeStyle = style;
    context.lineWidth = width * place.thinnest;
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
  }
}

function drawId(context, id, place, { xy, color }) {
  const text = String(id);
  const height = 13 * place.thinnest;
  context.font = `600 ${height}px system-ui, sans-serif`;
  const width = context.measureText(text).width + 0.7 * height;
  const [x, y] = xy;
  const left = clip(x - width / 2, 2, place.width - width - 2);
  const top = Math.max(y - 1.45 * height, 2);
  context.fillStyle = color;
  context.beginPath();
  context.roundRect(left, top, width, 1.35 * height, 0.3 * height);
  context.fill();
  context.fillStyle = RIM;
  context.textBaseline = "middle";
  context.textAlign = "center";
  context.fillText(text, left + width / 2, top + 0.7 * height);
}

function labelPlace(person, place, { skeleton, look }) {
  if (look.boxes) return place.at([(person.box[0] + person.box[2]) / 2, person.box[1]]);
  const points = person.keypoints.filter((_, joint) => isShown(person, joint, skeleton, look));
  if (!points.length) return null;
  const xs = points.map(([x]) => x);
  const top = Math.min(...points.map(([, y]) => y));
  const [x, y] = place.at([(Math.min(...xs) + Math.max(...xs)) / 2, top]);
  return [x, y - 10 * place.thinnest];
}

function isInSight({ box }, place) {
  const [x1, y1] = place.at(box.slice(0, 2));
  const [x2, y2] = place.at(box.slice(2));
  return x2 > 0 && y2 > 0 && x1 < place.width && y1 < place.height;
}

const area = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);

/**
 * Draws the people of a layer {people, skeleton, colors}.
 * place: {at([x, y]), unit, thinnest, width, height}: where a pixel of the photo lies on the canvas,
 * how many canvas pixels wide a photo pixel is drawn, the least width of a line, the canvas's size.
 */
export function drawPeople(context, layer, place, { look, shortSide }) {
  const { people, skeleton, colors } = layer;
  const label = (index) => people[index].id ?? index + 1;
  const order = people.map((_, index) => index).sort((a, b) => area(people[a]) - area(people[b]));
  const tint = (index) => colors?.line ?? (look.ids ? idColor(label(index)) : BOX);
  context.lineCap = "round";
  context.lineJoin = "round";
  if (look.boxes) {
    for (const index of order) drawBox(context, people[index], place, { color: tint(index) });
  }
  for (const index of order) {
    drawPerson(context, people[index], place, { skeleton, look, shortSide, colors });
  }
  if (!look.ids) return;
  for (const index of order) {
    const xy = isInSight(people[index], place) && labelPlace(people[index], place, { skeleton, look });
    if (xy) drawId(context, label(index), place, { xy, color: tint(index) });
  }
}

/** Draws lines between the same joints of two models. */
export function drawDifferences(context, pairs, place) {
  for (const { from, to } of pairs) {
    const ends = [place.at(from), place.at(to)];
    strokeLink(context, ends, { width: 1.6 * place.thinnest, color: "#ffd84d", rim: place.thinnest });
  }
}

/** Gives a canvas with the photo and its people at the photo's own size. */
export function drawPicture(bitmap, layers, { look, pairs = [], width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (bitmap) context.drawImage(bitmap, 0, 0, width, height);
  const shortSide = Math.min(width, height);
  const place = {
    at: ([x, y]) => [x + 0.5, y + 0.5], // the pixel (0, 0) has its middle at 0.5 on a canvas
    unit: 1,
    thinnest: Math.max(shortSide / 700, 1),
    width,
    height,
  };
  for (const layer of layers) drawPeople(context, layer, place, { look, shortSide });
  drawDifferences(context, pairs, place);
  return canvas;
}
