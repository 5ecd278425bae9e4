// Writes ZIP archives without compression: pictures and small JSON files gain nothing by it.

const FLAG_UTF8 = 0x0800;
const VERSION = 20;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** Gives the CRC-32 of bytes. */
export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function dosTime(date) {
  const time = (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1);
  const day = ((date.getFullYear() - 1980) << 9) | ((date.getMonth() + 1) << 5) | date.getDate();
  return [time, day];
}

/** Gives bytes of little-endian numbers, each as [value, bytes]. */
function pack(...fields) {
  const bytes = new Uint8Array(fields.reduce((sum, [, size]) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [value, size] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return bytes;
}

/** Gives names of which none is there twice: "a.png", "a (2).png". */
export function unlike(names) {
  const taken = new Set();
  return names.map((name) => {
    const dot = name.lastIndexOf(".") > 0 ? name.lastIndexOf(".") : name.length;
    let candidate = name;
    for (let count = 2; taken.has(candidate.toLowerCase()); count += 1) {
      candidate = `${name.slice(0, dot)} (${count})${name.slice(dot)}`;
    }
    taken.add(candidate.toLowerCase());
    return candidate;
  });
}

/** Gives a ZIP archive of [{name, blob}] as a blob; names use "/" for folders. */
export async function zip(files, now = new Date()) {
  const [time, day] = dosTime(now);
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const { name, blob } of files) {
    const path = new TextEncoder().encode(name);
    const crc = crc32(new Uint8Array(await blob.arrayBuffer()));
    const shared = [
      [VERSION, 2], [FLAG_UTF8, 2], [0, 2], [time, 2], [day, 2],
      [crc, 4], [blob.size, 4], [blob.size, 4], [path.length, 2], [0, 2],
    ];
    const header = pack([0x04034b50, 4], ...shared);
    parts.push(header, path, blob);
    directory.push(
      pack([0x02014b50, 4], [VERSION, 2], ...shared, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]),
      path,
    );
    offset += header.length + path.length + blob.size;
  }
  if (offset > 0xffffffff || files.length > 0xffff) {
    throw new Error("The archive would be larger than 4 GB. Save fewer photos at once.");
  }
  const size = directory.reduce((sum, bytes) => sum + bytes.length, 0);
  const count = files.length;
  const end = pack(
    [0x06054b50, 4], [0, 2], [0, 2], [count, 2], [count, 2], [size, 4], [offset, 4], [0, 2],
  );
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
