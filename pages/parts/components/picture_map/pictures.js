// The test pictures, and thumbnails shrunk beforehand. No state but the one promise of the page.

const SIZES = [7, 14, 28]; // pixels of a thumbnail, by how near one is

// fetched once a page: the pictures never change
function loadPictures() {
  window.fmnistPictures ??= fetch(new URL("api/pictures/test", base()), { signal: AbortSignal.timeout(60_000) })
    .then((answer) => {
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      return answer.arrayBuffer();
    })
    .then((buffer) => {
      const bytes = new Uint8Array(buffer), count = bytes.length / 785;
      const full = bytes.subarray(0, 784 * count), labels = bytes.subarray(784 * count);
      return { labels, sheets: new Map(SIZES.map((size) => [size, size === 28 ? full : shrunk(full, count, size)])) };
    })
    .catch((error) => {
      window.fmnistPictures = undefined;
      throw error;
    });
  return window.fmnistPictures;
}

function shrunk(full, count, size) {
  const block = 28 / size, sheet = new Uint8Array(count * size * size);
  for (let n = 0; n < count; n += 1)
    for (let y = 0; y < size; y += 1)
      for (let x = 0; x < size; x += 1) {
        let sum = 0;
        for (let dy = 0; dy < block; dy += 1) for (let dx = 0; dx < block; dx += 1) sum += full[784 * n + 28 * (y * block + dy) + x * block + dx];
        sheet[(n * size + y) * size + x] = sum / block ** 2;
      }
  return sheet;
}

function shadesOf(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return Uint32Array.from({ length: 256 }, (_, ink) => {
    const depth = 0.35 + (0.65 * ink) / 255;
    return (0xff000000 | (Math.round(depth * b) << 16) | (Math.round(depth * g) << 8) | Math.round(depth * r)) >>> 0;
  });
}
